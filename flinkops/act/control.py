"""What actions need of a cluster: a few thin verbs and the facts of one job."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.effect import RunsWith
from flinkops.model.facts import ClusterFacts, ExceptionFacts, JobFacts, SnapshotFacts
from flinkops.model.places import same_place
from flinkops.model.plan import Plan
from flinkops.model.savepoint import SavepointFormat


class JarRun(msgspec.Struct, frozen=True):
    """A job as the cluster's own upload folder can start it."""

    jar_id: str
    entry_class: str | None = None
    program_arguments: tuple[str, ...] = ()


class Load(msgspec.Struct, frozen=True):
    """How a job's sources do. None: not measurable; ``unknown`` says why."""

    records_in: int | None = None  # since the job's start, over all sources
    pending: int | None = None  # records that wait in the sources' systems
    unknown: str | None = None


class RecordedSavepoint(NamedTuple):
    """A savepoint that the job's own resource names; ``at_ms`` None: it does not say when it was taken."""

    path: str
    at_ms: int | None


class Snapshots(NamedTuple):
    """What the place itself says of a job's savepoints.

    Its FlinkStateSnapshots and those of others in its namespace; ``unknown``: why they cannot be read. ``recorded``:
    what the job's own resource names.
    """

    own: tuple[SnapshotFacts, ...] = ()
    others: tuple[SnapshotFacts, ...] = ()
    unknown: str | None = None
    recorded: tuple[RecordedSavepoint, ...] = ()

    def of(self, path: str) -> tuple[SnapshotFacts, ...]:
        """Those that name this savepoint."""
        return tuple(one for one in (*self.own, *self.others) if same_place(one.path, path))


class PlaceControl(Protocol):
    """Where a plan is carried out, as the executor sees it."""

    @property
    def name(self) -> str:
        """The source's name."""
        ...

    @property
    def poll_seconds(self) -> float:
        """Between two polls of a step that waits."""
        ...

    @property
    def url(self) -> str:
        """Where its REST API is, without a slash at the end."""
        ...

    def unmet(self, plan: Plan) -> tuple[str, ...]:
        """Which of the plan's preconditions do not hold now, one sentence each."""
        ...

    def lock(self, plan: Plan) -> AbstractContextManager[None]:
        """Keeps others, on other machines too, from the same job; entering raises Refused when they have it."""
        ...


class JobControl(PlaceControl, Protocol):
    """One Flink cluster as steps see it.

    All verbs raise flinkops.errors.Unreachable when the cluster does not answer (a later try may work) and
    OperationFailed when it answers that it will not.
    """

    def held_savepoints(self) -> dict[str, str]:
        """Savepoints that something beside Flink itself would start the job from: path -> what."""
        ...

    def snapshots(self) -> Snapshots:
        """What the place itself says of the job's savepoints, where it does."""
        ...

    def load(self, job_id: str) -> Load:
        """Records taken in since the start, and those that wait."""
        ...

    def jobs(self) -> tuple[JobFacts, ...]:
        """All jobs that the cluster knows, ended ones too: ids, names, states and times only."""
        ...

    def job(self, job_id: str) -> JobFacts | None:
        """The facts of one job, polled in full but for load metrics; None when the cluster does not know it."""
        ...

    def runs_with(self, job_id: str) -> RunsWith:
        """What tells of the job's settings, its Flink and its images: nothing out of a cache."""
        ...

    def failures(self, job_id: str) -> tuple[ExceptionFacts, ...]:
        """The newest failures that Flink remembers of a job, newest first; up to a cache's time late."""
        ...

    def cluster(self) -> ClusterFacts:
        """Version and slots."""
        ...

    def trigger_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        """Begin a savepoint; with a trigger id that Flink has seen it does nothing."""
        ...

    def stop_with_savepoint(
        self, job_id: str, *, target_directory: str, savepoint_format: SavepointFormat, trigger_id: str
    ) -> None:
        """Begin to stop the job with a savepoint; with a trigger id that Flink has seen it does nothing."""
        ...

    def savepoint_status(self, job_id: str, trigger_id: str) -> AsyncOutcome | None:
        """How far a savepoint, or stopping with one, is; None: Flink has forgotten it, as it does after minutes."""
        ...

    def dispose_savepoint(self, path: str) -> str:
        """Begin to remove a savepoint's files; the id to ask about it with."""
        ...

    def disposal_status(self, trigger_id: str) -> AsyncOutcome | None:
        """How far a disposal is; None: Flink has forgotten it."""
        ...

    def requirements(self, job_id: str) -> tuple[ResourceRequirement, ...]:
        """The bounds of each vertex's parallelism."""
        ...

    def require(self, job_id: str, requirements: Sequence[ResourceRequirement]) -> None:
        """Set the bounds of every vertex."""
        ...

    def cancel(self, job_id: str) -> None:
        """Begin to cancel a job."""
        ...

    def settings(self) -> dict[str, str]:
        """The settings of the cluster."""
        ...

    def compile_jar(self, run: JarRun, *, parallelism: int | None, settings: dict[str, str]) -> None:
        """Let the cluster build the program's job graph, and start nothing."""
        ...

    def jars(self) -> tuple[str, ...]:
        """The ids of the jars in the cluster's upload folder."""
        ...

    def upload_jar(self, path: str) -> str:
        """Put a jar of this machine into the cluster's upload folder; its id there."""
        ...

    def run_jar(
        self, run: JarRun, *, job_id: str, savepoint: str | None, parallelism: int | None, settings: dict[str, str]
    ) -> None:
        """Start a job, under this id, from a jar that the cluster has."""
        ...
