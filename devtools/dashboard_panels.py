"""What the dashboards show: one line a panel. Units and meanings come from the catalogue of metrics."""

from dataclasses import dataclass
from typing import Any, Literal

from flinkops.config.alerts import AlertSettings
from flinkops.observability.metrics import FLEET_METRICS, JOB_METRICS, VERTEX_METRICS
from flinkops.observability.slo import BURN_WINDOWS

Kind = Literal["timeseries", "table", "states"]

SELECTOR = 'namespace=~"$namespace", job=~"$job"'
BY_JOB = "by (cluster, namespace, job)"
LIMIT = "limit"
"""The last word of the legend of a line that is a limit: such lines are red and dashed."""
NOT_REPORTED = "not reported by these jobs, or not known"
_LEGEND = "{{job}} {{namespace}} {{cluster}}"
LEVEL_COLORS = {"ok": "green", "unknown": "purple", "warning": "yellow", "critical": "red"}
"""From the best to the worst."""
_HEALTH = f"max {BY_JOB} (" + " or ".join(
    f'{place} * (flinkops_job_health{{level="{level}", {SELECTOR}}} == 1)' for place, level in enumerate(LEVEL_COLORS)
) + ")"  # fmt: skip
_LEVEL_WORDS = tuple((place, level, color) for place, (level, color) in enumerate(LEVEL_COLORS.items()))
_JOB_COLUMNS = (("namespace", "namespace"), ("job", "job"), ("cluster", "cluster"))
_KEPT_WORDS = ((0, "missed", "red"), (1, "kept", "green"))
_ANSWER_WORDS = ((0, "does not answer", "red"), (1, "answers", "green"))
_ALERTS = AlertSettings()
_PAGES = {each.long_minutes: each.factor for each in BURN_WINDOWS if each.severity == "page"}
_GRAFANA_UNITS = {
    "seconds": "s",
    "bytes": "decbytes",  # powers of 1000, as on the screens
    "bytes per second": "Bps",
    "records per second": "cps",
    "ratio": "percentunit",
    "records": "short",
    "count": "short",
    "state": "short",
    "": "short",
}
_CATALOGUE = {m.name: m for m in FLEET_METRICS} | {m.name: m for m in JOB_METRICS} | {m.name: m for m in VERTEX_METRICS}


@dataclass(frozen=True)
class PanelSpec:
    """One panel; ``queries`` are expressions with their legends, ``width`` counts to 24, ``height`` in rows.

    ``low`` and ``high`` are the ends of the axis where they are known; ``thresholds`` are lines in it. ``words`` are
    what the values of states mean, with their colours; ``columns`` those of a table, with their titles.
    """

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    low: float | None = 0.0
    high: float | None = None
    thresholds: tuple[float, ...] = ()
    words: tuple[tuple[int, str, str], ...] = ()
    colors: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DashboardSpec:
    """One dashboard; its uid is fixed, links and alerts refer to it."""

    uid: str
    title: str
    description: str
    panels: tuple[PanelSpec, ...]


def _of_jobs(title: str, *names: str, also: str = "", **shown: Any) -> PanelSpec:
    """Metrics of jobs as they are; further labels of the first one go into the legend."""
    first = _CATALOGUE[names[0]]
    labels = (*first.labels, *(["vertex_id"] if first.name in {m.name for m in VERTEX_METRICS} else []))
    by = f"by (cluster, namespace, job{''.join(', ' + label for label in labels)})"
    legend = " ".join((_LEGEND, *(f"{{{{{label}}}}}" for label in labels)))
    queries = tuple(
        (f"max {by} ({name}{{{SELECTOR}{also}}})", legend if len(names) == 1 else f"{_LEGEND} {_last_word(name)}")
        for name in names
    )
    return PanelSpec(title, first.description, _GRAFANA_UNITS[first.unit], queries, **shown)


def _limits(ratio: float | None) -> tuple[float, ...]:
    """Of an alert, as it is unless somebody sets it."""
    return () if ratio is None else (ratio,)


def _last_word(name: str) -> str:
    words = name.removeprefix("flinkops_job_").removesuffix("_ratio").removesuffix("_seconds")
    return words.removeprefix("checkpoint_").replace("_", " ")


def _limited(title: str, metric: str, slo: str, also: str = "") -> PanelSpec:
    """An indicator with the limit of its objective."""
    shown = _of_jobs(title, metric, also=also)
    limit = f'max {BY_JOB} (flinkops_job_slo_limit_seconds{{slo="{slo}", {SELECTOR}}})'
    queries = (*shown.queries, (limit, f"{_LEGEND} {LIMIT}"))
    return PanelSpec(title, shown.description + " With the limit of the job's class.", shown.unit, queries)


def _panel(
    title: str, description: str, unit: str, expr: str, legend: str, kind: Kind = "timeseries", **shown: Any
) -> PanelSpec:
    return PanelSpec(title, description, unit, ((expr, legend),), kind, **shown)


