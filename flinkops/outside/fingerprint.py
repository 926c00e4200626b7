"""What stands for a secret in a file that leaves the machine: its length, and whether it is the same as another.

The fingerprint is keyed with a random key of this user's on this machine, which never leaves it: without it nobody can
try passwords against a fingerprint. Files made by one user on one machine can be compared with each other.
"""

import hmac
import os
import secrets
from functools import cache
from pathlib import Path

from flinkops.ownership import doubt_about, make_private

_KEY_BYTES = 32
_DIGITS = 12


def fingerprint(text: str) -> str:
    """Twelve hexadecimal digits; equal for equal texts, as long as the user's key is there."""
    return hmac.digest(_key(), text.encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]


def withheld(text: str) -> str:
    """What is written in place of a text.

    >>> withheld("hunter2").startswith("<withheld: 7 characters, #"), withheld("a") == withheld("a")
    (True, True)
    """
    return f"<withheld: {len(text)} characters, #{fingerprint(text)}>"


@cache
def _key() -> bytes:
    """The user's; where none can be kept, one of this process."""
    import platformdirs

    try:
        folder = platformdirs.user_state_path("flinkops")
        return _kept_key(folder / "fingerprint.key") if folder.is_absolute() else secrets.token_bytes(_KEY_BYTES)
    except (OSError, RuntimeError):
        return secrets.token_bytes(_KEY_BYTES)


def _kept_key(path: Path) -> bytes:
    """Kept in a file that only its user could read and write; else one of this process."""
    make_private(path.parent)
    if path.exists() and doubt_about(path) is None and not _is_whole(path):
        path.unlink()
    if not path.exists():
        _make(path)
    return path.read_bytes() if doubt_about(path) is None else secrets.token_bytes(_KEY_BYTES)


def _is_whole(path: Path) -> bool:
    """A key that others could read tells them what its fingerprints are of."""
    found = path.stat()
    return found.st_size == _KEY_BYTES and not found.st_mode & 0o077


def _make(path: Path) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    beside.touch(mode=0o600)
    beside.write_bytes(secrets.token_bytes(_KEY_BYTES))
    try:
        os.link(beside, path)  # fails where another process was first: then its key is ours too
    except FileExistsError:
        pass
    finally:
        beside.unlink()
