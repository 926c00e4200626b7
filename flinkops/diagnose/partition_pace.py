"""How fast each partition is read and what waits there changes: by two answers of Flink, some time apart."""

from collections.abc import Sequence

import msgspec

from flinkops.model.detail import JobDetail, PartitionDetail
from flinkops.model.facts import JobKey
from flinkops.model.trend import seconds_until_read

LEAST_MS = 20_000
"""Flink's metrics are up to 10 s old: from nearer answers comes no rate."""
MOST_MS = 180_000


class PartitionPace:
    """Remembers for MOST_MS what was told of each job. From one thread at a time."""

    def __init__(self) -> None:
        self._told: dict[tuple[JobKey, str], list[JobDetail]] = {}

    def told(self, key: JobKey, detail: JobDetail) -> JobDetail:
        """The detail with the pace of its partitions, where an earlier one of this run is old enough for that."""
        if not detail.partitions:
            return detail
        self._told = {run: kept for run, kept in self._told.items() if detail.seen_ms - kept[-1].seen_ms <= MOST_MS}
        before = [each for each in self._told.get((key, detail.id), ()) if 0 < detail.seen_ms - each.seen_ms <= MOST_MS]
        self._told[key, detail.id] = [*before, detail]
        return paced(detail, before)


def paced(detail: JobDetail, before: Sequence[JobDetail]) -> JobDetail:
    """By the oldest of the earlier ones that is LEAST_MS older; as it is where there is none."""
    old = next((each for each in before if detail.seen_ms - each.seen_ms >= LEAST_MS), None)
    if old is None:
        return detail
    was = {(each.vertex, each.topic, each.partition): each for each in old.partitions}
    seconds = (detail.seen_ms - old.seen_ms) / 1000
    return msgspec.structs.replace(
        detail,
        partitions=tuple(
            _paced(each, was.get((each.vertex, each.topic, each.partition)), seconds) for each in detail.partitions
        ),
    )


def _paced(now: PartitionDetail, was: PartitionDetail | None, seconds: float) -> PartitionDetail:
    if was is None or was.subtask != now.subtask:
        return now
    read = None if now.offset is None or was.offset is None else (now.offset - was.offset) / seconds
    change = None
    if now.pending_records is not None and was.pending_records is not None:
        change = (now.pending_records - was.pending_records) / seconds
    return msgspec.structs.replace(
        now,
        read_per_second=read if read is not None and read >= 0 else None,  # less: it was set back
        pending_change_per_second=change,
        catch_up_seconds=_catch_up(now.pending_records, change),
    )


def _catch_up(waits: float | None, change: float | None) -> float | None:
    if waits is None or change is None:
        return None
    if waits <= 0:
        return 0.0
    return seconds_until_read(waits, change)
