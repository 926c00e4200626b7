"""Reads one job, poll after poll, with as few requests as there are things that can have changed.

Each poll: the job, its checkpoints, its own metrics, and one request (or two) a vertex, whatever the parallelism.
Once a job: its configuration. When something happened: exceptions, rescales. A job that ended is read once.
A request that fails makes its facts unknown, with the reason; the job keeps its row.
"""

import time

import msgspec

from flinkops.errors import Unreachable
from flinkops.model.facts import CheckpointsFacts, ExceptionFacts, JobFacts, RescaleFacts, VertexFacts
from flinkops.model.states import TERMINAL, ExecutionState, JobState
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire
from flinkops.sources.flink.checkpoint_facts import checkpoints_facts
from flinkops.sources.flink.exception_facts import MAX_EXCEPTIONS, exceptions_facts, rescales_facts
from flinkops.sources.flink.http import NotFound, RestClient
from flinkops.sources.flink.parts import Parts
from flinkops.sources.flink.plan_facts import NOT_TOLD, event_time_uses
from flinkops.sources.flink.settings_facts import job_settings, scheduler_of
from flinkops.sources.flink.vertex_facts import vertex_facts
from flinkops.sources.flink.vertex_poller import VertexWatch

SETTLED_MS = 5_000
"""Flink answers from caches of 3 s (web.refresh-interval): only then what is said of an ended job is its last word."""


class _AskedAgain:
    """A history, which Flink remembers for some seconds: after each change it is asked until an answer is newer."""

    def __init__(self) -> None:
        self._change: object = None
        self._final_from: float | None = None  # monotonic; None: nothing is to be asked

    def due(self, change: object, now: float) -> bool:
        """Whether to ask, where this is the newest change."""
        if change != self._change:
            self._change, self._final_from = change, now + SETTLED_MS / 1000
        return self._final_from is not None

    def answered(self, now: float) -> None:
        """To a question of that time."""
        if self._final_from is not None and now >= self._final_from:
            self._final_from = None

    def needless(self, change: object) -> None:
        """This change has no history."""
        self._change, self._final_from = change, None


