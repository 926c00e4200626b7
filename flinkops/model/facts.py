"""Facts: what was seen, when, and by whom; nothing derived.

A FleetSnapshot is the only thing that flows from the sources to the rest. A fact that could not be measured is
None, and the reason stands in ``unknown`` of its job under the fact's dotted path. None is neither zero nor healthy.

Times are milliseconds since the epoch as Flink reports them; durations and rates carry their unit in the name.
"""

from typing import Literal, NamedTuple

import msgspec

NO_WATERMARK_MS = -(2**63)
"""Flink's Long.MIN: this input has not produced a watermark yet."""
FINISHED_WATERMARK_MS = 2**63 - 1
"""Flink's Long.MAX: this input has ended."""

BATCH = "BATCH"
"""Flink's job type (JobFacts.job_type) of a job in batch execution mode; the other one is STREAMING."""

SUSPENDED_SPEC = "suspended"
"""spec.job.state of a job that the operator holds until it is asked to resume it."""

SourceKind = str
"""rest, kubernetes or recording; a back end of another kind names its own."""
SourceState = Literal["ok", "stale", "unreachable", "denied"]
JobKind = str
"""rest, FlinkDeployment or FlinkSessionJob; a back end of another kind names its own."""


class JobKey(NamedTuple):
    """Identifies a job over restarts and upgrades. Its id does not: each submission has a new one."""

    cluster: str
    namespace: str  # empty without Kubernetes
    name: str


class Facts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of all facts: immutable, JSON both ways, unknown fields of newer versions tolerated."""


class Spread(Facts, frozen=True):
    """A metric over the parallel subtasks of one vertex, as Flink's aggregated endpoint gives it.

    A NaN of a single subtask (legacy sources report busy time so) makes the poisoned aggregate None.
    """

    min: float | None = None
    max: float | None = None
    avg: float | None = None
    sum: float | None = None
    skew: float | None = None


class SourceStatus(Facts, frozen=True):
    """How one source answered. ``age_seconds`` is that of its newest data, None when it never answered."""

    name: str
    kind: SourceKind
    state: SourceState
    age_seconds: float | None = None
    error: str | None = None
    requests: int = 0
    seconds: float | None = None
    pending: bool = False  # it is still being asked for the first time: nothing is wrong yet, and nothing known


class VertexFacts(Facts, frozen=True):
    """One vertex of the job graph (a chain of operators), over all its subtasks.

    Each Spread is one Flink metric; those that several operators of the chain publish are combined: the sum of sums,
    the least minimum, the greatest maximum.
    """

    id: str
    name: str
    parallelism: int  # 0: not decided yet (-1 of the adaptive batch scheduler)
    max_parallelism: int | None = None
    status: str = "UNKNOWN"
    upstream: tuple[str, ...] = ()
    input_ships: tuple[str, ...] = ()  # how the records of each upstream arrive: FORWARD, HASH, REBALANCE, ...
    source_partitions: int | None = None  # of a Kafka source; None when it names none
    source_is_timed: bool | None = None  # False: its records have no timestamp, and nothing that waits is counted
    source_is_legacy: bool = False  # of an API before FLIP-27: Flink cannot measure how busy it is, and says NaN
    needs_event_time: bool | None = (
        None  # a window, join, sort or timers in event time, by plan and metrics; None: not known
    )
    makes_watermarks: bool = False  # by the plan; a source may make some without saying so
    window_seconds: float | None = None  # of its longest window or interval join, by the plan; None: it says none
    started_ms: int | None = None
    # /jobs/:id, since the attempt began
    records_in: int | None = None
    records_out: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    accumulated_busy_ms: float | None = None
    accumulated_backpressured_ms: float | None = None
    accumulated_idle_ms: float | None = None
    # /jobs/:id/vertices/:v/subtasks/metrics
    records_in_per_second: Spread | None = None  # numRecordsInPerSecond; for a source, of its source operator
    records_out_per_second: Spread | None = None
    records_written_per_second: Spread | None = None  # numRecordsInPerSecond of the sink writers of the chain
    busy_ratio: Spread | None = None  # busyTimeMsPerSecond / 1000
    backpressured_ratio: Spread | None = None
    idle_ratio: Spread | None = None
    soft_backpressured_ratio: Spread | None = None
    hard_backpressured_ratio: Spread | None = None
    watermark_ms: Spread | None = None  # currentOutputWatermark of the last operator, else currentInputWatermark
    watermark_none_yet: bool = False  # at least one subtask still says Long.MIN
    watermark_finished: bool = False  # all subtasks say Long.MAX
    split_paused_ratio: Spread | None = None  # pausedTimeMsPerSecond: held back by watermark alignment
    split_idle_ratio: Spread | None = None  # idleTimeMsPerSecond: marked idle by withIdleness
    pending_records: Spread | None = None
    consume_buffers_seconds: Spread | None = None  # estimatedTimeToConsumeBuffersMs / 1000
    source_emit_lag_seconds: Spread | None = None  # currentEmitEventTimeLag / 1000
    source_idle_seconds: Spread | None = None  # sourceIdleTime / 1000
    late_records: Spread | None = None  # numLateRecordsDropped, flinkops.lateRecords
    state_keys: Spread | None = None  # rocksdb.estimate-num-keys, over column families
    state_live_bytes: Spread | None = None  # rocksdb.estimate-live-data-size
    state_sst_bytes: Spread | None = None  # rocksdb.total-sst-files-size
    measured: dict[str, Spread] = {}  # what only a measure asks for, by its name (model/measures.py)
    # metric group "flinkops" of the job itself (docs/signals.md)
    latency_p50_seconds: Spread | None = None
    latency_p99_seconds: Spread | None = None
    unchanged_dropped: Spread | None = None
    unchanged_dropped_per_second: Spread | None = None
    malformed: Spread | None = None
    accepted: Spread | None = None
    # latency markers that end in this vertex
    marker_p50_seconds: float | None = None
    marker_p99_seconds: float | None = None
    markers_left_out: int = 0  # subtasks whose markers are not in these: then they are a lower bound
    # Iceberg's committer
    commit_age_seconds: float | None = None
    commit_failed: int | None = None
    commits: int | None = None


class CheckpointPhases(Facts, frozen=True):
    """Where the time of one checkpoint went, at the vertex that was slowest (maximum over subtasks)."""

    vertex: str
    start_delay_seconds: float | None = None
    alignment_seconds: float | None = None
    sync_seconds: float | None = None
    async_seconds: float | None = None
    end_to_end_seconds: float | None = None
    state_size_bytes: int | None = None
    acknowledged: int | None = None
    subtasks: int | None = None


class CheckpointFacts(Facts, frozen=True):
    """One checkpoint or savepoint."""

    id: int
    status: Literal["COMPLETED", "IN_PROGRESS", "FAILED"]
    is_savepoint: bool = False
    triggered_ms: int | None = None
    acknowledged_ms: int | None = None
    duration_seconds: float | None = None
    state_size_bytes: int | None = None  # the full size
    checkpointed_size_bytes: int | None = None  # the increment
    acknowledged_subtasks: int | None = None
    subtasks: int | None = None
    external_path: str | None = None
    failure: str | None = None
    failed_ms: int | None = None


class RestoredFacts(Facts, frozen=True):
    """What the job's current execution started from."""

    id: int
    at_ms: int
    is_savepoint: bool
    external_path: str | None = None


