"""What a vertex does in its state backend, by its stacks: reads, which a larger cache spares, and writes."""

import re
from typing import NamedTuple

from flinkops.diagnose.case import Case
from flinkops.diagnose.stacks import shares
from flinkops.model.facts import VertexFacts

ACCESS_RATIO = 0.4
"""Of the on-CPU samples of a vertex: as for serialization, more than a third of the work is not the job's own."""

_WRITE = re.compile(r"org\.(rocksdb|forstdb)\.(RocksDB\.(put|merge|write|delete|singleDelete)|WriteBatch|Checkpoint\.)")
"""A snapshot flushes what was written, too."""
_ACCESS = re.compile(r"org\.(rocksdb|forstdb)\.")


class StateAccess(NamedTuple):
    """Shares of a vertex's on-CPU samples."""

    reads: float
    writes: float

    @property
    def of_reading(self) -> float:
        """All of its access, where most of it reads; else 0."""
        return self.reads + self.writes if self.reads >= self.writes else 0.0

    @property
    def of_writing(self) -> float:
        """What it writes, where that is most of its access; else 0."""
        return self.writes if self.writes > self.reads else 0.0


def state_access(case: Case, vertex: VertexFacts) -> StateAccess | None:
    """None where its stacks are not known."""
    graph = case.flame_graph(vertex.id)
    if graph is None or graph.root is None:
        return None
    found = shares(graph.root, _kind)
    return StateAccess(found.get("read", 0.0), found.get("write", 0.0))


def _kind(frame: str) -> str | None:
    if _WRITE.search(frame):
        return "write"
    return "read" if _ACCESS.search(frame) else None
