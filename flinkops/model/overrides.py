"""Parallelism overrides by vertex, and the Flinks that ignore them when a job is submitted. Pure."""

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
    found = {}
    for part in text.strip().removeprefix("---").strip().strip("{}").replace("\n", ",").split(","):
        vertex, colon, number = (each.strip().strip("'\"") for each in part.rpartition(":"))
        if not part.strip():
            continue
        if not colon or not number.isdigit() or int(number) < 1:
            raise ValueError(f"{part.strip()[:60]!r} is no vertex with its parallelism")
        found[vertex] = int(number)
    return found
