"""Whether a busy vertex works or waits for something outside: Flink counts a call that blocks as busy."""

import re

from flinkops.diagnose.case import Case
from flinkops.diagnose.stacks import shares
from flinkops.model.facts import VertexFacts
from flinkops.model.numbers import worst

CALL_RATIO = 0.5
"""From this share of its samples on, it is the call that takes the time."""
SAMPLES_A_SUBTASK = 100
"""rest.flamegraph.num-samples; a thread that runs all the time gives so many on-CPU samples."""

_OUTSIDE = re.compile(
    r"(?i)socketRead|SocketDispatcher\.(read|write)|sun\.nio\.ch\.(Net|EPoll|NioSocketImpl)|SocketInputStream"
    r"|FileDispatcherImpl|java\.net\.http|okhttp|org\.apache\.http|jdbc|Thread\.sleep"
)


def waits_outside(case: Case, vertex: VertexFacts) -> float | None:
    """Share of a busy vertex's time in which its threads are off the CPU or in a read or write of a socket or file.

    None when the vertex is not busy or its stacks are not known.
    """
    graph = case.flame_graph(vertex.id)
    busy = worst(vertex.busy_ratio)
    if graph is None or busy is None or busy <= 0:
        return None
    if (root := graph.root) is None:
        return None
    expected = SAMPLES_A_SUBTASK * vertex.parallelism * min(1.0, busy)
    off = max(0.0, 1.0 - root.samples / expected)
    calling = shares(root, lambda frame: "outside" if _OUTSIDE.search(frame) else None).get("outside", 0.0)
    return min(1.0, off + (1.0 - off) * calling)
