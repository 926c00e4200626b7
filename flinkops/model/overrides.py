"""Parallelism overrides by vertex, and the Flinks that ignore them when a job is submitted. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from flinkops.model.facts import VertexFacts

OVERRIDES = "pipeline.jobvertex-parallelism-overrides"
LOST_AT_START = ("2.0.", "2.1.", "2.2.", "2.3.")
"""FLINK-38770: these submit stream graphs, and only job graphs get the overrides."""


def lost_at_start(flink_version: str | None) -> bool:
    """Whether a job of this Flink ("2.3.0", or "v2_3" as a resource has it) starts without its overrides.

    >>> lost_at_start("2.3.0"), lost_at_start("v2_0"), lost_at_start("v1_20"), lost_at_start(None)
    (True, True, False, False)
    """
    return f"{(flink_version or '').removeprefix('v').replace('_', '.')}.".startswith(LOST_AT_START)


def parse_overrides(text: str) -> dict[str, int]:
    """`id:2,id:1`, also `{id: 2}` and JSON-like quotes. Raises ValueError on anything else.

    >>> parse_overrides("{a: 2, 'b': 1}")
    {'a': 2, 'b': 1}
    """
    return dict(map(_entry, _entries(text)))


def readable_overrides(text: str) -> dict[str, int]:
    """As `parse_overrides`, also `{id=2}`; what is no vertex with its parallelism is left out.

    >>> readable_overrides("{a=2, b=many}")
    {'a': 2}
    """
    found = {}
    for entry in _entries(text.replace("=", ":")):
        with suppress(ValueError):
            vertex, number = _entry(entry)
            found[vertex] = number
    return found


def drifted(overrides: Mapping[str, int], vertices: Iterable[VertexFacts]) -> list[tuple[VertexFacts, int]]:
    """The vertices that run with another parallelism than their override, each with that override."""
    return [
        (vertex, overrides[vertex.id])
        for vertex in vertices
        if vertex.id in overrides and overrides[vertex.id] != vertex.parallelism
    ]


def _entries(text: str) -> list[str]:
    parts = text.strip().removeprefix("---").strip().strip("{}").replace("\n", ",").split(",")
    return [part.strip() for part in parts if part.strip()]


def _entry(text: str) -> tuple[str, int]:
    vertex, colon, number = (each.strip().strip("'\"") for each in text.rpartition(":"))
    if not colon or not number.isdigit() or int(number) < 1:
        raise ValueError(f"{text[:60]!r} is no vertex with its parallelism")
    return vertex, int(number)
