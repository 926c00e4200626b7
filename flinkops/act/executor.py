"""The executor: the only place from which anything is changed.

Whatever face asks: read-only is refused here, preconditions are asked again, intent goes into the journal before a
step and its outcome after it. The result is what was seen, never what was requested.
"""

import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

import msgspec

from flinkops.act.control import JobControl
from flinkops.act.journal import Journal, JournalFailed, describe_seen
from flinkops.act.lock import job_lock
from flinkops.act.running import StepAction, StepRun
from flinkops.act.standing import Standing, standing
from flinkops.clock import Clock
from flinkops.errors import Denied, FlinkopsError, Interrupted, OperationFailed, Refused, TimedOut
from flinkops.model.plan import Outcome, Plan, Result, Step, StepResult
from flinkops.plan.identity import plan_hash

StepOutcome = Literal["ok", "failed", "timed-out", "skipped"]


OVERRIDE = "--no-read-only does it all the same"
_KEPT = (TimedOut, OperationFailed, Denied, Refused)  # what decides on the outcome; all else is a failure
_CHANGING_VERBS = frozenset({"upgrade", "rollback", "suspend", "resume", "restart", "rescale", "autoscale-apply"})


class Progress(msgspec.Struct, frozen=True):
    """Something that a person who waits wants to see. Told after the journal has it.

    ``kind``: planned, intent (a step begins), note (still waiting, and for what), outcome, finished.
    """

    kind: Literal["planned", "intent", "note", "outcome", "finished"]
    plan_id: str
    at_ms: int
    step: str = ""
    outcome: str = ""
    seconds: float | None = None
    text: str = ""


def _silent(_progress: Progress) -> None:
    pass


