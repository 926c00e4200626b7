"""One passage through a plan's steps, each between two lines of the journal; and through the rollback, if need be."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flinkops.act.control import JobControl
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.running import ACTION_SECONDS, Beside, StepKind, StepKinds, StepRun
from flinkops.act.standing import Standing, standing
from flinkops.clock import Clock
from flinkops.errors import Denied, FlinkopsError, OperationFailed, Refused, TimedOut
from flinkops.model.plan import Outcome, Plan, Step, StepResult
from flinkops.model.steps import Findings, StepOutcome, described
from flinkops.sources.storage.stores import Stores

StepEnd = Literal["ok", "failed", "timed-out", "skipped"]
_KEPT = (TimedOut, OperationFailed, Denied, Refused)  # what decides on the outcome; all else is a failure


class Tell(Protocol):
    """Tells whoever waits what happens; called after the journal has it."""

    def __call__(
        self,
        kind: Literal["intent", "note", "outcome"],
        *,
        step: str,
        outcome: str = ...,
        seconds: float | None = ...,
        text: str = ...,
    ) -> None:
        """One thing that happened at a step."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What every step of one executor works with."""

    control: JobControl
    journal: Journal
    clock: Clock
    kinds: StepKinds
    timeout_seconds: float
    poll_seconds: float
    stores: Stores


class Attempt:
    """One passage through the steps of a plan; `record` is what an earlier one came to, where it is resumed."""

    def __init__(
        self, around: Surroundings, plan: Plan, digest: str, tell: Tell, record: ActionRecord | None = None
    ) -> None:
        self._around = around
        self.plan = plan
        self._digest = digest
        self._tell = tell
        earlier = record.steps if record is not None else ()
        self._done = {step.name: step for step in earlier if step.outcome in ("ok", "failed")}
        self.findings = Findings(record.outcomes if record is not None else ())
        self.beside = Beside()
        self.results: list[StepResult] = []
        self.current = ""
        self.denied = False

    def steps_then_rollback(self) -> tuple[Outcome, str | None]:
        """The outcome, and the error that led to it."""
        problem = self._steps(self.plan.steps)
        if problem is None:
            return "verified", None
        if isinstance(problem, TimedOut):
            return "timed-out", problem.line()
        if isinstance(problem, Refused):
            return "refused", problem.line()
        begun = self.plan.steps[: len(self.results)]
        self.denied = isinstance(problem, Denied) and all(step.only_reads for step in begun[:-1])
        if not self.plan.rollback_steps or all(step.only_reads for step in begun):
            return "failed", problem.line()
        worse = self._steps(self.plan.rollback_steps)
        if worse is None:
            return "rolled-back", problem.line()
        return "failed", f"{problem.line()}; the rollback failed too: {worse.line()}"

    def standing(self) -> Standing | None:
        """How the job is left now."""
        return standing(self.plan, self.results, self.current, self.findings)

    def _steps(self, steps: tuple[Step, ...]) -> FlinkopsError | None:
        deadline = self._around.clock.monotonic() + self._around.timeout_seconds
        for step in steps:
            if (known := self._done.get(step.name)) is not None:
                self.results.append(known)
                if known.outcome == "failed":
                    return OperationFailed(known.seen)
                continue
            problem = self._step(step, deadline)
            if problem is not None:
                return problem
        return None

    def _step(self, step: Step, deadline: float) -> FlinkopsError | None:
        around = self._around
        self.current = step.name
        around.journal.append("intent", self.plan, self._digest, step=step.name, action=step.action)
        self._tell("intent", step=step.name)
        began = around.clock.monotonic()
        run = StepRun(
            control=around.control,
            plan=self.plan,
            clock=around.clock,
            ends=deadline,
            poll_seconds=around.poll_seconds,
            note=lambda text: self._tell("note", step=step.name, text=text),
            findings=self.findings,
            stores=around.stores,
            beside=self.beside,
            stretch=max(1.0, around.timeout_seconds / ACTION_SECONDS),
        )
        found: StepOutcome | None = None
        problem: FlinkopsError | None = None
        try:
            found = self._kind(step).do(run, step.do)
        except FlinkopsError as error:
            problem = error if isinstance(error, _KEPT) else OperationFailed(error.line())
        if found is not None:
            self.findings.add(found)
        outcomes = (*run.kept.values(), *([found] if found is not None else []))
        self._note(step, around.clock.monotonic() - began, outcomes, problem)
        return problem

    def _kind(self, step: Step) -> StepKind[Any, Any]:
        kind = self._around.kinds.get(type(step.do))
        if kind is None:
            raise OperationFailed(f"this flinkops does not know the action {step.action!r}")
        return kind

    def _note(
        self, step: Step, seconds: float, outcomes: tuple[StepOutcome, ...], problem: FlinkopsError | None
    ) -> None:
        outcome: StepEnd = "ok"
        if problem is not None:
            outcome = "timed-out" if isinstance(problem, TimedOut) else "failed"
        error = problem.line() if problem else None
        text = error or described(outcomes)
        # Before the journal: when that fails, the message still knows what was done.
        self.results.append(StepResult(step.name, self._around.clock.now_ms(), round(seconds, 3), outcome, text))
        self._around.journal.append(
            "outcome",
            self.plan,
            self._digest,
            step=step.name,
            action=step.action,
            outcome=outcome,
            seconds=seconds,
            found=outcomes,
            error=error,
        )
        self._tell("outcome", step=step.name, outcome=outcome, seconds=seconds, text=text)
