"""The job's graph: where records come in, where they end, and the costliest way through."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from flinkops.model.facts import VertexFacts
from flinkops.model.numbers import total


def topological(inputs: Mapping[str, Iterable[str]]) -> list[str]:
    """Each id after its inputs; of those that are ready, the first in the order given (Kahn's algorithm).

    Inputs that are no ids themselves are ignored; what is on a cycle, or behind one, comes last, in the order given.

    >>> topological({"sink": ["map"], "map": ["source"], "source": [], "other": ["nowhere"]})
    ['source', 'map', 'sink', 'other']
    """
    place = {each: number for number, each in enumerate(inputs)}
    waits_for = {each: {one for one in ups if one in place} for each, ups in inputs.items()}
    readers: dict[str, list[str]] = {each: [] for each in inputs}
    for each, ups in waits_for.items():
        for one in ups:
            readers[one].append(each)
    ready = [(place[each], each) for each, ups in waits_for.items() if not ups]
    order: list[str] = []
    while ready:
        _, each = heapq.heappop(ready)
        order.append(each)
        for reader in readers[each]:
            waits_for[reader].discard(each)
            if not waits_for[reader]:
                heapq.heappush(ready, (place[reader], reader))
    placed = set(order)
    return order + [each for each in inputs if each not in placed]


class Graph:
    """Vertices by id with both directions of their edges. Edges to vertices that are not there are left out."""

    def __init__(self, vertices: Sequence[VertexFacts]) -> None:
        self.by_id = {vertex.id: vertex for vertex in vertices}
        self.upstream = {
            vertex.id: tuple(dict.fromkeys(up for up in vertex.upstream if up in self.by_id and up != vertex.id))
            for vertex in self.by_id.values()
        }
        self.downstream: dict[str, list[str]] = {vertex_id: [] for vertex_id in self.by_id}
        for vertex_id, ups in self.upstream.items():
            for up in ups:
                self.downstream[up].append(vertex_id)

    @property
    def sources(self) -> list[VertexFacts]:
        """Vertices without an input."""
        return [vertex for vertex in self.by_id.values() if not self.upstream[vertex.id]]

    @property
    def sinks(self) -> list[VertexFacts]:
        """Vertices without an output."""
        return [vertex for vertex in self.by_id.values() if not self.downstream[vertex.id]]

    @property
    def taken_in_per_second(self) -> float | None:
        """Records per second that the sources take in. Generators count none in: what leaves them counts then."""
        known = [
            max(total(each.records_in_per_second) or 0.0, total(each.records_out_per_second) or 0.0)
            for each in self.sources
            if total(each.records_in_per_second) is not None or total(each.records_out_per_second) is not None
        ]
        return sum(known) if known else None

    @property
    def taken_in(self) -> float | None:
        """Records, as `taken_in_per_second`: all of them since the sources' attempts began."""
        known = [
            max(each.records_in or 0, each.records_out or 0)
            for each in self.sources
            if each.records_in is not None or each.records_out is not None
        ]
        return float(sum(known)) if known else None

    def in_order(self) -> list[VertexFacts]:
        """Each vertex after its inputs."""
        return [self.by_id[vertex_id] for vertex_id in topological(self.upstream)]

    def worst_path(self, cost: Callable[[VertexFacts], float]) -> float:
        """The greatest sum of `cost` along a way from a source to a sink."""
        reached: dict[str, float] = {}
        for vertex in self.in_order():
            before = max((reached.get(up, 0.0) for up in self.upstream[vertex.id]), default=0.0)
            reached[vertex.id] = before + cost(vertex)
        return max(reached.values(), default=0.0)
