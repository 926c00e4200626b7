"""What Flink's Kafka source tells of each partition: which subtask reads it, how far, and what waits there.

Flink has no lag of a partition: `pendingRecords` is of a subtask, and the partition's where that reads no other one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flinkops.model.detail import PartitionDetail

_OFFSET = re.compile(r"(\d+)\.(.+)\.KafkaSourceReader\.topic\.(.+)\.partition\.(\d+)\.(currentOffset)")
_PENDING = re.compile(r"(\d+)\.Source_.+\.pendingRecords")
MOST_PARTITIONS = 200
"""More are not asked one by one."""


class PartitionMetrics(NamedTuple):
    """Names of metrics of single subtasks that tell of partitions; ``partitions``: how many there are."""

    names: tuple[str, ...]
    partitions: int


def partition_metrics(names: Iterable[str]) -> PartitionMetrics:
    """Those among all names of a vertex's subtasks."""
    offsets, pending, met = [], [], set()
    for name in names:
        if (match := _OFFSET.fullmatch(name)) is not None:
            offsets.append(name)
            met.add((match[3], match[4]))
        elif _PENDING.fullmatch(name):
            pending.append(name)
    return PartitionMetrics(tuple(sorted([*offsets, *pending])) if offsets else (), len(met))


def partition_details(vertex: str, values: Mapping[str, float]) -> tuple[PartitionDetail, ...]:
    """By topic and partition."""
    pending = {int(match[1]): value for name, value in values.items() if (match := _PENDING.fullmatch(name))}
    offsets: dict[tuple[str, int], dict[str, int]] = {}
    readers: dict[tuple[str, int], int] = {}
    for name, value in values.items():
        if (match := _OFFSET.fullmatch(name)) is not None:
            place = (match[3], int(match[4]))
            offsets.setdefault(place, {})[match[5]] = round(value)
            readers[place] = int(match[1])
    alone = {subtask for subtask in readers.values() if list(readers.values()).count(subtask) == 1}
    return tuple(
        PartitionDetail(
            vertex=vertex,
            topic=place[0],
            partition=place[1],
            subtask=readers[place],
            offset=_offset(found.get("currentOffset")),
            pending_records=pending.get(readers[place]) if readers[place] in alone else None,
        )
        for place, found in sorted(offsets.items())
    )


def _offset(value: int | None) -> int | None:
    return None if value is None or value < 0 else value
