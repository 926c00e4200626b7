"""What each signal gives: its value, and a reason for every part of it that is not known."""

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.states import ENDED, JobState

T = TypeVar("T")


class Signal(NamedTuple, Generic[T]):
    """A value, and the reasons for what is None in it, by dotted path of the status document."""

    value: T
    unknown: Mapping[str, str] = {}


def reason(job: JobFacts, fact: str, otherwise: str) -> str:
    """Why a fact is not known: what its source said of it or of the part it belongs to, else `otherwise`."""
    path = fact
    while path:
        if path in job.unknown:
            return job.unknown[path] or otherwise
        path = path.rpartition(".")[0]
    return otherwise


def vertex_reason(job: JobFacts, vertex: VertexFacts, field: str, otherwise: str) -> str:
    """Why a fact of one vertex is not known: what the source said of it, with the vertex's name, else `otherwise`."""
    said = reason(job, f"vertices.{vertex.id}.{field}", "")
    return f'{said} (vertex "{vertex.name}")' if said else otherwise


def not_running(job: JobFacts) -> str | None:
    """Why nothing can be measured of a job that does not run, None when it runs."""
    if job.state == JobState.RUNNING:
        return None
    if job.state == JobState.UNKNOWN:
        return reason(job, "state", "the state of the job is not known")
    if job.state in ENDED:
        return f"the job has ended ({job.state})"
    return f"the job is {job.state}"
