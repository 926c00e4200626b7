"""Service level objectives of jobs: what "good" means at one poll, and how fast a budget may burn.

The indicator is time: a job is good or not at each poll, so that a job with ten records an hour has the same budget as
one with a million a second. What is not known is neither: the gauge is absent, and unknown health has its own alert.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flinkops.model.assessment import JobAssessment
from flinkops.model.states import NOT_AVAILABLE, JobState


@dataclass(frozen=True)
class ObservedJob:
    """A job's assessment, and how many live jobs share its name in its cluster."""

    job: JobAssessment
    instances: int = 1


@dataclass(frozen=True)
class Slo:
    """One objective. ``alert`` is the name of its burn alert; ``value_metric`` shows the indicator, in seconds."""

    name: str
    alert: str
    title: str
    value_metric: str | None = None
    value_labels: tuple[str, ...] = ()


SLOS = (
    Slo(
        "latency",
        "FlinkJobLatencyBudgetBurn",
        "p99 of the processing latency within the limit of the job's class",
        "flinkops_job_processing_latency_seconds",
        ('quantile="0.99"',),
    ),
    Slo(
        "skew",
        "FlinkJobSkewBudgetBurn",
        "event-time skew (now - watermark) within the limit of the job's class",
        "flinkops_job_event_time_skew_seconds",
    ),
    Slo("availability", "FlinkJobAvailabilityBudgetBurn", "the job is RUNNING"),
    Slo(
        "checkpoint",
        "FlinkJobCheckpointBudgetBurn",
        "a checkpoint has succeeded within the limit",
        "flinkops_job_checkpoint_age_seconds",
    ),
)


@dataclass(frozen=True)
class BurnWindow:
    """A pair of windows: both must burn the budget ``factor`` times too fast (SRE workbook, chapter 5)."""

    severity: str
    factor: float
    long_minutes: int
    short_minutes: int


BURN_WINDOWS = (
    BurnWindow("page", 14.4, 60, 5),
    BurnWindow("page", 6, 6 * 60, 30),
    BurnWindow("ticket", 3, 24 * 60, 2 * 60),
    BurnWindow("ticket", 1, 3 * 24 * 60, 6 * 60),
)


def available(job: JobAssessment) -> bool | None:
    """Whether the job is up: None when that is unknown, or when it has ended on purpose."""
    if job.state == JobState.RUNNING:
        return True
    return False if job.state in NOT_AVAILABLE else None


def goods(observed: ObservedJob) -> Iterable[tuple[tuple[str, ...], float | None]]:
    """Each objective by name: 1 good, 0 not, None unknown or not applicable. Only a running job has more than one."""
    job, limits = observed.job, observed.job.limits
    up = available(job)
    yield ("availability",), None if up is None else float(up)
    if not up:
        return
    latency = job.processing_latency_seconds
    yield ("latency",), _within(latency.p99 if latency else None, limits.latency_p99_seconds)
    yield ("skew",), _within(job.event_time_skew_seconds, limits.skew_seconds)
    yield ("checkpoint",), _within(_without_checkpoint_seconds(job), limits.checkpoint_age_seconds)


def limit_readings(observed: ObservedJob) -> Iterable[tuple[tuple[str, ...], float | None]]:
    """The limits in seconds, by objective."""
    limits = observed.job.limits
    yield ("latency",), limits.latency_p99_seconds
    yield ("skew",), limits.skew_seconds
    yield ("checkpoint",), limits.checkpoint_age_seconds


def _without_checkpoint_seconds(job: JobAssessment) -> float | None:
    """The age of the last completed checkpoint; where none has been yet, the time since the job runs."""
    checkpoints = job.checkpoints
    if checkpoints is None or checkpoints.status == "DISABLED":
        return None
    return job.uptime_seconds if checkpoints.age_seconds is None else checkpoints.age_seconds


def _within(value: float | None, limit: float | None) -> float | None:
    return None if value is None or limit is None else float(value <= limit)
