"""What each signal gives: its value, and a reason for every part of it that is not known."""

from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.states import ENDED, ExecutionState, JobState

T = TypeVar("T")


class Signal(NamedTuple, Generic[T]):
    """A value, and the reasons for what is None in it, by dotted path of the status document.

    What this job cannot have stands in ``not_applicable`` instead of ``unknown``.
    """

    value: T
    unknown: Mapping[str, str] = {}
    not_applicable: Mapping[str, str] = {}


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


def left_out(job: JobFacts, *fields: str) -> str | None:
    """Why a number over the vertices would leave one out: the source could not read one of the facts; else None."""
    return first_unread(job, (vertex for vertex in job.vertices if vertex.status != ExecutionState.FINISHED), *fields)


def first_unread(job: JobFacts, vertices: Iterable[VertexFacts], *fields: str) -> str | None:
    """Why the source could not read one of the facts of these vertices: of the first; None where it could."""
    found = (vertex_reason(job, vertex, field, "") for vertex in vertices for field in fields)
    return next((why for why in found if why), None)


def is_measured(job: JobFacts) -> bool:
    """Whether it runs and Flink gave metrics of each vertex that has not finished: what none has, the job has not."""
    live = [vertex for vertex in job.vertices if vertex.status != ExecutionState.FINISHED]
    if not_running(job) is not None or not live:
        return False
    return job.unknown.keys().isdisjoint({"vertices", *(f"vertices.{vertex.id}" for vertex in live)})


def not_running(job: JobFacts) -> str | None:
    """Why nothing can be measured of a job that does not run, None when it runs."""
    if job.state == JobState.RUNNING:
        return None
    if job.state == JobState.UNKNOWN:
        return reason(job, "state", "the state of the job is not known")
    if job.state in ENDED:
        return f"the job has ended ({job.state})"
    return f"the job is {job.state}"
