"""What the TUI needs from the rest, as capabilities: a face asks for what it uses, not for a class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from flinkops.model.assessment import FleetAssessment
from flinkops.model.detail import FlameGraph, JobDetail, LogFile, ResourceEvents, VertexDetail
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.model.history import JobSample

if TYPE_CHECKING:
    from flinkops.sources.kubernetes.access import KubeAccess

JobKey = tuple[str, str, str]
FlameGraphKind = Literal["full", "on_cpu", "off_cpu"]


class Observation(Protocol):
    """One look: facts, what they mean, and what is remembered. Immutable."""

    @property
    def snapshot(self) -> FleetSnapshot:
        """The facts."""
        ...

    @property
    def assessment(self) -> FleetAssessment:
        """Their meaning, worst job first."""
        ...

    @property
    def history(self) -> Mapping[JobKey, Sequence[JobSample]]:
        """Samples by job key, oldest first."""
        ...


class Looks(Protocol):
    """Whatever can look at the fleet: live, or a recording."""

    def look(self) -> Observation:
        """Look once; blocks. Raises FlinkopsError when nothing can be looked at."""
        ...


class Named(Protocol):
    """A source, as far as the screens care: its name is the cluster of its jobs."""

    @property
    def name(self) -> str:
        """As in SourceStatus.name and JobFacts.cluster."""
        ...


@runtime_checkable
class Details(Protocol):
    """A source that can be asked for more of one job. All block, and raise FlinkopsError."""

    def detail(self, job_id: str) -> JobDetail:
        """Everything about one job."""
        ...

    def subtasks(self, job_id: str, vertex_id: str) -> VertexDetail:
        """One vertex with its subtasks."""
        ...

    def flame_graph(self, job_id: str, vertex_id: str, kind: FlameGraphKind = ...) -> FlameGraph:
        """The sampled stacks of a vertex."""
        ...

    def taskmanager_logs(self, taskmanager_id: str) -> tuple[LogFile, ...]:
        """The files in a TaskManager's log folder."""
        ...

    def taskmanager_log(self, taskmanager_id: str, file_name: str) -> str:
        """The end of one of them."""
        ...

    def jobmanager_log(self) -> str:
        """The end of the JobManager's log."""
        ...


@runtime_checkable
class Joins(Protocol):
    """A source of many Flink clusters, such as Kubernetes: each job's own cluster can be asked for more."""

    def rest_source(self, job_id: str) -> Details | None:
        """The cluster that had the job at the last look."""
        ...


@runtime_checkable
class TellsEvents(Protocol):
    """A source that knows what happened around a job: Kubernetes."""

    def events(self, job: JobFacts) -> ResourceEvents:
        """Of this job lately. Blocks; never raises."""
        ...


@runtime_checkable
class Reached(Protocol):
    """A source with an address at which actions can be carried out."""

    @property
    def endpoint(self) -> RestEndpoint:
        """Where."""
        ...


@runtime_checkable
class Governs(Protocol):
    """A source of jobs that belong to custom resources: Kubernetes with the Flink operator."""

    @property
    def access(self) -> "KubeAccess":
        """How its API server is reached."""
        ...


@runtime_checkable
class Retries(Protocol):
    """An observer that can be told to ask failed sources again at once."""

    def retry_now(self) -> None:
        """The next look asks them all."""
        ...


@runtime_checkable
class LooksEarly(Protocol):
    """An observer that can show part of a first look while some sources have not answered."""

    def early(self) -> Iterator[Observation]:
        """What there is so far, each time more; blocks in between."""
        ...
