"""All that the rules may use of one job, as one immutable value: recorded, replayed and bundled like a snapshot.

Every part may be missing, with the reason in ``unknown`` under its name; inside ``job``, ``assessment`` and
``detail`` each has its own ``unknown``.
"""

from collections.abc import Sequence

import msgspec

from flinkops.model.assessment import JobAssessment
from flinkops.model.detail import FatalError, FlameGraph, JobDetail, LostTopic, StorageSign
from flinkops.model.facts import ClusterFacts, Facts, JobFacts
from flinkops.model.history import JobSample
from flinkops.model.timeline import Entry


class FlameSample(Facts, frozen=True):
    """The on-CPU stacks of one vertex."""

    vertex: str  # the id
    graph: FlameGraph


class Twin(Facts, frozen=True):
    """Another job that lives in the same cluster, of the same name and the same vertices.

    ``topics``: the Kafka topics that it reads; None where it was not asked.
    """

    id: str
    started_ms: int | None = None
    topics: tuple[str, ...] | None = None


class Evidence(Facts, frozen=True):
    """One job at ``taken_ms``: facts, what they mean, what was seen before, and what was asked for on suspicion.

    ``assessment`` is kept without what ``job`` holds already. ``history`` is oldest first and holds this poll too.
    """

    taken_ms: int
    job: JobFacts
    assessment: JobAssessment
    schema_version: int = 1
    history: tuple[JobSample, ...] = ()
    detail: JobDetail | None = None
    flame_graphs: tuple[FlameSample, ...] = ()
    cluster: ClusterFacts | None = None
    changes: tuple[Entry, ...] = ()  # of the last hour, oldest first
    storage: tuple[StorageSign, ...] = ()  # asked for where checkpoints fail or wait
    fatal: tuple[FatalError, ...] = ()  # asked for where a TaskManager of the job was lost
    twins: tuple[Twin, ...] = ()
    lost_topics: tuple[LostTopic, ...] = ()  # asked for where its sources read nothing
    unknown: dict[str, str] = {}


def gathered(
    taken_ms: int,
    assessment: JobAssessment,
    history: Sequence[JobSample],
    *,
    detail: JobDetail | None = None,
    flame_graphs: Sequence[FlameSample] = (),
    cluster: ClusterFacts | None = None,
    changes: Sequence[Entry] = (),
    storage: Sequence[StorageSign] = (),
    fatal: Sequence[FatalError] = (),
    twins: Sequence[Twin] = (),
    lost_topics: Sequence[LostTopic] = (),
    unknown: dict[str, str] | None = None,
) -> Evidence:
    """Evidence from one poll of a job. ValueError when the assessment does not carry the facts that it stands on."""
    if assessment.facts is None:
        raise ValueError("an assessment without its facts is no evidence")
    return Evidence(
        taken_ms=taken_ms,
        job=assessment.facts,
        assessment=msgspec.structs.replace(assessment, facts=None, recent_checkpoints=(), sample=None),
        history=tuple(history),
        detail=detail,
        flame_graphs=tuple(flame_graphs),
        cluster=cluster,
        changes=tuple(changes),
        storage=tuple(storage),
        fatal=tuple(fatal),
        twins=tuple(twins),
        lost_topics=tuple(lost_topics),
        unknown=unknown or {},
    )


def encode_evidence(evidence: Evidence) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(evidence)


def decode_evidence(line: bytes) -> Evidence:
    """The inverse of :func:`encode_evidence`. Raises msgspec.DecodeError on anything else."""
    return msgspec.json.decode(line, type=Evidence)
