"""The executor: the only place from which anything is changed.

Whatever face asks: read-only is refused here, preconditions are asked again, intent goes into the journal before a
step and its outcome after it. The result is what was seen, never what was requested.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal, cast

import msgspec

from flinkops.act.attempt import Attempt, Surroundings
from flinkops.act.control import JobControl, PlaceControl
from flinkops.act.journal import ActionRecord, Journal, JournalFailed
from flinkops.act.lock import job_lock
from flinkops.act.running import ACTION_SECONDS, StepKinds
from flinkops.act.standing import Standing
from flinkops.act.step_kinds import step_kinds
from flinkops.clock import Clock
from flinkops.errors import FlinkopsError, Interrupted, OperationFailed, Refused
from flinkops.model.plan import Outcome, Plan, Result
from flinkops.outside.shell import shell_command
from flinkops.plan.identity import plan_hash
from flinkops.sources.storage.stores import Stores

OVERRIDE = "--no-read-only does it all the same"
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
    """Carries out plans on one cluster. ``progress`` is called in the executor's thread.

    ``stores``: where savepoints are looked at; without them on this machine alone.
    """

    def __init__(
        self,
        control: PlaceControl,
        journal: Journal,
        clock: Clock,
        *,
        stores: Stores | None = None,
        kinds: StepKinds | None = None,
        guard: str | None = None,
        timeout_seconds: float = ACTION_SECONDS,
        poll_seconds: float = 0.5,
        progress: Callable[[Progress], None] = _silent,
        resume_options: str = "",
    ) -> None:
        self._control = control
        self._journal = journal
        self._clock = clock
        known = step_kinds() if kinds is None else kinds
        steps_control = cast("JobControl", control)  # the steps of its plans ask for no more than it has
        self._around = Surroundings(
            steps_control, journal, clock, known, timeout_seconds, poll_seconds, stores or Stores()
        )
        self._guard = guard  # why nothing may be changed at this cluster
        self._progress = progress
        self._resume_options = resume_options  # what the printed command needs beside the plan's id

    def run(self, plan: Plan) -> Result:
        """Carry out a plan from its beginning.

        Raises Refused when nothing was done because it must not be or the journal has no room for it; Interrupted on
        Ctrl-C; OperationFailed when the journal can no longer be written. Everything else that goes wrong is in the
        result.
        """
        self.refuse_unfit(plan)
        with self._owed_line(plan), job_lock(self._journal.folder, plan):
            self._refuse_beside_unfinished(plan)  # before the cluster's lock, which the unfinished one may still hold
            with self._control.lock(plan):
                self._check_preconditions(plan)
                digest = plan_hash(plan)
                with self._journal.room_for(plan):
                    self._note_plan(plan, digest)
                    return self._carry_out(plan, digest)

    def _note_plan(self, plan: Plan, digest: str) -> None:
        try:
            self._journal.append("planned", plan, digest)
        except JournalFailed as problem:
            raise Refused(
                f"{problem.what}; nothing was done", next_step="choose another folder with --journal DIR"
            ) from None
        self._tell("planned", plan)

    def abandon(self, plan_id: str) -> None:
        """Note that a plan which stopped in the middle will not be resumed; the job is left as it is.

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
        """Resume a plan that stopped in the middle.

        Steps that are done are not done again; where one had failed, the rollback is resumed.

        Raises as :meth:`run` does, and UsageError when the journal knows no such plan.
        """
        record = self._journal.record(plan_id)
        if not record.resumable:
            raise Refused(f"{plan_id} has ended already: {record.outcome}")
        self.refuse_unfit(record.plan)
        plan = record.plan
        locks = (job_lock(self._journal.folder, plan), self._control.lock(plan))
        with self._owed_line(plan), locks[0], locks[1], self._journal.room_for(plan):
            return self._carry_out(plan, record.plan_hash, record)

    @contextmanager
    def _owed_line(self, plan: Plan) -> Iterator[None]:
        """Whoever interrupts an action is told how to resume it: also before its first step and after its last."""
        try:
            yield
        except KeyboardInterrupt:
            record = next((one for one in self._journal.records() if one.plan.id == plan.id), None)
            if record is None:
                raise Interrupted("interrupted; nothing was changed") from None
            if not record.resumable:
                ended = f"interrupted after the end of {plan.id}: {record.outcome}"
                raise Interrupted(ended, next_step=shell_command("flinkops", "history", plan.target.job_name)) from None
            raise Interrupted(
                f"interrupted between two steps of {plan.id}",
                next_step=f"resume it with: {resume_command(plan.id, self._resume_options)}",
            ) from None

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
        unknown = [one.action for one in (*plan.steps, *plan.rollback_steps) if type(one.do) not in self._around.kinds]
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
                command = resume_command(record.plan.id, self._resume_options)
                raise Refused(
                    f"{record.plan.id} of this job is not finished", next_step=f"{command} (or abandon for resume)"
                )

    def _check_preconditions(self, plan: Plan) -> None:
        if problems := self._control.unmet(plan):
            raise Refused(f"things have moved since the plan was made: {'; '.join(problems)}")

    def _carry_out(self, plan: Plan, digest: str, record: ActionRecord | None = None) -> Result:
        def tell(
            kind: Literal["intent", "note", "outcome"],
            *,
            step: str,
            outcome: str = "",
            seconds: float | None = None,
            text: str = "",
        ) -> None:
            self._tell(kind, plan, step=step, outcome=outcome, seconds=seconds, text=text)

        attempt = Attempt(self._around, plan, digest, tell, record)
        try:
            outcome, error = attempt.steps_then_rollback()
            result = self._result(attempt, outcome, error)
            self._journal.append("finished", plan, digest, outcome=outcome, error=result.error)
        except KeyboardInterrupt:
            with suppress(JournalFailed):
                self._journal.append("interrupted", plan, digest, step=attempt.current)
            raise self._broken_off(attempt, Interrupted, "interrupted") from None
        except JournalFailed as problem:
            raise self._broken_off(attempt, OperationFailed, problem.what) from None
        finally:
            attempt.beside.close()
        self._tell("finished", plan, outcome=outcome, text=result.error or "")
        return result

    def _result(self, attempt: Attempt, outcome: Outcome, error: str | None) -> Result:
        left = attempt.standing() if outcome in ("failed", "timed-out") else None
        return Result(
            plan_id=attempt.plan.id,
            outcome=outcome,
            steps=tuple(attempt.results),
            outcomes=attempt.findings.outcomes,
            error=f"{error}; {left.text}" if left else error,
            next_command=self._next_command(attempt.plan, outcome, left),
            denied=attempt.denied,
        )

    def _next_command(self, plan: Plan, outcome: Outcome, left: Standing | None) -> str | None:
        """What continues, where there is something to continue."""
        if outcome == "timed-out":
            return resume_command(plan.id, self._resume_options)
        if left is None or not left.stopped:
            return None
        start = ["flinkops", "resume", plan.target.job_name or plan.target.job_id]
        start += ["--from", left.savepoint] if left.savepoint else []
        return f"{shell_command(*start)} {self._resume_options}".rstrip()

    def _broken_off(self, attempt: Attempt, kind: type[FlinkopsError], why: str) -> FlinkopsError:
        """At which step, how the job is left, and the command that continues."""
        left = attempt.standing()
        text = f"{why} at step {attempt.current!r} of {attempt.plan.id}"
        return kind(
            f"{text}: {left.text}" if left else text,
            next_step=f"resume it with: {resume_command(attempt.plan.id, self._resume_options)}",
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


def _identity(plan: Plan) -> tuple[str, str | None, str]:
    return (plan.target.source, plan.target.namespace, plan.target.job_name)


def resume_command(plan_id: str, options: str = "") -> str:
    """The command that continues a plan which stopped in the middle."""
    return f"{shell_command('flinkops', 'action', 'resume', plan_id)} {options}".rstrip()