class Executor:
    """Carries out plans on one cluster. ``progress`` is called in the executor's thread."""

    def __init__(
        self,
        control: JobControl,
        journal: Journal,
        clock: Clock,
        actions: Mapping[str, StepAction],
        *,
        guard: str | None = None,
        timeout_seconds: float = 600.0,
        poll_seconds: float = 0.5,
        progress: Callable[[Progress], None] = _silent,
        go_on_options: str = "",
    ) -> None:
        self._control = control
        self._journal = journal
        self._clock = clock
        self._actions = actions
        self._guard = guard  # why nothing may be changed at this cluster
        self._timeout_seconds = timeout_seconds
        self._poll_seconds = poll_seconds
        self._progress = progress
        self._go_on_options = go_on_options  # what the printed command needs beside the plan's id

    def run(self, plan: Plan) -> Result:
        """Carry out a plan from its beginning.

        Raises Refused when nothing was done because it must not be or the journal has no room for it; Interrupted on
        Ctrl-C; OperationFailed when the journal can no longer be written. Everything else that goes wrong is in the
        result.
        """
        self.refuse_unfit(plan)
        with job_lock(self._journal.folder, plan):
            self._refuse_beside_unfinished(plan)  # before the cluster's lock, which the unfinished one may still hold
            with self._control.lock(plan):
                self._check_preconditions(plan)
                digest = plan_hash(plan)
                with self._journal.room_for(plan):
                    self._note_plan(plan, digest)
                    return self._carry_out(plan, digest, done={}, seen={})

    def _note_plan(self, plan: Plan, digest: str) -> None:
        try:
            self._journal.append("planned", plan, digest)
        except JournalFailed as problem:
            raise Refused(
                f"{problem.what}; nothing was done", next_step="choose another folder with --journal DIR"
            ) from None
        self._tell("planned", plan)

    def abandon(self, plan_id: str) -> None:
        """Note that a plan that stopped in the middle will not be gone on with; the job is left as it is.

        Raises Refused when it has ended, UsageError when the journal knows no such plan.
        """
        record = self._journal.record(plan_id)
        if not record.resumable:
            raise Refused(f"{plan_id} has ended already: {record.outcome}")
        if self._guard is not None:
            raise Refused(f"read-only ({self._guard}): the journal is not changed either")
        self._journal.refuse_damaged()
        with job_lock(self._journal.folder, record.plan):
            self._journal.append("finished", record.plan, record.plan_hash, outcome="abandoned")
            with suppress(FlinkopsError), self._control.lock(record.plan):
                pass  # taken as its own and so given back; where that cannot be done it runs out by itself

    def resume(self, plan_id: str) -> Result:
        """Go on with a plan that stopped in the middle.

        Steps that are done are not done again; where one had failed, going back goes on.

        Raises as :meth:`run` does, and UsageError when the journal knows no such plan.
        """
        record = self._journal.record(plan_id)
        if not record.resumable:
            raise Refused(f"{plan_id} has ended already: {record.outcome}")
        self.refuse_unfit(record.plan)
        with job_lock(self._journal.folder, record.plan), self._control.lock(record.plan):
            done = {step.name: step for step in record.steps if step.outcome in ("ok", "failed")}
            with self._journal.room_for(record.plan):
                return self._carry_out(record.plan, record.plan_hash, done, dict(record.seen))

    def refuse_unfit(self, plan: Plan) -> None:
        """Raises Refused for what is not even tried: read-only, a refused plan, another cluster's."""
        if self._guard is not None:
            raise Refused(
                f"read-only: {plan.verb} of {plan.target.job_name or plan.target.source} is not done: {self._guard}",
                next_step=OVERRIDE,
            )
        if plan.refused:
            raise Refused("; ".join(plan.refused))
        if plan.target.source != self._control.name:
            raise Refused(f"the plan is for {plan.target.source}, not for {self._control.name}")
        unknown = [s.action for s in (*plan.steps, *plan.rollback_steps) if s.action not in self._actions]
        if unknown:
            raise Refused(f"this flinkops does not know the action {unknown[0]!r}")
        self._journal.refuse_shared()
        self._journal.refuse_damaged()

    def _refuse_beside_unfinished(self, plan: Plan) -> None:
        """A job in the middle of one change is not ready for another; taking a savepoint never stands in the way."""
        if plan.verb not in _CHANGING_VERBS:
            return
        target = _identity(plan)
        for record in self._journal.records():
            if record.resumable and record.plan.verb in _CHANGING_VERBS and _identity(record.plan) == target:
                go_on = go_on_command(record.plan.id, self._go_on_options)
                raise Refused(
                    f"{record.plan.id} of this job is not finished", next_step=f"{go_on} (or abandon for resume)"
                )

    def _check_preconditions(self, plan: Plan) -> None:
        if problems := self._control.unmet(plan):
            raise Refused(f"things have moved since the plan was made: {'; '.join(problems)}")

    def _carry_out(self, plan: Plan, digest: str, done: dict[str, StepResult], seen: dict[str, str]) -> Result:
        attempt = _Attempt(self, plan, digest, done, seen)
        try:
            outcome, error = attempt.steps_then_rollback()
            result = self._result(attempt, outcome, error)
            self._journal.append("finished", plan, digest, outcome=outcome, seen=result.seen, error=result.error)
        except KeyboardInterrupt:
            with suppress(JournalFailed):
                self._journal.append("interrupted", plan, digest, step=attempt.current)
            raise self._broken_off(attempt, Interrupted, "interrupted") from None
        except JournalFailed as problem:
            raise self._broken_off(attempt, OperationFailed, problem.what) from None
        self._tell("finished", plan, outcome=outcome, text=result.error or "")
        return result

    def _result(self, attempt: "_Attempt", outcome: Outcome, error: str | None) -> Result:
        left = attempt.standing() if outcome in ("failed", "timed-out") else None
        return Result(
            plan_id=attempt.plan.id,
            outcome=outcome,
            steps=tuple(attempt.results),
            seen=dict(attempt.seen),
            error=f"{error}; {left.text}" if left else error,
            go_on=self._next_command(attempt.plan, outcome, left),
            denied=attempt.denied,
        )

    def _next_command(self, plan: Plan, outcome: Outcome, left: Standing | None) -> str | None:
        """What continues, where there is something to continue."""
        if outcome == "timed-out":
            return go_on_command(plan.id, self._go_on_options)
        if left is None or not left.stopped:
            return None
        start = ["flinkops", "resume", plan.target.job_name or plan.target.job_id]
        start += ["--from", left.savepoint] if left.savepoint else []
        return f"{shlex.join(start)} {self._go_on_options}".rstrip()

    def _broken_off(self, attempt: "_Attempt", kind: type[FlinkopsError], why: str) -> FlinkopsError:
        """At which step, how the job is left, and the command that continues."""
        left = attempt.standing()
        text = f"{why} at step {attempt.current!r} of {attempt.plan.id}"
        return kind(
            f"{text}: {left.text}" if left else text,
            next_step=f"go on with: {go_on_command(attempt.plan.id, self._go_on_options)}",
        )

    def _tell(
        self,
        kind: Literal["planned", "intent", "note", "outcome", "finished"],
        plan: Plan,
        *,
        step: str = "",
        outcome: str = "",
        seconds: float | None = None,
        text: str = "",
    ) -> None:
        with suppress(OSError):  # the terminal may be gone: that must not end an action half-way
            self._progress(Progress(kind, plan.id, self._clock.now_ms(), step, outcome, seconds, text))


