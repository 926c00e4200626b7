"""Signal 2, event-time skew S = now - watermark; none yet, finished, held, idle and straggling are told apart."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from flinkops.assess.signal import Signal, first_unread, not_running, reason
from flinkops.config.policy import WATERMARK_DELAY_KEY, JobClass
from flinkops.model.event_time import held_back
from flinkops.model.facts import BATCH, JobFacts, VertexFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.numbers import finite, total, worst
from flinkops.model.states import ExecutionState

FLOWED_SECONDS = 120.0
SKEW = "event_time_skew_seconds"
WATERMARK = "watermark"

# Beyond these no calendar has a date; Flink's Long.MIN and Long.MAX, also when rounded by a double, lie far outside.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999

WatermarkState = Literal["known", "none-yet", "finished", "unknown"]


class VertexTime(NamedTuple):
    """Event time at one vertex."""

    state: WatermarkState
    watermark_ms: int | None = None
    skew_seconds: float | None = None
    spread_seconds: float | None = None
    why: str | None = None
    moving: bool = False
    """At least one subtask has one."""


class EventTime(NamedTuple):
    """Event time of the job: the furthest behind of its vertices counts."""

    skew_seconds: float | None = None
    watermark_ms: int | None = None
    vertices: Mapping[str, VertexTime] = {}
    cause: str = ""
    """What holds the watermark back, as far as the facts tell; for the text of a reason."""


def event_time(job: JobFacts, graph: Graph, past: Sequence[JobSample], job_class: JobClass) -> Signal[EventTime]:
    """Skew and watermark of the job and of each vertex. `now` is the time at which the facts were seen."""
    times = {vertex.id: vertex_time(vertex, job.seen_ms) for vertex in job.vertices}
    why = not_running(job)
    if why is None and (none := _without_event_time(job, graph, times, past, job_class)) is not None:
        return Signal(EventTime(vertices=times), not_applicable={SKEW: none, WATERMARK: none})
    why = why or _undefined(graph, times)
    known = [
        (time.watermark_ms, vertex.id)
        for vertex in graph.in_order()
        if (time := times[vertex.id]).watermark_ms is not None
    ]
    if why is None:
        why = reason(job, "watermark", _nowhere(times)) if not known else _unread(job, times)
    if why is not None:
        return Signal(EventTime(vertices=times), {SKEW: why, WATERMARK: why})
    # Of equals the first in the flow: what comes after it only waits for it.
    watermark_ms, furthest = min(known, key=lambda pair: pair[0])
    event = EventTime(
        skew_seconds=(job.seen_ms - watermark_ms) / 1000,
        watermark_ms=watermark_ms,
        vertices=times,
        cause=_cause(graph, furthest, times),
    )
    return Signal(event)


def _unread(job: JobFacts, times: Mapping[str, VertexTime]) -> str | None:
    """Why the watermark of a vertex could not be read: it may be the furthest behind."""
    return first_unread(job, (vertex for vertex in job.vertices if times[vertex.id].state == "unknown"), "watermark_ms")


def vertex_time(vertex: VertexFacts, now_ms: int) -> VertexTime:
    """The watermark of one vertex: the minimum over its subtasks, which is known only when each of them has one."""
    lowest, highest = _time(vertex.watermark_ms.min if vertex.watermark_ms else None), None
    if vertex.watermark_ms:
        highest = _time(vertex.watermark_ms.max)
    if lowest is not None:
        spread = None if highest is None else max(0.0, (highest - lowest) / 1000)
        return VertexTime(
            "known",
            watermark_ms=lowest,
            skew_seconds=(now_ms - lowest) / 1000,
            spread_seconds=spread,
            moving=True,
        )
    if vertex.watermark_none_yet:
        moving = highest is not None
        some = "one of its subtasks has" if moving else "it has"
        return VertexTime("none-yet", why=f"{some} produced no watermark yet", moving=moving)
    if vertex.watermark_finished or vertex.status == ExecutionState.FINISHED:
        return VertexTime("finished", why="its input has ended", moving=True)
    return VertexTime("unknown", why="Flink reports no watermark for it")


def _time(value: float | None) -> int | None:
    known = finite(value)
    return None if known is None or not _FIRST_MS <= known <= _LAST_MS else round(known)


def _without_event_time(
    job: JobFacts, graph: Graph, times: Mapping[str, VertexTime], past: Sequence[JobSample], job_class: JobClass
) -> str | None:
    """Why the job has no event time at all; None when it has, when it should have, or when it is too early to say.

    Each live vertex says that it has no watermark, none was ever seen of this job, no vertex is known to need or make
    one, nobody asks for the skew, and records have flowed for minutes.
    """
    if job.job_type == BATCH:
        return "a batch job: its watermark is the end of its input"
    asked = job_class.skew_asked or WATERMARK_DELAY_KEY in job.configuration
    live = [each for each in graph.by_id.values() if times[each.id].state != "finished"]
    if asked or not live or any(times[each.id].state != "none-yet" or times[each.id].moving for each in live):
        return None
    if any(each.needs_event_time or each.makes_watermarks for each in live):
        return None
    if any(each.watermark_seen or each.skew_seconds is not None for each in past):
        return None
    return "no source emits watermarks: the job works without event time" if _has_flowed(job, graph) else None


def _has_flowed(job: JobFacts, graph: Graph) -> bool:
    """Records have come in for minutes: at today's rate, those that have been read took that long.

    A job that had its first record a moment ago may make a watermark of it in the next; its rate is of a minute.
    """
    if job.running_since_ms is None or (job.seen_ms - job.running_since_ms) / 1000 < FLOWED_SECONDS:
        return False
    read, rate = graph.taken_in, graph.taken_in_per_second
    return bool(read) and rate is not None and (rate == 0 or (read or 0.0) / rate >= FLOWED_SECONDS)


def _undefined(graph: Graph, times: Mapping[str, VertexTime]) -> str | None:
    """A vertex to which event time may matter waits for an input without a watermark, while something moves on."""
    if not any(time.moving for time in times.values()):
        return None
    waiting = next((each for each in held_back(graph) if times[each.vertex.id].state == "none-yet"), None)
    if waiting is None:
        return None
    name, culprit = waiting.vertex.name, waiting.culprit.name
    return f'event time stands still at "{name}": "{culprit}" has produced no watermark yet (an idle input?)'


def _nowhere(times: Mapping[str, VertexTime]) -> str:
    states = {time.state for time in times.values()}
    if "none-yet" in states:
        return "no vertex has produced a watermark yet"
    if "finished" in states:
        return "all inputs have ended"
    return "no vertex reports a watermark"


def _cause(graph: Graph, vertex_id: str, times: Mapping[str, VertexTime]) -> str:
    vertex, time = graph.by_id[vertex_id], times[vertex_id]
    paused = max((worst(each.split_paused_ratio) or 0.0 for each in graph.by_id.values()), default=0.0)
    idle = max((worst(each.split_idle_ratio) or 0.0 for each in graph.by_id.values()), default=0.0)
    parts = [f'"{vertex.name}" is furthest behind']
    if all(total(source.records_in_per_second) == 0 for source in graph.sources):
        parts.append("no records come in")
    if time.spread_seconds and time.skew_seconds and time.spread_seconds > 0.5 * time.skew_seconds:
        parts.append("a straggling subtask: the others are ahead of it")
    if paused > 0.1:
        parts.append("watermark alignment pauses some splits")
    if idle > 0.5:
        parts.append("idle splits are left out")
    return ", ".join(parts)
