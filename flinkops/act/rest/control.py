"""A Flink cluster's REST API as the executor's :class:`~flinkops.act.control.JobControl`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from flinkops.act.control import JarRun, Load, Snapshots
from flinkops.act.rest.load import read_load
from flinkops.clock import Clock
from flinkops.errors import UNAVAILABLE, Denied, OperationFailed, Unreachable
from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.effect import RunsWith
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import CheckpointsFacts, ClusterFacts, ExceptionFacts, JobFacts, VertexFacts
from flinkops.model.launch import drops_state
from flinkops.model.plan import Plan, Precondition
from flinkops.model.savepoint import SavepointFormat
from flinkops.plan.preconditions import unmet
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire
from flinkops.sources.flink.checkpoint_facts import checkpoints_facts
from flinkops.sources.flink.exception_facts import MAX_EXCEPTIONS, exceptions_facts
from flinkops.sources.flink.http import NotFound, Rejected, RestClient
from flinkops.sources.flink.jar_upload import upload_jar
from flinkops.sources.flink.settings_facts import cluster_settings, job_settings, scheduler_of
from flinkops.sources.flink.verbs import FlinkVerbs

T = TypeVar("T")
_PROGRAM_SECONDS = 120.0


class _Jar(msgspec.Struct):
    id: str


class _Jars(msgspec.Struct):
    files: list[_Jar] = []


_jars = msgspec.json.Decoder(_Jars)


class _Verbs(FlinkVerbs):
    """The verbs alone, without a source that polls."""

    def __init__(self, client: RestClient) -> None:
        self._client = client


class RestControl:
    """One endpoint. Every request has its own deadline; the caller decides what is tried again."""

    poll_seconds = 0.5  # between two polls of a step that waits

    def __init__(
        self,
        endpoint: RestEndpoint,
        clock: Clock,
        *,
        deadline_seconds: float = 10.0,
        client: RestClient | None = None,
    ) -> None:
        self._client = client or RestClient(endpoint, connections=2)
        self._verbs = _Verbs(self._client)
        self._endpoint = endpoint
        self._name = endpoint.name
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    @property
    def name(self) -> str:
        """The source's name."""
        return self._name

    @property
    def url(self) -> str:
        """Where its REST API is."""
        return self._client.url

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def unmet(self, plan: Plan) -> tuple[str, ...]:
        """The plan's preconditions, asked of the job."""
        return self.unmet_of_job(plan.preconditions, plan)

    def unmet_of_job(self, preconditions: Sequence[Precondition], plan: Plan) -> tuple[str, ...]:
        """Those of the preconditions that are about the job alone."""
        return unmet(preconditions, self.job(plan.target.job_id)) if preconditions else ()

    def lock(self, _plan: Plan) -> AbstractContextManager[None]:
        """None beyond the one in the journal's folder: Flink has nothing to lock with."""
        return nullcontext()

    def held_savepoints(self) -> dict[str, str]:
        """None: there is nothing beside Flink."""
        return {}

    def snapshots(self) -> Snapshots:
        """None: there is nothing beside Flink."""
        return Snapshots()

    def load(self, job_id: str) -> Load:
        """Records taken in since the start, and those that wait."""
        return read_load(job_id, self._get)

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
        except NotFound as problem:
            if not problem.by_flink:
                raise  # something in front of Flink: of the job that says nothing
            return None
        unknown: dict[str, str] = {}
        settings = self._settings(unknown)
        return JobFacts(
            id=answer.jid,
            name=answer.name,
            cluster=self._name,
            seen_ms=self._clock.now_ms(),
            state=answer.state,
            scheduler=scheduler_of(answer.scheduler_type, settings),
            started_ms=answer.start_time,
            running_since_ms=answer.timestamps.get("RUNNING") or None,
            ended_ms=answer.end_time if answer.end_time > 0 else None,
            max_parallelism=answer.max_parallelism if (answer.max_parallelism or 0) > 0 else None,
            restarts=self._restarts(path, unknown),
            vertices=_vertices(answer),
            checkpoints=self._checkpoints(path, unknown),
            configuration=settings,
            unknown=unknown,
        )

    def runs_with(self, job_id: str) -> RunsWith:
        """The cluster's settings, and the job's own where Flink tells them."""
        untold: dict[str, str] = {}
        cluster = self._told("settings", untold, lambda: self._get("/jobmanager/config", wire.settings))
        job = self._told("own", untold, lambda: self._own_settings(f"/jobs/{quote(job_id, safe='')}"))
        version = self._told("flink_version", untold, self.cluster)
        return RunsWith(
            settings=None if cluster is None else cluster_settings(cluster),
            own=job,
            flink_version=None if version is None else version.flink_version,
            untold=untold,
        )

    def _own_settings(self, path: str) -> dict[str, str]:
        execution = self._get(f"{path}/config", wire.job_config)
        return job_settings({}, execution, self._get(f"{path}/checkpoints/config", wire.checkpoint_config))

    def _told(self, field: str, untold: dict[str, str], ask: Callable[[], T]) -> T | None:
        """None, and why, where it will not be told; raises Unreachable where it may be later."""
        try:
            return ask()
        except (NotFound, Denied) as problem:
            untold[field] = problem.what
            return None

    def failures(self, job_id: str) -> tuple[ExceptionFacts, ...]:
        """Root exceptions, newest first."""
        path = f"/jobs/{quote(job_id, safe='')}/exceptions?maxExceptions={MAX_EXCEPTIONS}"
        return exceptions_facts(self._get(path, wire.exceptions))

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

    def trigger_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        """POST /jobs/:id/savepoints with a trigger id of our own."""
        with _no_is_final():
            self._verbs.trigger_savepoint(
                job_id, target_directory, savepoint_format=savepoint_format, trigger_id=trigger_id
            )

    def trigger_checkpoint(self, job_id: str, trigger_id: str) -> None:
        """POST /jobs/:id/checkpoints with a trigger id of our own."""
        with _no_is_final():
            self._verbs.trigger_checkpoint(job_id, trigger_id=trigger_id)

    def stop_with_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        """POST /jobs/:id/stop with a trigger id of our own."""
        with _no_is_final():
            self._verbs.stop_with_savepoint(
                job_id, target_directory, savepoint_format=savepoint_format, trigger_id=trigger_id
            )

    def savepoint_status(self, job_id: str, trigger_id: str) -> AsyncOutcome | None:
        """GET /jobs/:id/savepoints/:trigger."""
        with suppress(NotFound):
            return self._verbs.savepoint_status(job_id, trigger_id)
        return None

    def dispose_savepoint(self, path: str) -> str:
        """POST /savepoint-disposal."""
        with _no_is_final():
            return self._verbs.dispose_savepoint(path)

    def disposal_status(self, trigger_id: str) -> AsyncOutcome | None:
        """GET /savepoint-disposal/:trigger."""
        with suppress(NotFound):
            return self._verbs.disposal_status(trigger_id)
        return None

    def requirements(self, job_id: str) -> tuple[ResourceRequirement, ...]:
        """GET /jobs/:id/resource-requirements."""
        with _no_is_final():
            return self._verbs.resource_requirements(job_id)

    def require(self, job_id: str, requirements: Sequence[ResourceRequirement]) -> None:
        """PUT /jobs/:id/resource-requirements."""
        with _no_is_final():
            self._verbs.set_resource_requirements(job_id, requirements)

    def cancel(self, job_id: str) -> None:
        """PATCH /jobs/:id?mode=cancel."""
        with _no_is_final():
            self._verbs.cancel(job_id)

    def settings(self) -> dict[str, str]:
        """GET /jobmanager/config."""
        return {one.key: one.value for one in self._get("/jobmanager/config", wire.settings)}

    def compile_jar(self, run: JarRun, *, parallelism: int | None, settings: dict[str, str]) -> None:
        """POST /jars/:id/plan."""
        optional: dict[str, object] = {
            "entryClass": run.entry_class,
            "programArgsList": list(run.program_arguments),
            "parallelism": parallelism,
            "flinkConfiguration": settings,
        }
        body = msgspec.json.encode({key: value for key, value in optional.items() if value})
        with _no_is_final(), self._deadline(_PROGRAM_SECONDS) as deadline:
            self._client.read("POST", f"/jars/{quote(run.jar_id, safe='')}/plan", deadline, body=body)

    def jars(self) -> tuple[str, ...]:
        """GET /jars."""
        with _no_is_final():
            return tuple(jar.id for jar in self._get("/jars", _jars).files)

    def upload_jar(self, path: str) -> str:
        """POST /jars/upload."""
        with _no_is_final():
            return upload_jar(self._endpoint, Path(path))

    def run_jar(
        self, run: JarRun, *, job_id: str, savepoint: str | None, parallelism: int | None, settings: dict[str, str]
    ) -> None:
        """POST /jars/:id/run."""
        body: dict[str, object] = {"jobId": job_id, "allowNonRestoredState": drops_state(settings)}
        optional: dict[str, object] = {
            "entryClass": run.entry_class,
            "programArgsList": list(run.program_arguments),
            "savepointPath": savepoint,
            "parallelism": parallelism,
            "flinkConfiguration": settings,
        }
        body.update({key: value for key, value in optional.items() if value})
        # The program's main method runs before Flink answers.
        with _no_is_final(), self._deadline(_PROGRAM_SECONDS) as deadline:
            self._client.read(
                "POST", f"/jars/{quote(run.jar_id, safe='')}/run", deadline, body=msgspec.json.encode(body)
            )

    @contextmanager
    def _deadline(self, seconds: float | None = None) -> Iterator[Deadline]:
        deadline = Deadline(seconds or self._deadline_seconds)
        with self._client.enforced(deadline):
            yield deadline

    def _get(self, path: str, decoder: "msgspec.json.Decoder[T]") -> T:
        with self._deadline() as deadline:
            return self._client.get(path, decoder, deadline)

    def _restarts(self, path: str, unknown: dict[str, str]) -> int | None:
        """Restarts for other reasons than a rescale: Flink counts each rescale as a restart too, some seconds late."""
        try:
            values = self._get(f"{path}/metrics?get=numRestarts,numRescales", wire.metric_values)
        except Unreachable as problem:
            unknown["restarts"] = problem.what
            return None
        found = {value.id: wire.number(value.value) for value in values}
        number = found.get("numRestarts")
        if number is None:
            unknown["restarts"] = "the job does not publish numRestarts yet"
            return None
        return max(0, int(number - (found.get("numRescales") or 0)))

    def _checkpoints(self, path: str, unknown: dict[str, str]) -> CheckpointsFacts | None:
        try:
            statistics = self._get(f"{path}/checkpoints", wire.checkpoints)
            return checkpoints_facts(statistics, self._get(f"{path}/checkpoints/config", wire.checkpoint_config))
        except Unreachable as problem:
            unknown["checkpoints"] = problem.what
            return None

    def _settings(self, unknown: dict[str, str]) -> dict[str, str]:
        try:
            return self.settings()
        except Unreachable as problem:
            unknown["configuration"] = problem.what
            return {}


def _vertices(job: wire.Job) -> tuple[VertexFacts, ...]:
    upstream = {node.id: tuple(edge.id for edge in node.inputs) for node in (job.plan.nodes if job.plan else ())}
    return tuple(
        VertexFacts(
            id=vertex.id,
            name=vertex.name,
            parallelism=max(0, vertex.parallelism),
            max_parallelism=vertex.max_parallelism,
            status=vertex.status,
            upstream=upstream.get(vertex.id, ()),
        )
        for vertex in job.vertices
    )


@contextmanager
def _no_is_final() -> Iterator[None]:
    """What Flink says no to is not tried again, unless it is only not ready yet."""
    try:
        yield
    except (Rejected, NotFound) as problem:
        if problem.http_status == UNAVAILABLE:
            raise
        raise OperationFailed(problem.what, next_step=problem.next_step) from None
