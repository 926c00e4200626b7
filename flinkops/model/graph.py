"""The job's graph: where records come in, where they end, and the costliest way through."""

from collections.abc import Callable, Sequence

from flinkops.model.facts import VertexFacts


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

    def in_order(self) -> list[VertexFacts]:
        """Each vertex after its inputs (Kahn); those on a cycle come last."""
        waiting = {vertex_id: len(ups) for vertex_id, ups in self.upstream.items()}
        ready = [vertex_id for vertex_id, count in waiting.items() if count == 0]
        order: list[str] = []
        while ready:
            vertex_id = ready.pop()
            order.append(vertex_id)
            for down in self.downstream[vertex_id]:
                waiting[down] -= 1
                if waiting[down] == 0:
                    ready.append(down)
        done = set(order)
        order.extend(vertex_id for vertex_id in self.by_id if vertex_id not in done)
        return [self.by_id[vertex_id] for vertex_id in order]

    def worst_path(self, cost: Callable[[VertexFacts], float]) -> float:
        """The greatest sum of `cost` along a way from a source to a sink."""
        reached: dict[str, float] = {}
        for vertex in self.in_order():
            before = max((reached.get(up, 0.0) for up in self.upstream[vertex.id]), default=0.0)
            reached[vertex.id] = before + cost(vertex)
        return max(reached.values(), default=0.0)
