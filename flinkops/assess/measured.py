"""The measures of a job (model/measures.py): each number over its vertices, or why there is none."""

from flinkops.assess.signal import Signal, not_running, reason, vertex_reason
from flinkops.config.policy import JobClass
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.measures import MEASURES, Measure
from flinkops.model.numbers import amount
from flinkops.model.states import ExecutionState

BUSY = "busy_ratio"


def measured(job: JobFacts, job_class: JobClass) -> Signal[dict[str, float]]:
    """Those that are known, by name. A vertex that could not be asked, or says NaN, leaves the number unknown."""
    if why := not_running(job):
        return Signal({}, {each.name: why for each in MEASURES})
    live = [vertex for vertex in job.vertices if vertex.status != ExecutionState.FINISHED]
    values: dict[str, float] = {}
    unknown: dict[str, str] = {}
    absent: dict[str, str] = {}
    for measure in MEASURES:
        able = [vertex for vertex in live if not (measure.name == BUSY and vertex.source_is_legacy)]
        if (missing := _missing(job, able or live, measure)) is not None and (able or not live):
            unknown[measure.name] = missing
            continue
        known = [value for vertex in able if (value := measure.over_subtasks(measure.of_vertex(vertex))) is not None]
        value = amount(measure.over_vertices(known)) if known else None
        if value is not None:
            values[measure.name] = value
        elif known:
            unknown[measure.name] = "the sum over the vertices is no number"
        else:  # all were asked, and none has it
            asked = job_class.limit_of(measure) is not None
            (unknown if asked else absent)[measure.name] = f"no vertex reports {measure.of_flink}"
    return Signal(values, unknown, absent)


def _missing(job: JobFacts, live: list[VertexFacts], measure: Measure) -> str | None:
    """Why a number over these vertices would leave one out; None where each was asked."""
    if not live:
        return reason(job, "vertices", "no vertex runs")
    for vertex in live:
        said = vertex_reason(job, vertex, measure.name, "")
        if measure.of_vertex(vertex) is None:
            if said:
                return said
        elif measure.over_subtasks(measure.of_vertex(vertex)) is None:
            return said or f'vertex "{vertex.name}" does not report {measure.of_flink}'
    return None
