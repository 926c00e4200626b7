"""What is asked of a storage. Small on purpose: each storage does all of it, and does it in few requests."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from flinkops.errors import Unreachable
from flinkops.sources.storage.location import Location


class OutOfReach(Unreachable):
    """The storage cannot be asked from here, or will not say: what it holds is unknown."""


class Entry(msgspec.Struct, frozen=True):
    """One file or folder. Of a folder neither size nor time is known."""

    name: str
    size_bytes: int | None = None
    modified_ms: int | None = None

    @property
    def is_folder(self) -> bool:
        """A folder, or in object storage the common beginning of names."""
        return self.size_bytes is None


class Content(msgspec.Struct, frozen=True):
    """A piece of a file, and when the file was written."""

    raw: bytes
    modified_ms: int | None = None


class Storage(Protocol):
    """One storage. Every method raises OutOfReach when it cannot be asked."""

    @property
    def names_per_request(self) -> int:
        """How many names of a folder one request of :meth:`pages` gives; 1: looking each up is as fast."""
        ...

    def entry(self, place: Location) -> Entry | None:
        """One file; None when there is none."""
        ...

    def is_folder(self, place: Location) -> bool:
        """Whether there is such a folder; in object storage: whether any name begins with it."""
        ...

    def pages(self, folder: Location, *, starts_with: str = "") -> Iterator[tuple[Entry, ...]]:
        """What lies in a folder, not below it, a page at a time: only names that begin so.

        Nothing where there is no such folder.
        """
        ...

    def read(self, place: Location, start: int, length: int) -> Content | None:
        """Up to so many bytes from there on, fewer at the end of the file; None when there is no such file."""
        ...

    def write(self, place: Location, pieces: Iterable[bytes]) -> None:
        """A file of these pieces, in the place of what was there: whole, or not at all.

        What `pieces` raises is raised, and no file is left then.
        """
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...

    def delete(self, place: Location) -> None:
        """Remove one file; one that is gone already is no error."""
        ...

    def delete_folder(self, place: Location) -> None:
        """Remove a folder that is empty; nothing where it is not, or the storage has none."""
        ...
