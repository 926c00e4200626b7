# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Which offsets may be committed: those before which everything is settled."""

from collections import deque
from collections.abc import Mapping

from .alert import Record
from .broker import Bounds


class Entry:
    """One record: how many of its deliveries are neither settled nor parked, both durably."""

    __slots__ = ("offset", "open")

    def __init__(self, offset: int, opened: int) -> None:
        self.offset = offset
        self.open = opened


class Progress:
    """The records of one partition that were read, in their order."""

    def __init__(self, position: int) -> None:
        self.position = position
        """The offset after the last record read."""
        self.committed = position
        self._entries: deque[Entry] = deque()

    def read(self, offset: int) -> Entry:
        """A record was read; its deliveries are counted in `open` as they are created."""
        entry = Entry(offset, 0)
        self._entries.append(entry)
        self.position = offset + 1
        return entry

    def settled(self) -> int:
        """The offset that may be committed now: the first record with something open, else the position."""
        while self._entries and self._entries[0].open == 0:
            self._entries.popleft()
        return self._entries[0].offset if self._entries else self.position

    def __len__(self) -> int:
        return len(self._entries)


class Partitions:
    """The progress of all partitions that are ours."""

    def __init__(self) -> None:
        self._progress: dict[int, Progress] = {}
        self._ends: dict[int, int] = {}

    def begin(self, bounds: Mapping[int, Bounds]) -> None:
        """Start reading at these offsets."""
        self._progress = {partition: Progress(each.start) for partition, each in bounds.items()}
        self._ends = {partition: each.end for partition, each in bounds.items()}

    def read(self, record: Record) -> Entry:
        """A record was read."""
        return self._progress[record.partition].read(record.offset)

    def is_new(self, record: Record) -> bool:
        """Whether the record was appended after the start, so that no earlier process can have read it."""
        return record.offset >= self._ends[record.partition]

    def caught_up(self) -> bool:
        """Whether all records that were there at the start have been read."""
        return all(each.position >= self._ends[number] for number, each in self._progress.items())

    def positions(self) -> dict[int, int]:
        """By partition: the offset after the last record read."""
        return {partition: each.position for partition, each in self._progress.items()}

    def settled(self) -> dict[int, int]:
        """By partition: the offset that may be committed now."""
        return {partition: each.settled() for partition, each in self._progress.items()}

    def to_commit(self) -> dict[int, int]:
        """The settled offsets that this has not returned before."""
        due = {}
        for partition, progress in self._progress.items():
            offset = progress.settled()
            if offset != progress.committed:
                due[partition] = progress.committed = offset
        return due

    def unsettled(self) -> int:
        """How many records were read and are not settled."""
        return sum(map(len, self._progress.values()))
