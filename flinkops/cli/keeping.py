"""The options that keep the last hours of snapshots on disk, for `flinkops record --last`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.errors import UsageError

if TYPE_CHECKING:
    from flinkops.kept import Keeper

KeepOption = Annotated[
    str | None,
    typer.Option("--keep", metavar="DURATION", help="Keep the last snapshots on disk while it runs: record --last."),
]
KeepDirOption = Annotated[
    Path | None, typer.Option("--keep-dir", metavar="DIR", help="Where they are kept; your state folder unless set.")
]


def open_keeper(keep: str | None, folder: Path | None, say: Callable[[str], None]) -> "Keeper | None":
    """None unless it was asked for. Raises UsageError for what is no duration, FlinkopsError where nothing is kept."""
    if keep is None:
        if folder is not None:
            raise UsageError("--keep-dir says where --keep puts its file", next_step="--keep 2h")
        return None
    from flinkops.kept import Keeper

    return Keeper(parse_keep("--keep", keep), kept_folder(folder), say)


def parse_keep(option: str, text: str) -> float:
    """Seconds, more than none. Raises UsageError."""
    from flinkops.model.quantities import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as problem:
        raise UsageError(f"{option} {text[:40]}: {problem}") from None
    if seconds <= 0:
        raise UsageError(f"{option} {text[:40]}: nothing would be kept", next_step=f"for example {option} 2h")
    return seconds


def kept_folder(folder: Path | None) -> Path:
    """The one that was named, else the user's own. Raises UsageError where there is no home folder."""
    from flinkops.kept import kept_folder as own_folder
    from flinkops.user_folders import with_home

    return with_home(folder) if folder else own_folder()
