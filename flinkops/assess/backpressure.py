"""Signal 4, backpressure: how much, and which vertex holds the others up and why.

The way to the bottleneck follows docs/signals.md: from the sources along backpressured vertices to the first that is
not backpressured itself. Each branch has its own; the one that holds up most comes first.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from flinkops.assess.signal import Signal, not_running, reason, vertex_reason
from flinkops.model.assessment import Backpressure, Bottleneck
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.numbers import mean, worst
from flinkops.model.states import ExecutionState
from flinkops.model.trend import theil_sen

PATH = "backpressure"
LOW, HIGH = 0.1, 0.5
"""Flink's own limits (JobVertexBackPressureHandler): ok up to 0.1, low up to 0.5, high above."""
BUSY = 0.7
"""A subtask that works this share of its time is near what it can do."""
UNEVEN = 0.3
"""The busiest subtask is this much above the mean: the keys are uneven."""
RISING_POLLS = 3
LAG_POLLS = 4
TREND_SECONDS, TREND_POLLS = 60.0, 8
"""Of a source that reads partition by partition, or fetch by fetch, the age rises and falls: only its trend tells."""
WORTH_A_LAG_SECONDS = 10.0
"""Flink's metrics are up to 10 s old: below it the age of records may be theirs."""
RISEN_RATIO = 0.1
"""Of the time that passes: it reads so much less than what arrives."""


class Suspect(NamedTuple):
    """A vertex that may hold others up, and by how much."""

    vertex: VertexFacts
    held_ratio: float


def backpressure(job: JobFacts, graph: Graph, past: Sequence[JobSample]) -> Signal[Backpressure | None]:
    """The worst subtask of the job, Flink's level for it, and the bottleneck where there is one."""
    if why := not_running(job):
        return Signal(None, {PATH: why})
    live = [vertex for vertex in graph.by_id.values() if vertex.status != ExecutionState.FINISHED]
    known = [ratio for vertex in live if (ratio := held_ratio(vertex)) is not None]
    missing = next((vertex for vertex in live if held_ratio(vertex) is None), None)
    highest = max(known, default=None)
    if highest is None or (missing is not None and highest <= HIGH):
        if missing is None:
            return Signal(None, {PATH: reason(job, "vertices", "no vertex runs")})
        why = f'vertex "{missing.name}" does not report backPressuredTimeMsPerSecond'
        return Signal(None, {PATH: vertex_reason(job, missing, "backpressured_ratio", why)})
    found = bottlenecks(graph, past, _pending(graph), job.seen_ms)
    result = Backpressure(
        level=level(highest),
        ratio=highest,
        bottleneck=_with_others(found) if found else None,
    )
    if found:
        return Signal(result)
    if highest > HIGH:
        return Signal(result, {f"{PATH}.bottleneck": _no_way(graph)})
    why = "nothing is backpressured" if highest <= LOW else "backpressure is low: no vertex holds the others up"
    return Signal(result, not_applicable={f"{PATH}.bottleneck": why})


def held_ratio(vertex: VertexFacts) -> float | None:
    """The share of time that the vertex's worst subtask is backpressured; its two counters may add up to over 1."""
    ratio = worst(vertex.backpressured_ratio)
    return None if ratio is None else min(1.0, ratio)


def level(ratio: float) -> Literal["none", "low", "high"]:
    """Flink's word for a ratio; its "ok" is "none" here."""
    return "none" if ratio <= LOW else "low" if ratio <= HIGH else "high"


def bottlenecks(graph: Graph, past: Sequence[JobSample], pending: float | None, now_ms: int) -> list[Bottleneck]:
    """One for each branch, the one that holds up most first."""
    suspects = sorted(_suspects(graph), key=lambda suspect: -suspect.held_ratio)
    if not suspects:
        return _slow_sources(graph, past, pending, now_ms)
    return [_explained(suspect, graph, past) for suspect in suspects]


def _suspects(graph: Graph) -> list[Suspect]:
    """Vertices that are not held up themselves but hold up one of their inputs."""
    suspects: dict[str, Suspect] = {}
    for vertex in graph.by_id.values():
        own = held_ratio(vertex) or 0.0
        inputs = [held_ratio(graph.by_id[up]) or 0.0 for up in graph.upstream[vertex.id]]
        held = max(inputs, default=0.0)
        if held > HIGH and own <= HIGH and not _blames_another(vertex, graph):
            last = _behind(vertex, graph)
            most = max(held, suspects[last.id].held_ratio if last.id in suspects else 0.0)
            suspects[last.id] = Suspect(last, most)
    return list(suspects.values())


def _behind(vertex: VertexFacts, graph: Graph) -> VertexFacts:
    """The vertex itself, or a busier one behind it that holds it up, if only a part of the time.

    What is last in a row of slow vertices decides how much flows: those before it wait for it, too.
    """
    met = {vertex.id}
    while (held_ratio(vertex) or 0.0) > LOW:
        full = [
            each
            for down in graph.downstream[vertex.id]
            if (each := graph.by_id[down]).id not in met
            and (worst(each.busy_ratio) or 0.0) >= max(BUSY, worst(vertex.busy_ratio) or 0.0)
        ]
        if not full:
            break
        vertex = max(full, key=lambda each: worst(each.busy_ratio) or 0.0)
        met.add(vertex.id)
    return vertex


def _blames_another(vertex: VertexFacts, graph: Graph) -> bool:
    """Its held-up inputs all feed a sibling that is clearly busier: one slow consumer holds up all."""
    mine = worst(vertex.busy_ratio)
    if mine is None or mine >= BUSY:
        return False
    for up in graph.upstream[vertex.id]:
        if (held_ratio(graph.by_id[up]) or 0.0) <= HIGH:
            continue
        siblings = [graph.by_id[down] for down in graph.downstream[up] if down != vertex.id]
        if not any(_takes_the_blame(sibling, mine) for sibling in siblings):
            return False
    return True


