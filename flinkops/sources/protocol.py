"""What every source can do, and what one look at it gives."""

from collections.abc import Callable
from typing import Protocol

from flinkops.model.facts import ClusterFacts, Facts, JobFacts, SourceKind, SourceStatus

Wanted = Callable[[tuple[str, str, str]], bool]
"""Whether a job is asked about, by its cluster, namespace and name; on Kubernetes the name of its resource."""


class SourceLook(Facts, frozen=True):
    """All that one source said at one time. A failed look has a status that says why, and no jobs."""

    status: SourceStatus
    clusters: tuple[ClusterFacts, ...] = ()
    jobs: tuple[JobFacts, ...] = ()


class Source(Protocol):
    """Something that facts about Flink jobs come from. It is looked at by one thread at a time.

    A Kubernetes source also has ``events(job: JobFacts) -> ResourceEvents``: what Kubernetes and the operator said
    about that job lately, newest first, and what holds it up now. It may be asked from any thread, and never raises.
    """

    @property
    def name(self) -> str:
        """Unique among the sources; the ``cluster`` of its jobs."""
        ...

    @property
    def kind(self) -> SourceKind:
        """What sort of thing it is."""
        ...

    def look(self, deadline_seconds: float) -> SourceLook:
        """Asks once, for no longer than the deadline. Never raises: a failure is a status with a sentence."""
        ...

    def close(self) -> None:
        """Frees connections and threads. Looking afterwards is a mistake of the caller."""
        ...
