"""Signal 1, processing latency L = t_processed - t_ingested: measured, else markers, else Little's law."""

from collections.abc import Sequence
from typing import NamedTuple

from flinkops.assess.signal import Signal, first_unread, not_running, vertex_reason
from flinkops.model.assessment import Latency
from flinkops.model.facts import BATCH, JobFacts, VertexFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount, mean, total, worst
from flinkops.model.states import ExecutionState

PATH = "processing_latency_seconds"


def latency(job: JobFacts, graph: Graph, past: Sequence[JobSample]) -> Signal[Latency | None]:
    """The best of the three methods that this job allows; the reason names what each one lacks."""
    if why := not_running(job):
        return Signal(None, {PATH: why})
    if (unread := _unread(job)) is not None:
        return Signal(None, {PATH: unread})
    markers = _markers(job)
    partial = any(each.markers_left_out for each in job.vertices)
    found = _measured(job) or (None if partial else markers)
    if found:
        return _with_reasons(found)
    if markers is None and (none := _without_times(job, graph)) is not None:
        if any(each.latency_p99_seconds is not None for each in past):
            return Signal(None, {PATH: f"it had a latency before, and now {none}"})
        return Signal(None, not_applicable={PATH: none})
    estimate = _estimated(job, graph)
    if isinstance(estimate, str):
        said = "no latency markers" if markers is None else "latency markers of some subtasks only"
        why = f"no operator publishes flinkops.processingLatencyMs, {said}, and {estimate}"
        return Signal(None, {PATH: why})
    return _with_reasons(estimate if markers is None else _at_least(estimate, markers))


def _unread(job: JobFacts) -> str | None:
    """Why one of the latencies could not be read: the worst one may be that. Of what takes in nothing, none counts."""
    live = [each for each in job.vertices if each.status != ExecutionState.FINISHED and not _empty(each)]
    return first_unread(job, live, "latency_p99_seconds")


def _without_times(job: JobFacts, graph: Graph) -> str | None:
    """Why the job has no latency: from no source on is there anything to count it from."""
    if job.job_type == BATCH:
        return "a batch job reads what is there: its records have no latency"
    sources = [each for each in graph.sources if each.status != ExecutionState.FINISHED]
    if not sources or any(each.source_is_timed is not False for each in sources):
        return None
    return "the records of its sources have no timestamp, and nothing that waits before them is counted"


def _with_reasons(found: Latency) -> Signal[Latency | None]:
    why = f"Flink gave no number for this quantile ({found.method})"
    return Signal(found, {f"{PATH}.{part}": why for part in ("p50", "p99") if getattr(found, part) is None})


def _measured(job: JobFacts) -> Latency | None:
    """The job's own distribution: that of the operator, and within it the subtask, with the highest p99."""
    pairs = [
        (worst(vertex.latency_p50_seconds), worst(vertex.latency_p99_seconds))
        for vertex in job.vertices
        if not _empty(vertex)
    ]
    return _highest(pairs, "measured")


def _empty(vertex: VertexFacts) -> bool:
    """A distribution of nothing reads 0; where no record comes in, that is no measurement."""
    return not worst(vertex.latency_p99_seconds) and total(vertex.records_in_per_second) == 0


def _markers(job: JobFacts) -> Latency | None:
    """Latency markers where they end. They overtake no record but skip the time inside operators and windows."""
    pairs = [(amount(vertex.marker_p50_seconds), amount(vertex.marker_p99_seconds)) for vertex in job.vertices]
    return _highest(pairs, "markers")


def _at_least(estimate: Latency, markers: Latency) -> Latency:
    """Markers of some subtasks are a lower bound of what the worst one has."""
    p50 = max((each for each in (estimate.p50, markers.p50) if each is not None), default=None)
    p99 = max((each for each in (estimate.p99, markers.p99) if each is not None), default=None)
    return Latency(p50=p50, p99=p99, method="estimated")


def _highest(pairs: list[tuple[float | None, float | None]], method: str) -> Latency | None:
    known = [pair for pair in pairs if pair != (None, None)]
    if not known:
        return None
    p50, p99 = max(known, key=lambda pair: (pair[1] is not None, pair[1] or 0.0, pair[0] or 0.0))
    return Latency(p50=p50, p99=p99, method="measured" if method == "measured" else "markers")


class _Wait(NamedTuple):
    """Seconds that a record waits in front of one vertex: on average, and at the worst subtask."""

    average: float
    highest: float


def _estimated(job: JobFacts, graph: Graph) -> Latency | str:
    """Little's law: what waits in front of the sources / the rate it is read at, plus the buffers on the worst path."""
    waits: dict[str, _Wait] = {}
    for vertex in graph.by_id.values():
        wait = _buffer_wait(job, vertex) if graph.upstream[vertex.id] else _source_wait(job, vertex)
        if isinstance(wait, str):
            return wait
        waits[vertex.id] = wait
    if not waits:
        return "its vertices are not known"
    return Latency(
        p50=amount(graph.worst_path(lambda vertex: waits[vertex.id].average)),
        p99=amount(graph.worst_path(lambda vertex: waits[vertex.id].highest)),
        method="estimated",
    )


def _source_wait(job: JobFacts, vertex: VertexFacts) -> _Wait | str:
    if vertex.status == ExecutionState.FINISHED or vertex.source_is_timed is False:
        return _Wait(0.0, 0.0)
    pending, rate = total(vertex.pending_records), total(vertex.records_in_per_second)
    if pending is None:
        missing = f'source "{vertex.name}" does not report pendingRecords'
        return vertex_reason(job, vertex, "pending_records", missing)
    if pending == 0:
        return _Wait(0.0, 0.0)
    if rate is None:
        return f'source "{vertex.name}" does not report its rate'
    if rate == 0:
        return f'{pending:.0f} records wait before source "{vertex.name}" and none is being read'
    # The most loaded subtask reads at the mean rate of a subtask, at best: rates and backlogs come as separate spreads.
    share = (worst(vertex.pending_records) or 0.0) * max(1, vertex.parallelism)
    average, highest = amount(pending / rate), amount(max(pending, share) / rate)
    if average is None or highest is None:
        return f'what waits before source "{vertex.name}" cannot be reckoned'
    return _Wait(average, highest)


def _buffer_wait(job: JobFacts, vertex: VertexFacts) -> _Wait | str:
    highest = worst(vertex.consume_buffers_seconds)
    if highest is None:
        if vertex.status == ExecutionState.FINISHED:
            return _Wait(0.0, 0.0)
        missing = f'vertex "{vertex.name}" does not report estimatedTimeToConsumeBuffersMs'
        return vertex_reason(job, vertex, "consume_buffers_seconds", missing)
    return _Wait(mean(vertex.consume_buffers_seconds) or highest, highest)
