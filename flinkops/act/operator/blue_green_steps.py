"""Steps of a transition from one child of a FlinkBlueGreenDeployment to the other, seen on the children themselves.

Source: apache/flink-kubernetes-operator 1.15, ``BlueGreenDeploymentService`` and its state handlers.
"""

from contextlib import suppress
from typing import Any, NamedTuple

from flinkops.act.flow_steps import completed_before
from flinkops.act.operator.blue_green_control import BlueGreenControl, blue_green_control, job_of_child
from flinkops.act.operator.blue_green_outcomes import (
    BlueGreenRollbackBegun,
    ChildPatched,
    ChildRemoved,
    ChildVerified,
    SwitchSeen,
    TransitionSeen,
)
from flinkops.act.operator.control import KubeControl
from flinkops.act.operator.spec_steps import OPERATOR_SILENT, acted_on, dropped
from flinkops.act.operator.startup import StuckWatch
from flinkops.act.outcomes import StateLost
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepKind, StepRun
from flinkops.act.stability_steps import all_running, why_failed
from flinkops.clock import Clock
from flinkops.errors import NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.blue_green_state import Phase, not_idle, state_of
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import Json, section, text
from flinkops.model.places import same_place
from flinkops.model.states import ENDED, JobState
from flinkops.plan.operator.blue_green import (
    child_name,
    last_template,
    not_ready,
    same_template,
    template_of,
)
from flinkops.plan.operator.blue_green_inputs import (
    AwaitChildPatched,
    AwaitSwitch,
    AwaitTransition,
    ChildMode,
    RemoveChild,
    VerifyChild,
)
from flinkops.plan.operator.spec import desired_state, job_of
from flinkops.plan.state_loss import why_lost
from flinkops.sources.kubernetes.resources import time_ms
from flinkops.sources.kubernetes.verbs import ResourceRef

_TAKEN_UP_WITHIN_SECONDS = 120.0
_GONE_WITHIN_SECONDS = 180.0
_ERROR_HOLDS_SECONDS = 20.0
_BEFORE_ABORT_SECONDS = 10.0  # the operator's own abort would take the rollback out of our control
_RUNNING_WITHIN_SECONDS = 600.0  # the operator's default patience, where it says none
_RESTARTS_OF_A_LOOP = 3


class Sides(NamedTuple):
    """The names of the child that is to be active, and of the one that is or was."""

    child: str
    active: str


def transition_back(run: StepRun) -> bool:
    """Whether the rollback is another transition."""
    begun = run.findings.last(BlueGreenRollbackBegun)
    return begun is not None and begun.rollback_way == "transition-back"


