"""Which vertices may wait for event time, and which inputs hold them back: by the plan, the edges and the watermarks.

Windows, joins and timers in event time fire when the watermark passes. They belong to keyed operators, and only the
first operator of a chain is keyed: a vertex whose input is not spread by key can set no timer. A vertex that needs no
event time may have no watermark for ever and holds nothing back, unless one that needs it is fed by it.
"""

from typing import NamedTuple

from flinkops.model.facts import VertexFacts
from flinkops.model.graph import Graph

KEYED_SHIP = "HASH"


class HeldBack(NamedTuple):
    """``vertex`` has no watermark at one subtask at least, and waits for ``culprit``, which may be itself.

    ``sure``: the plan says that it needs event time. ``moving``: somewhere before it a subtask has a watermark.
    """

    vertex: VertexFacts
    culprit: VertexFacts
    sure: bool
    moving: bool


def may_need(vertex: VertexFacts) -> bool:
    """Whether event time may matter to it: the plan says so, or it is keyed, or how it is fed is not known."""
    if vertex.needs_event_time is not None:
        return vertex.needs_event_time
    if not vertex.upstream:
        return False
    return len(vertex.input_ships) != len(vertex.upstream) or KEYED_SHIP in vertex.input_ships


def keeps_keys(vertex: VertexFacts) -> bool:
    """Whether it may keep keyed state: its input is spread by key, or how it is fed is not known."""
    return len(vertex.input_ships) != len(vertex.upstream) or KEYED_SHIP in vertex.input_ships


def has_watermark(vertex: VertexFacts) -> bool:
    """At least one of its subtasks has one that is a time."""
    spread = vertex.watermark_ms
    return spread is not None and (spread.min is not None or spread.max is not None)


def held_back(graph: Graph) -> list[HeldBack]:
    """Those that wait, in the order of the flow; the culprit is the first silent vertex on the way to them.

    A vertex whose inputs all have a watermark only does not hand it on (many sinks), and waits for nothing.
    """
    found = []
    for vertex in graph.in_order():
        if not vertex.watermark_none_yet or not may_need(vertex):
            continue
        inputs = [graph.by_id[up] for up in graph.upstream[vertex.id]]
        silent = [each for each in inputs if each.watermark_none_yet]
        if inputs and not silent:
            continue
        sure, moving = vertex.needs_event_time is True, _moves_before(graph, vertex)
        if sure or moving:
            found.append(HeldBack(vertex, _first_silent(graph, vertex), sure, moving))
    return found


def _first_silent(graph: Graph, vertex: VertexFacts) -> VertexFacts:
    """Up the silent inputs to one that has none: where some subtasks have a watermark before where none has."""
    met = {vertex.id}
    current = vertex
    while True:
        silent = [graph.by_id[up] for up in graph.upstream[current.id] if graph.by_id[up].watermark_none_yet]
        fresh = [each for each in silent if each.id not in met]
        if not fresh:
            return current
        current = next((each for each in fresh if has_watermark(each)), fresh[0])
        met.add(current.id)


def _moves_before(graph: Graph, vertex: VertexFacts) -> bool:
    """Whether it or anything on the way to it has a watermark at some subtask."""
    met: set[str] = set()
    ahead = [vertex.id]
    while ahead:
        current = ahead.pop()
        if current in met:
            continue
        met.add(current)
        if has_watermark(graph.by_id[current]):
            return True
        ahead.extend(graph.upstream[current])
    return False
