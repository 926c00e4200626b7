"""How much flows: records in, out, dropped and late."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from flinkops.assess.signal import Signal, is_measured, left_out, not_running, reason, vertex_reason
from flinkops.config.policy import JobClass
from flinkops.model.facts import JobFacts, Spread, VertexFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.numbers import add_known, amount, total, whole
from flinkops.model.states import ExecutionState

IN, OUT, DROPPED = "records_in_per_second", "records_out_per_second", "records_dropped_per_second"
LATE, LATE_RATIO = "late_records", "late_ratio"

RATE_WINDOW_MS = 60_000


class Rates(NamedTuple):
    """Records per second, and counters since the job's current execution began."""

    records_in_per_second: float | None = None
    records_out_per_second: float | None = None
    records_dropped_per_second: float | None = None
    late_records: int | None = None
    late_ratio: float | None = None
    accepted_records: int | None = None
    unchanged_dropped: int | None = None


def rates(job: JobFacts, graph: Graph, past: Sequence[JobSample], job_class: JobClass) -> Signal[Rates]:
    """All of them; a sum over vertices of which one is missing is not known."""
    if why := not_running(job):
        return Signal(Rates(), dict.fromkeys((IN, OUT, DROPPED, LATE, LATE_RATIO), why))
    unknown: dict[str, str] = {}
    dropped_total = whole(_sum(job, "unchanged_dropped"))
    late = whole(_sum(job, LATE))
    accepted = whole(_sum(job, "accepted"))
    unread = left_out(job, "accepted")
    read = whole(add_known(vertex.records_in for vertex in graph.sources)) if unread is None else None
    found = Rates(
        records_in_per_second=_in(job, graph, unknown),
        records_out_per_second=_out(job, graph, unknown),
        records_dropped_per_second=_dropped(job, dropped_total, past, unknown),
        late_records=late,
        late_ratio=_late_ratio(late, accepted, read, unread, unknown),
        accepted_records=accepted if accepted is not None else read,
        unchanged_dropped=dropped_total,
    )
    if late is None:
        uncounted = "no operator counts late records (numLateRecordsDropped, flinkops.lateRecords)"
        unknown[LATE] = left_out(job, LATE) or reason(job, LATE, uncounted)
        unknown[LATE_RATIO] = unknown[LATE]
    return _told_apart(found, unknown, _uncounted(job, job_class) if is_measured(job) else ())


def _uncounted(job: JobFacts, job_class: JobClass) -> Iterator[str]:
    """What this job does not count at all, and nobody asks for."""
    if all(each.unchanged_dropped is None and each.unchanged_dropped_per_second is None for each in job.vertices):
        yield DROPPED
    if job_class.late_ratio is None and all(each.late_records is None for each in job.vertices):
        yield from (LATE, LATE_RATIO)


def _told_apart(found: Rates, unknown: dict[str, str], absent: Iterable[str]) -> Signal[Rates]:
    not_applicable = {path: unknown[path] for path in absent if path in unknown}
    return Signal(found, {path: why for path, why in unknown.items() if path not in not_applicable}, not_applicable)


def _sum(job: JobFacts, field: str) -> float | None:
    """Over the vertices that have it; None when none has it, or one could not be asked."""
    if left_out(job, field) is not None:
        return None
    spreads: Iterator[Spread | None] = (getattr(vertex, field) for vertex in job.vertices)
    return add_known(map(total, spreads))


def _in(job: JobFacts, graph: Graph, unknown: dict[str, str]) -> float | None:
    """What the sources read."""
    live = [vertex for vertex in graph.sources if vertex.status != ExecutionState.FINISHED]
    values = [(vertex, total(vertex.records_in_per_second)) for vertex in live]
    if not _all_known(job, graph.sources, values, IN, 'source "{}" does not report its rate', unknown):
        return None
    return _summed(values, IN, unknown)


