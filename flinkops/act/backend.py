"""A back end: a kind of place where Flink jobs run, as actions see it. Commands and screens speak to this alone.

Each folder of this package that has a module ``backend`` is one (rest, operator); ``backends.py`` finds them,
``places.py`` the ``PLACES`` of its module ``places`` (which places the settings mean, and the sources that poll them),
and ``step_kinds.py`` the ``STEPS`` of its module ``steps``: those that only its plans have.

A back end says which of its jobs is meant, what a request would do to it (a Plan), and gives the control with which the
executor carries that out.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from flinkops.act.control import JobControl
from flinkops.act.journal import Journal
from flinkops.autoscale.configmap import OperatorState
from flinkops.autoscale.decide import Decision
from flinkops.autoscale.window import Vertex
from flinkops.clock import Clock
from flinkops.config.settings import Settings
from flinkops.config.storage import StorageTable
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Plan
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest
from flinkops.plan.identity import Stamp

READ_SECONDS = 8.0
"""The time of each poll that finding or planning needs."""


class Prepared(NamedTuple):
    """A plan, whether there is anything to change, and how the place's own tool would do the same (None: no way)."""

    plan: Plan
    changes: bool
    by_hand: str | None = None


class RescaleTerms(NamedTuple):
    """How a decision of the autoscaler is carried out. ``take_over``: although the platform's own autoscaler acts."""

    checkpoints: int = 1
    take_over: bool = False
    throughput: bool = True


class JobHandle(Protocol):
    """One job within reach."""

    @property
    def control(self) -> JobControl:
        """What the executor needs of its cluster."""
        ...

    @property
    def job(self) -> JobFacts:
        """As it was found."""
        ...

    def measured(self) -> JobFacts:
        """As its own REST API has it now, where that answers for it; else as it was found."""
        ...

    def plan(self, request: ActionRequest, journal: Journal, stamp: Stamp) -> Prepared:
        """The plan, or one that says why it is refused.

        Raises UsageError when the request makes no sense for this job, Unreachable and OperationFailed.
        """
        ...

    def rehearse(
        self, request: ActionRequest, journal: Journal, *, against: str | None, note: Callable[[str], None]
    ) -> Rehearsal:
        """Whether what an upgrade would run can restore the job's state, or that of the path `against`.

        Changes nothing. Raises UsageError when the request makes no sense for this job, Unreachable.
        """
        ...

    def plan_decision(
        self, decision: Decision, observed: JobFacts, journal: Journal, stamp: Stamp, terms: RescaleTerms
    ) -> Plan:
        """A decision of the autoscaler as a plan; `observed` is the job as it was decided on.

        Raises Refused when there is nothing to do, or beside the platform's own autoscaler.
        """
        ...


class StorageCommand(NamedTuple):
    """A command of flinkops that reads a storage, to be run beside a job: in a pod of `image`, for so long at most.

    ``path`` is what it reads; ``table`` says how that is reached where the job's own settings do not.
    """

    words: tuple[str, ...]
    path: str
    image: str
    table: StorageTable
    deadline_seconds: int


class Autoscaled(NamedTuple):
    """A job under its platform's autoscaler: its graph, its declared settings, and what that autoscaler keeps."""

    vertices: tuple[Vertex, ...]
    settings: dict[str, str]
    state: OperatorState


class NamedOptions(NamedTuple):
    """Settings under the names that the platform's autoscaler reads; and what is not known of it, in sentences."""

    settings: dict[str, str]
    doubts: tuple[str, ...] = ()


class PlatformAutoscaler(Protocol):
    """An autoscaler that the place has itself."""

    def named(self, given: Mapping[str, str]) -> NamedOptions:
        """Options, with or without prefix, as its version reads them. Raises UsageError for one that it has not."""
        ...

    def state(self, wanted: str) -> Autoscaled:
        """Of the job that is meant. Raises OperationFailed when it keeps none."""
        ...

    def overrides(self, wanted: str) -> dict[str, str]:
        """The settings that keep the parallelism it has set once it is switched off."""
        ...


class Backend(Protocol):
    """Some places of one kind."""

    @property
    def where(self) -> tuple[str, ...]:
        """The options of a command line that name these places."""
        ...

    def prerequisites(self, request: ActionRequest) -> None:
        """Raises UsageError or Refused for what no job here can be asked; asks nobody."""
        ...

    def reach(self, wanted: str) -> AbstractContextManager[JobHandle]:
        """The job that a JOB argument means.

        Raises UsageError when several are meant or it cannot be acted on, OperationFailed when there is none,
        Unreachable when nothing answers.
        """
        ...

    def reach_job(self, job: JobFacts) -> AbstractContextManager[JobHandle]:
        """A job that was seen before. Raises OperationFailed or UsageError when it is gone."""
        ...

    def takes(self, job: JobFacts) -> bool:
        """Whether this job can be acted on here."""
        ...

    def labelled(self) -> tuple[JobFacts, ...]:
        """The jobs that the selector of the settings means. Raises UsageError where jobs have no labels."""
        ...

    def control_of_plan(self, plan: Plan) -> AbstractContextManager[JobControl]:
        """For a plan that was made before. Raises UsageError when it is for another place."""
        ...

    def control_without_job(self) -> AbstractContextManager[JobControl]:
        """A cluster that can do what belongs to no job. Raises UsageError when it is not clear which."""
        ...

    def declared(self, job: JobFacts) -> JobFacts:
        """The job with the autoscaler's settings as they are declared, where that is not in Flink itself."""
        ...

    def ask_beside(
        self, wanted: str, command: StorageCommand, note: Callable[[str], None]
    ) -> tuple[int, dict[str, Any]]:
        """The exit code and the document of a command that runs where the job that is meant does.

        Raises UsageError where this place cannot, Denied with the role that is missing, OperationFailed, Unreachable.
        """
        ...

    def lead(self, wanted: str, stamp: Stamp, *, take_over: bool) -> AbstractContextManager[Callable[[], None]]:
        """One control loop a job: what is given raises OperationFailed once another one has the lead.

        Raises Refused while another one has it, and beside the platform's own autoscaler unless `take_over`.
        """
        ...

    @property
    def autoscaler(self) -> PlatformAutoscaler | None:
        """That of the place; None where there is none."""
        ...


class BackendKind(Protocol):
    """How one kind of back end is recognised and opened; its module has it as ``BACKEND``."""

    @property
    def job_kinds(self) -> frozenset[str]:
        """The kinds of jobs (JobFacts.kind, Target.kind) that it acts on."""
        ...

    def open(self, settings: Settings, clock: Clock) -> Backend:
        """The places that the settings name. Connects to nothing yet."""
        ...

    def of_source(self, source: Any, clock: Clock) -> Backend:
        """The place that a source reads; a source names its kind of back end itself (sources.protocol.TakesActions)."""
        ...


def named_in(settings: Settings) -> tuple[str, ...]:
    """The options that name the same places as these settings."""
    named = {"--rest": settings.rest, "--context": settings.contexts, "--kubeconfig": settings.kubeconfigs}
    return tuple(part for option, values in named.items() for value in values for part in (option, value))
