"""What a step is given while it runs, how it waits, and what makes a kind of step."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flinkops.act.control import JobControl
from flinkops.clock import Clock
from flinkops.errors import Denied, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.plan import Plan
from flinkops.model.steps import Findings, StepInput, StepOutcome
from flinkops.sources.storage.stores import Stores

T = TypeVar("T")
I = TypeVar("I", bound=StepInput)  # noqa: E741
O = TypeVar("O", bound=StepOutcome)  # noqa: E741


@dataclass(frozen=True)
class StepRun:
    """The surroundings of one step. ``ends`` is a monotonic time.

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
        mine = self.ends if within_seconds is None else time.monotonic() + within_seconds
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
            if time.monotonic() >= ends:
                last = f" (last: {trouble.what})" if trouble else ""
                if mine < self.ends:
                    raise NotInTime(f"{what}: not within {within_seconds:g} s{last}")
                raise TimedOut(f"{what}: no outcome in the time given{last}")
            self.note(f"{what}{': ' + trouble.what if trouble else ''}")
            time.sleep(min(self.poll_seconds, max(0.0, ends - time.monotonic())))


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
