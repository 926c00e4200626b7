"""Waiting for the savepoint that the operator takes when it stops a job, and seeing when that went wrong."""

from typing import Any

from flinkops.act.flow_steps import completed_before, keep_checkpoint
from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.operator.outcomes import JobGone, UpgradeSavepointTaken
from flinkops.act.operator.spec_steps import OPERATOR_SILENT, acted_on, new_savepoint, stopping
from flinkops.act.operator.startup import StuckWatch
from flinkops.act.outcomes import CheckpointNoted, StateLost
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import OperationFailed, TimedOut, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import Json, section, text
from flinkops.outside.shell import shell_word
from flinkops.plan.operator.recorded import stopped_with
from flinkops.plan.operator.spec import last_reconciled, upgrade_mode
from flinkops.plan.operator.step_inputs import AwaitUpgradeSavepoint
from flinkops.plan.state_loss import TWICE, why_lost
from flinkops.sources.kubernetes.operator_error import OperatorError, operator_error
from flinkops.sources.kubernetes.resources import error_text

_TAKEN_UP_WITHIN_SECONDS = 120.0
_ERROR_HOLDS_SECONDS = 20.0
_WITHOUT_SAVEPOINT_SECONDS = 15.0
_NOT_YET_RESTORED = ("INITIALIZING", "CREATED")


def await_upgrade_savepoint(run: StepRun, given: AwaitUpgradeSavepoint) -> UpgradeSavepointTaken:
    """The savepoint that the operator takes when it stops the job; the only one that counts.

    When the operator has not begun after two minutes, nothing is rolled back: it may only be down.
    """
    watch = _Waiting(run, given, kube_control(run))
    path = run.until("waiting for the operator's savepoint", watch.savepoint)
    return UpgradeSavepointTaken(path, watch.last_running_ms)


class _Waiting:
    """Watches the old job and the resource until the operator has stopped the job."""

    def __init__(self, run: StepRun, given: AwaitUpgradeSavepoint, control: KubeControl) -> None:
        self._run, self._given, self._control = run, given, control
        self._stuck = StuckWatch(control, run.clock, of_new_spec=False)
        self._begun = self._run.clock.monotonic()
        self._error_since: float | None = None
        self._stopped_since: float | None = None
        self._nothing_restored = Absence(run.clock)
        self._silent = False
        self.last_running_ms = run.clock.now_ms()

    def savepoint(self) -> str | None:
        """Its path, once the resource has it."""
        try:
            found = self._control.resource()
        except Unreachable:
            self._begun = self._run.clock.monotonic()  # the operator could not act either
            raise
        if (path := new_savepoint(found, self._given.known)) is not None:
            return path
        now = self._run.clock.monotonic()
        job = self._old_job()
        if job is None:
            self._refuse_dead()
        else:
            self._refuse_lost_state(job)
        if job is not None and job.state == "FINISHED" and (path := stopped_with(job)) is not None:
            return path  # operator 1.7 sometimes loses it: Flink itself still knows
        if job is not None and job.state == "RUNNING":
            self.last_running_ms = self._run.clock.now_ms()
            self._refuse_silence(job, now)
        self._refuse_error(found, now, dead=job is None)
        self._refuse_without(found, job, now)
        return None

    def _old_job(self) -> JobFacts | None:
        try:
            found = self._control.job(self._run.job_id)
        except Unreachable:
            self._silent = True
            return None
        self._silent = False
        return found

    def _refuse_lost_state(self, job: JobFacts) -> None:
        """A JobManager that died meanwhile brings its job back; without high availability, without its state."""
        run = self._run
        if self._given.started_ms not in (0, job.started_ms or 0):
            if job.checkpoints is None or job.state in _NOT_YET_RESTORED:
                return
            restored = job.checkpoints.restored
            if restored is None and not self._nothing_restored.is_known((job.id, job.started_ms)):
                return  # an answer out of a cache of before it was restored
            why = why_lost(completed_before(run), restored)
            if why is not None:
                run.keep(StateLost(why, job.started_ms or 0, self.last_running_ms))
                raise OperationFailed(f"the job was started again while it was to be stopped: {why}; {TWICE}")
        keep_checkpoint(run, job)

    def _refuse_silence(self, job: JobFacts, now: float) -> None:
        history = job.checkpoints.history if job.checkpoints else ()
        begun = any(one.is_savepoint and one.status == "IN_PROGRESS" for one in history)
        if not begun and now - self._begun > _TAKEN_UP_WITHIN_SECONDS:
            waited = f"the operator has not acted on the change within {now - self._begun:.0f} s"
            raise TimedOut(waited, next_step=OPERATOR_SILENT)

    def _refuse_dead(self) -> None:
        """Nobody answers for the job: what its pods say ends the wait, and the rollback then knows that it is gone."""
        try:
            self._stuck.poll()
        except OperationFailed:
            self._run.keep(JobGone("its JobManager does not come back"))
            raise

    def _refuse_error(self, found: Json, now: float, *, dead: bool) -> None:
        error = text(section(found, "status"), "error") or ""
        if error in ("", self._given.error):
            self._error_since = None
            return
        self._error_since = now if self._error_since is None else self._error_since
        if now - self._error_since > _ERROR_HOLDS_SECONDS:
            if dead and operator_error(found) is OperatorError.MANUAL_RESTORE:
                self._run.keep(JobGone(OperatorError.MANUAL_RESTORE.value))
            raise OperationFailed(f"the operator cannot stop the job with a savepoint: {error_text(found)}")

    def _refuse_without(self, found: Json, job: JobFacts | None, now: float) -> None:
        """The operator has acted, and there is no savepoint. Whether the job was stopped, only the job can say."""
        runs = job is not None and job.state == "RUNNING" and self._given.started_ms in (0, job.started_ms or 0)
        manager = text(section(found, "status"), "jobManagerDeploymentStatus")
        unseen = job is None and self._silent and manager == "READY"
        if unseen or not (acted_on(found) or (stopping(found) and not runs)):
            self._stopped_since = None
            return
        self._stopped_since = now if self._stopped_since is None else self._stopped_since
        if now - self._stopped_since <= _WITHOUT_SAVEPOINT_SECONDS:
            return
        if runs:
            raise TimedOut(
                "the operator has taken the change up, and the job was not stopped: it runs on as before",
                next_step=f"compare the spec with what runs: flinkops status {shell_word(self._control.ref.name)}",
            )
        used = upgrade_mode(last_reconciled(found) or {})
        raise OperationFailed(f"the operator stopped the job without a savepoint (by {used})")


STOP_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(
        AwaitUpgradeSavepoint,
        UpgradeSavepointTaken,
        await_upgrade_savepoint,
        keeps=(CheckpointNoted, StateLost, JobGone),
    ),
)
