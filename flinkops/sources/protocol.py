"""What every source gives, and what some give besides: ask for the capability, never for the class."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Protocol, runtime_checkable

from flinkops.model.detail import (
    FatalError,
    FlameGraph,
    FlameGraphKind,
    JobDetail,
    LogFile,
    ResourceEvents,
    StorageSign,
    VertexDetail,
)
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import ClusterFacts, Facts, JobFacts, JobKey, SourceKind, SourceStatus

Wanted = Callable[[JobKey], bool]
"""Whether a job is asked about; on Kubernetes the name in its key is that of its resource."""


class SourceSnapshot(Facts, frozen=True):
    """All that one source said at one time. A failed poll has a status that says why, and no jobs."""

    status: SourceStatus
    clusters: tuple[ClusterFacts, ...] = ()
    jobs: tuple[JobFacts, ...] = ()


class Source(Protocol):
    """Something that facts about Flink jobs come from. It is polled by one thread at a time."""

    @property
    def name(self) -> str:
        """Unique among the sources; the ``cluster`` of its jobs."""
        ...

    @property
    def kind(self) -> SourceKind:
        """What sort of thing it is."""
        ...

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        """Asks once, for no longer than the deadline. Never raises: a failure is a status with a sentence."""
        ...

    def close(self) -> None:
        """Frees connections and threads. Polling afterwards is a mistake of the caller."""
        ...


@runtime_checkable
class HasJobDetails(Protocol):
    """A source that can be asked for more of one job, from any thread. All block, and raise errors.Unreachable."""

    def detail(self, job_id: str, *, deadline_seconds: float = ...) -> JobDetail:
        """Everything about one job."""
        ...

    def subtasks(self, job_id: str, vertex_id: str, *, deadline_seconds: float = ...) -> VertexDetail:
        """One vertex with its subtasks."""
        ...

    def flame_graph(
        self, job_id: str, vertex_id: str, kind: FlameGraphKind = ..., *, deadline_seconds: float = ...
    ) -> FlameGraph:
        """The sampled stacks of a vertex; on-CPU ones unless another kind is asked for."""
        ...

    def taskmanager_logs(self, taskmanager_id: str, *, deadline_seconds: float = ...) -> tuple[LogFile, ...]:
        """The files in a TaskManager's log folder."""
        ...

    def taskmanager_log(self, taskmanager_id: str, file_name: str, *, deadline_seconds: float = ...) -> str:
        """The end of one of them."""
        ...

    def jobmanager_log(self, *, deadline_seconds: float = ...) -> str:
        """The end of the JobManager's log."""
        ...


@runtime_checkable
class HasStorageSigns(Protocol):
    """A source that can be asked what became of a job's checkpoints in their storage. Blocks; errors.Unreachable."""

    def storage_signs(
        self, job_id: str, taskmanager_ids: Sequence[str], *, deadline_seconds: float = ...
    ) -> tuple[StorageSign, ...]:
        """Of the end of the JobManager's log, and of the threads of these TaskManagers."""
        ...


@runtime_checkable
class HasFatalErrors(Protocol):
    """A source that can be asked what ended TaskManagers, by logs of theirs that are still there. Blocks."""

    def fatal_errors(
        self, vertices: Container[str], since_ms: int, *, deadline_seconds: float = ...
    ) -> tuple[FatalError, ...]:
        """Of tasks of these vertices, oldest first. Raises errors.Unreachable where no log can be read."""
        ...


@runtime_checkable
class HasClusterSources(Protocol):
    """A source of many Flink clusters, such as Kubernetes: each job's own cluster can be asked for more."""

    def rest_source(self, job: JobFacts) -> HasJobDetails | None:
        """The cluster that had the job at the last poll. An id alone would not do: applications may fix theirs."""
        ...


@runtime_checkable
class HasResourceEvents(Protocol):
    """A source that knows what happened around a job: Kubernetes."""

    def events(self, job: JobFacts) -> ResourceEvents:
        """What Kubernetes and the operator reported lately, newest first, and what blocks it. Blocks; never raises."""
        ...


@runtime_checkable
class HasResourceTexts(Protocol):
    """A source whose jobs belong to resources, which speak of savepoints in many places."""

    def resource_texts(self, *, deadline_seconds: float = ...) -> Mapping[str, str]:
        """Every resource as JSON, by what it is. Raises errors.Unreachable."""
        ...

    @property
    def sees_all(self) -> bool:
        """Whether no namespace and no resource of the cluster is left out."""
        ...


@runtime_checkable
class TakesActions(Protocol):
    """A source whose jobs can be acted on."""

    @property
    def backend(self) -> str:
        """The folder of flinkops.act that has the back end for them."""
        ...


@runtime_checkable
class HasAddress(Protocol):
    """A source with an address of its own, by which `production` may name it."""

    @property
    def address(self) -> str:
        """A URL; empty where it is not known."""
        ...


@runtime_checkable
class HasRestEndpoint(Protocol):
    """A source whose jobs are changed over Flink's REST API."""

    @property
    def endpoint(self) -> RestEndpoint:
        """Its address and credentials."""
        ...


@runtime_checkable
class RetriesOnDemand(Protocol):
    """What leaves failing endpoints alone for a while can be told to ask them again."""

    def retry_now(self) -> None:
        """The next poll asks them all."""
        ...


def details_of(source: object, job: JobFacts | None) -> HasJobDetails | None:
    """Who can be asked for more of this job: the source itself, or the job's own cluster behind it."""
    if isinstance(source, HasClusterSources):
        source = None if job is None else source.rest_source(job)
    return source if isinstance(source, HasJobDetails) else None
