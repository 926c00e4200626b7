"""The cases of the exporter's alerts: a new alert needs one here."""

from flinkops.model.measures import MEASURES, Limit
from tests.alerts.scenarios import ORDERS, Case, Signal, constant

SOURCE = '{source="blue"}'
INSTANCE = '{instance="a:9249"}'


def _of_job(
    alert: str, metric: str, *, bad: float, below: float, minutes: int, also: dict[str, float] | None = None
) -> Case:
    """A gauge of a job against its threshold; `minutes` is the alert's ``for``."""
    others = {name + ORDERS: constant(value) for name, value in (also or {}).items()}
    return Case(
        alert,
        "ticket",
        bad={metric + ORDERS: constant(bad), **others},
        below={metric + ORDERS: constant(below), **others},
        lead=minutes + 1,
        not_before=minutes - 1 if minutes else None,
    )


def _good(slo: str) -> str:
    return f'flinkops_job_slo_good{{slo="{slo}",{ORDERS[1:-1]}}}'


def _missed(*, every: int, of_steps: int = 1, start: int = 0) -> Signal:
    """Bad for some half minutes out of `every`."""
    return lambda minute: 0.0 if minute >= start and int(minute * 2) % every < of_steps else 1.0


def _burn(alert: str, slo: str) -> tuple[Case, Case]:
    """An objective: missed outright it pages within minutes and is a ticket soon after.

    A page of minutes is over when the half hour of the slower pair of windows is.
    Just below: the page tolerates one half minute in two hours, the ticket one in twelve.
    """
    page = Case(
        alert,
        "page",
        bad={_good(slo): constant(0)},
        below={_good(slo): _missed(every=240)},
        lead=5,
        not_before=2,
        tail=38,
        reset={_good(slo): _restart},
    )
    # Half a percent of the time is enough for a ticket and not for a page; one objective stands for all.
    slow = slo == "latency"
    ticket = Case(
        alert,
        "ticket",
        bad={_good(slo): _missed(every=200) if slow else constant(0)},
        below={_good(slo): _missed(every=1440)},
        lead=17 * 60 if slow else 24,
        tail=6 * 60 + 20,
        evaluation="5m" if slow else "2m",
        reset={_good(slo): _restart},
    )
    return page, ticket


def _restart(minute: float) -> float | None:
    """Seen down once, then not known until the first checkpoint and watermark are there."""
    return 0.0 if 10 <= minute < 10.5 else None if 10.5 <= minute < 13 else 1.0


def _counting(per_ten_minutes: float) -> Signal:
    return lambda minute: float(int(minute * per_ten_minutes / 10))


def _clock(behind_seconds: float) -> Signal:
    return lambda minute: minute * 60 - behind_seconds


LIMITS = [each.limit for each in MEASURES if each.limit and each.limit.alert]


def _of_limit(limit: Limit) -> Case:
    """A measure over the limit of its class: its reason of health stands, or that of another one does."""
    series = f'flinkops_job_health_reason{{code="%s",level="warning",{ORDERS[1:]}'
    assert limit.alert is not None
    return Case(
        limit.alert.name,
        "ticket",
        bad={series % limit.high.value: constant(1)},
        below={series % limit.unknown.value: constant(1)},
        lead=16,
        not_before=14,
    )


