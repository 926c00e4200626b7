"""Steps that stop a job with a savepoint and start it again from there."""

from typing import Any

from flinkops.act.kept_state import kept_state, nothing_in_sight, where_to_look
from flinkops.act.rest.held import HeldSubmission
from flinkops.act.rest.launching import launcher_for, prepare_launch, with_uploaded
from flinkops.act.rest.outcomes import (
    JobCancelled,
    JobEnded,
    JobSubmitted,
    LaunchPrepared,
    RestoreVerified,
    StopBegun,
)
from flinkops.act.rest.rehearsal_steps import REHEARSAL_STEPS
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepKind, StepRun
from flinkops.act.savepoint_steps import begin
from flinkops.act.stability_steps import alive, all_running, why_failed
from flinkops.errors import Denied, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.launch import dropping
from flinkops.model.places import same_place
from flinkops.model.steps import NamesNewJob, NamesSavepoint
from flinkops.plan.step_inputs import (
    AwaitEnd,
    CancelJob,
    PrepareLaunch,
    StopWithSavepoint,
    SubmitJob,
    VerifyRestored,
)

_ENDED_WITHIN_SECONDS = 120.0
_KNOWN_WITHIN_SECONDS = 60.0
_RUNNING_WITHIN_SECONDS = 180.0
_RESTARTS_OF_A_LOOP = 3


def prepare(run: StepRun, given: PrepareLaunch) -> LaunchPrepared:
    """What is wrong with the new program is found while the old one still runs, as far as it can be."""
    return run.until("preparing the submission", lambda: LaunchPrepared(prepare_launch(run.control, given.launch)))


def stop(run: StepRun, given: StopWithSavepoint) -> StopBegun:
    """Begin to stop the job with a savepoint. The trigger's id is the plan's own: a second time does nothing."""
    return StopBegun(run.job_id, begin(run, given, run.control.stop_with_savepoint, "asking the job to stop"))


def await_end(run: StepRun, _given: AwaitEnd) -> JobEnded:
    """The old job has ended well. One that runs on after its savepoint was not stopped: nothing was lost.

    Asked of the list of jobs: what Flink says of a single job it remembers for 3 s (``web.refresh-interval``), which
    was more than half of the downtime. A JobManager that answers and does not know it any more has died with it: its
    savepoint is whole, nothing is lost.
    """
    last_seen_ms, gone = run.clock.now_ms(), Absence(run.clock)

    def ask() -> tuple[JobFacts | None] | None:
        nonlocal last_seen_ms
        job = next((one for one in run.control.jobs() if one.id == run.job_id), None)
        if job is None:
            return (None,) if gone.is_known(run.job_id) else None
        last_seen_ms = run.clock.now_ms()
        return (job,) if job.ended_ms is not None else None

    (job,) = run.until("waiting for the job's end", ask, within_seconds=_ENDED_WITHIN_SECONDS)
    if job is None:
        return JobEnded(last_seen_ms, "its JobManager was lost after the savepoint")
    if job.state != "FINISHED":
        raise OperationFailed(f"the job is {job.state} after stopping; its savepoint is {run.savepoint}")
    return JobEnded(job.ended_ms)


def submit(run: StepRun, given: SubmitJob) -> JobSubmitted:
    """Submit the job under an id of ours, from the savepoint; when Flink knows that id, it was done before."""
    job_id = given.job_id
    if _old_job_lives(run):
        return JobSubmitted(run.job_id)
    savepoint = run.findings.savepoint or _kept_savepoint(run)
    if not _is_known(run, job_id):
        _refuse_beside_another(run, job_id)
        run.note(f"submitting from {savepoint}")
        try:
            _submit(run, given, savepoint)
        except OperationFailed:
            # An earlier try that was killed may have left a client behind that submits it after all.
            if not _is_known(run, job_id):
                raise
        except Denied:
            raise
        except Unreachable as problem:
            _await_known(run, job_id, problem)
    return JobSubmitted(job_id, savepoint)


def _submit(run: StepRun, given: SubmitJob, savepoint: str) -> None:
    """By the client that has compiled it and waits, where there is one: not in an attempt that was resumed."""
    held = run.beside.find(given.job_id, HeldSubmission)
    if held is not None and held.waits:
        held.submit(savepoint)
        return
    launch = with_uploaded(dropping(given.launch) if given.drops_state else given.launch, run.findings)
    launcher_for(launch)(run.control, launch, given.job_id, savepoint)


def _kept_savepoint(run: StepRun) -> str:
    """What the old job can come back from, when no savepoint of its stop is known: its JobManager died with it."""
    stops = (one.do for one in run.plan.steps)
    directory = next((one.target_directory for one in stops if isinstance(one, StopWithSavepoint)), None)
    old = run.until("polling the old job", lambda: (run.control.job(run.job_id),))[0]
    if old is not None and old.state == "CANCELED":
        raise OperationFailed("somebody has cancelled the job meanwhile: it is left so")
    if (state := kept_state(run, directory, checkpoints_dropped=old is not None)) is not None:
        return state
    by_hand = "start the job from there by hand (flink run -s PATH)"
    raise OperationFailed(nothing_in_sight(run), next_step=f"{where_to_look(run, directory)}, and {by_hand}")


