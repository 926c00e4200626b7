"""Which jobs, and which of their vertices, are worth more requests than a poll of the fleet makes."""

from flinkops.diagnose.rules.source_idle import reads_nothing
from flinkops.model.assessment import JobAssessment
from flinkops.model.numbers import worst
from flinkops.model.states import JobState

FLAMES = 2
EARLY_FLAMES = 4
"""Sampled from the first poll on: those that the second one will most likely find worth it."""
WORTH_A_FLAME_RATIO = 0.5
WORTH_AN_EARLY_FLAME_RATIO = 0.25
SUSPICIOUS_BUSY_RATIO = 0.85


def is_suspicious(job: JobAssessment) -> bool:
    """Whether the cheap facts point at something that its details would explain."""
    held, points = job.backpressure, job.checkpoints
    return (
        job.health.level != "ok"
        or job.state != JobState.RUNNING
        or (held is not None and held.level == "high")
        or (points is not None and bool(points.failed_in_a_row))
        or any((vertex.busy_ratio or 0.0) >= SUSPICIOUS_BUSY_RATIO for vertex in job.vertices)
        or (job.facts is not None and reads_nothing(job.facts))
    )


def busiest_vertices(job: JobAssessment) -> list[str]:
    """The ids of those that work most, and of the bottleneck."""
    held = job.backpressure
    blamed = held.bottleneck.vertex if held and held.bottleneck else None
    vertices = job.facts.vertices if job.facts else ()
    loads = [(each.name == blamed, worst(each.busy_ratio) or 0.0, each.id) for each in vertices]
    chosen = sorted((each for each in loads if each[0] or each[1] >= WORTH_A_FLAME_RATIO), reverse=True)
    return [vertex_id for _, _, vertex_id in chosen[:FLAMES]]


def early_vertices(job: JobAssessment) -> list[str]:
    """The ids of those that :func:`busiest_vertices` may name at the next poll: a wider choice, the unknown with it."""
    vertices = job.facts.vertices if job.facts else ()
    likely = busiest_vertices(job)
    loads = [(worst(each.busy_ratio), each.id) for each in vertices if each.id not in likely]
    others = [(1.0 if load is None else load, name) for load, name in loads]
    likely += [name for load, name in sorted(others, reverse=True) if load >= WORTH_AN_EARLY_FLAME_RATIO]
    return likely[:EARLY_FLAMES]
