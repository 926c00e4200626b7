"""The answers of Flink's REST API, as far as they are used here, for Flink 1.20 and 2.0 to 2.3.

What Flink always sends is required, so that JSON of something else is not taken for a cluster with zero of everything;
fields of some versions only have a default; everything else is ignored while decoding, at no cost. Numbers that Java
may render as "NaN" are `Number`; :func:`number` reads them.
"""

import math
from typing import Any

import msgspec

Number = float | str | None


class Kebab(msgspec.Struct, rename="kebab", gc=False):
    """Flink's older endpoints: ``start-time``."""


class Camel(msgspec.Struct, rename="camel", gc=False):
    """Flink's newer endpoints: ``startTime``."""


class Snake(msgspec.Struct, gc=False):
    """The checkpoint endpoints: ``state_size``."""


def number(value: Number) -> float | None:
    """None for what is not a finite number: "NaN" of a legacy source, "Infinity", null."""
    if value is None:
        return None
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None


# /overview, /jobs/overview, /jobmanager/config


class Overview(Kebab):
    """GET /overview."""

    flink_version: str
    taskmanagers: int
    slots_total: int | None = None
    slots_available: int | None = None


class OverviewJob(Kebab):
    """One job of GET /jobs/overview."""

    jid: str
    name: str
    state: str
    start_time: int = 0
    end_time: int = -1
    last_modification: int = 0


class JobsOverview(msgspec.Struct):
    """GET /jobs/overview."""

    jobs: list[OverviewJob]


class Setting(msgspec.Struct, gc=False):
    """One entry of GET /jobmanager/config."""

    key: str
    value: str = ""


# /jobs/:jobid


class PlanInput(msgspec.Struct, gc=False):
    """Where an edge of the job graph comes from, and how it spreads records (FORWARD, HASH, REBALANCE, ...)."""

    id: str
    ship_strategy: str = ""


class PlanNode(msgspec.Struct, gc=False):
    """One vertex in the plan; `description` names its operators, in HTML."""

    id: str
    description: str = ""
    inputs: list[PlanInput] = []


class JobPlan(msgspec.Struct, gc=False):
    """The job graph."""

    nodes: list[PlanNode] = []


class IoMetrics(Kebab):
    """Counters since the attempt began."""

    read_bytes: int | None = None
    write_bytes: int | None = None
    read_records: int | None = None
    write_records: int | None = None
    read_records_complete: bool = True
    write_records_complete: bool = True
    accumulated_backpressured_time: Number = None
    accumulated_idle_time: Number = None
    accumulated_busy_time: Number = None


class JobVertex(msgspec.Struct, gc=False):
    """One vertex of GET /jobs/:jobid."""

    id: str
    name: str
    parallelism: int
    status: str
    max_parallelism: int | None = msgspec.field(name="maxParallelism", default=None)
    start_time: int = msgspec.field(name="start-time", default=-1)
    metrics: IoMetrics = msgspec.field(default_factory=IoMetrics)


class Job(msgspec.Struct, gc=False):
    """GET /jobs/:jobid."""

    jid: str
    name: str
    state: str
    now: int = 0
    start_time: int = msgspec.field(name="start-time", default=-1)
    end_time: int = msgspec.field(name="end-time", default=-1)
    job_type: str | None = msgspec.field(name="job-type", default=None)
    scheduler_type: str | None = msgspec.field(name="schedulerType", default=None)
    max_parallelism: int | None = msgspec.field(name="maxParallelism", default=None)
    timestamps: dict[str, int] = {}
    vertices: list[JobVertex] = []
    plan: JobPlan | None = None


class ExecutionConfig(Kebab):
    """The part of GET /jobs/:jobid/config that is used."""

    job_parallelism: int | None = None
    object_reuse_mode: bool | None = None
    user_config: dict[str, Any] | None = None


class JobConfig(Kebab):
    """GET /jobs/:jobid/config."""

    execution_config: ExecutionConfig | None = None


# metrics


class MetricName(msgspec.Struct, gc=False):
    """One entry of a metrics endpoint asked without names."""

    id: str


class MetricValue(msgspec.Struct, gc=False):
    """One entry of a metrics endpoint that does not aggregate; Flink sends every value as text."""

    id: str
    value: str = ""


class Aggregate(msgspec.Struct, gc=False):
    """One metric over subtasks. With a NaN among the values, Java's max, sum and avg are "NaN" too."""

    id: str
    min: Number = None
    max: Number = None
    avg: Number = None
    sum: Number = None
    skew: Number = None


# checkpoints


class CheckpointCounts(Snake):
    """``counts``."""

    restored: int
    completed: int
    failed: int
    in_progress: int


class DurationSummary(Snake):
    """One line of ``summary``."""

    p99: Number = None


