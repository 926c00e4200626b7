"""Which settings files may name secrets and log-ins: the user's own, those named on purpose, and those trusted once.

A `flinkops.toml` that is found in the working folder or above it may come with a repository of other people. It may
make a run more careful (``production``, ``read_only``) and choose what is shown; what reaches for the user's files,
variables and log-ins counts only once the user has trusted that file, with just this content.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.ownership import doubt_about, make_private
from flinkops.user_folders import state_folder

TRUST_FILE = "trusted.json"

SOURCE_KEYS_OF_TRUST = frozenset(
    {"kubeconfig", "headers", "password", "ca_file", "client_cert", "client_key", "verify"}
)
"""Keys of ``[[sources]]``: files and variables of the user, programs that a kubeconfig starts, whom TLS believes."""
KEYS_OF_TRUST = frozenset({"kubeconfig", "storage", "folders"})
"""Likewise, at the top: a storage's endpoint is sent what the user's credentials sign, its profile may run programs;
in a declared folder files may be deleted."""


class _Trusted(msgspec.Struct, forbid_unknown_fields=False):
    schema_version: int = 1
    files: dict[str, str] = {}


def refuse_foreign(path: Path) -> None:
    """Raises Refused for a file that was found rather than named and that another user may have written."""
    try:
        doubt = doubt_about(path)
    except OSError as problem:
        doubt = f"cannot be read ({problem.strerror or problem})"
    if doubt is not None:
        raise Refused(
            f"{path} {doubt}: settings that are found here are not taken from others",
            next_step="name it with --config to use it all the same, or run elsewhere",
        )


def keys_to_trust(data: Mapping[str, Any]) -> list[str]:
    """The keys of a file, as they may be shown, that count only in a trusted one."""
    found = [key for key in data if key in KEYS_OF_TRUST]
    tables = data.get("sources")
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):
        if isinstance(table, dict):
            found += [f"sources.{number}.{key}" for key in table if key in SOURCE_KEYS_OF_TRUST]
    return found


def is_trusted(path: Path, content: bytes) -> bool:
    """Whether the user has trusted the file at this place with this content."""
    return _read().files.get(_place(path)) == _digest(content)


def refuse_untrusted(path: Path, content: bytes, data: Mapping[str, Any]) -> None:
    """Raises Refused when the file says something that counts only once it is trusted, and it is not."""
    if not (keys := keys_to_trust(data)) or is_trusted(path, content):
        return
    since = " was changed since it was trusted" if _place(path) in _read().files else " is not trusted"
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    raise Refused(
        f'{path}{since}, and sets "{keys[0]}"{more}: that may use your files and log-ins',
        next_step="read it, then: flinkops config trust",
    )


def trust_file(path: Path, content: bytes) -> None:
    """Remember the file with its content. Raises OperationFailed when that cannot be written."""
    _change(path, _digest(content))


def distrust(path: Path) -> None:
    """Forget the file. Raises OperationFailed when that cannot be written."""
    _change(path, None)


def _change(path: Path, digest: str | None) -> None:
    files = {**_read().files, _place(path): digest}
    kept = {place: one for place, one in sorted(files.items()) if one is not None}
    store = _store()
    part = store.with_name(f"{store.name}.{os.getpid()}.part")
    try:
        make_private(store.parent)
        part.write_text(json.dumps({"schema_version": 1, "files": kept}, indent=1) + "\n", encoding="utf-8")
        part.chmod(0o600)
        part.replace(store)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise OperationFailed(f"{store} cannot be written: {problem.strerror or problem}") from None


def _read() -> _Trusted:
    try:
        return msgspec.json.decode(_store().read_bytes(), type=_Trusted)
    except (OSError, UsageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Trusted()  # nothing is trusted


def _store() -> Path:
    return state_folder() / TRUST_FILE


def _place(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises RuntimeError for links in a circle


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
