"""For sites without the exporter: the same alerts on the metrics of Flink's own Prometheus reporter.

Recording rules give the reporter's numbers the exporter's names; the alerts above them are the same ones. What Flink
does not report (health, the fleet's sources, parallelism overrides, limits of the state) has no alert here.
Use either this or the exporter in one Prometheus: both would record the same series.
"""

from collections.abc import Callable
from typing import Any

from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import JobClass, Policy
from flinkops.observability.alerts import alerts, measure_alerts
from flinkops.observability.rules import Group, groups
from flinkops.observability.timing import Timing

_BY = "by (cluster, namespace, job)"
_TASK, _OPERATOR, _JOB = "flink_taskmanager_job_task", "flink_taskmanager_job_task_operator", "flink_jobmanager_job"
_NO_WATERMARK, _FINISHED = "-9e18", "9e18"
_ASSUMED_CHECKPOINT_AGE_SECONDS = 600.0
"""The reporter does not know a job's checkpoint interval, from which the exporter derives the limit."""
_LATENCY = "flinkops_job_processing_latency_seconds"

NOT_REPORTED = frozenset(
    {
        "FlinkJobStateNearLimit",
        "FlinkJobCheckpointNearTimeout",
        "FlinkJobOverrideDrift",
        "FlinkJobHealthUnknown",
        "FlinkJobVanished",
        "FlinkopsExporterAbsent",
        "FlinkopsShardMissing",
        "FlinkopsSourceDown",
        "FlinkopsSnapshotStale",
        *(alert.name for alert in measure_alerts()),
    }
)
"""Alerts that need what the reporter does not know."""


def reporter_groups(settings: AlertSettings, policy: Policy, timing: Timing | None = None) -> list[Group]:
    """The recording rules that translate, and the alerts on them."""
    timing = timing or Timing()
    kept = {alert.name for alert in alerts(settings, timing)} - NOT_REPORTED
    own = [_only(group, kept) for group in groups(settings, timing)]
    translation = {
        "name": "flink-reporter",
        "interval": timing(15),
        # In one group, so that the objectives are of the numbers just recorded.
        "rules": [*(_recording(name, expr) for name, expr in _recordings(timing)), *_objectives(policy)],
    }
    return [translation, *(group for group in own if group["rules"])]


