"""What a decision is made from: the job graph, and its metrics at a few polls."""

from collections.abc import Sequence
from typing import Self

import msgspec

from flinkops.model.facts import JobFacts, Spread, VertexFacts
from flinkops.model.graph import topological


class Vertex(msgspec.Struct, frozen=True):
    """One vertex of the job graph. `inputs`: upstream id -> how its records arrive (Flink's ship strategy)."""

    id: str
    name: str
    parallelism: int
    max_parallelism: int
    inputs: dict[str, str] = {}
    partitions: int | None = None
    finished: bool = False

    @property
    def groups(self) -> int | None:
        """What is dealt out to its subtasks: the source's partitions, or key groups; None when neither."""
        if self.partitions:
            return self.partitions
        return self.max_parallelism if "HASH" in self.inputs.values() else None


class VertexSample(msgspec.Struct, frozen=True):
    """The metrics of one vertex at one poll; None where Flink did not tell. Counters since the attempt began."""

    records_in: float | None = None
    records_out: float | None = None
    busy_max_ratio: float | None = None
    busy_avg_ratio: float | None = None
    busy_ms: float | None = None  # accumulated, summed over the subtasks
    backpressured_ratio: float | None = None
    pending_records: float | None = None
    records_in_per_second: float | None = None


class Sample(msgspec.Struct, frozen=True):
    """One poll. `gc_ratio` and `heap_ratio` are those of the worst TaskManager."""

    at_ms: int
    vertices: dict[str, VertexSample]
    gc_ratio: float | None = None
    heap_ratio: float | None = None


class Window(msgspec.Struct, frozen=True):
    """A job over a stretch of time in which its graph and parallelism stayed the same. Samples: oldest first."""

    job: str
    state: str
    vertices: tuple[Vertex, ...]  # each after its inputs
    samples: tuple[Sample, ...]
    running_since_ms: int | None = None
    slots_free: int | None = None

    def since(self, at_ms: float) -> Self:
        """Only the polls from then on."""
        return msgspec.structs.replace(self, samples=tuple(each for each in self.samples if each.at_ms >= at_ms))


class PolledJob(msgspec.Struct, frozen=True):
    """One poll of a job, as far as a decision needs it. `attempt` differs after a restart or a rescale."""

    job: str
    state: str
    attempt: tuple[object, ...]
    vertices: tuple[Vertex, ...]
    sample: Sample
    running_since_ms: int | None = None


def polled_job(job: JobFacts) -> PolledJob:
    """One poll of a job; the memory of its TaskManagers is another poll's (:func:`with_memory`)."""
    return PolledJob(
        job=job.name,
        state=job.state,
        attempt=_attempt(job),
        vertices=graph_of(job),
        sample=Sample(at_ms=job.seen_ms, vertices={vertex.id: _sample(vertex) for vertex in job.vertices}),
        running_since_ms=running_since_ms(job),
    )


def window_of(polls: Sequence[PolledJob], *, slots_free: int | None = None) -> Window:
    """The newest polls, back to where the job was another one: restarted, rescaled, or gone."""
    newest = polls[-1]
    kept: list[Sample] = []
    for polled in reversed(polls):
        if polled.attempt != newest.attempt:
            break
        kept.append(polled.sample)
    return Window(
        job=newest.job,
        state=newest.state,
        vertices=newest.vertices,
        samples=tuple(reversed(kept)),
        running_since_ms=newest.running_since_ms,
        slots_free=slots_free,
    )


def _attempt(job: JobFacts) -> tuple[object, ...]:
    return (job.id, job.state, job.restarts, *((each.id, each.parallelism, each.started_ms) for each in job.vertices))


def running_since_ms(job: JobFacts) -> int | None:
    """Since when all tasks of the present attempt run, as far as it is known."""
    starts = [vertex.started_ms for vertex in job.vertices if vertex.started_ms is not None]
    known = [each for each in (job.running_since_ms, max(starts, default=None)) if each is not None]
    return max(known, default=None)


def graph_of(job: JobFacts) -> tuple[Vertex, ...]:
    """The vertices, each after its inputs; edges to what is not there are left out."""
    known = {vertex.id for vertex in job.vertices}
    found = {vertex.id: _vertex(vertex, known, job.max_parallelism) for vertex in job.vertices}
    return in_order(tuple(found.values()))


def in_order(vertices: Sequence[Vertex]) -> tuple[Vertex, ...]:
    """Each vertex after its inputs."""
    by_id = {vertex.id: vertex for vertex in vertices}
    return tuple(by_id[each] for each in topological({vertex.id: vertex.inputs for vertex in vertices}))


def _vertex(vertex: VertexFacts, known: set[str], job_max_parallelism: int | None) -> Vertex:
    ships = dict(zip(vertex.upstream, vertex.input_ships, strict=False))
    return Vertex(
        id=vertex.id,
        name=vertex.name,
        parallelism=vertex.parallelism,
        max_parallelism=vertex.max_parallelism or job_max_parallelism or vertex.parallelism,
        inputs={each: ships.get(each, "") for each in vertex.upstream if each in known and each != vertex.id},
        partitions=vertex.source_partitions,
        finished=vertex.status == "FINISHED",
    )


def _sample(vertex: VertexFacts) -> VertexSample:
    busy, held = vertex.busy_ratio or Spread(), vertex.backpressured_ratio or Spread()
    return VertexSample(
        records_in=vertex.records_in,
        records_out=vertex.records_out,
        busy_max_ratio=busy.max,
        busy_avg_ratio=busy.avg,
        busy_ms=vertex.accumulated_busy_ms,
        backpressured_ratio=held.avg,
        pending_records=vertex.pending_records.sum if vertex.pending_records else None,
        records_in_per_second=vertex.records_in_per_second.sum if vertex.records_in_per_second else None,
    )


def with_memory(window: Window, gc_ratio: float | None, heap_ratio: float | None) -> Window:
    """The window with the TaskManagers' memory as of its last poll."""
    if not window.samples:
        return window
    last = msgspec.structs.replace(window.samples[-1], gc_ratio=gc_ratio, heap_ratio=heap_ratio)
    return msgspec.structs.replace(window, samples=(*window.samples[:-1], last))