class CheckpointSummary(Snake):
    """``summary``."""

    end_to_end_duration: DurationSummary | None = None


class CheckpointTask(Snake):
    """One vertex in GET /jobs/:jobid/checkpoints/details/:id."""

    end_to_end_duration: int | None = None
    state_size: int | None = None
    num_subtasks: int | None = None
    num_acknowledged_subtasks: int | None = None


class Checkpoint(Snake):
    """A checkpoint or savepoint; in GET /jobs/:jobid/checkpoints without `tasks`."""

    id: int
    status: str
    is_savepoint: bool = False
    trigger_timestamp: int | None = None
    latest_ack_timestamp: int | None = None
    state_size: int | None = None
    checkpointed_size: int | None = None
    end_to_end_duration: int | None = None
    num_subtasks: int | None = None
    num_acknowledged_subtasks: int | None = None
    external_path: str | None = None
    failure_timestamp: int | None = None
    failure_message: str | None = None
    tasks: dict[str, CheckpointTask] = {}


class RestoredCheckpoint(Snake):
    """``latest.restored``."""

    id: int
    restore_timestamp: int
    is_savepoint: bool = False
    external_path: str | None = None


class LatestCheckpoints(Snake):
    """``latest``."""

    completed: Checkpoint | None = None
    savepoint: Checkpoint | None = None
    failed: Checkpoint | None = None
    restored: RestoredCheckpoint | None = None


class CheckpointStatistics(Snake):
    """GET /jobs/:jobid/checkpoints."""

    counts: CheckpointCounts
    latest: LatestCheckpoints
    history: list[Checkpoint]
    summary: CheckpointSummary | None = None


class CheckpointConfig(Snake):
    """GET /jobs/:jobid/checkpoints/config; `interval` is Long.MAX when there are no periodic checkpoints."""

    mode: str
    interval: int
    timeout: int | None = None
    min_pause: int | None = None
    tolerable_failed_checkpoints: int | None = None
    unaligned_checkpoints: bool | None = None
    state_backend: str | None = None
    checkpoint_storage: str | None = None


class MinMaxAvg(Snake):
    """A statistic over the subtasks of one vertex."""

    max: Number = None


class CheckpointDuration(msgspec.Struct, gc=False):
    """``checkpoint_duration`` of a vertex."""

    sync: MinMaxAvg | None = None
    async_: MinMaxAvg | None = msgspec.field(name="async", default=None)


class Alignment(Snake):
    """``alignment`` of a vertex."""

    duration: MinMaxAvg | None = None


class VertexCheckpointSummary(Snake):
    """``summary`` of one vertex."""

    end_to_end_duration: MinMaxAvg | None = None
    state_size: MinMaxAvg | None = None
    checkpoint_duration: CheckpointDuration | None = None
    alignment: Alignment | None = None
    start_delay: MinMaxAvg | None = None


class VertexCheckpoint(Snake):
    """GET /jobs/:jobid/checkpoints/details/:id/subtasks/:vertexid."""

    summary: VertexCheckpointSummary | None = None


# exceptions, rescales


class ExceptionEntry(Camel):
    """One entry of the exception history."""

    exception_name: str = ""
    stacktrace: str = ""
    timestamp: int = 0
    task_name: str | None = None
    endpoint: str | None = None
    task_manager_id: str | None = None


class ExceptionHistory(Camel):
    """``exceptionHistory``."""

    entries: list[ExceptionEntry] = []


class JobExceptions(Camel):
    """GET /jobs/:jobid/exceptions."""

    exception_history: ExceptionHistory


class Rescale(Camel):
    """One entry of GET /jobs/:jobid/rescales/history (Flink 2.3)."""

    start_timestamp_in_millis: int | None = None
    end_timestamp_in_millis: int | None = None
    terminal_state: str | None = None
    trigger_cause: str | None = None
    terminated_reason: str | None = None


overview = msgspec.json.Decoder(Overview)
jobs_overview = msgspec.json.Decoder(JobsOverview)
settings = msgspec.json.Decoder(list[Setting])
job = msgspec.json.Decoder(Job)
job_config = msgspec.json.Decoder(JobConfig)
metric_names = msgspec.json.Decoder(list[MetricName])
metric_values = msgspec.json.Decoder(list[MetricValue])
aggregates = msgspec.json.Decoder(list[Aggregate])
checkpoints = msgspec.json.Decoder(CheckpointStatistics)
checkpoint = msgspec.json.Decoder(Checkpoint)
checkpoint_config = msgspec.json.Decoder(CheckpointConfig)
vertex_checkpoint = msgspec.json.Decoder(VertexCheckpoint)
exceptions = msgspec.json.Decoder(JobExceptions)
rescales = msgspec.json.Decoder(list[Rescale])
