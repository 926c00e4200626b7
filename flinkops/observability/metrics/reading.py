"""How the lists of metrics read a number."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from flinkops.model.assessment import JobAssessment
from flinkops.observability.slo import ObservedJob

S = TypeVar("S", bound=msgspec.Struct)


def attribute(of: type[S], name: str) -> Callable[[S], float | None]:
    """Reads one number by its name; a name that `of` does not have fails when the list is built."""
    if name not in of.__struct_fields__:
        raise AttributeError(name)

    def read(subject: S) -> float | None:
        value: float | None = getattr(subject, name)
        return value

    return read


def field(name: str) -> Callable[[ObservedJob], float | None]:
    """Reads one number of a job's assessment."""
    read = attribute(JobAssessment, name)
    return lambda observed: read(observed.job)


def seconds(at_ms: int | None) -> float | None:
    """Milliseconds since the epoch as Prometheus wants them."""
    return None if at_ms is None else at_ms / 1000