def verify_restored(run: StepRun, _given: VerifyRestored) -> RestoreVerified:
    """All its tasks run, and it was restored from just that savepoint."""
    job_id = run.running_job_id
    if job_id == run.job_id:  # the rollback found the old job still running
        return RestoreVerified("nothing: the old job was never stopped")
    savepoint, nothing_restored = run.savepoint, Absence(run.clock)

    def ask() -> JobFacts | None:
        job = alive(run, job_id)
        if (job.restarts or 0) >= _RESTARTS_OF_A_LOOP:
            raise OperationFailed(f"job {job_id} restarts instead of running{why_failed(run, job_id)}")
        if not all_running(job) or job.checkpoints is None:
            return None
        return job if job.checkpoints.restored or nothing_restored.is_known((job.id, job.started_ms)) else None

    job = run.until("waiting until all tasks run", ask, within_seconds=_RUNNING_WITHIN_SECONDS * run.stretch)
    restored = job.checkpoints.restored if job.checkpoints else None
    path = restored.external_path if restored else None
    if not same_place(path, savepoint):
        raise OperationFailed(f"it was restored from {path or 'nothing'}, not from {savepoint}")
    if (other := _another(run, job_id)) is not None:  # started by hand in the very moment of the submission
        raise OperationFailed(f"a job named {run.plan.target.job_name} runs beside it: {other}; two would write twice")
    stopped_ms, running_ms = run.findings.stopped_ms, job.running_since_ms
    # Both are the JobManager's: a clock that was set back between them makes the difference mean nothing.
    if stopped_ms is None or running_ms is None or running_ms < stopped_ms:
        return RestoreVerified(path or "")
    return RestoreVerified(path or "", (running_ms - stopped_ms) / 1000)


def cancel(run: StepRun, given: CancelJob) -> JobCancelled:
    """The new job is gone: cancelled if it lives, left alone if it never did."""
    job_id = given.job_id
    asked = False

    def ask() -> str | None:
        nonlocal asked
        job = run.control.job(job_id)
        if job is None or job.ended_ms is not None:
            return "never started" if job is None else job.state
        if not asked:
            run.control.cancel(job_id)
            asked = True
        return None

    state = run.until("waiting until the new job has ended", ask, within_seconds=_ENDED_WITHIN_SECONDS)
    return JobCancelled(state)


def _is_known(run: StepRun, job_id: str) -> bool:
    what = "asking whether it is submitted"
    return run.until(what, lambda: (run.control.job(job_id),), within_seconds=_KNOWN_WITHIN_SECONDS)[0] is not None


def _await_known(run: StepRun, job_id: str, problem: Unreachable) -> None:
    """No answer to the submission: it may have happened nevertheless. A rollback now could start two jobs."""
    what = f"waiting whether the job was submitted ({problem.what})"
    try:
        run.until(what, lambda: run.control.job(job_id), within_seconds=_KNOWN_WITHIN_SECONDS)
    except NotInTime as unknown:
        raise TimedOut(unknown.what, next_step="nothing is rolled back while that is not known") from None


def _refuse_beside_another(run: StepRun, job_id: str) -> None:
    """Somebody may have started the job by hand since this action was interrupted: two would write twice."""
    if (other := _another(run, job_id)) is not None:
        name = run.plan.target.job_name
        raise OperationFailed(f"a job named {name} runs already: {other}; a second one is not started")


def _another(run: StepRun, job_id: str) -> str | None:
    """The id of a job of the same name that lives."""
    name = run.plan.target.job_name
    jobs = run.until("polling the other jobs", run.control.jobs)
    return next((job.id for job in jobs if job.name == name and job.ended_ms is None and job.id != job_id), None)


def _old_job_lives(run: StepRun) -> bool:
    """A rollback when the stop did not stop: the old job still runs, with its state."""
    if run.findings.stopped_ms is not None or run.plan.verb == "resume":
        return False
    job = run.until("polling the old job", lambda: (run.control.job(run.job_id),))[0]
    return job is not None and job.ended_ms is None


STEPS: tuple[StepKind[Any, Any], ...] = (
    *REHEARSAL_STEPS,
    StepKind(PrepareLaunch, LaunchPrepared, prepare),
    StepKind(StopWithSavepoint, StopBegun, stop),
    StepKind(AwaitEnd, JobEnded, await_end, needs=(NamesSavepoint,)),
    StepKind(SubmitJob, JobSubmitted, submit),
    StepKind(VerifyRestored, RestoreVerified, verify_restored, needs=(NamesNewJob,)),
    StepKind(CancelJob, JobCancelled, cancel),
)