def _recording(name: str, expr: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": name, "expr": expr}
    return rule | {"labels": {"quantile": "0.99"}} if name == _LATENCY else rule


def _only(group: Group, kept: set[str]) -> Group:
    rules = [rule for rule in group["rules"] if rule.get("alert") in kept or "record" in rule]
    return {**group, "rules": rules}


def _named(expr: str) -> str:
    """The reporter's ``job_name`` as ``job``, in place of the scrape's."""
    return f'label_replace({expr}, "job", "$1", "job_name", "(.*)")'


def _over(aggregate: str, expr: str) -> str:
    return f"{aggregate} {_BY} ({_named(expr)})"


def _recordings(timing: Timing) -> list[tuple[str, str]]:
    window = timing(120)
    watermarks = f"{_OPERATOR}_currentOutputWatermark > {_NO_WATERMARK} < {_FINISHED}"
    sources = f"{_OPERATOR}_sourceIdleTime"
    dropped, own = (
        _over("sum", f"increase({_OPERATOR}_{name}[{timing(600)}])")
        for name in ("numLateRecordsDropped", "flinkops_lateRecords")
    )
    late = f'max {_BY} (label_replace({dropped}, "of", "flink", "", "") or label_replace({own}, "of", "job", "", ""))'
    taken = _over("sum", f"increase({_TASK}_numRecordsIn[{timing(600)}])")
    failed = _over("max", f"increase({_JOB}_numberOfFailedCheckpoints[{timing(1800)}])")
    completed = _over("max", f"increase({_JOB}_numberOfCompletedCheckpoints[{timing(1800)}])")
    return [
        ("flinkops_job_running", _over("max", f"{_JOB}_runningTime") + " > bool 0"),
        ("flinkops_job_restarts_total", _over("max", f"{_JOB}_numRestarts")),
        (
            _LATENCY,
            _over("max", f'{_OPERATOR}_flinkops_processingLatencyMs{{quantile="0.99"}}') + " / 1000",
        ),
        ("flinkops_job_event_time_skew_seconds", f"time() - {_over('min', watermarks)} / 1000"),
        ("flinkops_job_state_bytes", _over("max", f"{_JOB}_lastCheckpointFullSize >= 0")),
        ("flinkops_job_backpressure_ratio", _over("max", f"{_TASK}_backPressuredTimeMsPerSecond") + " / 1000"),
        ("flinkops_job_busy_ratio", _over("max", f"{_TASK}_busyTimeMsPerSecond") + " / 1000"),
        (
            "flinkops_job_records_in_per_second",
            _over("sum", f"rate({_OPERATOR}_numRecordsIn[{window}])"),
        ),
        (
            "flinkops_job_checkpoint_age_seconds",
            f"time() - {_over('max', f'{_JOB}_lastCheckpointCompletedTimestamp > 0')} / 1000",
        ),
        ("flinkops_job_source_idle_seconds", _over("max", sources) + " / 1000"),
        ("flinkops_job_late_ratio", f"{late} / ({taken} > 0)"),
        (
            "flinkops_job_checkpoint_duration_seconds",
            _over("max", f"{_JOB}_lastCheckpointDuration >= 0") + " / 1000",
        ),
        # Failures while none completed: as many in a row.
        ("flinkops_job_checkpoint_failures_in_a_row", f"round({failed}) unless ({completed} > 0)"),
    ]


def _objectives(policy: Policy) -> list[dict[str, Any]]:
    up = "and on (cluster, namespace, job) (flinkops_job_running == 1)"
    latency = f'{_LATENCY}{{quantile="0.99"}}'
    skew, age = "flinkops_job_event_time_skew_seconds", "flinkops_job_checkpoint_age_seconds"
    exprs = {
        "availability": "flinkops_job_running",
        "latency": f"{_by_class(policy, latency, lambda found: found.latency_p99_seconds)} {up}",
        "skew": f"{_by_class(policy, skew, _skew_limit)} {up}",
        "checkpoint": f"{_by_class(policy, age, _checkpoint_age_limit)} {up}",
    }
    return [{"record": "flinkops_job_slo_good", "labels": {"slo": slo}, "expr": expr} for slo, expr in exprs.items()]


def _checkpoint_age_limit(found: JobClass) -> float | None:
    if not found.checkpoint_age_asked:
        return None
    return found.checkpoint_age_seconds or _ASSUMED_CHECKPOINT_AGE_SECONDS


def _skew_limit(found: JobClass) -> float | None:
    if found.skew_seconds is None or found.watermark_delay_seconds is None:
        return found.skew_seconds
    return found.watermark_delay_seconds + found.skew_margin_seconds


def _by_class(policy: Policy, metric: str, limit: Callable[[JobClass], float | None]) -> str:
    """1 or 0 by the limit of each job's class: the first rule that matches decides, as in the policy.

    Rules by Kubernetes labels are left out: the reporter does not show them.
    """
    parts = []
    for rule in policy.rules:
        if not rule.labels:
            matchers = {"job": rule.name, "namespace": rule.namespace}
            parts.append(_compare(metric, matchers, limit(policy.classes[rule.job_class])))
    parts.append(_compare(metric, {}, limit(policy.classes[policy.default_class])))
    return "(" + "\nor\n".join(parts) + ")"


def _compare(metric: str, patterns: dict[str, str], limit: float | None) -> str:
    chosen = ", ".join(f"{label}=~{_regex(pattern)}" for label, pattern in patterns.items() if pattern)
    selector = metric
    if chosen:
        selector = f"{metric[:-1]}, {chosen}}}" if metric.endswith("}") else f"{metric}{{{chosen}}}"
    # Without a limit the objective is not asked: such jobs must not fall through to the next class.
    return f"({selector} <= bool {limit:g})" if limit is not None else f"({selector} * 0 + 1)"


def _regex(pattern: str) -> str:
    """A shell pattern as a quoted regular expression; the reporter writes ``_`` for what is no letter or digit."""
    wild = {"*": ".*", "?": "."}
    return '"' + "".join(c if c.isascii() and c.isalnum() else wild.get(c, ".") for c in pattern) + '"'
