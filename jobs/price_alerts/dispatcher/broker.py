# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Where alerts come from and dead letters go: what the service needs of Kafka."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from .alert import Record


class TooLarge(Exception):
    """The topic does not take a record of this size, however often it is tried."""


class Bounds(msgspec.Struct, frozen=True):
    """A partition: where to resume reading, and the offset after its last record at the start."""

    start: int
    end: int


class AlertLog(Protocol):
    """The topic of alerts, its committed offsets, and the topic of dead letters."""

    async def open(self) -> Mapping[int, Bounds]:
        """Connect; the partitions that are ours. Raises OperationFailed or Unreachable."""
        ...

    @property
    def identity(self) -> str:
        """Which topic it is, a new one of the same name being another; known once it is open."""
        ...

    async def read(self) -> Sequence[Record]:
        """The next records, at least one; those of a partition in order."""
        ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit, before long, where to resume reading."""
        ...

    async def dead_letter(self, key: bytes, value: bytes) -> None:
        """Append to the topic of dead letters; returns when it is safe there.

        Raises TooLarge for what the topic will never take, OperationFailed for any other permanent failure.
        """
        ...

    async def close(self, offsets: Mapping[int, int]) -> None:
        """Commit these offsets now, and disconnect."""
        ...