def _increase(title: str, metric: str, description: str) -> PanelSpec:
    return _panel(title, description, "short", f"max {BY_JOB} (increase({metric}{{{SELECTOR}}}[1h]))", _LEGEND)


FLEET = DashboardSpec(
    "flinkops-fleet",
    "Flink fleet",
    "All jobs at a glance: how many are well, which are not, and whether the watch itself works.",
    (
        _panel(
            "Jobs by health",
            "How many jobs are at each level of health; the worst reason of a job decides.",
            "short",
            f"sum by (level) (max by (cluster, namespace, job, level) (flinkops_job_health{{{SELECTOR}}}))",
            "{{level}}",
            colors=tuple(LEVEL_COLORS.items()),
        ),
        _panel(
            "Health of each job",
            "The level of each job now, the worst first.",
            "short",
            _HEALTH,
            "{{job}}",
            "table",
            words=_LEVEL_WORDS,
            columns=(("Value", "health"), *_JOB_COLUMNS),
        ),
        _panel(
            "Budget burn, last hour",
            "How many times faster than allowed the budget of an objective (99.9 % of 30 days) burns; "
            f"over {_PAGES[60]:g} pages.",
            "short",
            f"max by (cluster, namespace, job, slo) (flinkops:job_slo_bad:ratio_1h{{{SELECTOR}}}) / 0.001",
            f"{_LEGEND} {{{{slo}}}}",
            thresholds=(_PAGES[60],),
        ),
        _of_jobs("Processing latency, p99", "flinkops_job_processing_latency_seconds", also=', quantile="0.99"'),
        _of_jobs("Event-time skew", "flinkops_job_event_time_skew_seconds"),
        _of_jobs(
            "Backpressure",
            "flinkops_job_backpressure_ratio",
            high=1.0,
            thresholds=_limits(_ALERTS.backpressure_ratio),
        ),
        _of_jobs("Records in", "flinkops_job_records_in_per_second"),
        _of_jobs("Time since a checkpoint", "flinkops_job_checkpoint_age_seconds"),
        _of_jobs("State", "flinkops_job_state_bytes"),
        _increase("Restarts in an hour", "flinkops_job_restarts_total", "Restarts of each job within the last hour."),
        _panel(
            "Sources that answer",
            "1 for each Flink cluster or API server that answered at the last poll.",
            "short",
            "max by (source) (flinkops_source_up)",
            "{{source}}",
            "states",
            words=_ANSWER_WORDS,
        ),
        _panel(
            "Time to answer",
            "How long each source took to answer.",
            "s",
            "max by (source) (flinkops_source_poll_duration_seconds)",
            "{{source}}",
        ),
        _panel(
            "Age of the data",
            "Time since the newest snapshot of each exporter.",
            "s",
            "time() - max by (instance) (flinkops_snapshot_timestamp_seconds)",
            "{{instance}}",
        ),
        _panel(
            "Overdue scrapes",
            "Scrapes that got the previous poll, or none, because theirs was not done in time.",
            "short",
            "max by (instance) (increase(flinkops_exporter_overdue_scrapes_total[1h]))",
            "{{instance}}",
        ),
    ),
)

JOB = DashboardSpec(
    "flinkops-job",
    "Flink job",
    "One job in depth: the signals against their limits, its flow, and what holds it up.",
    (
        _panel(
            "Health",
            "The level of the job's health; the worst reason decides.",
            "short",
            _HEALTH,
            _LEGEND,
            "states",
            width=24,
            height=5,
            words=_LEVEL_WORDS,
        ),
        _limited("Processing latency", "flinkops_job_processing_latency_seconds", "latency"),
        _limited("Event-time skew", "flinkops_job_event_time_skew_seconds", "skew"),
        _of_jobs("Records in", "flinkops_job_records_in_per_second"),
        _of_jobs("Records out", "flinkops_job_records_out_per_second"),
        _of_jobs("Records dropped", "flinkops_job_records_dropped_per_second"),
        _of_jobs("Late records", "flinkops_job_late_ratio"),
        _of_jobs("Waiting in the sources", "flinkops_job_pending_records"),
        _of_jobs("Idle source", "flinkops_job_source_idle_seconds"),
        _of_jobs("Backpressure and load", "flinkops_job_backpressure_ratio", "flinkops_job_busy_ratio", high=1.0),
        _of_jobs("Busy vertices", "flinkops_vertex_busy_ratio", high=1.0),
        _of_jobs("Backpressured vertices", "flinkops_vertex_backpressured_ratio", high=1.0),
        _of_jobs("Records into vertices", "flinkops_vertex_records_in_per_second"),
        _of_jobs("Skew of vertices", "flinkops_vertex_event_time_skew_seconds"),
        _of_jobs("Objectives kept", "flinkops_job_slo_good", kind="states", words=_KEPT_WORDS),
        _panel(
            "Budget burn",
            f"How many times faster than allowed each budget burns, over six hours; over {_PAGES[360]:g} pages.",
            "short",
            f"max by (cluster, namespace, job, slo) (flinkops:job_slo_bad:ratio_6h{{{SELECTOR}}}) / 0.001",
            f"{_LEGEND} {{{{slo}}}}",
            thresholds=(_PAGES[360],),
        ),
        _of_jobs(
            "How latency is known",
            "flinkops_job_processing_latency_method_info",
            kind="table",
            columns=(*_JOB_COLUMNS, ("method", "method")),
        ),
        _of_jobs(
            "The job",
            "flinkops_job_info",
            kind="table",
            width=24,
            height=5,
            columns=(
                *_JOB_COLUMNS,
                ("state", "state"),
                ("job_class", "class"),
                ("kind", "kind"),
                ("flink_version", "Flink"),
                ("job_id", "id"),
            ),
        ),
    ),
)

