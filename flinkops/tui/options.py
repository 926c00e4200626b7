"""How the app is run."""

from pathlib import Path

import msgspec

from flinkops.config.settings import RehearseRule
from flinkops.config.storage import StorageTable


class Options(msgspec.Struct, frozen=True):
    """How the app is run. `polling`: off where observations are shown from outside, as tests do."""

    interval_seconds: float = 5.0
    guarded: tuple[str, ...] = ()  # patterns of the sources at which nothing may be changed
    ascii_only: bool = False
    theme: str = ""
    polling: bool = True
    job: str | None = None  # opened as soon as it is seen
    seconds: float | None = None  # after the first observation the app leaves by itself
    journal_folder: Path | None = None
    rehearse: RehearseRule = "offered"  # whether every upgrade is rehearsed
    storage: StorageTable | None = None  # how object storage is reached; None: it is not asked
    notes_path: Path | None = None
    views_path: Path | None = None
