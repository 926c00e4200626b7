"""Whether the same job runs a second time in its cluster."""

from collections.abc import Iterable

from flinkops.model.detail import JobDetail
from flinkops.model.facts import JobFacts
from flinkops.model.states import ENDED, JobState

_GOING = ENDED | {JobState.CANCELLING, JobState.UNKNOWN}


def twins_of(job: JobFacts, jobs: Iterable[JobFacts]) -> tuple[JobFacts, ...]:
    """Others that live, with its name and its vertices; Flink makes the ids of vertices from the graph."""
    if job.state in _GOING or not job.vertices:
        return ()
    make = _make(job)
    return tuple(
        each
        for each in jobs
        if each.id != job.id and each.key == job.key and each.state not in _GOING and _make(each) == make
    )


def topics_of(detail: JobDetail) -> tuple[str, ...]:
    """The Kafka topics that its sources read."""
    return tuple(sorted({each.topic for each in detail.partitions}))


def _make(job: JobFacts) -> frozenset[tuple[str, str]]:
    return frozenset((each.id, each.name) for each in job.vertices)
