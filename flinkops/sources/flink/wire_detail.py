"""The answers that are only read on demand, when a person opens a job, and those to actions."""

import msgspec

from flinkops.sources.flink.wire import Camel, IoMetrics, Kebab, Number


class Subtask(Kebab):
    """One subtask of GET /jobs/:jobid/vertices/:vertexid."""

    subtask: int
    status: str = "UNKNOWN"
    attempt: int = 0
    endpoint: str | None = None
    host: str | None = None  # Flink before 2.0
    taskmanager_id: str | None = None
    start_time: int = -1
    metrics: IoMetrics = msgspec.field(default_factory=IoMetrics)


class Vertex(msgspec.Struct, gc=False):
    """GET /jobs/:jobid/vertices/:vertexid."""

    id: str
    name: str
    parallelism: int
    subtasks: list[Subtask] = []


class SubtaskBackpressure(Camel):
    """One subtask of GET …/backpressure."""

    subtask: int
    ratio: Number = None
    busy_ratio: Number = None
    idle_ratio: Number = None


class Backpressure(msgspec.Struct, gc=False):
    """GET …/backpressure; `status` is deprecated while Flink has no statistics yet."""

    status: str = ""
    subtasks: list[SubtaskBackpressure] = []


class DescribedNode(msgspec.Struct, gc=False):
    """A vertex in the plan, with its description (HTML)."""

    id: str
    description: str = ""


class DescribedPlan(msgspec.Struct, gc=False):
    """The job graph, described."""

    nodes: list[DescribedNode] = []


class DescribedJob(msgspec.Struct, gc=False):
    """GET /jobs/:jobid/plan."""

    plan: DescribedPlan


class TaskManager(msgspec.Struct, gc=False, rename="camel"):
    """One entry of GET /taskmanagers."""

    id: str
    slots_number: int | None = None
    free_slots: int | None = None
    time_since_last_heartbeat: int | None = None  # in truth the time of it


class TaskManagers(msgspec.Struct):
    """GET /taskmanagers."""

    taskmanagers: list[TaskManager]


class Log(msgspec.Struct, gc=False):
    """One entry of GET /taskmanagers/:id/logs."""

    name: str
    size: int = 0
    mtime: int | None = None


class Logs(msgspec.Struct):
    """GET /taskmanagers/:id/logs."""

    logs: list[Log]


class ThreadInfo(Camel):
    """One thread: its stack as text, of eight frames unless `cluster.thread-dump.stacktrace-max-depth` is more."""

    stringified_thread_info: str = ""


class ThreadDump(Camel):
    """GET /taskmanagers/:id/thread-dump, /jobmanager/thread-dump."""

    thread_infos: list[ThreadInfo] = []


class Frame(Camel):
    """A node of a flame graph."""

    name: str = ""
    value: int = 0
    children: list["Frame"] = []


class FlameGraph(Camel):
    """GET …/flamegraph; `end_timestamp` is -1 ended, -2 switched off, -3 sampling."""

    end_timestamp: int
    data: Frame | None = None


class Bounds(Camel):
    """Bounds of a vertex's parallelism."""

    lower_bound: int
    upper_bound: int


class Requirement(msgspec.Struct):
    """One vertex of /jobs/:jobid/resource-requirements."""

    parallelism: Bounds


class Trigger(Kebab):
    """The answer to what runs on asynchronously."""

    request_id: str


class FailureCause(Kebab):
    """Why an asynchronous operation failed; ``serialized-throwable`` is not read."""

    class_: str = msgspec.field(name="class", default="")
    stack_trace: str = ""


class Operation(Kebab):
    """Its result."""

    location: str | None = None
    failure_cause: FailureCause | None = None


class OperationStatus(msgspec.Struct):
    """``status``."""

    id: str


class AsyncOperation(msgspec.Struct):
    """GET /jobs/:jobid/savepoints/:triggerid."""

    status: OperationStatus
    operation: Operation | None = None


class Nothing(msgspec.Struct):
    """An answer of which nothing is used."""


vertex = msgspec.json.Decoder(Vertex)
backpressure = msgspec.json.Decoder(Backpressure)
described_job = msgspec.json.Decoder(DescribedJob)
taskmanagers = msgspec.json.Decoder(TaskManagers)
logs = msgspec.json.Decoder(Logs)
thread_dump = msgspec.json.Decoder(ThreadDump)
flame_graph = msgspec.json.Decoder(FlameGraph)
requirements = msgspec.json.Decoder(dict[str, Requirement])
trigger = msgspec.json.Decoder(Trigger)
operation = msgspec.json.Decoder(AsyncOperation)
nothing = msgspec.json.Decoder(Nothing)
