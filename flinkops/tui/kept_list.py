"""A list of the user's own, in one small file: notes, saved views."""

from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from flinkops.ownership import make_private
from flinkops.private_file import write_private

T = TypeVar("T", bound=msgspec.Struct)


class KeptList(Generic[T]):
    """Read once, and written whole at each change (atomically: a crash leaves the old file).

    A file that cannot be read is left alone, and nothing is kept; ``problem`` says so. `path` None: nothing is kept.
    """

    def __init__(self, path: Path | None, decoder: msgspec.json.Decoder[list[T]], what: str) -> None:
        self._path = path
        self._what = what
        self.problem: str | None = None
        self.read: list[T] = []
        if path is not None and path.exists():
            try:
                self.read = decoder.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.problem = f"{what}s are not kept: {path.name} cannot be read ({type(error).__name__})"
                self._path = None

    def write(self, values: Iterable[T]) -> None:
        """All of them, in place of what was kept."""
        if self._path is None:
            return
        try:
            make_private(self._path.parent)
            write_private(self._path, msgspec.json.encode(list(values)))
        except OSError as error:
            self.problem = f"the {self._what} is not kept: {error.strerror}"