class CheckpointsFacts(Facts, frozen=True):
    """/jobs/:id/checkpoints and its configuration. Counters start again at a JobManager restart."""

    enabled: bool
    interval_seconds: float | None = None
    timeout_seconds: float | None = None
    min_pause_seconds: float | None = None
    tolerable_failures: int | None = None
    unaligned: bool | None = None
    state_backend: str | None = None
    checkpoint_storage: str | None = None
    completed: int | None = None
    failed: int | None = None
    in_progress: int | None = None
    restored_count: int | None = None
    duration_p99_seconds: float | None = None
    latest_completed: CheckpointFacts | None = None
    latest_failed: CheckpointFacts | None = None
    latest_savepoint: CheckpointFacts | None = None
    restored: RestoredFacts | None = None
    history: tuple[CheckpointFacts, ...] = ()  # newest first
    phases: CheckpointPhases | None = None  # of the newest finished checkpoint, when asked for


class ExceptionFacts(Facts, frozen=True):
    """One root exception of /jobs/:id/exceptions. The text is the job's: hostile."""

    at_ms: int
    name: str
    message: str
    vertex: str | None = None
    taskmanager: str | None = None


class RescaleFacts(Facts, frozen=True):
    """One rescale of the adaptive scheduler (/jobs/:id/rescales/history, Flink 2.3)."""

    started_ms: int
    ended_ms: int | None = None
    state: str = ""
    cause: str = ""
    reason: str | None = None


class StuckFacts(Facts, frozen=True):
    """Why a deployment does not come up or fell over, as its pods and events say; the custom resource does not.

    ``code``: image, unschedulable, oom-killed, crash-loop, container, volume, quota, other. ``text`` is the
    cluster's: hostile.
    """

    code: str
    object: str  # the pod, or what else the cluster complained about
    text: str
    since_ms: int | None = None


