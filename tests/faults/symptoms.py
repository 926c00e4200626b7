"""The raw facts that say when a fault shows: numbers of Flink's own, none of the doctor's judgement."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flinkops.model.facts import FINISHED_WATERMARK_MS, NO_WATERMARK_MS, ClusterFacts, JobFacts
from flinkops.model.overrides import OVERRIDES, readable_overrides

_EXPIRED = "expired"  # of Flink's "Checkpoint expired before completing."


class Seen(NamedTuple):
    """One job at one poll; ``gc_ratio`` is the worst TaskManager's."""

    at_seconds: float
    job: JobFacts
    cluster: ClusterFacts | None = None
    gc_ratio: float | None = None


Fact = Callable[[Sequence[Seen]], float | None]
"""The number at the last of the polls, oldest first; None while it is not known."""


def backpressured_ratio(seen: Sequence[Seen]) -> float | None:
    """Of the worst subtask of the job."""
    spreads = [vertex.backpressured_ratio for vertex in seen[-1].job.vertices]
    return max((spread.max for spread in spreads if spread and spread.max is not None), default=None)


def busy_ratio(seen: Sequence[Seen]) -> float | None:
    """Of the busiest subtask of the job."""
    spreads = [vertex.busy_ratio for vertex in seen[-1].job.vertices]
    return max((spread.max for spread in spreads if spread and spread.max is not None), default=None)


def source_lag_seconds(seen: Sequence[Seen]) -> float | None:
    """How old the records are that the source furthest behind emits."""
    spreads = [vertex.source_emit_lag_seconds for vertex in seen[-1].job.vertices]
    return max((spread.max for spread in spreads if spread and spread.max is not None), default=None)


def busy_spread(seen: Sequence[Seen]) -> float | None:
    """The most by which the busiest subtask of a vertex is above the mean of its vertex."""
    spreads = [vertex.busy_ratio for vertex in seen[-1].job.vertices]
    known = [each.max - each.avg for each in spreads if each and each.max is not None and each.avg is not None]
    return max(known, default=None)


def state_growth_times(seen: Sequence[Seen]) -> float | None:
    """The size of the newest completed checkpoint, by that of the first that was seen to complete."""
    sizes: dict[int, int] = {}
    for each in seen:
        points = each.job.checkpoints
        for checkpoint in points.history if points else ():
            if checkpoint.status == "COMPLETED" and checkpoint.state_size_bytes and not checkpoint.is_savepoint:
                sizes[checkpoint.id] = checkpoint.state_size_bytes
    return sizes[max(sizes)] / sizes[min(sizes)] if sizes else None


def checkpoints_expired(seen: Sequence[Seen]) -> float | None:
    """How many checkpoints of the job's history expired before completing."""
    points = seen[-1].job.checkpoints
    return None if points is None else float(sum(_EXPIRED in (each.failure or "") for each in points.history))


def checkpoints_failed(seen: Sequence[Seen]) -> float | None:
    """How many checkpoints of the job's history failed before they could expire."""
    points = seen[-1].job.checkpoints
    failed = [each for each in (points.history if points else ()) if each.status == "FAILED" and not each.is_savepoint]
    return None if points is None else float(sum(_EXPIRED not in (each.failure or "") for each in failed))


def watermark_skew_seconds(seen: Sequence[Seen]) -> float | None:
    """How far the least watermark of the job is behind now."""
    known = _watermarks_ms(seen[-1].job, least=True)
    return seen[-1].at_seconds - min(known) / 1000 if known else None


def watermark_ahead_seconds(seen: Sequence[Seen]) -> float | None:
    """How far the greatest watermark of the job is ahead of now."""
    known = _watermarks_ms(seen[-1].job, least=False)
    return max(known) / 1000 - seen[-1].at_seconds if known else None


def watermark_stands_seconds(seen: Sequence[Seen]) -> float | None:
    """For how long records have come while the watermark of the last vertex neither came nor moved."""
    newest, since = _last_watermark_ms(seen[-1].job), seen[-1]
    for each in reversed(seen):
        if not _records(each.job) or _last_watermark_ms(each.job) != newest:
            break
        since = each
    flowing = (_records(seen[-1].job) or 0) > (_records(since.job) or 0)
    return seen[-1].at_seconds - since.at_seconds if flowing else 0.0


def late_records(seen: Sequence[Seen]) -> float | None:
    """How many records Flink has dropped for being late."""
    counts = [vertex.late_records.sum for vertex in seen[-1].job.vertices if vertex.late_records]
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def restarts(seen: Sequence[Seen]) -> float | None:
    """Flink's numRestarts."""
    count = seen[-1].job.restarts
    return None if count is None else float(count)


def gc_ratio(seen: Sequence[Seen]) -> float | None:
    """The share of its time that the worst TaskManager spends in garbage collection."""
    return seen[-1].gc_ratio


def idle_seconds(seen: Sequence[Seen]) -> float | None:
    """For how long no record has come to a job that had some."""
    newest = _records(seen[-1].job)
    if not newest:
        return None
    since = next(each.at_seconds for each in seen if _records(each.job) == newest)
    return seen[-1].at_seconds - since


def unplaced_seconds(seen: Sequence[Seen]) -> float | None:
    """For how long the job has not been running while no slot was free."""
    since = seen[-1].at_seconds
    for each in reversed(seen):
        placed = each.job.state == "RUNNING" and all(vertex.status == "RUNNING" for vertex in each.job.vertices)
        if placed or each.cluster is None or each.cluster.slots_available != 0:
            break
        since = each.at_seconds
    return seen[-1].at_seconds - since


def drift_seconds(seen: Sequence[Seen]) -> float | None:
    """For how long a vertex has not run with the parallelism that its override in the configuration says."""
    since = seen[-1].at_seconds
    for each in reversed(seen):
        wanted = readable_overrides(each.job.configuration.get(OVERRIDES, ""))
        if all(wanted.get(vertex.id, vertex.parallelism) == vertex.parallelism for vertex in each.job.vertices):
            break
        since = each.at_seconds
    return seen[-1].at_seconds - since


def _watermarks_ms(job: JobFacts, *, least: bool) -> list[float]:
    spreads = [vertex.watermark_ms for vertex in job.vertices]
    values = [spread.min if least else spread.max for spread in spreads if spread]
    return [value for value in values if value is not None and NO_WATERMARK_MS < value < FINISHED_WATERMARK_MS]


def _last_watermark_ms(job: JobFacts) -> float | None:
    inputs = {upstream for vertex in job.vertices for upstream in vertex.upstream}
    last = [vertex for vertex in job.vertices if vertex.id not in inputs]
    return min((each.watermark_ms.min for each in last if each.watermark_ms and each.watermark_ms.min), default=None)


def _records(job: JobFacts) -> int | None:
    """What the sources have sent on: they have no input of their own to count."""
    counts = [vertex.records_out for vertex in job.vertices if not vertex.upstream]
    return sum(count for count in counts if count is not None) if counts else None


FACTS: Mapping[str, Fact] = {
    fact.__name__: fact
    for fact in (
        backpressured_ratio,
        busy_ratio,
        source_lag_seconds,
        busy_spread,
        state_growth_times,
        checkpoints_expired,
        checkpoints_failed,
        watermark_skew_seconds,
        watermark_ahead_seconds,
        watermark_stands_seconds,
        late_records,
        restarts,
        gc_ratio,
        idle_seconds,
        unplaced_seconds,
        drift_seconds,
    )
}
"""By the names that the files of the cases use."""