class JobWatch:
    """One job id at one cluster. `outline` is called before `measure` in each poll, by one thread at a time."""

    def __init__(self, client: RestClient, cluster: str, row: wire.OverviewJob) -> None:
        self.id = row.jid
        self._client = client
        self._cluster = cluster
        self._row = row
        self._path = f"/jobs/{row.jid}"
        self._job: wire.Job | None = None
        self._checkpoints: CheckpointsFacts | None = None
        self._checkpoint_config: wire.CheckpointConfig | None = None
        self._without_checkpoints = False
        self._job_config: wire.JobConfig | None = None
        self._configuration: dict[str, str] | None = None
        self._configuration_of: tuple[object, ...] = (None, None, None)
        self._vertices: dict[str, VertexWatch] = {}
        self._metrics: dict[str, str] = {}
        self._exceptions: tuple[ExceptionFacts, ...] = ()
        self._exceptions_asked = _AskedAgain()
        self._rescales: tuple[RescaleFacts, ...] = ()
        self._rescales_asked = _AskedAgain()
        self._parts = Parts()
        self._final: JobFacts | None = None

    @property
    def ended(self) -> bool:
        """Its last word has been read."""
        return self._final is not None

    @property
    def empty(self) -> bool:
        """Flink has collected no metrics of it yet."""
        return self._row.state == JobState.RUNNING and any(watch.empty for watch in self._vertices.values())

    def outline(self, row: wire.OverviewJob, deadline: Deadline) -> None:
        """First half of a poll: what the JobManager knows itself. Asking makes Flink collect metrics meanwhile."""
        self._row = row
        if self._final is not None:
            return
        self._parts = Parts()
        self._job = self._parts.ask("vertices", lambda: self._client.get(self._path, wire.job, deadline))
        self._read_checkpoints(deadline)
        if self._job_config is None:
            self._job_config = self._parts.ask(
                "configuration", lambda: self._client.get(f"{self._path}/config", wire.job_config, deadline)
            )

    def measure(self, deadline: Deadline) -> None:
        """Second half: metrics, and what follows from them."""
        if self._final is not None:
            return
        job = self._job
        if self._row.state not in TERMINAL:
            self._read_metrics(deadline)
            if job is not None:
                self._read_vertices(job, deadline)
        else:
            self._parts.unknown["restarts"] = "the job has ended: Flink keeps no metrics of it"
            self._metrics, self._vertices = {}, {}
        self._read_history(deadline)

    def facts(self, *, seen_ms: int, flink_version: str, cluster_configuration: dict[str, str] | None) -> JobFacts:
        """What the poll resulted in."""
        if self._final is not None:
            return msgspec.structs.replace(self._final, seen_ms=seen_ms)
        row, job = self._row, self._job
        timestamps = job.timestamps if job else {}
        facts = JobFacts(
            id=row.jid,
            name=row.name,
            cluster=self._cluster,
            seen_ms=seen_ms,
            flink_version=flink_version,
            state=row.state,
            started_ms=_time(row.start_time),
            running_since_ms=_time(timestamps.get(JobState.RUNNING, 0)) if row.state == JobState.RUNNING else None,
            ended_ms=_time(row.end_time),
            max_parallelism=_time(job.max_parallelism or 0) if job else None,
            scheduler=scheduler_of(job.scheduler_type, cluster_configuration) if job else None,
            job_type=job.job_type if job else None,
            restarts=self._restarts(),
            restarts_include_rescales="numRestarts" in self._metrics and "numRescales" not in self._metrics,
            vertices=self._vertex_facts(job) if job else (),
            checkpoints=self._checkpoints,
            exceptions=self._exceptions,
            rescales=self._rescales,
            configuration=self._settings(cluster_configuration),
            unknown=dict(self._parts.unknown),
        )
        if job is not None and job.now - row.end_time >= SETTLED_MS and self._is_complete(job):
            self._final = facts
        return facts

    def _is_complete(self, job: wire.Job) -> bool:
        """It has ended, and nothing failed that reading once more could mend."""
        return (
            self._row.state in TERMINAL and job.state == self._row.state and self._parts.unknown.keys() <= {"restarts"}
        )

    def _read_checkpoints(self, deadline: Deadline) -> None:
        self._checkpoints = None
        base = f"{self._path}/checkpoints"
        if self._checkpoint_config is None:
            try:
                self._checkpoint_config = self._client.get(f"{base}/config", wire.checkpoint_config, deadline)
            except Unreachable as problem:
                if self._takes_none(problem, deadline):
                    self._checkpoints = CheckpointsFacts(enabled=False)
                    return
                self._parts.unknown["checkpoints.interval_seconds"] = problem.what
        answer = self._parts.ask("checkpoints", lambda: self._client.get(base, wire.checkpoints, deadline))
        if answer is not None:
            self._checkpoints = checkpoints_facts(answer, self._checkpoint_config)

    def _takes_none(self, problem: Unreachable, deadline: Deadline) -> bool:
        """Whether the job takes no checkpoints, as a batch job: Flink has the job, but no checkpoints of it.

        A job that is gone answers alike, so that Flink is asked for it once more before this is believed.
        """
        if not isinstance(problem, NotFound) or not problem.by_flink or self._job is None:
            self._without_checkpoints = False
        elif not self._without_checkpoints:
            self._without_checkpoints = (
                self._parts.ask("checkpoints", lambda: self._client.get(self._path, wire.job, deadline)) is not None
            )
        return self._without_checkpoints

    def _read_metrics(self, deadline: Deadline) -> None:
        path = f"{self._path}/metrics?get=numRestarts,numRescales"
        answer = self._parts.ask("restarts", lambda: self._client.get(path, wire.metric_values, deadline))
        self._metrics = {metric.id: metric.value for metric in answer or ()}
        if answer is not None and "numRestarts" not in self._metrics:
            self._parts.unknown["restarts"] = "Flink publishes no numRestarts for this job yet"

    def _read_vertices(self, job: wire.Job, deadline: Deadline) -> None:
        upstream = _upstream(job)
        kept: dict[str, VertexWatch] = {}
        for vertex in job.vertices:
            watch = self._vertices.get(vertex.id)
            if watch is None or not watch.is_for(vertex):
                watch = VertexWatch(self._path, vertex, is_source=not upstream.get(vertex.id))
            if vertex.status == ExecutionState.RUNNING:
                watch.read(self._client, deadline)
            else:
                watch.forget(f"the vertex is {vertex.status}")
            kept[vertex.id] = watch
        self._vertices = kept

    def _read_history(self, deadline: Deadline) -> None:
        """Exceptions and rescales, when something happened since they were read."""
        restarts = self._metrics.get("numRestarts")
        happened = (self._row.state, restarts, self._row.last_modification)
        if self._row.state == JobState.RUNNING and restarts == "0":
            self._exceptions_asked.needless(happened)  # nothing has failed since the JobManager knows the job
        now = time.monotonic()
        if self._exceptions_asked.due(happened, now):
            path = f"{self._path}/exceptions?maxExceptions={MAX_EXCEPTIONS}"
            answer = self._parts.ask("exceptions", lambda: self._client.get(path, wire.exceptions, deadline))
            if answer is not None:
                self._exceptions = exceptions_facts(answer)
                self._exceptions_asked.answered(now)
        self._read_rescales((self._metrics.get("numRescales"), restarts), deadline)

    def _read_rescales(self, counted: tuple[str | None, str | None], deadline: Deadline) -> None:
        now = time.monotonic()
        if counted[0] in (None, "0") or not self._rescales_asked.due(counted, now):
            return
        try:
            history = self._client.get(f"{self._path}/rescales/history", wire.rescales, deadline)
            self._rescales = rescales_facts(history)
        except NotFound:
            self._parts.unknown["rescales"] = "this Flink keeps no history of rescales"
        except Unreachable as problem:
            self._parts.unknown["rescales"] = problem.what
            return
        self._rescales_asked.answered(now)

    def _vertex_facts(self, job: wire.Job) -> tuple[VertexFacts, ...]:
        upstream, ships = _upstream(job), _ships(job)
        uses = event_time_uses((node.id, node.description) for node in job.plan.nodes) if job.plan else {}
        facts = []
        for vertex in job.vertices:
            watch = self._vertices.get(vertex.id)
            if watch is not None and watch.unknown is not None:
                self._parts.unknown[f"vertices.{vertex.id}"] = watch.unknown
            if watch is not None:
                self._parts.unknown |= {
                    f"vertices.{vertex.id}.{field}": why for field, why in watch.unknown_fields.items()
                }
            facts.append(
                vertex_facts(
                    vertex,
                    upstream.get(vertex.id, ()),
                    watch.spreads if watch else {},
                    watch.watermark if watch else None,
                    input_ships=ships.get(vertex.id, ()),
                    event_time=uses.get(vertex.id, NOT_TOLD),
                    markers_left_out=watch.markers_left_out if watch else 0,
                    source_partitions=watch.source_partitions if watch else None,
                )
            )
        return tuple(facts)

    def _restarts(self) -> int | None:
        """Flink counts each rescale as a restart; from 2.0 on it also counts the rescales alone (FLINK-36871)."""
        value = wire.number(self._metrics.get("numRestarts"))
        rescales = wire.number(self._metrics.get("numRescales")) or 0
        return None if value is None else max(0, int(value - rescales))

    def _settings(self, cluster: dict[str, str] | None) -> dict[str, str]:
        if cluster is None:
            self._parts.unknown.setdefault("configuration", "the cluster does not show its configuration")
        parts = (cluster, self._job_config, self._checkpoint_config)
        if self._configuration is None or any(a is not b for a, b in zip(parts, self._configuration_of, strict=True)):
            self._configuration = job_settings(cluster or {}, self._job_config, self._checkpoint_config)
            self._configuration_of = parts
        return self._configuration


def _upstream(job: wire.Job) -> dict[str, tuple[str, ...]]:
    if job.plan is None:
        return {}
    return {node.id: tuple(edge.id for edge in node.inputs) for node in job.plan.nodes}


def _ships(job: wire.Job) -> dict[str, tuple[str, ...]]:
    if job.plan is None:
        return {}
    return {node.id: tuple(edge.ship_strategy for edge in node.inputs) for node in job.plan.nodes}


def _time(value: int) -> int | None:
    """Flink says 0 or -1 for what it does not know."""
    return value if value > 0 else None
