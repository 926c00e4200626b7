"""What is read of one job on demand, when a person opens it: too much for every poll of a whole fleet."""

from typing import Literal

from flinkops.model.facts import CheckpointPhases, ExceptionFacts, Facts, StuckFacts

FlameGraphKind = Literal["full", "on_cpu", "off_cpu"]
"""Which samples: all, of running threads, of waiting ones; as Flink's REST API names them."""


class SubtaskDetail(Facts, frozen=True):
    """One parallel subtask of a vertex. Ratios are 0 to 1; `backpressured_ratio` and others None: not measured."""

    index: int
    status: str
    attempt: int = 0
    endpoint: str | None = None
    taskmanager: str | None = None
    started_ms: int | None = None
    records_in: int | None = None
    records_out: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    accumulated_busy_ms: float | None = None
    accumulated_backpressured_ms: float | None = None
    accumulated_idle_ms: float | None = None
    busy_ratio: float | None = None
    backpressured_ratio: float | None = None
    idle_ratio: float | None = None
    watermark_ms: int | None = None  # Long.MIN: none yet; Long.MAX: ended


class VertexDetail(Facts, frozen=True):
    """One vertex and its subtasks."""

    id: str
    name: str
    parallelism: int
    subtasks: tuple[SubtaskDetail, ...] = ()
    unknown: dict[str, str] = {}


class TaskManagerDetail(Facts, frozen=True):
    """One TaskManager: memory in bytes, `gc_ratio` the share of time spent in garbage collection (Flink 1.18 on)."""

    id: str
    slots: int | None = None
    free_slots: int | None = None
    last_heartbeat_ms: int | None = None
    heap_used_bytes: int | None = None
    heap_max_bytes: int | None = None
    managed_used_bytes: int | None = None
    managed_total_bytes: int | None = None
    network_used_bytes: int | None = None
    network_total_bytes: int | None = None
    cpu_ratio: float | None = None
    gc_ratio: float | None = None


class LogFile(Facts, frozen=True):
    """A file in the log folder of a TaskManager."""

    name: str
    size_bytes: int
    modified_ms: int | None = None


class PartitionDetail(Facts, frozen=True):
    """One partition of a Kafka topic that a source reads. ``pending_records``: where its subtask reads no other one."""

    vertex: str
    topic: str
    partition: int
    subtask: int
    offset: int | None = None  # of the next record to read
    pending_records: float | None = None
    # since an earlier detail of the same run; None where there is none that is old enough
    read_per_second: float | None = None
    pending_change_per_second: float | None = None
    catch_up_seconds: float | None = None  # until nothing waits, at that pace; None: what waits does not get less


class ResourceRequirement(Facts, frozen=True):
    """The bounds of a vertex's parallelism that the adaptive scheduler works with."""

    vertex: str
    lower: int
    upper: int


class FlameGraphNode(Facts, frozen=True):
    """A stack frame: `samples` were taken in it or in what it called."""

    frame: str
    samples: int
    children: tuple["FlameGraphNode", ...] = ()


class FlameGraph(Facts, frozen=True):
    """The sampled stacks of a vertex. `root` None: `why` says what is missing; `pending`: Flink still samples."""

    at_ms: int | None = None
    root: FlameGraphNode | None = None
    why: str | None = None
    pending: bool = False


class JobDetail(Facts, frozen=True):
    """Everything about one job beyond its facts. What could not be read is in `unknown`, with the reason."""

    id: str
    seen_ms: int
    vertices: tuple[VertexDetail, ...] = ()
    taskmanagers: tuple[TaskManagerDetail, ...] = ()
    taskmanagers_left_out: int = 0  # of those that run this job; they were not asked one by one
    most_gc_ratio: float | None = None  # of any TaskManager of the cluster, asked for when some are left out
    checkpoint_phases: tuple[CheckpointPhases, ...] = ()  # of the newest finished checkpoint, slowest vertex first
    phases_of: int | None = None  # the id of that checkpoint
    exceptions: tuple[ExceptionFacts, ...] = ()
    resource_requirements: tuple[ResourceRequirement, ...] = ()
    partitions: tuple[PartitionDetail, ...] = ()  # of Kafka sources
    plan: dict[str, str] = {}  # vertex id -> Flink's description of its operators, as plain text
    unknown: dict[str, str] = {}


StorageTrouble = Literal["denied", "log-in", "missing", "throttled", "full", "read-only", "unreachable", "slow"]
"""What a storage does: denies access, refuses the log-in, has no such bucket, asks for fewer requests, has no room,
takes no writes, does not answer, answers slowly."""


class StorageSign(Facts, frozen=True):
    """What tells of trouble with the checkpoint storage. ``said`` and ``place`` are texts from outside, one line each.

    `checkpoint_id`: of the checkpoint that failed of it; None: its threads wait now, `waiting` of them.
    """

    trouble: StorageTrouble
    said: str
    source: str  # "the JobManager's log", "threads of TaskManager x"
    place: str | None = None
    checkpoint_id: int | None = None
    waiting: int | None = None


class FatalError(Facts, frozen=True):
    """What ended a TaskManager: a task threw again while it was being closed. All are texts from outside.

    ``message`` is the first line of the chain, and one for each cause, as of ExceptionFacts; ``source`` the log's name.
    """

    name: str
    message: str
    source: str
    task: str


class LostTopic(Facts, frozen=True):
    """A topic that a source reads and that is gone; ``source``: what says so."""

    name: str
    source: str


class AsyncOutcome(Facts, frozen=True):
    """How far a savepoint or a stop that was triggered has come. `location` when completed, `failure` when failed."""

    done: bool
    location: str | None = None
    failure: str | None = None


class KubeEvent(Facts, frozen=True):
    """What Kubernetes or the Flink operator said about a job's resource or one of its pods. ``text`` is hostile."""

    at_ms: int | None
    kind: str  # Normal, Warning
    reason: str  # SpecChanged, Submit, SavepointError, FailedScheduling, ...
    object: str  # Kind/name
    text: str
    count: int = 1


class ResourceEvents(Facts, frozen=True):
    """What happened to a job's resource lately (Kubernetes keeps events for an hour), and what holds it up now."""

    events: tuple[KubeEvent, ...] = ()  # newest first
    stuck: tuple[StuckFacts, ...] = ()
    unknown: dict[str, str] = {}  # "events", "stuck" -> why they could not be read
