"""Files that nobody else may read: plans, views, logs of errors. Whole or not at all, mode 0600."""

import os
import secrets
from pathlib import Path

from flinkops.errors import Refused
from flinkops.ownership import open_to


def refuse_shared_folder(folder: Path, *, instead: str) -> None:
    """Raises Refused when others can read into a folder that is to hold what is true and unmasked.

    A folder that is not there yet is made for its owner alone. `instead` is what to do then, for the message.
    """
    try:
        others = open_to(folder)
    except OSError:
        return  # who writes into it says why that cannot be done
    if others is not None:
        raise Refused(f"{others} can read into {folder}: plans and the journal hold unmasked values", next_step=instead)


def write_private(path: Path, content: bytes) -> None:
    """A new file in the place of what was there. Raises OSError; then the old one is as it was."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