def _out(job: JobFacts, graph: Graph, unknown: dict[str, str]) -> float | None:
    """What the sinks' writers took in where they say so; else what went into the vertices at the graph's end."""
    written = [
        (vertex, value) for vertex in job.vertices if (value := total(vertex.records_written_per_second)) is not None
    ]
    if written and (unread := left_out(job, "records_written_per_second")) is not None:
        unknown[OUT] = unread
        return None
    if written:
        return _summed(written, OUT, unknown)
    ends = [vertex for vertex in graph.sinks if vertex.status != ExecutionState.FINISHED]
    values = [
        (vertex, total(vertex.records_in_per_second) if graph.upstream[vertex.id] else _positive(vertex))
        for vertex in ends
    ]
    if not _all_known(job, graph.sinks, values, OUT, 'the sink in "{}" does not report what it writes', unknown):
        return None
    return _summed(values, OUT, unknown)


def _all_known(
    job: JobFacts,
    vertices: Sequence[VertexFacts],
    values: Sequence[tuple[VertexFacts, float | None]],
    path: str,
    why: str,
    unknown: dict[str, str],
) -> bool:
    """Whether each of the vertices says its rate; else `unknown` has at `path` which one does not. ``{}``: its name."""
    missing = next((vertex for vertex, value in values if value is None), None)
    if missing is not None:
        unknown[path] = vertex_reason(job, missing, IN, why.format(missing.name))
    elif not vertices:
        unknown[path] = reason(job, "vertices", "the job's vertices are not known")
    else:
        return True
    return False


def _positive(vertex: VertexFacts) -> float | None:
    """Out of a vertex that is source and sink in one, Flink counts nothing unless its sink does: 0 says nothing."""
    return total(vertex.records_out_per_second) or None


def _summed(values: Sequence[tuple[VertexFacts, float | None]], path: str, unknown: dict[str, str]) -> float | None:
    result = add_known(value for _, value in values) if values else 0.0
    if result is None:
        unknown[path] = "the sum over the vertices is no number"
    return result


def _dropped(
    job: JobFacts, dropped_total: int | None, past: Sequence[JobSample], unknown: dict[str, str]
) -> float | None:
    """Records that the job dropped because nothing had changed: its own rate, else its counter's over a minute."""
    rate = _sum(job, "unchanged_dropped_per_second")
    if rate is not None:
        return rate
    if dropped_total is None:
        unread = left_out(job, "unchanged_dropped_per_second", "unchanged_dropped")
        unknown[DROPPED] = unread or reason(job, DROPPED, "no operator publishes flinkops.unchangedDropped")
        return None
    before = _earlier(job, dropped_total, past)
    if before is None:
        unknown[DROPPED] = "a rate needs a second poll: the job publishes a counter"
        return None
    seconds = (job.seen_ms - before.at_ms) / 1000
    return amount((dropped_total - (before.unchanged_dropped or 0)) / seconds)


def _earlier(job: JobFacts, dropped_total: int, past: Sequence[JobSample]) -> JobSample | None:
    """The oldest poll of the window since which the counter has only risen: it is reset when the job restarts.

    Flink's own rates are over a minute, and its counters come in steps of ten seconds: two polls alone would jump.
    """
    found, limit = None, dropped_total
    for sample in reversed(past):
        count = sample.unchanged_dropped
        if sample.job_id != job.id or job.seen_ms - sample.at_ms > RATE_WINDOW_MS:
            break
        if count is not None:
            if count > limit:
                break
            found, limit = sample, count
    return found


def _late_ratio(
    late: int | None, accepted: int | None, read: int | None, unread: str | None, unknown: dict[str, str]
) -> float | None:
    """Late records in all that the job took in (accepted ones and late ones), since its execution began."""
    if late is None:
        return None
    everything = accepted + late if accepted is not None else max(read, late) if read is not None else None
    if everything is None:
        unknown[LATE_RATIO] = unread or "how many records came in is not known"
        return None
    return late / everything if everything else 0.0
