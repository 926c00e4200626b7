"""The catalogue of alerts: symptoms page, causes ticket, and the watch itself is watched.

Every expression aggregates away what the scrape adds (instance, pod), so that a second exporter, or one that moved,
neither doubles an alert nor restarts its clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flinkops.config.alerts import AlertSettings
from flinkops.model.measures import MEASURES, Unit
from flinkops.observability.metrics.measured import metric_name
from flinkops.observability.slo import BURN_WINDOWS, SLOS, BurnWindow, Slo
from flinkops.observability.timing import Timing

Severity = Literal["page", "ticket"]

MINUTE, HOUR = 60.0, 3600.0
BY_JOB = "by (cluster, namespace, job)"
JOB = "{{ with $labels.namespace }}{{ . }}/{{ end }}{{ $labels.job }}"
STATUS_OF_JOB = "flinkops status NAMESPACE/JOB"
STATUS = "flinkops status"


@dataclass(frozen=True)
class Alert:
    """One alert. ``expr`` has its thresholds and durations in it; ``command`` is what its runbook begins with."""

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    meaning: str
    command: str = STATUS_OF_JOB
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 5 * MINUTE
    dashboard: str = "flinkops-job"
    group: str = "causes"


def alerts(settings: AlertSettings, timing: Timing) -> list[Alert]:
    """All alerts that the settings leave on."""
    return [
        *(burn_alert(slo, severity, settings) for slo in SLOS for severity in ("page", "ticket")),
        *_state_alerts(settings),
        *_checkpoint_alerts(settings),
        *_flow_alerts(settings),
        *measure_alerts(),
        *_stability_alerts(settings, timing),
        _vanished_alert(timing),
        *_exporter_alerts(),
        *_poll_alerts(settings, timing),
    ]


def ratio_name(minutes: int) -> str:
    """The recorded share of a window in which an objective was missed."""
    hours, days = minutes / 60, minutes / (24 * 60)
    window = f"{days:.0f}d" if days >= 1 else f"{hours:.0f}h" if hours >= 1 else f"{minutes}m"
    return f"flinkops:job_slo_bad:ratio_{window}"


def burn_alert(slo: Slo, severity: Severity, settings: AlertSettings) -> Alert:
    """The budget of one objective burns too fast, over two windows each."""
    budget_ratio = 1 - settings.objective_ratio
    windows = [window for window in BURN_WINDOWS if window.severity == severity]
    expr = "\nor\n".join(f"({_burns(slo, window, budget_ratio)})" for window in windows)
    month = f"{30 * 24 * 60 * budget_ratio:.0f} minutes in 30 days"
    pace = "within hours" if severity == "page" else "before its 30 days are over"
    lengths = " or ".join(f"{window.long_minutes // 60} hours" for window in windows).replace("1 hours", "hour", 1)
    return Alert(
        name=slo.alert,
        severity=severity,
        expr=expr,
        summary=f"{JOB}: the budget of its {slo.name} objective burns too fast",
        description=f"Objective: {slo.title}. Missed for {{{{ $value | humanizePercentage }}}} of the last {lengths}; "
        f"at this pace its budget of {month} is used up {pace}.{_now(slo)}",
        meaning=f"The budget of this objective burns too fast: {slo.title}.",
        for_seconds=2 * MINUTE if severity == "page" else 15 * MINUTE,
        group="objectives",
    )


def _burns(slo: Slo, window: BurnWindow, budget_ratio: float) -> str:
    limit = f"{window.factor * budget_ratio:.6g}"
    long, short = (
        f'{ratio_name(minutes)}{{slo="{slo.name}"}} > {limit}'
        for minutes in (window.long_minutes, window.short_minutes)
    )
    return f"{long}\nand\n{short}"


def _now(slo: Slo) -> str:
    if slo.value_metric is None:
        return ""
    labels = ",".join((_OF_JOB, *slo.value_labels))
    return f" Now: {_lookup(f'{slo.value_metric}{{{labels}}}', 'humanizeDuration')}."


_SHOWN_BY: dict[Unit, str] = {
    "seconds": "humanizeDuration",
    "ratio": "humanizePercentage",
    "bytes": "humanize1024",
}
_OF_JOB = "cluster=%q,namespace=%q,job=%q"


def _lookup(query: str, shown_by: str) -> str:
    """A template that shows the present value of a series of the alert's job, or that there is none."""
    quoted = query.replace('"', '\\"')
    return (
        f'{{{{ with printf "{quoted}" $labels.cluster $labels.namespace $labels.job | query }}}}'
        f"{{{{ . | first | value | {shown_by} }}}}{{{{ else }}}}not known{{{{ end }}}}"
    )


def _worst(metric: str) -> str:
    return f"max {BY_JOB} ({metric})"