class SnapshotFacts(Facts, frozen=True):
    """One FlinkStateSnapshot (operator 1.10 and newer) of a job."""

    name: str
    kind: Literal["savepoint", "checkpoint"]
    state: str  # TRIGGER_PENDING, IN_PROGRESS, COMPLETED, FAILED, ABANDONED
    trigger: str = ""  # MANUAL, PERIODIC, UPGRADE
    path: str | None = None
    at_ms: int | None = None
    dispose_on_delete: bool = True
    error: str | None = None


class ResourceFacts(Facts, frozen=True):
    """The custom resource behind a job, when it comes from Kubernetes."""

    context: str
    namespace: str
    name: str
    resource_version: str
    kind: str = "FlinkDeployment"
    generation: int | None = None
    observed_generation: int | None = None  # operators before 1.8 do not say
    lifecycle_state: str | None = None
    reconciliation_state: str | None = None
    jobmanager_status: str | None = None
    desired_state: str | None = None  # spec.job.state: running, suspended
    upgrade_mode: str | None = None  # spec.job.upgradeMode: savepoint, last-state, stateless
    operator_job_state: str | None = None  # what the operator saw last; RECONCILING: it could not see
    flink_job_name: str | None = None
    upgrade_savepoint: str | None = None  # the operator's own, of the last upgrade
    deleting: bool = False
    deleting_since_ms: int | None = None
    finalizers: tuple[str, ...] = ()  # who has to let go before it is gone
    status_changed_ms: int | None = None  # when the operator last wrote something new
    spec_changed_ms: int | None = None  # when somebody last changed the spec, where the API server notes it
    session_cluster: str | None = None  # the FlinkDeployment that a FlinkSessionJob runs on
    owner: str | None = None  # kind/name, for example FlinkBlueGreenDeployment/orders
    blue_green_state: str | None = None  # ACTIVE_BLUE, TRANSITIONING_TO_GREEN, ..., of the owner
    managed_by: str | None = None  # Argo CD, Flux: whose edits win
    error: str | None = None
    image: str | None = None
    operator_version: str | None = None  # where its Deployment may be read
    labels: dict[str, str] = {}
    stuck: tuple[StuckFacts, ...] = ()
    snapshots: tuple[SnapshotFacts, ...] = ()  # newest first


class DeliveryFacts(Facts, frozen=True):
    """How long results take to where they are delivered, as the dispatcher behind the job measures it."""

    p50_seconds: float | None = None  # of the last minute; None when nothing was delivered in it
    p99_seconds: float | None = None


class JobFacts(Facts, frozen=True):
    """One job as one source saw it at ``seen_ms``."""

    id: str
    name: str
    cluster: str  # the source's name
    seen_ms: int
    namespace: str | None = None
    kind: JobKind = "rest"
    flink_version: str | None = None
    state: str = "UNKNOWN"  # Flink's job state; UNKNOWN when no probe answered
    started_ms: int | None = None
    running_since_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str | None = None  # the action of ours that ended it, by the journal: "suspend ID"
    max_parallelism: int | None = None
    scheduler: str | None = None
    job_type: str | None = None  # STREAMING, BATCH
    restarts: int | None = None  # numRestarts, without rescales where Flink counts those by themselves
    restarts_include_rescales: bool = False  # Flink before 2.0 (FLINK-36871): only exceptions tell them apart
    vertices: tuple[VertexFacts, ...] = ()
    checkpoints: CheckpointsFacts | None = None
    exceptions: tuple[ExceptionFacts, ...] = ()  # newest first
    rescales: tuple[RescaleFacts, ...] = ()  # newest first
    configuration: dict[str, str] = {}  # the job's effective settings, as read: faces mask secrets
    resource: ResourceFacts | None = None
    delivery: DeliveryFacts | None = None  # of jobs that name a dispatcher (flinkops.delivery-metrics-url)
    unknown: dict[str, str] = {}  # dotted path of a fact -> why it is not known

    @property
    def stopped_on_request(self) -> bool:
        """An action of ours ended it, or its spec says that it is suspended."""
        suspended = self.resource is not None and self.resource.desired_state == SUSPENDED_SPEC
        return suspended or self.ended_by is not None

    @property
    def key(self) -> JobKey:
        """Identifies the job over restarts."""
        return JobKey(self.cluster, self.namespace or "", self.name)


class ClusterFacts(Facts, frozen=True):
    """One Flink cluster: its size and load, from /overview and /taskmanagers."""

    name: str
    flink_version: str | None = None
    taskmanagers: int | None = None
    slots_total: int | None = None
    slots_available: int | None = None
    ui_url: str | None = None


class FleetSnapshot(Facts, frozen=True):
    """Everything that was seen at one time. ``poll_seconds`` is what the poll took."""

    taken_ms: int
    schema_version: int = 1
    poll_seconds: float | None = None
    sources: tuple[SourceStatus, ...] = ()
    clusters: tuple[ClusterFacts, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
