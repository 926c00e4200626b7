"""Flame graphs: which share of a vertex's samples was taken in frames of a kind."""

from collections.abc import Callable

from flinkops.model.detail import FlameGraphNode

Kind = Callable[[str], str | None]
"""What a frame is: the name of a kind, or "" to end the kind of its caller, or None: as its caller."""

MIN_SAMPLES = 20
"""Of fewer samples no share is made."""


def shares(root: FlameGraphNode, kind: Kind) -> dict[str, float]:
    """Share of all samples by kind: a sample belongs to the kind of the innermost frame that has one.

    "" holds the samples of no kind. Empty below MIN_SAMPLES: a share of a few samples says nothing.
    """
    if root.samples < MIN_SAMPLES:
        return {}
    found: dict[str, float] = {}
    stack = [(root, "")]
    while stack:
        node, inherited = stack.pop()
        own_kind = kind(node.frame)
        current = inherited if own_kind is None else own_kind
        own = max(0, node.samples - sum(child.samples for child in node.children))
        found[current] = found.get(current, 0.0) + own / root.samples
        stack.extend((child, current) for child in node.children)
    return found