def _state_alerts(settings: AlertSettings) -> Iterator[Alert]:
    if settings.state_time_to_limit_seconds is None:
        return
    soon = f"{_worst('flinkops_job_state_time_to_limit_seconds')} < {settings.state_time_to_limit_seconds:g}"
    full = "flinkops_job_state_bytes / flinkops_job_state_limit_bytes"
    bytes_now = _lookup(f"flinkops_job_state_bytes{{{_OF_JOB}}}", "humanize1024")
    yield Alert(
        name="FlinkJobStateNearLimit",
        severity="ticket",
        expr=f"{soon}\nor\n{_worst(full)} > {settings.state_of_limit_ratio:g}",
        summary=f"{JOB}: its state nears its limit",
        description=f"The state has {bytes_now} bytes; it is over "
        f"{settings.state_of_limit_ratio:.0%} of the limit of the job's class, or reaches it within "
        f"{settings.state_time_to_limit_seconds / HOUR:g} hours if it goes on like this.",
        meaning="State grows towards the limit that the job's class sets.",
        for_seconds=15 * MINUTE,
        dashboard="flinkops-state",
    )


def _checkpoint_alerts(settings: AlertSettings) -> Iterator[Alert]:
    if settings.checkpoint_of_timeout_ratio is not None:
        part = "flinkops_job_checkpoint_duration_seconds / flinkops_job_checkpoint_timeout_seconds"
        yield Alert(
            name="FlinkJobCheckpointNearTimeout",
            severity="ticket",
            expr=f"{_worst(part)} > {settings.checkpoint_of_timeout_ratio:g}",
            summary=f"{JOB}: checkpoints nearly time out",
            description="The last checkpoint took {{ $value | humanizePercentage }} of its timeout; once it takes "
            "all of it, checkpoints fail and a restart goes back further.",
            meaning="Checkpoints take nearly as long as they may.",
            for_seconds=10 * MINUTE,
            dashboard="flinkops-state",
        )
    if settings.checkpoint_failures is not None:
        yield Alert(
            name="FlinkJobCheckpointsFailing",
            severity="ticket",
            expr=f"{_worst('flinkops_job_checkpoint_failures_in_a_row')} >= {settings.checkpoint_failures:g}",
            summary=f"{JOB}: checkpoints fail",
            description="{{ $value }} checkpoints in a row failed; a restart goes back to the last that did not.",
            meaning="Several checkpoints in a row failed.",
            dashboard="flinkops-state",
        )


def _flow_alerts(settings: AlertSettings) -> Iterator[Alert]:
    if settings.late_ratio is not None:
        yield Alert(
            name="FlinkJobLateRecords",
            severity="ticket",
            expr=f"{_worst('flinkops_job_late_ratio')} > {settings.late_ratio:g}",
            summary=f"{JOB}: many records come too late",
            description="{{ $value | humanizePercentage }} of the records are behind the watermark and left out of "
            "their windows.",
            meaning="More records than usual arrive behind the watermark.",
            for_seconds=15 * MINUTE,
        )
    if settings.backpressure_ratio is not None:
        yield Alert(
            name="FlinkJobBackpressured",
            severity="ticket",
            expr=f"{_worst('flinkops_job_backpressure_ratio')} > {settings.backpressure_ratio:g}",
            summary=f"{JOB}: backpressured for a long time",
            description="Its worst subtask waits {{ $value | humanizePercentage }} of the time for what is downstream.",
            meaning="A vertex cannot keep up, and the ones before it wait.",
            for_seconds=15 * MINUTE,
        )
    if settings.source_idle_seconds is not None:
        yield Alert(
            name="FlinkJobSourceIdle",
            severity="ticket",
            expr=f"{_worst('flinkops_job_source_idle_seconds')} > {settings.source_idle_seconds:g}",
            summary=f"{JOB}: a source reads nothing",
            description="A source has had nothing to read for {{ $value | humanizeDuration }}.",
            meaning="A source has had nothing to read for long.",
            for_seconds=5 * MINUTE,
        )


def measure_alerts() -> Iterator[Alert]:
    """One for each measure that asks for it: its limit is that of the job's class, and the exporter applies it."""
    for measure in MEASURES:
        if measure.limit is None or (alert := measure.limit.alert) is None:
            continue
        shown_by = _SHOWN_BY.get(measure.unit, "humanize")
        now = _lookup(f"{metric_name(measure)}{{{_OF_JOB}}}", shown_by)
        yield Alert(
            name=alert.name,
            severity="ticket",
            expr=_worst(f'flinkops_job_health_reason{{code="{measure.limit.high.value}"}}') + " == 1",
            summary=f"{JOB}: {alert.summary}",
            description=f"Over the limit of the job's class ({measure.limit.key}): {measure.meaning}. Now: {now}.",
            meaning=alert.meaning,
            for_seconds=15 * MINUTE,
        )


