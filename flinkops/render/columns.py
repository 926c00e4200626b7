"""The columns of the fleet table: one place each for title, text, and the plain value that scripts and sorting use."""

from collections.abc import Callable
from typing import NamedTuple

from flinkops.model.assessment import JobAssessment
from flinkops.render.text import (
    clean,
    human_bytes,
    human_count,
    human_rate,
    human_ratio,
    human_seconds,
)

Plain = str | int | float | None


class Column(NamedTuple):
    """``key`` is its name in CSV, with the unit; ``right``: it stands on the right; ``wide``: only in wide tables."""

    key: str
    title: str
    value: Callable[[JobAssessment], Plain]
    text: Callable[[JobAssessment], str]
    right: bool = True
    wide: bool = False


def _numeric(
    key: str,
    title: str,
    value: Callable[[JobAssessment], float | None],
    human: Callable[[float | None], str],
    *,
    wide: bool = False,
) -> Column:
    return Column(key, title, value, lambda job: human(value(job)), wide=wide)


def _worded(key: str, title: str, value: Callable[[JobAssessment], str | None], *, wide: bool = False) -> Column:
    return Column(key, title, value, lambda job: clean(value(job) or "?"), right=False, wide=wide)


def _checkpoint(job: JobAssessment) -> str:
    """The last one's status and age."""
    points = job.checkpoints
    if points is None:
        return "?"
    return points.status if points.age_seconds is None else f"{points.status} {human_seconds(points.age_seconds)}"


def _first_reason(job: JobAssessment) -> str:
    reasons = job.health.reasons
    if not reasons:
        return ""
    more = f" (+{len(reasons) - 1})" if len(reasons) > 1 else ""
    return reasons[0].text + more


def _bottleneck(job: JobAssessment) -> str:
    return job.backpressure.bottleneck.vertex if job.backpressure and job.backpressure.bottleneck else ""


COLUMNS: tuple[Column, ...] = (
    _worded("health", "HEALTH", lambda job: job.health.level),
    _worded("name", "JOB", lambda job: job.name),
    _worded("namespace", "NAMESPACE", lambda job: job.namespace or "-", wide=True),
    _worded("cluster", "CLUSTER", lambda job: job.cluster, wide=True),
    _worded("state", "STATE", lambda job: job.state),
    _numeric("uptime_seconds", "UP", lambda job: job.uptime_seconds, human_seconds, wide=True),
    _numeric("parallelism", "PAR", lambda job: job.parallelism, human_count, wide=True),
    _numeric("restarts", "RESTARTS", lambda job: job.restarts, human_count, wide=True),
    _numeric("records_in_per_second", "IN", lambda job: job.records_in_per_second, human_rate),
    _numeric("records_out_per_second", "OUT", lambda job: job.records_out_per_second, human_rate, wide=True),
    _numeric(
        "records_dropped_per_second", "DROPPED", lambda job: job.records_dropped_per_second, human_rate, wide=True
    ),
    _numeric("late_ratio", "LATE", lambda job: job.late_ratio, human_ratio, wide=True),
    _numeric(
        "processing_latency_p99_seconds",
        "P99",
        lambda job: job.processing_latency_seconds.p99 if job.processing_latency_seconds else None,
        human_seconds,
    ),
    _numeric("event_time_skew_seconds", "SKEW", lambda job: job.event_time_skew_seconds, human_seconds),
    _numeric("state_bytes", "STATE SIZE", lambda job: job.state_bytes, human_bytes),
    _numeric(
        "state_growth_bytes_per_hour", "GROWTH/H", lambda job: job.state_growth_bytes_per_hour, human_bytes, wide=True
    ),
    _numeric(
        "backpressure_ratio", "BACKPR", lambda job: job.backpressure.ratio if job.backpressure else None, human_ratio
    ),
    Column("bottleneck", "BOTTLENECK", _bottleneck, lambda job: clean(_bottleneck(job)) or "-", right=False, wide=True),
    Column(
        "checkpoint_age_seconds",
        "CHECKPOINT",
        lambda job: job.checkpoints.age_seconds if job.checkpoints else None,
        _checkpoint,
        right=False,
    ),
    _worded("flink_version", "FLINK", lambda job: job.flink_version, wide=True),
    _worded("id", "ID", lambda job: job.id, wide=True),
    Column("why", "WHY", _first_reason, lambda job: clean(_first_reason(job)), right=False),
)
