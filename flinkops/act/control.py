"""What actions need of a cluster: a few thin verbs and a close look at one job."""

from typing import Literal, Protocol

import msgspec

from flinkops.model.facts import ClusterFacts, JobFacts


class Operation(msgspec.Struct, frozen=True):
    """An asynchronous operation of Flink's. ``gone``: Flink has forgotten it (it remembers for five minutes)."""

    status: Literal["in-progress", "completed", "failed", "gone"]
    location: str | None = None
    failure: str | None = None


class Bounds(msgspec.Struct, frozen=True):
    """The parallelism that a vertex may have under the adaptive scheduler."""

    lower: int
    upper: int


class JarRun(msgspec.Struct, frozen=True):
    """A job as the cluster's own upload folder can start it."""

    jar_id: str
    entry_class: str | None = None
    program_arguments: tuple[str, ...] = ()


class JobControl(Protocol):
    """One Flink cluster as the executor sees it.

    All verbs raise flinkops.errors.Unreachable when the cluster does not answer (a later try may work) and
    OperationFailed when it answers that it will not.
    """

    @property
    def name(self) -> str:
        """The source's name."""
        ...

    def jobs(self) -> tuple[JobFacts, ...]:
        """All jobs that the cluster knows, ended ones too: ids, names, states and times only."""
        ...

    def job(self, job_id: str) -> JobFacts | None:
        """A close look at one job, without load metrics; None when the cluster does not know it."""
        ...

    def cluster(self) -> ClusterFacts:
        """Version and slots."""
        ...

    def trigger_savepoint(self, job_id: str, *, target_directory: str, format_type: str, trigger_id: str) -> None:
        """Begin a savepoint; with a trigger id that Flink has seen it does nothing."""
        ...

    def stop_with_savepoint(
        self, job_id: str, *, target_directory: str, format_type: str, trigger_id: str, drain: bool = False
    ) -> None:
        """Begin to stop the job with a savepoint; with a trigger id that Flink has seen it does nothing."""
        ...

    def savepoint_status(self, job_id: str, trigger_id: str) -> Operation:
        """How far a savepoint, or stopping with one, is."""
        ...

    def dispose_savepoint(self, path: str) -> str:
        """Begin to remove a savepoint's files; the id to ask about it with."""
        ...

    def disposal_status(self, trigger_id: str) -> Operation:
        """How far a disposal is."""
        ...

    def requirements(self, job_id: str) -> dict[str, Bounds]:
        """The bounds of each vertex's parallelism."""
        ...

    def require(self, job_id: str, requirements: dict[str, Bounds]) -> None:
        """Set the bounds of every vertex."""
        ...

    def cancel(self, job_id: str) -> None:
        """Begin to cancel a job."""
        ...

    def run_jar(
        self, run: JarRun, *, job_id: str, savepoint: str | None, parallelism: int | None, settings: dict[str, str]
    ) -> None:
        """Start a job, under this id, from a jar that the cluster has."""
        ...