STATE = DashboardSpec(
    "flinkops-state",
    "Flink checkpoints and state",
    "How large the state is, where it is heading, and whether checkpoints keep up.",
    (
        _of_jobs("State", "flinkops_job_state_bytes"),
        _of_jobs("Growth", "flinkops_job_state_growth_bytes_per_second", low=None),
        _of_jobs("Keys", "flinkops_job_state_keys"),
        _of_jobs("Size of checkpoints", "flinkops_job_checkpoint_size_bytes"),
        _limited("Time since a checkpoint", "flinkops_job_checkpoint_age_seconds", "checkpoint"),
        _of_jobs("Duration of checkpoints", "flinkops_job_checkpoint_duration_seconds"),
        _panel(
            "Duration of checkpoints, of their timeout",
            "How much of its timeout the last checkpoint took; at 100 % checkpoints fail.",
            "percentunit",
            f"max {BY_JOB} (flinkops_job_checkpoint_duration_seconds{{{SELECTOR}}} "
            f"/ flinkops_job_checkpoint_timeout_seconds{{{SELECTOR}}})",
            _LEGEND,
            high=1.0,
            thresholds=_limits(_ALERTS.checkpoint_of_timeout_ratio),
        ),
        _of_jobs("Interval", "flinkops_job_checkpoint_interval_seconds"),
        _of_jobs("Failures in a row", "flinkops_job_checkpoint_failures_in_a_row"),
        _increase("Completed in an hour", "flinkops_job_checkpoints_completed_total", "Checkpoints completed."),
        _increase("Failed in an hour", "flinkops_job_checkpoints_failed_total", "Checkpoints that failed."),
        _of_jobs("Time since a commit", "flinkops_job_commit_age_seconds"),
    ),
)

SCALING = DashboardSpec(
    "flinkops-scaling",
    "Flink autoscaling and upgrades",
    "Load against parallelism and free slots; submissions, restores and rescales.",
    (
        _of_jobs("Parallelism", "flinkops_job_parallelism"),
        _of_jobs("Parallelism of vertices", "flinkops_vertex_parallelism"),
        _of_jobs("Load of the busiest subtask", "flinkops_job_busy_ratio", high=1.0),
        _of_jobs("Busy vertices", "flinkops_vertex_busy_ratio", high=1.0),
        _of_jobs("Waiting in the sources", "flinkops_job_pending_records"),
        _of_jobs("Records in", "flinkops_job_records_in_per_second"),
        _panel(
            "Slots", "Task slots of a cluster.", "short", "max by (cluster) (flinkops_cluster_slots)", "{{cluster}}"
        ),
        _panel(
            "Free slots",
            "Task slots that no job uses: what a job can still grow into.",
            "short",
            "max by (cluster) (flinkops_cluster_slots_available)",
            "{{cluster}}",
        ),
        _panel(
            "TaskManagers",
            "TaskManagers registered at each cluster.",
            "short",
            "max by (cluster) (flinkops_cluster_taskmanagers)",
            "{{cluster}}",
        ),
        _of_jobs("Time in RUNNING", "flinkops_job_uptime_seconds"),
        _panel(
            "Time since submission",
            "Age of the job's present id: an upgrade begins a new one.",
            "s",
            f"time() - max {BY_JOB} (flinkops_job_start_timestamp_seconds{{{SELECTOR}}})",
            _LEGEND,
        ),
        _panel(
            "Time since a restore",
            "Since the job last started from a checkpoint or savepoint; nothing when it never did.",
            "s",
            f"time() - max {BY_JOB} (flinkops_job_restored_timestamp_seconds{{{SELECTOR}}})",
            _LEGEND,
        ),
        _panel(
            "Time since a rescale",
            "Since the adaptive scheduler last changed the job's parallelism (Flink 2.3); nothing when it never did.",
            "s",
            f"time() - max {BY_JOB} (flinkops_job_last_rescale_timestamp_seconds{{{SELECTOR}}})",
            _LEGEND,
        ),
        _increase("Restarts in an hour", "flinkops_job_restarts_total", "Restarts of each job within the last hour."),
    ),
)

DASHBOARDS = (FLEET, JOB, STATE, SCALING)
