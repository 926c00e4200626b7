"""Where the user's own files are: settings, state, logs, caches. A container's user may have no home at all."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flinkops.errors import UsageError


def state_folder() -> Path:
    """The journal, notes, what is trusted. Raises UsageError where there is no home folder."""
    import platformdirs

    return _absolute(platformdirs.user_state_path, "XDG_STATE_HOME")


def config_folder() -> Path:
    """The user's flinkops.toml. Raises UsageError where there is no home folder."""
    import platformdirs

    return _absolute(platformdirs.user_config_path, "XDG_CONFIG_HOME")


def cache_folder() -> Path:
    """What can be made again. Raises UsageError where there is no home folder."""
    import platformdirs

    return _absolute(platformdirs.user_cache_path, "XDG_CACHE_HOME")


def log_folder() -> Path:
    """Details of unexpected errors. Raises UsageError where there is no home folder."""
    import platformdirs

    return _absolute(platformdirs.user_log_path, "XDG_STATE_HOME")


def with_home(path: Path) -> Path:
    """With `~` for the home folder. Raises UsageError where there is none."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(
            f"there is no home folder for {path}", next_step="set HOME, or name an absolute path"
        ) from None


def absolute(path: Path) -> Path:
    """From the working folder. Raises UsageError when that was deleted."""
    try:
        return path.absolute()
    except OSError:
        raise UsageError("the working folder is not there any more", next_step="name an absolute path") from None


def _absolute(find: Callable[[str], Path], variable: str) -> Path:
    with suppress(RuntimeError):  # newer versions of the library raise it; older ones give a path that begins with ~
        path = find("flinkops")
        if path.is_absolute():
            return path
    raise UsageError("this user has no home folder", next_step=f"set HOME or {variable}")
