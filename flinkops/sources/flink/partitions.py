"""What Flink's Kafka source tells of each partition: which subtask reads it, how far, and what waits there.

Flink has no lag of a partition: `pendingRecords` is of a subtask, and the partition's where that reads no other one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flinkops.model.detail import PartitionDetail
from flinkops.model.numbers import whole

_READER, _PARTITION, _OFFSET, _PENDING = ".KafkaSourceReader.topic.", ".partition.", "currentOffset", ".pendingRecords"
_SOURCE = "Source_"
_MOST_DIGITS = 9
MOST_PARTITIONS = 200
"""More are not asked one by one."""


class _Place(NamedTuple):
    subtask: int
    topic: str
    partition: int


class PartitionMetrics(NamedTuple):
    """Names of metrics of single subtasks that tell of partitions; ``partitions``: how many there are."""

    names: tuple[str, ...]
    partitions: int


def partition_metrics(names: Iterable[str]) -> PartitionMetrics:
    """Those among all names of a vertex's subtasks."""
    offsets, pending, met = [], [], set()
    for name in names:
        if (place := _offset_of(name)) is not None:
            offsets.append(name)
            met.add((place.topic, place.partition))
        elif _pending_of(name) is not None:
            pending.append(name)
    return PartitionMetrics(tuple(sorted([*offsets, *pending])) if offsets else (), len(met))


def partition_details(vertex: str, values: Mapping[str, float]) -> tuple[PartitionDetail, ...]:
    """By topic and partition."""
    pending = {subtask: value for name, value in values.items() if (subtask := _pending_of(name)) is not None}
    offsets = {place: value for name, value in values.items() if (place := _offset_of(name)) is not None}
    read = Counter(place.subtask for place in offsets)
    return tuple(
        PartitionDetail(
            vertex=vertex,
            topic=place.topic,
            partition=place.partition,
            subtask=place.subtask,
            offset=whole(offset),
            pending_records=pending.get(place.subtask) if read[place.subtask] == 1 else None,
        )
        for place, offset in sorted(offsets.items(), key=lambda each: (each[0].topic, each[0].partition))
    )


def _offset_of(name: str) -> _Place | None:
    """Of `SUBTASK.OPERATOR.KafkaSourceReader.topic.TOPIC.partition.NUMBER.currentOffset`; None: another metric."""
    subtask, _, rest = name.partition(".")
    operator, _, rest = rest.rpartition(_READER)
    topic, _, rest = rest.rpartition(_PARTITION)
    number, _, metric = rest.partition(".")
    if metric != _OFFSET or not operator or not topic or not _is_number(subtask) or not _is_number(number):
        return None
    return _Place(int(subtask), topic, int(number))


def _pending_of(name: str) -> int | None:
    """The subtask of `SUBTASK.Source_….pendingRecords`; None: another metric."""
    subtask, _, rest = name.partition(".")
    if not _is_number(subtask) or not rest.startswith(_SOURCE) or not rest.endswith(_PENDING):
        return None
    return int(subtask) if len(rest) > len(_SOURCE) + len(_PENDING) else None


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS
