"""Which job is meant, and the Flink cluster that it runs on. Pure.

A job id names a job only within its Flink cluster: in application mode it may be fixed, often all zeros.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from flinkops.model.facts import JobFacts


class Named(Protocol):
    """What bears a job's name."""

    @property
    def name(self) -> str:
        """The job's name."""
        ...

    @property
    def namespace(self) -> str | None:
        """Its Kubernetes namespace."""
        ...


class Identified(Named, Protocol):
    """What a JOB argument is compared with."""

    @property
    def id(self) -> str:
        """Flink's job id."""
        ...

    @property
    def cluster(self) -> str:
        """The name of its source."""
        ...


J = TypeVar("J", bound=Identified)


def flink_cluster(job: JobFacts) -> tuple[str, ...]:
    """The source's name; on Kubernetes (context, namespace, name of the Flink cluster)."""
    if job.resource is None:
        return (job.cluster,)
    return (job.cluster, job.resource.namespace, job.resource.session_cluster or job.resource.name)


def full_name(job: Named) -> str:
    """``namespace/name``; the name alone without Kubernetes."""
    return f"{job.namespace}/{job.name}" if job.namespace else job.name


def selector(job: Identified) -> str:
    """What names just this job, where that is possible: ``namespace/name``, without Kubernetes its id."""
    return full_name(job) if job.namespace else job.id


def matching(jobs: Sequence[J], wanted: str) -> list[J]:
    """Those that a JOB argument means: by ``namespace/name`` or ``cluster/name``, else by job id, else by name."""
    in_full = [job for job in jobs if wanted in (f"{job.namespace}/{job.name}", f"{job.cluster}/{job.name}")]
    return in_full or [job for job in jobs if job.id == wanted] or [job for job in jobs if job.name == wanted]