CASES: tuple[Case, ...] = (
    *_burn("FlinkJobLatencyBudgetBurn", "latency"),
    *_burn("FlinkJobSkewBudgetBurn", "skew"),
    *_burn("FlinkJobAvailabilityBudgetBurn", "availability"),
    *_burn("FlinkJobCheckpointBudgetBurn", "checkpoint"),
    _of_job(
        "FlinkJobStateNearLimit",
        "flinkops_job_state_bytes",
        bad=910,
        below=890,
        minutes=15,
        also={"flinkops_job_state_limit_bytes": 1000, "flinkops_job_state_time_to_limit_seconds": 86_500},
    ),
    _of_job(
        "FlinkJobCheckpointNearTimeout",
        "flinkops_job_checkpoint_duration_seconds",
        bad=81,
        below=80,
        minutes=10,
        also={"flinkops_job_checkpoint_timeout_seconds": 100},
    ),
    _of_job("FlinkJobCheckpointsFailing", "flinkops_job_checkpoint_failures_in_a_row", bad=3, below=2, minutes=0),
    _of_job("FlinkJobLateRecords", "flinkops_job_late_ratio", bad=0.0101, below=0.01, minutes=15),
    _of_job("FlinkJobBackpressured", "flinkops_job_backpressure_ratio", bad=0.51, below=0.5, minutes=15),
    *map(_of_limit, LIMITS),
    _of_job("FlinkJobSourceIdle", "flinkops_job_source_idle_seconds", bad=301, below=300, minutes=5),
    Case(
        "FlinkJobRestartLoop",
        "ticket",
        bad={"flinkops_job_restarts_total" + ORDERS: _counting(5)},
        below={"flinkops_job_restarts_total" + ORDERS: _counting(2)},
        lead=11,
        tail=16,
        reset={
            "flinkops_job_restarts_total" + ORDERS: lambda minute: 40.0 if minute < 10 else 1.0 if minute < 12 else 2.0
        },
    ),
    _of_job("FlinkJobOverrideDrift", "flinkops_job_override_drift_vertices", bad=1, below=0, minutes=15),
    Case(
        "FlinkJobHealthUnknown",
        "ticket",
        bad={'flinkops_job_health{level="unknown",' + ORDERS[1:]: constant(1)},
        below={'flinkops_job_health{level="unknown",' + ORDERS[1:]: constant(0)},
        lead=16,
        not_before=14,
    ),
    Case(
        "FlinkJobVanished",
        "ticket",
        bad={
            "flinkops_job_running" + ORDERS: lambda minute: 1.0 if minute < 10 else None,
            "flinkops_job_info" + ORDERS: lambda minute: 1.0 if minute < 10 else None,
            "flinkops_source_up" + SOURCE: constant(1),
        },
        below={
            "flinkops_job_running" + ORDERS: lambda minute: 1.0 if minute < 10 else 0.0 if minute < 12 else None,
            "flinkops_job_info" + ORDERS: lambda minute: 1.0 if minute < 12 else None,
            "flinkops_source_up" + SOURCE: constant(1),
        },
        lead=17,
        not_before=14,
        recovered={
            "flinkops_job_running" + ORDERS: constant(1),
            "flinkops_job_info" + ORDERS: constant(1),
            "flinkops_source_up" + SOURCE: constant(1),
        },
    ),
    Case(
        "FlinkopsExporterAbsent",
        "page",
        bad={"flinkops_source_up" + SOURCE: constant(1)},
        below={"flinkops_build_info" + INSTANCE: constant(1)},
        lead=6,
        not_before=4,
        absent_fires=True,
    ),
    Case(
        "FlinkopsShardMissing",
        "ticket",
        bad={
            'flinkops_exporter_shard{instance="a"}': constant(1),
            'flinkops_exporter_shards{instance="a"}': constant(2),
        },
        below={
            'flinkops_exporter_shard{instance="a"}': constant(1),
            'flinkops_exporter_shards{instance="a"}': constant(2),
            'flinkops_exporter_shard{instance="b"}': constant(2),
            'flinkops_exporter_shards{instance="b"}': constant(2),
        },
        lead=6,
        not_before=4,
    ),
    Case(
        "FlinkopsSourceDown",
        "page",
        bad={"flinkops_source_up" + SOURCE: constant(0)},
        below={"flinkops_source_up" + SOURCE: constant(1)},
        lead=11,
        not_before=9,
    ),
    Case(
        "FlinkopsSnapshotStale",
        "ticket",
        bad={"flinkops_snapshot_timestamp_seconds" + INSTANCE: constant(-90)},
        below={"flinkops_snapshot_timestamp_seconds" + INSTANCE: _clock(90)},
        lead=8,
        not_before=4,
    ),
)