def remove_child(run: StepRun, given: RemoveChild) -> ChildRemoved:
    """Delete a child that is suspended and not the active one, and wait until nothing of it is left."""
    control = blue_green_control(run)
    name = given.child
    if given.of_rollback:
        pair = run.until("reading the resource", control.resource)
        name = child_name(control.ref.name, state_of(pair).other)
        if not name:
            raise OperationFailed(f"{not_idle(pair)}: no child is removed")
    found = run.until("reading the child", lambda: (control.child_resource(name),))[0]
    if found is None:
        return ChildRemoved()
    if desired_state(section(found, "spec")) != "suspended" and "deletionTimestamp" not in section(found, "metadata"):
        raise OperationFailed(f"{name} is not suspended: it is left alone")
    uid = text(section(found, "metadata"), "uid") or ""

    def delete() -> bool:
        control.require_lock()
        control.verbs.delete(ResourceRef("FlinkDeployment", control.ref.namespace, name), uid=uid)
        return True

    def gone() -> bool | None:
        there = control.child_resource(name)
        if there is not None and text(section(there, "metadata"), "uid") == uid:
            return None
        return None if control.verbs.leftovers(control.ref.namespace, name) else True

    run.until(f"deleting {name}", delete)
    try:
        run.until(f"waiting until {name} is gone", gone, within_seconds=_GONE_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(problem.what, next_step=OPERATOR_SILENT) from None
    return ChildRemoved(name)


def await_transition(run: StepRun, given: AwaitTransition) -> TransitionSeen:
    """The operator has created the other child, to start from the savepoint that it has taken."""
    control = blue_green_control(run)
    if given.of_rollback and not transition_back(run):
        return TransitionSeen()
    child = given.child
    if given.of_rollback:
        child, _ = _back(run)
    watch = _Begin(control, child, _back(run)[1] if given.of_rollback else given.error, run.clock)
    try:
        begun = run.until("waiting for the operator's transition", watch.ask)
    except TimedOut as problem:
        raise TimedOut(problem.what, next_step=OPERATOR_SILENT) from None
    if begun is _WITHOUT:
        if given.of_rollback and child == given.child:  # it has taken the old spec up, and the old job runs under it
            run.keep(BlueGreenRollbackBegun("never-begun"))
            return TransitionSeen()
        raise OperationFailed(f"the operator says: {watch.error}")
    savepoint = text(job_of(section(begun, "spec")), "initialSavepointPath")
    if given.mode != "stateless" and savepoint is None:
        raise OperationFailed(f"the operator starts {child} without a savepoint")
    abort_ms = time_ms(section(run.until("reading the resource", control.resource), "status"), "abortTimestamp")
    return TransitionSeen(savepoint if given.mode != "stateless" else None, abort_ms or None)


def _back(run: StepRun) -> tuple[str, str]:
    """The child that a transition back starts, and the error that was there before it. Raises OperationFailed."""
    begun = run.findings.last(BlueGreenRollbackBegun)
    if begun is None or begun.back_to is None:
        raise OperationFailed("no step of this action has begun a transition back")
    return begun.back_to, begun.error_before


_WITHOUT: Json = {}
"""The operator has marked the spec as acted on, and stays where it was."""


class _Begin:
    """Watches the pair until the operator starts `child`, or has decided not to."""

    def __init__(self, control: BlueGreenControl, child: str, known_error: str, clock: Clock) -> None:
        self._control, self._child, self._known_error, self._clock = control, child, known_error, clock
        self._error_since: float | None = None
        self.error = ""

    def ask(self) -> Json | None:
        """The child; `_WITHOUT` when there is to be none. Raises OperationFailed for an error that holds."""
        found = self._control.resource()
        state, status = state_of(found), section(found, "status")
        self.error = text(status, "error") or ""
        named = child_name(self._control.ref.name, state.colour)
        if self._child == named and state.phase is not Phase.SAVEPOINTING:
            return self._control.child_resource(self._child)
        failing = text(section(status, "jobStatus"), "state") == "FAILING"
        if not (failing and state.is_active):
            self._error_since = None
            return None
        if same_template(last_template(found), template_of(found)):
            return _WITHOUT
        self._refuse_error()
        return None

    def _refuse_error(self) -> None:
        """It tries again at its next round: a JobManager may not have answered for once."""
        if self.error in ("", self._known_error):
            return
        now = self._clock.monotonic()
        self._error_since = now if self._error_since is None else self._error_since
        if now - self._error_since > _ERROR_HOLDS_SECONDS:
            raise OperationFailed(f"the operator says: {self.error}")


def verify_child(run: StepRun, given: VerifyChild) -> ChildVerified:
    """The job of the child runs, restored from the transition's savepoint, before the operator would give it up."""
    control = blue_green_control(run)
    if given.of_rollback and not transition_back(run):
        return _verify_old(run, control, given)
    child, active, mode = given.child, given.active, given.mode
    if given.of_rollback:
        child, active = _sides_back(run, given.child, given.active)
    opened = run.until(f"reading {child}", lambda: control.child(child))
    old_id = run.running_job_id if given.of_rollback else given.job_id
    watch = _Start(run, control, opened, Sides(child, active), old_id)
    job = watch.until_running(restores=mode != "stateless")
    path = _refuse_other_state(run, job, mode)
    downtime = 0.0 if watch.both_since_ms is not None else watch.gap_seconds()
    both = (watch.both_since_ms, watch.last_old_ms) if watch.both_since_ms is not None else (None, None)
    return ChildVerified(job.id, path or "nothing", job.started_ms or 0, downtime, *both)


def _sides_back(run: StepRun, child: str, active: str) -> Sides:
    """Of a transition back: where it goes, and where it comes from."""
    back_to, _ = _back(run)
    return Sides(back_to, active if back_to == child else child)


def _verify_old(run: StepRun, control: BlueGreenControl, given: VerifyChild) -> ChildVerified:
    """The job of before runs, the same one: its own child says so now."""

    def ask() -> JobFacts | None:
        child = control.child(given.active)
        job = child.job(given.job_id) if child is not None else None
        if child is not None and job is None:
            raise OperationFailed(f"job {given.job_id} is gone from {given.active}")
        return job

    job = run.until(f"polling the job of {given.active}", ask, within_seconds=60.0)
    if job.state in ENDED or (given.started_ms and job.started_ms != given.started_ms):
        raise OperationFailed(f"the job of {given.active} did not run through: it is {job.state}")
    return ChildVerified(job.id, "nothing: the old job was never stopped", job.started_ms or 0, 0.0)


class _Start:
    """Watches the child's job start, and the old one run meanwhile."""

    def __init__(self, run: StepRun, control: BlueGreenControl, child: KubeControl, sides: Sides, old_id: str) -> None:
        self._run, self._control, self._child, self._sides, self._old_id = run, control, child, sides, old_id
        self._stuck, self._nothing_restored = StuckWatch(child, run.clock), Absence(run.clock)
        self.last_old_ms: int | None = None
        self.both_since_ms: int | None = None

    def until_running(self, *, restores: bool) -> JobFacts:
        """The job, once all its tasks run and it is known from what it was restored."""
        seen = self._run.findings.last(TransitionSeen)
        within = _RUNNING_WITHIN_SECONDS
        if seen is not None and seen.abort_ms is not None:
            within = max(1.0, (seen.abort_ms - self._run.clock.now_ms()) / 1000 - _BEFORE_ABORT_SECONDS)
        try:
            return self._run.until(
                f"waiting until the job of {self._sides.child} runs",
                lambda: self._ask(restores=restores),
                within_seconds=within,
            )
        except NotInTime as problem:
            why = f"; {self._stuck.last}" if self._stuck.last else ""
            raise OperationFailed(f"{problem.what}, before the operator would abort{why}") from None

    def gap_seconds(self) -> float | None:
        """From when the old job was last seen running until now."""
        if self.last_old_ms is None:
            return None
        return round((self._run.clock.now_ms() - self.last_old_ms) / 1000, 1)

    def _ask(self, *, restores: bool) -> JobFacts | None:
        old_runs = runs_in(self._control, self._sides.active, self._old_id)
        if old_runs:
            self.last_old_ms = self._run.clock.now_ms()
        _refuse_given_up(self._control.resource(), self._sides.child)
        try:
            job = job_of_child(self._child)
        except Unreachable:
            self._stuck.poll()
            raise
        if job is None:
            self._stuck.poll()
            return None
        self._refuse_bad(job)
        if not all_running(job) or not job.vertices or job.checkpoints is None:
            self._stuck.poll(job)
            return None
        if old_runs and self.both_since_ms is None:
            self.both_since_ms = job.running_since_ms or self._run.clock.now_ms()
        told = not restores or job.checkpoints.restored or self._nothing_restored.is_known((job.id, job.started_ms))
        return job if told and acted_on(self._child.resource()) else None

    def _refuse_bad(self, job: JobFacts) -> None:
        run = self._run
        if job.ended_ms is not None or job.state == JobState.FAILED:
            raise OperationFailed(f"the new job is {job.state}{why_failed(run, job.id)}")
        if (job.restarts or 0) >= _RESTARTS_OF_A_LOOP:
            raise OperationFailed(f"the new job restarts instead of running{why_failed(run, job.id)}")


def _refuse_given_up(found: Json, child: str) -> None:
    state = state_of(found)
    pair = text(section(found, "metadata"), "name") or ""
    if state.colour is not None and child != child_name(pair, state.colour):
        error = text(section(found, "status"), "error")
        raise OperationFailed(f"the operator has given {child} up ({state}): {error or 'it says no more'}")


def _refuse_other_state(run: StepRun, job: JobFacts, mode: ChildMode) -> str | None:
    """Where the job was restored from; raises OperationFailed when that is not the transition's savepoint."""
    restored = job.checkpoints.restored if job.checkpoints else None
    path, seen = restored.external_path if restored else None, run.findings.last(TransitionSeen)
    if mode == "stateless":
        return path
    wanted = seen.savepoint if seen is not None else None
    if not same_place(path, wanted):
        raise OperationFailed(f"it was restored from {path or 'nothing'}, not from {wanted}")
    # A savepoint that the operator had triggered for an earlier transition would be older than what was seen before.
    if not transition_back(run) and (why := why_lost(completed_before(run), restored)):
        run.keep(StateLost(why))
        raise OperationFailed(f"the new job misses state: {why}")
    return path


def runs_in(control: BlueGreenControl, name: str, job_id: str) -> bool:
    """Whether this job of that child is seen to run now."""
    with suppress(Unreachable):
        child = control.child(name)
        job = child.job(job_id) if child is not None else None
        return job is not None and job.state == JobState.RUNNING
    return False


def await_switch(run: StepRun, given: AwaitSwitch) -> SwitchSeen:
    """The pair says that the child is the active one, and the other child is gone."""
    control = blue_green_control(run)
    child, active, old_id = given.child, given.active, given.job_id
    if given.of_rollback:
        if not transition_back(run):
            return SwitchSeen()
        child, active = _sides_back(run, given.child, given.active)
        old_id = ""
    verified = run.findings.last(ChildVerified)
    both_since_ms = verified.both_since_ms if verified is not None else None
    last_both_ms = verified.both_until_ms if verified is not None else None

    def ask() -> str | None:
        nonlocal last_both_ms
        found = control.resource()
        _refuse_given_up(found, child)
        if old_id and runs_in(control, active, old_id):
            last_both_ms = run.clock.now_ms()
        state = state_of(found)
        if not state.is_active:
            return None
        return state if control.child_resource(active) is None else None

    state = run.until(f"waiting until {child} is active and {active} is gone", ask)
    if both_since_ms is None or last_both_ms is None:
        return SwitchSeen(state)
    return SwitchSeen(state, round(max(0, last_both_ms - both_since_ms) / 1000, 1))


def await_child_patched(run: StepRun, given: AwaitChildPatched) -> ChildPatched:
    """The active child has the change and its operator has taken it up; the job is the same, and runs."""
    control = blue_green_control(run)

    def ask() -> Json | None:
        there = control.child_resource(given.child)
        if there is None or dropped(given.patch, section(there, "spec"), "spec") is not None:
            return None
        return there if acted_on(there) and state_of(control.resource()).is_active else None

    try:
        there = run.until("waiting for the operator", ask, within_seconds=_TAKEN_UP_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(f"the operator has not acted: {problem.what}", next_step=OPERATOR_SILENT) from None
    if (why := not_ready(there)) is not None:
        raise OperationFailed(why)
    job = run.until("polling the job", lambda: control.job(given.job_id), within_seconds=60.0)
    if given.started_ms and job.started_ms != given.started_ms:
        raise OperationFailed(f"the job was restarted, against the plan: {job.id} is {job.state}")
    return ChildPatched(f"{job.state}, untouched")


TRANSITION_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(RemoveChild, ChildRemoved, remove_child),
    StepKind(AwaitTransition, TransitionSeen, await_transition, keeps=(BlueGreenRollbackBegun,)),
    StepKind(VerifyChild, ChildVerified, verify_child, keeps=(StateLost,)),
    StepKind(AwaitSwitch, SwitchSeen, await_switch),
    StepKind(AwaitChildPatched, ChildPatched, await_child_patched),
)
