"""What a step is given while it runs, how it waits, and what makes a kind of step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from flinkops.act.control import JobControl
from flinkops.clock import Clock
from flinkops.errors import Denied, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.plan import Plan
from flinkops.model.steps import Findings, StepInput, StepOutcome
from flinkops.sources.storage.stores import Stores

T = TypeVar("T")
I = TypeVar("I", bound=StepInput)  # noqa: E741
O = TypeVar("O", bound=StepOutcome)  # noqa: E741


DOWN_POLL_SECONDS = 0.15
"""Between two polls while nothing runs the job."""


class Closable(Protocol):
    """Something that runs beside us until it is closed."""

    def close(self) -> None:
        """End it; a second time does nothing."""
        ...


class Beside:
    """What steps have started beside us for later steps of the same attempt. An attempt that is resumed has none."""

    def __init__(self) -> None:
        self._running: dict[str, Closable] = {}

    def keep(self, name: str, one: Closable) -> None:
        """Until a later step takes it, or the attempt ends."""
        self._running[name] = one

    def find(self, name: str, kind: type[T]) -> T | None:
        """What was kept under this name."""
        one = self._running.get(name)
        return one if isinstance(one, kind) else None

    def close(self) -> None:
        """End all of it."""
        while self._running:
            self._running.popitem()[1].close()


ACTION_SECONDS = 600.0
"""The time of an action, unless --timeout says another; the patience of a step is made for it."""


@dataclass(frozen=True)
class StepRun:
    """The surroundings of one step. ``ends`` is a monotonic time; ``stretch``: how often its patience is given.

    ``findings`` are those of the steps before it, and what this one has :meth:`keep`-t so far.
    """

    control: JobControl
    plan: Plan
    clock: Clock
    ends: float
    poll_seconds: float
    note: Callable[[str], None]
    findings: Findings = field(default_factory=Findings)
    stores: Stores = field(default_factory=Stores)
    kept: dict[type[StepOutcome], StepOutcome] = field(default_factory=dict)
    beside: Beside = field(default_factory=Beside)
    stretch: float = 1.0

    @property
    def job_id(self) -> str:
        """The job that the plan is about."""
        return self.plan.target.job_id

    @property
    def running_job_id(self) -> str:
        """The job that runs after the change; the plan's own where none has taken its place."""
        return self.findings.new_job_id or self.job_id

    def keep(self, outcome: StepOutcome) -> None:
        """Something that later steps may need, also when this one fails: the rollback goes by it. The newest counts."""
        self.findings.add(outcome)
        self.kept[type(outcome)] = outcome

    @property
    def savepoint(self) -> str:
        """The savepoint to start from. Raises OperationFailed when no step has named one."""
        if (path := self.findings.savepoint) is None:
            raise OperationFailed("no step of this action has named a savepoint to start from")
        return path

    def until(self, what: str, ask: Callable[[], T | None], *, within_seconds: float | None = None) -> T:
        """Ask until there is an answer that is not None.

        A cluster that does not answer for a while is asked again: a JobManager may be starting. Raises
        NotInTime when `within_seconds` have passed, TimedOut when the time of the whole is up, Denied at once.
        """
        mine = self.ends if within_seconds is None else self.clock.monotonic() + within_seconds
        ends = min(self.ends, mine)
        trouble: Unreachable | None = None
        while True:
            try:
                answer = ask()
                trouble = None
            except Denied:
                raise
            except Unreachable as problem:
                answer, trouble = None, problem
            if answer is not None:
                return answer
            if self.clock.monotonic() >= ends:
                last = f" (last: {trouble.what})" if trouble else ""
                if mine < self.ends:
                    raise NotInTime(f"{what}: not within {within_seconds:g} s{last}")
                raise TimedOut(f"{what}: no outcome in the time given{last}")
            self.note(f"{what}{': ' + trouble.what if trouble else ''}")
            pause = min(self.poll_seconds, DOWN_POLL_SECONDS) if self.findings.is_down else self.poll_seconds
            self.clock.sleep(min(pause, max(0.0, ends - self.clock.monotonic())))


@dataclass(frozen=True)
class StepKind(Generic[I, O]):
    """One kind of step. ``do`` does it, idempotently, and returns what was found. Raises OperationFailed or TimedOut.

    ``keeps``: what it may keep on the way. ``needs``: what a step before it has to have found.
    """

    input: type[I]
    outcome: type[O]
    do: Callable[[StepRun, I], O]
    keeps: tuple[type[StepOutcome], ...] = ()
    needs: tuple[type[StepOutcome], ...] = ()


StepKinds = Mapping[type[StepInput], StepKind[Any, Any]]
