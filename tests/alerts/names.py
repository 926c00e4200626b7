"""The metrics that a PromQL expression names."""

from collections.abc import Iterator
from typing import Any

import promql_parser


def metric_names(expr: str) -> set[str]:
    """Every selector's metric. Raises ValueError when the expression is none."""
    return set(_names(promql_parser.parse(expr)))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
        return
    for attribute in ("expr", "lhs", "rhs", "vector_selector"):
        if (child := getattr(node, attribute, None)) is not None:
            yield from _names(child)
    for argument in getattr(node, "args", None) or ():
        yield from _names(argument)
