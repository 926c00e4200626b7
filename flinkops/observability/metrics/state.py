"""Metrics of a job: its state, its checkpoints, the commits of its sinks."""

from collections.abc import Iterable

from flinkops.model.assessment import Checkpoints, StateOutlook
from flinkops.observability.catalogue import Metric, Reading, counter, gauge
from flinkops.observability.metrics.reading import field
from flinkops.observability.slo import ObservedJob

_SECONDS_PER_HOUR = 3600.0
_CHECKPOINTS = "/jobs/:id/checkpoints"


def _checkpoints(observed: ObservedJob) -> Checkpoints:
    return observed.job.checkpoints or Checkpoints(status="NONE")


def _outlook(observed: ObservedJob) -> StateOutlook:
    return observed.job.outlook or StateOutlook()


def _growth(observed: ObservedJob) -> float | None:
    per_hour = observed.job.state_growth_bytes_per_hour
    return None if per_hour is None else per_hour / _SECONDS_PER_HOUR


def _timeout(observed: ObservedJob) -> float | None:
    facts = observed.job.facts
    return facts.checkpoints.timeout_seconds if facts and facts.checkpoints else None


def _commit_ages(observed: ObservedJob) -> Iterable[Reading]:
    for sink, commit in sorted((observed.job.commits or {}).items()):
        yield (sink,), commit.age_seconds


STATE_METRICS: tuple[Metric[ObservedJob], ...] = (
    gauge(
        "flinkops_job_state_bytes",
        "bytes",
        "Full size of the state in the last completed checkpoint.",
        f"{_CHECKPOINTS} state_size",
        field("state_bytes"),
    ),
    gauge(
        "flinkops_job_state_keys",
        "count",
        "Keys in the state, as estimated.",
        "rocksdb.estimate-num-keys",
        field("state_keys"),
    ),
    gauge(
        "flinkops_job_state_growth_bytes_per_second",
        "bytes per second",
        "Robust slope of the state's size (Theil-Sen).",
        "assessment",
        _growth,
    ),
    gauge(
        "flinkops_job_state_limit_bytes",
        "bytes",
        "The limit set for the state's size.",
        "flinkops.toml",
        lambda observed: _outlook(observed).limit_bytes,
    ),
    gauge(
        "flinkops_job_state_time_to_limit_seconds",
        "seconds",
        "Time until the state reaches its limit if it grows on like this; absent while it does not grow.",
        "assessment",
        lambda observed: _outlook(observed).seconds_to_limit,
    ),
    gauge(
        "flinkops_job_checkpoint_age_seconds",
        "seconds",
        "Time since the last completed checkpoint.",
        f"{_CHECKPOINTS} latest.completed",
        lambda observed: _checkpoints(observed).age_seconds,
    ),
    gauge(
        "flinkops_job_checkpoint_duration_seconds",
        "seconds",
        "Duration of the last checkpoint, end to end.",
        f"{_CHECKPOINTS} end_to_end_duration",
        lambda observed: _checkpoints(observed).duration_seconds,
    ),
    gauge(
        "flinkops_job_checkpoint_size_bytes",
        "bytes",
        "Bytes that the last completed checkpoint wrote or referred to.",
        f"{_CHECKPOINTS} latest.completed",
        lambda observed: _checkpoints(observed).size_bytes,
    ),
    gauge(
        "flinkops_job_checkpoint_interval_seconds",
        "seconds",
        "The configured interval of checkpoints.",
        f"{_CHECKPOINTS}/config",
        lambda observed: _checkpoints(observed).interval_seconds,
    ),
    gauge(
        "flinkops_job_checkpoint_timeout_seconds",
        "seconds",
        "The configured timeout of checkpoints.",
        f"{_CHECKPOINTS}/config",
        _timeout,
    ),
    gauge(
        "flinkops_job_checkpoint_failures_in_a_row",
        "count",
        "Checkpoints that failed since the last one completed.",
        f"{_CHECKPOINTS} history",
        lambda observed: _checkpoints(observed).failed_in_a_row,
    ),
    counter(
        "flinkops_job_checkpoints_completed_total",
        "count",
        "Completed checkpoints; starts again at 0 when the JobManager restarts.",
        f"{_CHECKPOINTS} counts",
        lambda observed: _checkpoints(observed).completed,
    ),
    counter(
        "flinkops_job_checkpoints_failed_total",
        "count",
        "Failed checkpoints; starts again at 0 when the JobManager restarts.",
        f"{_CHECKPOINTS} counts",
        lambda observed: _checkpoints(observed).failed,
    ),
    Metric(
        "flinkops_job_commit_age_seconds",
        "gauge",
        "seconds",
        "Time since the last commit of a transactional sink.",
        "the sink's committer metrics",
        _commit_ages,
        ("sink",),
    ),
)
