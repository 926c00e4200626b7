"""Metrics of a job: what it is, whether it is healthy, whether it meets its objectives."""

from collections.abc import Iterable

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import gathered
from flinkops.model.states import JobState
from flinkops.observability.catalogue import Metric, Reading, counter, gauge
from flinkops.observability.metrics.reading import field, seconds
from flinkops.observability.slo import ObservedJob, goods, limit_readings

LEVELS = ("ok", "warning", "critical", "unknown")


def _running(observed: ObservedJob) -> float | None:
    state = observed.job.state
    return None if state == JobState.UNKNOWN else float(state == JobState.RUNNING)


def _start(observed: ObservedJob) -> float | None:
    facts = observed.job.facts
    return seconds(facts.started_ms) if facts else None


def _restored(observed: ObservedJob) -> float | None:
    return seconds(observed.job.restored.at_ms) if observed.job.restored else None


def _health(observed: ObservedJob) -> Iterable[Reading]:
    for level in LEVELS:
        yield (level,), float(observed.job.health.level == level)


def _reasons(observed: ObservedJob) -> Iterable[Reading]:
    seen = {(reason.code, reason.level) for reason in observed.job.health.reasons}
    return [(labels, 1.0) for labels in sorted(seen)]


def _findings(observed: ObservedJob) -> Iterable[Reading]:
    """By what the snapshot itself tells: no history, no details; growth and standstills need those."""
    if observed.job.facts is None:
        return []
    evidence = gathered(observed.job.facts.seen_ms, observed.job, ())
    named = {(each.code, each.severity) for each in diagnose(evidence).findings if each.severity != "info"}
    return [(labels, 1.0) for labels in sorted(named)]


def _info(observed: ObservedJob) -> Iterable[Reading]:
    job = observed.job
    yield (job.id, job.state, job.kind, job.flink_version or "", job.job_class), 1.0


HEALTH_METRICS: tuple[Metric[ObservedJob], ...] = (
    Metric(
        "flinkops_job_info",
        "info",
        "",
        "The job as it is now; its id, state and versions are labels here only, since they change.",
        "/jobs/overview",
        _info,
        ("job_id", "state", "kind", "flink_version", "job_class"),
    ),
    Metric(
        "flinkops_job_health",
        "gauge",
        "state",
        "1 at the job's health level, 0 at the others; the worst reason decides.",
        "assessment",
        _health,
        ("level",),
    ),
    Metric(
        "flinkops_job_health_reason",
        "gauge",
        "state",
        "1 for each reason that the job is not healthy, by its stable code.",
        "assessment",
        _reasons,
        ("code", "level"),
    ),
    Metric(
        "flinkops_job_finding",
        "gauge",
        "state",
        "1 for each finding above info of the doctor, by what one snapshot tells; absent while there is none.",
        "flinkops doctor (docs/doctor.md)",
        _findings,
        ("code", "severity"),
    ),
    gauge(
        "flinkops_job_running",
        "state",
        "1 while the job is RUNNING, 0 in any other state; absent when unknown.",
        "/jobs/overview",
        _running,
    ),
    gauge(
        "flinkops_job_instances",
        "count",
        "Live jobs with this name in this cluster; when more than one, the worst of them is shown.",
        "/jobs/overview",
        lambda observed: observed.instances,
    ),
    gauge(
        "flinkops_job_uptime_seconds",
        "seconds",
        "Time in RUNNING since the last start.",
        "/jobs/:id",
        field("uptime_seconds"),
    ),
    gauge(
        "flinkops_job_start_timestamp_seconds",
        "seconds",
        "When this job id was submitted; it changes with an upgrade.",
        "/jobs/:id start-time",
        _start,
    ),
    gauge(
        "flinkops_job_restored_timestamp_seconds",
        "seconds",
        "When the job last restored a checkpoint or savepoint.",
        "/jobs/:id/checkpoints latest.restored",
        _restored,
    ),
    counter(
        "flinkops_job_restarts_total",
        "count",
        "Restarts of this submission of the job; starts again at 0 with a new one.",
        "job metric numRestarts",
        field("restarts"),
    ),
    gauge(
        "flinkops_job_data_age_seconds",
        "seconds",
        "Age of the facts behind this job's metrics.",
        "collector",
        field("data_age_seconds"),
    ),
    Metric(
        "flinkops_job_slo_good",
        "gauge",
        "state",
        "1 while the objective is kept, 0 while not; absent when unknown.",
        "assessment and flinkops.toml",
        goods,
        ("slo",),
    ),
    Metric(
        "flinkops_job_slo_limit_seconds",
        "gauge",
        "seconds",
        "The limit that the job's class sets for the objective.",
        "flinkops.toml",
        limit_readings,
        ("slo",),
    ),
)