def _takes_the_blame(sibling: VertexFacts, mine: float) -> bool:
    busy = worst(sibling.busy_ratio)
    return (held_ratio(sibling) or 0.0) > HIGH or (busy is not None and busy >= max(BUSY, mine))


def _explained(suspect: Suspect, graph: Graph, past: Sequence[JobSample]) -> Bottleneck:
    """The kind of reason, from how busy the subtasks are."""
    vertex = suspect.vertex
    highest, average = worst(vertex.busy_ratio), mean(vertex.busy_ratio)
    held = f"its input is backpressured {suspect.held_ratio:.0%} of the time"
    other = _takes_turns_with(vertex.id, past)
    if other and other in graph.by_id:
        why = f'{held}, by turns with "{graph.by_id[other].name}": windows that fire together'
        return Bottleneck(vertex.name, why, "window-firing")
    if highest is None:
        return Bottleneck(
            vertex.name, f"{held}; its own busy time is not reported (a legacy source or sink)", "capacity"
        )
    if highest < BUSY:
        why = f"{held}, yet it is busy only {highest:.0%}: it waits for something outside (a call, a disk, the network)"
        return Bottleneck(vertex.name, why, "external")
    if average is not None and highest - average >= UNEVEN and vertex.parallelism > 1:
        why = f"{held}; one subtask is busy {highest:.0%}, the mean {average:.0%}: the keys are uneven"
        return Bottleneck(vertex.name, why, "key-skew")
    return Bottleneck(vertex.name, f"{held}; it is busy {highest:.0%}: more than it can do", "capacity")


def _takes_turns_with(vertex_id: str, past: Sequence[JobSample]) -> str | None:
    """Another vertex that was the busiest in some of the last polls, with this one in between: neither is it alone."""
    leaders = [max(sample.busiest, key=lambda entry: entry[1])[0] for sample in past[-6:] if sample.busiest]
    changes = sum(1 for earlier, later in pairwise(leaders) if earlier != later)
    others = [leader for leader in leaders if leader != vertex_id]
    return others[-1] if changes >= RISING_POLLS and vertex_id in leaders and others else None


def _slow_sources(graph: Graph, past: Sequence[JobSample], pending: float | None, now_ms: int) -> list[Bottleneck]:
    """Nothing is held up, but what waits before the sources grows from poll to poll: they are too slow themselves."""
    series = [sample.pending_records for sample in past[-(RISING_POLLS - 1) :]] + [pending]
    known = [value for value in series if value is not None]
    more_wait = len(known) >= RISING_POLLS and all(later > earlier for earlier, later in pairwise(known))
    behind = falls_behind(graph, past, now_ms)
    if not more_wait and behind is None:
        return []
    told = f"{known[-1]:.0f} records wait before it, more at each poll" if more_wait else behind
    return [
        Bottleneck(vertex.name, f"{told}, and it is busy {busy:.0%}", "capacity")
        for vertex in graph.sources
        if (busy := worst(vertex.busy_ratio)) is not None and busy >= BUSY
    ]


def emit_lag_seconds(graph: Graph) -> float | None:
    """How old the records are that the source furthest behind emits; None where none of them carries a time."""
    known = [lag for each in graph.sources if (lag := worst(each.source_emit_lag_seconds)) is not None and lag >= 0]
    return max(known, default=None)


def falls_behind(graph: Graph, past: Sequence[JobSample], now_ms: int) -> str | None:
    """That the records a source emits get older from poll to poll; None: not known to be so.

    What Kafka's consumer says to wait is of its last fetch: with small records it falls for minutes while more come.
    """
    now = emit_lag_seconds(graph)
    if now is None or now < WORTH_A_LAG_SECONDS:
        return None
    lags = [(each.at_ms / 1000, each.emit_lag_seconds) for each in past if each.emit_lag_seconds is not None]
    lags.append((now_ms / 1000, now))
    told = f"the records that it emits are {now:.0f} s old, and get older"
    if _rises_at_each_poll(lags[-LAG_POLLS:]):
        return f"{told} at each poll"
    recent = [each for each in lags if now_ms / 1000 - each[0] <= TREND_SECONDS]
    slope = theil_sen(recent) if recent[-1][0] - recent[0][0] >= TREND_SECONDS / 2 else None
    return f"{told} by the minute" if len(recent) >= TREND_POLLS and slope and slope >= RISEN_RATIO else None


def _rises_at_each_poll(lags: Sequence[tuple[float, float]]) -> bool:
    (first_at, first), (last_at, last) = lags[0], lags[-1]
    if len(lags) < LAG_POLLS or any(later < earlier for (_, earlier), (_, later) in pairwise(lags)):
        return False
    return last - first >= RISEN_RATIO * (last_at - first_at)


def _pending(graph: Graph) -> float | None:
    values = [value for vertex in graph.sources if (value := worst(vertex.pending_records)) is not None]
    return sum(values) if values else None


def _with_others(found: list[Bottleneck]) -> Bottleneck:
    first, *others = found
    if not others:
        return first
    names = ", ".join(f'"{other.vertex}" ({other.kind})' for other in others)
    return Bottleneck(first.vertex, f"{first.why}; also, on other branches: {names}", first.kind)


def _no_way(graph: Graph) -> str:
    held = max(graph.by_id.values(), key=lambda vertex: held_ratio(vertex) or 0.0)
    return f'"{held.name}" is backpressured, but no vertex after it takes the blame at this poll'
