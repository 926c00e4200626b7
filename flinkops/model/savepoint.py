"""The formats of a savepoint. Source: docs/content/docs/ops/state/savepoints.md of apache/flink."""

from typing import Literal

SavepointFormat = Literal["canonical", "native"]
"""Independent of the state backend, or the backend's own; Flink's REST API writes them in capitals (`formatType`)."""


def recorded_format(text: str) -> SavepointFormat:
    """The format that a plan or a journal names, whatever its case; earlier journals have capitals.

    Raises ValueError for anything else.

    >>> recorded_format("NATIVE")
    'native'
    """
    match text.lower():
        case "canonical":
            return "canonical"
        case "native":
            return "native"
        case _:
            raise ValueError(f"{text!r} is no format of savepoints: canonical or native is expected")
