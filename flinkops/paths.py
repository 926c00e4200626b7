"""Questions about files that never raise: a name that no file can have (too long, with a NUL) is simply not there."""

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether it is a file that can be reached."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether it is a folder that can be reached."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def expanded(text: str) -> Path:
    """The path with ``~`` written out, as far as a home folder is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no home
        return Path(text)
