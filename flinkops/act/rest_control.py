"""A Flink cluster's REST API as the executor's :class:`~flinkops.act.control.JobControl`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from flinkops.act.control import Bounds, JarRun, Operation
from flinkops.clock import Clock
from flinkops.errors import OperationFailed, Unreachable
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import CheckpointsFacts, ClusterFacts, JobFacts, VertexFacts
from flinkops.sources import wire
from flinkops.sources.checkpoint_facts import checkpoints_facts
from flinkops.sources.deadline import Deadline
from flinkops.sources.http import Method, NotFound, Rejected, RestClient
from flinkops.sources.masking import masked_setting, masked_text

T = TypeVar("T")
_FAILURE_CHARACTERS = 500


class _Trigger(wire.Kebab):
    request_id: str


class _Status(msgspec.Struct):
    id: str


class _FailureCause(msgspec.Struct, rename="kebab"):
    stack_trace: str = ""


class _OperationAnswer(msgspec.Struct, rename="kebab"):
    location: str | None = None
    failure_cause: _FailureCause | None = None


class _OperationStatus(msgspec.Struct):
    status: _Status
    operation: _OperationAnswer | None = None


class _Parallelism(wire.Camel):
    lower_bound: int
    upper_bound: int


class _Requirement(msgspec.Struct):
    parallelism: _Parallelism


_trigger = msgspec.json.Decoder(_Trigger)
_status = msgspec.json.Decoder(_OperationStatus)
_requirements = msgspec.json.Decoder(dict[str, _Requirement])
_anything = msgspec.json.Decoder(Any)


class RestControl:
    """One endpoint. Every request has its own deadline; the caller decides what is tried again."""

    def __init__(self, endpoint: RestEndpoint, clock: Clock, *, deadline_seconds: float = 10.0) -> None:
        self._client = RestClient(endpoint, connections=2)
        self._name = endpoint.name
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    @property
    def name(self) -> str:
        """The source's name."""
        return self._name

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def jobs(self) -> tuple[JobFacts, ...]:
        """Ids, names, states and times of all jobs."""
        now_ms = self._clock.now_ms()
        return tuple(
            JobFacts(
                id=job.jid,
                name=job.name,
                cluster=self._name,
                seen_ms=now_ms,
                state=job.state,
                started_ms=job.start_time,
                ended_ms=job.end_time if job.end_time > 0 else None,
            )
            for job in self._get("/jobs/overview", wire.jobs_overview).jobs
        )

    def job(self, job_id: str) -> JobFacts | None:
        """State, vertices, checkpoints, restarts and the cluster's settings; None when there is no such job."""
        path = f"/jobs/{quote(job_id, safe='')}"
        try:
            answer = self._get(path, wire.job)
        except NotFound:
            return None
        unknown: dict[str, str] = {}
        return JobFacts(
            id=answer.jid,
            name=answer.name,
            cluster=self._name,
            seen_ms=self._clock.now_ms(),
            state=answer.state,
            scheduler=answer.scheduler_type,
            started_ms=answer.start_time,
            running_since_ms=answer.timestamps.get("RUNNING") or None,
            ended_ms=answer.end_time if answer.end_time > 0 else None,
            max_parallelism=answer.max_parallelism if (answer.max_parallelism or 0) > 0 else None,
            restarts=self._restarts(path, unknown),
            vertices=_vertices(answer),
            checkpoints=self._checkpoints(path, unknown),
            configuration=self._settings(unknown),
            unknown=unknown,
        )

    def cluster(self) -> ClusterFacts:
        """Version and slots."""
        answer = self._get("/overview", wire.overview)
        return ClusterFacts(
            name=self._name,
            flink_version=answer.flink_version,
            taskmanagers=answer.taskmanagers,
            slots_total=answer.slots_total,
            slots_available=answer.slots_available,
        )

    def trigger_savepoint(self, job_id: str, *, target_directory: str, format_type: str, trigger_id: str) -> None:
        """POST /jobs/:id/savepoints with a trigger id of our own."""
        body = {"target-directory": target_directory, "formatType": format_type, "triggerId": trigger_id}
        self._order("POST", f"/jobs/{quote(job_id, safe='')}/savepoints", body)

    def stop_with_savepoint(
        self, job_id: str, *, target_directory: str, format_type: str, trigger_id: str, drain: bool = False
    ) -> None:
        """POST /jobs/:id/stop with a trigger id of our own."""
        body = {"targetDirectory": target_directory, "formatType": format_type, "triggerId": trigger_id, "drain": drain}
        self._order("POST", f"/jobs/{quote(job_id, safe='')}/stop", body)

    def savepoint_status(self, job_id: str, trigger_id: str) -> Operation:
        """GET /jobs/:id/savepoints/:trigger."""
        return self._operation(f"/jobs/{quote(job_id, safe='')}/savepoints/{trigger_id}")

    def dispose_savepoint(self, path: str) -> str:
        """POST /savepoint-disposal."""
        return _trigger.decode(self._order("POST", "/savepoint-disposal", {"savepoint-path": path})).request_id

    def disposal_status(self, trigger_id: str) -> Operation:
        """GET /savepoint-disposal/:trigger."""
        return self._operation(f"/savepoint-disposal/{trigger_id}")

    def requirements(self, job_id: str) -> dict[str, Bounds]:
        """GET /jobs/:id/resource-requirements."""
        answer = self._get(f"/jobs/{quote(job_id, safe='')}/resource-requirements", _requirements)
        return {
            vertex: Bounds(one.parallelism.lower_bound, one.parallelism.upper_bound) for vertex, one in answer.items()
        }

    def require(self, job_id: str, requirements: dict[str, Bounds]) -> None:
        """PUT /jobs/:id/resource-requirements."""
        body = {
            vertex: {"parallelism": {"lowerBound": bounds.lower, "upperBound": bounds.upper}}
            for vertex, bounds in requirements.items()
        }
        self._order("PUT", f"/jobs/{quote(job_id, safe='')}/resource-requirements", body)

    def cancel(self, job_id: str) -> None:
        """PATCH /jobs/:id?mode=cancel."""
        self._order("PATCH", f"/jobs/{quote(job_id, safe='')}?mode=cancel", None)

    def run_jar(
        self, run: JarRun, *, job_id: str, savepoint: str | None, parallelism: int | None, settings: dict[str, str]
    ) -> None:
        """POST /jars/:id/run."""
        body: dict[str, object] = {"jobId": job_id, "allowNonRestoredState": False}
        if run.entry_class:
            body["entryClass"] = run.entry_class
        if run.program_arguments:
            body["programArgsList"] = list(run.program_arguments)
        if savepoint:
            body["savepointPath"] = savepoint
        if parallelism:
            body["parallelism"] = parallelism
        if settings:
            body["flinkConfiguration"] = settings
        self._order("POST", f"/jars/{quote(run.jar_id, safe='')}/run", body)

    @contextmanager
    def _deadline(self) -> Iterator[Deadline]:
        deadline = Deadline(self._deadline_seconds)
        with self._client.enforced(deadline):
            yield deadline

    def _get(self, path: str, decoder: "msgspec.json.Decoder[T]") -> T:
        with self._deadline() as deadline:
            return self._client.get(path, decoder, deadline)

    def _order(self, method: Method, path: str, body: object) -> bytes:
        """A request that changes something. What Flink says no to is not tried again, unless it is only not ready."""
        content = None if body is None else msgspec.json.encode(body)
        try:
            with self._deadline() as deadline:
                return self._client.read(method, path, deadline, body=content)
        except (Rejected, NotFound) as problem:
            if "HTTP 503" in problem.what:
                raise
            raise OperationFailed(problem.what, next_step=problem.next_step) from None

    def _operation(self, path: str) -> Operation:
        try:
            answer = self._get(path, _status)
        except NotFound:
            return Operation("gone")
        if answer.status.id == "IN_PROGRESS":
            return Operation("in-progress")
        cause = answer.operation.failure_cause if answer.operation else None
        if cause is not None:
            return Operation("failed", failure=_root_cause(cause.stack_trace))
        return Operation("completed", location=answer.operation.location if answer.operation else None)

    def _restarts(self, path: str, unknown: dict[str, str]) -> int | None:
        try:
            values = self._get(f"{path}/metrics?get=numRestarts", wire.metric_values)
        except Unreachable as problem:
            unknown["restarts"] = problem.what
            return None
        number = wire.number(values[0].value) if values else None
        if number is None:
            unknown["restarts"] = "the job does not publish numRestarts yet"
        return None if number is None else int(number)

    def _checkpoints(self, path: str, unknown: dict[str, str]) -> CheckpointsFacts | None:
        try:
            statistics = self._get(f"{path}/checkpoints", wire.checkpoints)
            return checkpoints_facts(statistics, self._get(f"{path}/checkpoints/config", wire.checkpoint_config))
        except Unreachable as problem:
            unknown["checkpoints"] = problem.what
            return None

    def _settings(self, unknown: dict[str, str]) -> dict[str, str]:
        try:
            settings = self._get("/jobmanager/config", wire.settings)
        except Unreachable as problem:
            unknown["configuration"] = problem.what
            return {}
        return {one.key: masked_setting(one.key, one.value) for one in settings}


def _vertices(job: wire.Job) -> tuple[VertexFacts, ...]:
    upstream = {node.id: tuple(edge.id for edge in node.inputs) for node in (job.plan.nodes if job.plan else ())}
    return tuple(
        VertexFacts(
            id=vertex.id,
            name=vertex.name,
            parallelism=vertex.parallelism,
            max_parallelism=vertex.max_parallelism,
            status=vertex.status,
            upstream=upstream.get(vertex.id, ()),
        )
        for vertex in job.vertices
    )


def _root_cause(stack_trace: str) -> str:
    """The last cause of a Java stack trace, without its class's package; one line."""
    lines = [line.strip() for line in stack_trace.splitlines()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    line = causes[-1] if causes else next(filter(None, lines), "Flink gives no reason")
    name, colon, rest = line.partition(": ")
    text = f"{name.rpartition('.')[2]}: {rest}" if colon and " " not in name else line
    return masked_text(text)[:_FAILURE_CHARACTERS]