class _Attempt:
    """One passage through a plan's steps."""

    def __init__(
        self, executor: Executor, plan: Plan, digest: str, done: dict[str, StepResult], seen: dict[str, str]
    ) -> None:
        self._executor = executor
        self.plan = plan
        self._digest = digest
        self._done = done
        self.seen = seen
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
        self.denied = isinstance(problem, Denied) and all(step.only_looks for step in begun[:-1])
        if not self.plan.rollback_steps or all(step.only_looks for step in begun):
            return "failed", problem.line()
        worse = self._steps(self.plan.rollback_steps)
        if worse is None:
            return "rolled-back", problem.line()
        return "failed", f"{problem.line()}; bringing the old state back failed too: {worse.line()}"

    def standing(self) -> Standing | None:
        """How the job is left now."""
        return standing(self.plan, self.results, self.current, self.seen)

    def _steps(self, steps: tuple[Step, ...]) -> FlinkopsError | None:
        deadline = time.monotonic() + self._executor._timeout_seconds
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
        executor, plan = self._executor, self.plan
        self.current = step.name
        executor._journal.append("intent", plan, self._digest, step=step.name, action=step.action)
        executor._tell("intent", plan, step=step.name)
        began = time.monotonic()
        run = StepRun(
            control=executor._control,
            plan=plan,
            arguments=step.arguments,
            seen=self.seen,
            clock=executor._clock,
            ends=deadline,
            poll_seconds=executor._poll_seconds,
            note=lambda text: executor._tell("note", plan, step=step.name, text=text),
        )
        problem: FlinkopsError | None = None
        seen: dict[str, str] = {}
        try:
            seen = executor._actions[step.action](run)
        except FlinkopsError as error:
            problem = error if isinstance(error, _KEPT) else OperationFailed(error.line())
        self._record(step, began, {**run.found, **seen}, problem)
        return problem

    def _record(self, step: Step, began: float, seen: dict[str, str], problem: FlinkopsError | None) -> None:
        executor = self._executor
        seconds = time.monotonic() - began
        outcome: StepOutcome = "ok"
        if problem is not None:
            outcome = "timed-out" if isinstance(problem, TimedOut) else "failed"
        error = problem.line() if problem else None
        text = error or describe_seen(seen)
        # Before the journal: when that fails, the message still knows what was done.
        self.seen.update(seen)
        self.results.append(StepResult(step.name, executor._clock.now_ms(), round(seconds, 3), outcome, text))
        executor._journal.append(
            "outcome",
            self.plan,
            self._digest,
            step=step.name,
            action=step.action,
            outcome=outcome,
            seconds=seconds,
            seen=seen,
            error=error,
        )
        executor._tell("outcome", self.plan, step=step.name, outcome=outcome, seconds=seconds, text=text)


def _identity(plan: Plan) -> tuple[str, str | None, str]:
    return (plan.target.source, plan.target.namespace, plan.target.job_name)


def go_on_command(plan_id: str, options: str = "") -> str:
    """The command that continues a plan which stopped in the middle."""
    return f"flinkops action resume {plan_id} {options}".rstrip()
