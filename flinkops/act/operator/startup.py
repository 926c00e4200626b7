"""Verifying that the job which the operator deployed is the right one, and why it does not come up."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from flinkops.act.flow_steps import completed_before
from flinkops.act.kept_state import retained_checkpoint
from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.operator.outcomes import DowntimeTraced, NewJobVerified, OldJobSeen, RollbackBegun, RollbackTaken
from flinkops.act.operator.spec_steps import acted_on
from flinkops.act.outcomes import StateLost
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepKind, StepRun
from flinkops.act.stability_steps import all_running, why_failed
from flinkops.clock import Clock
from flinkops.errors import FlinkopsError, OperationFailed, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.places import same_place
from flinkops.model.states import JobState
from flinkops.outside.shell import shell_word
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.downtime_trace import downtime_phases, in_words
from flinkops.plan.operator.step_inputs import VerifyNewJob
from flinkops.plan.preconditions import operator_sees_it_run
from flinkops.plan.state_loss import TWICE, why_lost
from flinkops.plan.step_inputs import MeasureLoad
from flinkops.sources.kubernetes.resources import error_text

_RUNNING_WITHIN_SECONDS = 300.0
_RESTARTS_OF_A_LOOP = 3
_PODS_EVERY_SECONDS = 3.0
_STUCK_SECONDS = {
    "image": 15.0,
    "container": 30.0,
    "crash-loop": 20.0,
    "oom-killed": 20.0,
    "unschedulable": 60.0,  # a cluster autoscaler takes a while
    "volume": 60.0,
    "quota": 30.0,
}
"""How long a reason has to hold before the job is given up; others are only told."""
_SUBMISSION_FAILS_SECONDS = 30.0  # the operator tries again and again: a server of jars may be back soon


class StuckWatch:
    """Reads the pods now and then while a job does not come up, and gives up when a grave reason holds.

    ``of_new_spec``: the pods do not count before the operator has deployed the spec as it is now.
    """

    def __init__(self, control: KubeControl, clock: Clock, *, of_new_spec: bool = True) -> None:
        self._control, self._clock = control, clock
        self._of_new_spec = of_new_spec
        self._next = 0.0
        self._since: dict[str, float] = {}
        self._error_since: float | None = None
        self.last = ""

    def poll(self, job: JobFacts | None = None) -> None:
        """Raises OperationFailed with the reason once it has held long enough. `job`: as Flink has just shown it."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + _PODS_EVERY_SECONDS
        try:
            found = self._control.resource()
            if self._of_new_spec and not self._control.is_session_job and not acted_on(found):
                return  # the pods are still those of the spec before
            reasons, error = self._control.why_stuck(job), error_text(found)
        except Unreachable:
            return
        self._refuse_submission(error, now)
        self._since = {one.code: self._since.get(one.code, now) for one in reasons}
        told = [f"the operator says: {error}"] if error else []
        self.last = "; ".join([*(f"{one.object}: {one.text}" for one in reasons[:2]), *told])
        for reason in reasons:
            if now - self._since[reason.code] >= _STUCK_SECONDS.get(reason.code, float("inf")):
                why = "; ".join([f"{reason.object}: {reason.text}", *told])
                raise OperationFailed(f"the job does not come up: {why}")

    def _refuse_submission(self, error: str | None, now: float) -> None:
        """A session job has no pods of its own: what keeps it from being submitted is the operator's error alone."""
        if not self._control.is_session_job or error is None:
            self._error_since = None
            return
        self._error_since = now if self._error_since is None else self._error_since
        if now - self._error_since >= _SUBMISSION_FAILS_SECONDS:
            raise OperationFailed(f"the operator cannot submit the job: {error}")


def verify_new_job(run: StepRun, given: VerifyNewJob) -> NewJobVerified:
    """A new job runs, restored from what it had to be restored from; how long nothing ran."""
    mode = _mode(run, given)
    if mode == "not-stopped":
        return NewJobVerified(run.job_id, "nothing: the old job was never stopped")
    try:
        job = _await_running(run, given, kube_control(run), restores=mode != "stateless")
        path = _refuse_other_state(run, given, mode, job)
    except OperationFailed as problem:
        raise OperationFailed(problem.what, next_step=_retained(run, given, mode) or problem.next_step) from None
    stopped_ms, now_ms = run.findings.stopped_ms, run.clock.now_ms()
    downtime = None
    if stopped_ms is not None and stopped_ms <= now_ms:  # else it was not stopped, or the clock was set back
        downtime = round((now_ms - stopped_ms) / 1000, 1)
        _trace(run, job, stopped_ms, now_ms)
    return NewJobVerified(job.id, path or "nothing", job.started_ms or 0, downtime)


def _trace(run: StepRun, job: JobFacts, stopped_ms: int, now_ms: int) -> None:
    """Keeps where the seconds went; without the right to read pods and events nothing."""
    with suppress(FlinkopsError):
        pods = kube_control(run).pod_times()
        started_ms = job.started_ms
        phases = downtime_phases(pods, stopped_ms=stopped_ms, job_started_ms=started_ms, all_running_ms=now_ms)
        if phases:
            run.keep(DowntimeTraced(in_words(phases), phases))


def _mode(run: StepRun, given: VerifyNewJob) -> Mode | RollbackTaken:
    """How the job was started; in a rollback as that was decided."""
    if given.mode is not None:
        return given.mode
    begun = run.findings.last(RollbackBegun)
    if begun is None:
        raise OperationFailed("no step of this action has begun the rollback")
    return begun.rollback_way


