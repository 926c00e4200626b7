"""Signal 3, state: full size and increment, keys, growth by a robust slope, time left to the limit."""

from collections.abc import Sequence
from typing import NamedTuple

from flinkops.assess.signal import Signal, left_out, reason
from flinkops.config.policy import JobClass
from flinkops.model.assessment import StateOutlook
from flinkops.model.event_time import keeps_keys
from flinkops.model.facts import BATCH, CheckpointFacts, JobFacts, VertexFacts
from flinkops.model.history import JobSample
from flinkops.model.numbers import add_known, amount, finite, total, whole
from flinkops.model.trend import theil_sen

BYTES, KEYS, PER_KEY, GROWTH = "state_bytes", "state_keys", "state_bytes_per_key", "state_growth_bytes_per_hour"
MIN_POINTS = 3
MIN_SPAN_SECONDS = 5.0
"""A slope over less says more about the last flush than about the state."""


class StateSize(NamedTuple):
    """What the state takes and where it is heading. ``state_bytes`` is the full size of the last checkpoint."""

    state_bytes: int | None = None
    state_keys: int | None = None
    bytes_per_key: float | None = None
    growth_bytes_per_hour: float | None = None
    outlook: StateOutlook = StateOutlook()


def state_size(job: JobFacts, past: Sequence[JobSample], job_class: JobClass) -> Signal[StateSize]:
    """Size of the last completed checkpoint, keys by RocksDB's native metrics, growth over checkpoints and samples."""
    unknown: dict[str, str] = {}
    absent = _not_applicable(job)
    latest = job.checkpoints.latest_completed if job.checkpoints else None
    size = whole(latest.state_size_bytes) if latest else None
    if size is None:
        unknown[BYTES] = reason(job, "checkpoints", "no checkpoint has completed: Flink knows a state's size from them")
    unread = left_out(job, KEYS)
    keys = whole(add_known(total(vertex.state_keys) for vertex in job.vertices)) if unread is None else None
    if keys is None:
        unreported = "no operator reports keys (RocksDB's estimate-num-keys is off by default)"
        unknown[KEYS] = unread or reason(job, KEYS, unreported)
    points = growth_points(job, past)
    growth = _growth(points)
    if growth is None:
        unknown[GROWTH] = _why_no_growth(points)
    outlook = StateOutlook(
        growth_bytes_per_hour=growth,
        limit_bytes=whole(job_class.state_bytes),
        seconds_to_limit=_seconds_to(job_class.state_bytes, size, growth),
        increment_bytes=whole(latest.checkpointed_size_bytes) if latest else None,
        largest_vertex=None if left_out(job, "state_live_bytes", "state_sst_bytes") else _largest(job.vertices),
        samples=len(points),
    )
    value = StateSize(size, keys, _per_key(job, size, keys, unknown), growth, outlook)
    absent = {path: why for path, why in absent.items() if path in unknown}
    return Signal(value, {path: why for path, why in unknown.items() if path not in absent}, absent)


def _not_applicable(job: JobFacts) -> dict[str, str]:
    """What a job cannot have that is batch, or that has no keyed vertex."""
    if job.job_type == BATCH:
        return dict.fromkeys((BYTES, KEYS, PER_KEY, GROWTH), "a batch job keeps no state from one record to the next")
    if not job.vertices or any(map(keeps_keys, job.vertices)):
        return {}
    why = "no vertex is keyed: the job keeps no state by key"
    absent = dict.fromkeys((KEYS, PER_KEY), why)
    if job.checkpoints is not None and not job.checkpoints.enabled:
        absent |= dict.fromkeys((BYTES, GROWTH), f"{why}, and takes no checkpoints")
    return absent


def growth_points(job: JobFacts, past: Sequence[JobSample]) -> list[tuple[float, float]]:
    """(seconds, bytes): Flink's own history of checkpoints, and before it what was sampled of this execution."""
    history = job.checkpoints.history if job.checkpoints else ()
    points = [point for checkpoint in history if (point := _point(checkpoint)) is not None]
    first = min((at for at, _ in points), default=float("inf"))
    points.extend(
        (sample.at_ms / 1000, float(sample.state_bytes))
        for sample in past
        if sample.state_bytes is not None and sample.job_id == job.id and sample.at_ms / 1000 < first
    )
    return sorted(points)


def _point(checkpoint: CheckpointFacts) -> tuple[float, float] | None:
    """A savepoint is left out: in another format the same state has another size."""
    size = whole(checkpoint.state_size_bytes)
    if checkpoint.status != "COMPLETED" or checkpoint.is_savepoint or size is None or checkpoint.triggered_ms is None:
        return None
    return checkpoint.triggered_ms / 1000, float(size)


def _growth(points: Sequence[tuple[float, float]]) -> float | None:
    if len(points) < MIN_POINTS or points[-1][0] - points[0][0] < MIN_SPAN_SECONDS:
        return None
    slope = theil_sen(points)
    return None if slope is None else finite(slope * 3600)


def _why_no_growth(points: Sequence[tuple[float, float]]) -> str:
    if len(points) < MIN_POINTS:
        return f"a slope needs {MIN_POINTS} completed checkpoints, {len(points)} are known"
    return f"a slope needs checkpoints over at least {MIN_SPAN_SECONDS:.0f} s"


def _per_key(job: JobFacts, size: int | None, keys: int | None, unknown: dict[str, str]) -> float | None:
    """RocksDB's live data by key, so that both are of one moment; else the checkpoint's size by key."""
    if keys and (unread := left_out(job, "state_live_bytes")) is not None:
        unknown[PER_KEY] = unread
        return None
    live = add_known(total(vertex.state_live_bytes) for vertex in job.vertices)
    held = size if live is None else live
    if not keys:
        unknown[PER_KEY] = unknown.get(KEYS, "there are no keys yet")
        return None
    if held is None:
        unknown[PER_KEY] = unknown.get(BYTES, "the size of the state is not known")
        return None
    return held / keys


def _seconds_to(limit: float | None, size: int | None, growth: float | None) -> float | None:
    if limit is None or size is None or growth is None:
        return None
    if size >= limit:
        return 0.0
    return amount((limit - size) / growth * 3600) if growth > 0 else None


def _largest(vertices: Sequence[VertexFacts]) -> str | None:
    """The name of the vertex with the most state, by RocksDB's live data, else by its files."""
    sizes = [(total(vertex.state_live_bytes) or total(vertex.state_sst_bytes), vertex.name) for vertex in vertices]
    known = [(size, name) for size, name in sizes if size]
    return max(known)[1] if known else None