def _stability_alerts(settings: AlertSettings, timing: Timing) -> Iterator[Alert]:
    if settings.restarts_in_ten_minutes is not None:
        restarts = f"increase(flinkops_job_restarts_total[{timing(10 * MINUTE)}])"
        yield Alert(
            name="FlinkJobRestartLoop",
            severity="ticket",
            expr=f"{_worst(restarts)} > {settings.restarts_in_ten_minutes:g}",
            summary=f"{JOB}: restarts again and again",
            description="{{ $value | humanize }} restarts within ten minutes.",
            meaning="The job restarts again and again.",
        )
    yield Alert(
        name="FlinkJobOverrideDrift",
        severity="ticket",
        expr=f"{_worst('flinkops_job_override_drift_vertices')} > 0",
        summary=f"{JOB}: its parallelism is not what its overrides demand",
        description="Vertices without the parallelism of pipeline.jobvertex-parallelism-overrides: {{ $value }}. "
        "What the autoscaler decides has no effect on them.",
        meaning="Vertices do not run at the parallelism demanded for them.",
        for_seconds=15 * MINUTE,
        dashboard="flinkops-scaling",
    )
    yield Alert(
        name="FlinkJobHealthUnknown",
        severity="ticket",
        expr=_worst('flinkops_job_health{level="unknown"}') + " == 1",
        summary=f"{JOB}: state unknown",
        description="Its health has been unknown for a while: its objectives are not watched in this time.",
        meaning="The job's health is unknown: there is no data to judge it by.",
        for_seconds=15 * MINUTE,
    )


def _vanished_alert(timing: Timing) -> Alert:
    present = f"max {BY_JOB} (flinkops_job_info)"
    up = 'max by (cluster) (label_replace(flinkops_source_up == 1, "cluster", "$1", "source", "(.*)"))'
    return Alert(
        name="FlinkJobVanished",
        severity="ticket",
        expr=f"{_worst(f'last_over_time(flinkops_job_running[{timing(6 * HOUR)}])')} == 1\n"
        f"unless {present}\nand on (cluster) {up}",
        summary=f"{JOB}: was running and is gone",
        description="It was RUNNING when it was last seen; its cluster answers and does not know it any more: "
        "cancelled and forgotten, renamed, or lost with a JobManager without high availability.",
        meaning="A running job is gone from a cluster that answers.",
        for_seconds=5 * MINUTE,
        command=STATUS,
        dashboard="flinkops-fleet",
    )


def _exporter_alerts() -> Iterator[Alert]:
    yield Alert(
        name="FlinkopsExporterAbsent",
        severity="page",
        expr="absent(flinkops_build_info)",
        summary="No flinkops exporter is scraped",
        description="Nobody watches the Flink jobs: no other alert of them can fire.",
        meaning="No exporter is scraped: the watch is blind.",
        command="flinkops exporter --listen 127.0.0.1:9249",
        for_seconds=5 * MINUTE,
        dashboard="flinkops-fleet",
        group="watch",
    )
    yield Alert(
        name="FlinkopsShardMissing",
        severity="ticket",
        expr='count(count_values("shard", flinkops_exporter_shard)) < max(flinkops_exporter_shards)',
        summary="A share of the jobs is not watched",
        description="Only {{ $value }} of the exporters among which the jobs are split are scraped.",
        meaning="One of several exporters is missing, and its jobs with it.",
        command="flinkops exporter --shard I/N",
        for_seconds=5 * MINUTE,
        dashboard="flinkops-fleet",
        group="watch",
    )


def _poll_alerts(settings: AlertSettings, timing: Timing) -> Iterator[Alert]:
    yield Alert(
        name="FlinkopsSourceDown",
        severity="page",
        expr="max by (source) (flinkops_source_up) == 0",
        summary="{{ $labels.source }} does not answer",
        description="The Flink cluster or API server {{ $labels.source }} has not answered for a while: its jobs may "
        "be down, and nobody would know.",
        meaning="A cluster does not answer: its jobs may be down.",
        command=STATUS,
        for_seconds=10 * MINUTE,
        dashboard="flinkops-fleet",
        group="watch",
    )
    age = "time() - max by (instance) (flinkops_snapshot_timestamp_seconds)"
    never = "max by (instance) (flinkops_build_info) unless on (instance) flinkops_snapshot_timestamp_seconds"
    yield Alert(
        name="FlinkopsSnapshotStale",
        severity="ticket",
        expr=f"{age} > {settings.snapshot_age_seconds * timing.scale:g}\nor\n{never}",
        summary="The exporter {{ $labels.instance }} shows old data, or none",
        description="Its polls of the fleet do not finish in time.",
        meaning="The exporter answers, and its polls of the fleet do not finish.",
        command=STATUS,
        for_seconds=5 * MINUTE,
        dashboard="flinkops-fleet",
        group="watch",
    )