def _refuse_other_state(run: StepRun, given: VerifyNewJob, mode: Mode | RollbackTaken, job: JobFacts) -> str | None:
    """Where the job was restored from; raises OperationFailed when that is not what it had to be."""
    savepoint = given.savepoint or run.findings.savepoint
    restored = job.checkpoints.restored if job.checkpoints else None
    path = restored.external_path if restored else None
    if mode in ("savepoint", "savepoint-redeploy", "redeploy", "recreate") and not same_place(path, savepoint):
        raise OperationFailed(f"it was restored from {path or 'nothing'}, not from {savepoint}")
    if mode in ("savepoint", "last-state") and (why := why_lost(completed_before(run), restored)):
        run.keep(StateLost(why))
        raise OperationFailed(f"the new job misses state: {why}; {TWICE}")
    if mode == "last-state" and path is None:
        raise OperationFailed("it started with empty state instead of its last checkpoint")
    return path


def _retained(run: StepRun, given: VerifyNewJob, mode: Mode | RollbackTaken) -> str | None:
    """Where nothing brings the old state back any more: what is left of it, and the command that starts from there."""
    last_try = not run.plan.rollback_steps or given.mode is None
    name = shell_word(run.plan.target.job_name)
    path = run.findings.savepoint or ""
    lost = run.findings.last(StateLost) is not None
    suspend = f"flinkops suspend {name}, then " if last_try and _runs(run) else ""
    if given.mode is None and path and not lost:  # of the stop: newer than any checkpoint
        return f"once what keeps it from starting is mended: {suspend}flinkops resume {name} --from {shell_word(path)}"
    if last_try and (checkpoint := retained_checkpoint(run)) is not None:
        command = f"{suspend}flinkops resume {name} --from {shell_word(checkpoint)}"
        return f"the newest checkpoint that is retained is {checkpoint}: {command}"
    if not lost or mode not in ("recreate", "redeploy") or "/chk-" not in path:
        return None
    # Flink tells of checkpoints seconds late: the last that was seen may have given way to the next one.
    return f"if {path} is gone, the next chk-… lies beside it: flinkops resume {name} --from PATH"


def _runs(run: StepRun) -> bool:
    """Whether a job is there that has to be suspended first; one that does not run cannot be."""
    with suppress(FlinkopsError):
        job = kube_control(run).newest()
        return job is not None and job.state == JobState.RUNNING
    return False


def _await_running(run: StepRun, given: VerifyNewJob, control: KubeControl, *, restores: bool) -> JobFacts:
    """The new job, once all its tasks run and, where it `restores` something, it is known from what.

    Keeps when the old one was last seen running while this waited: a rollback may follow, and has its downtime too.
    """
    watch = _StartWatch(run, given, control, restores=restores)
    try:
        return run.until(
            "waiting until the new job runs", watch.ask, within_seconds=_RUNNING_WITHIN_SECONDS * run.stretch
        )
    except OperationFailed as problem:
        last = watch.stuck.last
        why = f"; {last}" if last and last not in problem.what else ""
        raise OperationFailed(f"{problem.what}{why}") from None
    finally:
        if watch.old_running_ms is not None:
            run.keep(OldJobSeen(watch.old_running_ms))


class _StartWatch:
    """Tells the new job from those before it. ``old_running_ms``: when the one before was last seen running."""

    def __init__(self, run: StepRun, given: VerifyNewJob, control: KubeControl, *, restores: bool) -> None:
        self._run, self._given, self._control, self._restores = run, given, control, restores
        self._nothing_restored = Absence(run.clock)
        self._olds = {(given.job_id, given.started_ms)}
        if (begun := run.findings.last(RollbackBegun)) is not None and begun.bad_job_id is not None:
            self._olds.add((begun.bad_job_id, begun.bad_started_ms))
        self.stuck = StuckWatch(control, run.clock)
        self.old_running_ms = run.clock.now_ms() if _was_just_running(run, given) else None

    def ask(self) -> JobFacts | None:
        """The new job once it runs; None while it does not. Raises OperationFailed where it never will."""
        try:
            short = self._control.newest()
            job = self._control.job(short.id) if short is not None else None
        except Unreachable:
            self.stuck.poll()
            raise
        if job is not None and not _is_one_of(self._olds, job):
            return self._running(job)
        if job is not None and job.id == self._given.job_id and all_running(job):
            self.old_running_ms = self._run.clock.now_ms()
        self.stuck.poll()
        return None

    def _running(self, job: JobFacts) -> JobFacts | None:
        if job.ended_ms is not None or job.state == "FAILED":
            raise OperationFailed(f"the new job is {job.state}{why_failed(self._run, job.id)}")
        if (job.restarts or 0) >= _RESTARTS_OF_A_LOOP:
            raise OperationFailed(f"the new job restarts instead of running{why_failed(self._run, job.id)}")
        if not all_running(job) or not job.vertices or job.checkpoints is None:
            self.stuck.poll(job)
            return None
        found, restored = self._control.resource(), job.checkpoints.restored
        told = not self._restores or restored or self._nothing_restored.is_known((job.id, job.started_ms))
        return job if told and acted_on(found) and operator_sees_it_run(found) is None else None


def _was_just_running(run: StepRun, given: VerifyNewJob) -> bool:
    """Whether the job ran until the change was set, by a stop that leaves nothing to wait for: it may be gone now."""
    measured = any(isinstance(step.do, MeasureLoad) for step in run.plan.steps)
    return measured and given.mode is not None and run.findings.stopped_ms is None


def _is_one_of(olds: Collection[tuple[str, int]], job: JobFacts) -> bool:
    """By id and start. Where the start was not known, as of a suspended job, a session cluster still shows its end."""
    return (job.id, job.started_ms or 0) in olds or (job.ended_ms is not None and (job.id, 0) in olds)


STARTUP_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(VerifyNewJob, NewJobVerified, verify_new_job, keeps=(StateLost, OldJobSeen, DowntimeTraced)),
)
