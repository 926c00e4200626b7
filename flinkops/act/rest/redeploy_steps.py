"""Steps that stop a job with a savepoint and start it again from there."""

import msgspec

from flinkops.act.kept_state import kept_state, nothing_in_sight, where_to_look
from flinkops.act.rest.launching import launcher_for, prepare_launch, with_uploaded
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepAction, StepRun
from flinkops.act.savepoint_steps import verify_files
from flinkops.act.stability_steps import alive, all_running, why_failed
from flinkops.errors import Denied, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.launch import Launch
from flinkops.model.places import same_place
from flinkops.model.savepoint import recorded_format

_ENDED_WITHIN_SECONDS = 120.0
_KNOWN_WITHIN_SECONDS = 60.0
_RUNNING_WITHIN_SECONDS = 180.0
_RESTARTS_OF_A_LOOP = 3
_STOP = "stop-with-savepoint"


def prepare(run: StepRun) -> dict[str, str]:
    """What is wrong with the new program is found while the old one still runs, as far as it can be."""
    launch = msgspec.json.decode(run.arguments["launch"], type=Launch)

    return run.until("preparing the submission", lambda: prepare_launch(run.control, launch))


def stop(run: StepRun) -> dict[str, str]:
    """Begin to stop the job with a savepoint. The trigger's id is the plan's own: a second time does nothing."""
    arguments = run.arguments

    def ask() -> bool:
        run.control.stop_with_savepoint(
            run.job_id,
            target_directory=arguments["target_directory"],
            savepoint_format=recorded_format(arguments["format"]),
            trigger_id=arguments["trigger_id"],
        )
        return True

    run.until("asking the job to stop", ask)
    return {"old_job_id": run.job_id}


def await_end(run: StepRun) -> dict[str, str]:
    """The old job has ended well. One that goes on after its savepoint was not stopped: nothing was lost.

    A JobManager that answers and does not know it any more has died with it: its savepoint is whole, nothing is lost.
    """
    last_seen_ms, gone = run.clock.now_ms(), Absence()

    def ask() -> tuple[JobFacts | None] | None:
        nonlocal last_seen_ms
        job = run.control.job(run.job_id)
        if job is None:
            return (None,) if gone.is_known(run.job_id) else None
        last_seen_ms = run.clock.now_ms()
        return (job,) if job.ended_ms is not None else None

    (job,) = run.until("waiting for the job's end", ask, within_seconds=_ENDED_WITHIN_SECONDS)
    if job is None:
        return {"stopped_ms": str(last_seen_ms), "end": "its JobManager was lost after the savepoint"}
    if job.state != "FINISHED":
        raise OperationFailed(f"the job is {job.state} after stopping; its savepoint is {run.seen['savepoint']}")
    return {"stopped_ms": str(job.ended_ms)}


def check_files(run: StepRun) -> dict[str, str]:
    """The savepoint to start from has all its files, as far as they can be seen from here."""
    path = run.arguments.get("savepoint") or run.seen["savepoint"]
    return {"savepoint": path, **verify_files(path)}


def submit(run: StepRun) -> dict[str, str]:
    """Submit the job under an id of ours, from the savepoint; when Flink knows that id, it was done before."""
    job_id = run.arguments["job_id"]
    if _old_job_lives(run):
        return {"new_job_id": run.job_id}
    savepoint = run.seen.get("savepoint") or _kept_savepoint(run)
    if not _is_known(run, job_id):
        _refuse_beside_another(run, job_id)
        launch = with_uploaded(msgspec.json.decode(run.arguments["launch"], type=Launch), run.seen)
        run.note(f"submitting from {savepoint}")
        try:
            launcher_for(launch)(run.control, launch, job_id, savepoint)
        except OperationFailed:
            # An earlier try that was killed may have left a client behind that submits it after all.
            if not _is_known(run, job_id):
                raise
        except Denied:
            raise
        except Unreachable as problem:
            _await_known(run, job_id, problem)
    return {"new_job_id": job_id, "savepoint": savepoint}


def _kept_savepoint(run: StepRun) -> str:
    """What the old job can come back from, when nobody knows a savepoint of its stop: its JobManager died with it."""
    directories = [one.arguments.get("target_directory") for one in run.plan.steps if one.action == _STOP]
    directory = next(iter(directories), None)
    old = run.until("looking at the old job", lambda: (run.control.job(run.job_id),))[0]
    if old is not None and old.state == "CANCELED":
        raise OperationFailed("somebody has cancelled the job meanwhile: it is left so")
    if (state := kept_state(run, directory, checkpoints_dropped=old is not None)) is not None:
        return state
    by_hand = "start the job from there by hand (flink run -s PATH)"
    raise OperationFailed(nothing_in_sight(run), next_step=f"{where_to_look(run, directory)}, and {by_hand}")


def verify_restored(run: StepRun) -> dict[str, str]:
    """All its tasks run, and it was restored from just that savepoint."""
    job_id = run.seen["new_job_id"]
    if job_id == run.job_id:  # going back found the old job still running
        return {"restored_from": "nothing: the old job was never stopped"}
    savepoint, nothing_restored = run.seen["savepoint"], Absence()

    def ask() -> JobFacts | None:
        job = alive(run, job_id)
        if (job.restarts or 0) >= _RESTARTS_OF_A_LOOP:
            raise OperationFailed(f"job {job_id} restarts instead of running{why_failed(run, job_id)}")
        if not all_running(job) or job.checkpoints is None:
            return None
        return job if job.checkpoints.restored or nothing_restored.is_known((job.id, job.started_ms)) else None

    job = run.until("waiting until all tasks run", ask, within_seconds=_RUNNING_WITHIN_SECONDS)
    restored = job.checkpoints.restored if job.checkpoints else None
    path = restored.external_path if restored else None
    if not same_place(path, savepoint):
        raise OperationFailed(f"it was restored from {path or 'nothing'}, not from {savepoint}")
    seen = {"restored_from": path or ""}
    stopped_ms = run.seen.get("stopped_ms")
    # Both are the JobManager's: a clock that was set back between them makes the difference mean nothing.
    if stopped_ms is not None and job.running_since_ms is not None and job.running_since_ms >= int(stopped_ms):
        seen["downtime_seconds"] = f"{(job.running_since_ms - int(stopped_ms)) / 1000:.3f}"
    return seen


def cancel(run: StepRun) -> dict[str, str]:
    """The new job is gone: cancelled if it lives, left alone if it never did."""
    job_id = run.arguments["job_id"]
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
    return {"new_job": state}


def _is_known(run: StepRun, job_id: str) -> bool:
    what = "asking whether it is submitted"
    return run.until(what, lambda: (run.control.job(job_id),), within_seconds=_KNOWN_WITHIN_SECONDS)[0] is not None


def _await_known(run: StepRun, job_id: str, problem: Unreachable) -> None:
    """No answer to the submission: it may have happened nevertheless. Going back now could start two jobs."""
    what = f"waiting whether the job was submitted ({problem.what})"
    try:
        run.until(what, lambda: run.control.job(job_id), within_seconds=_KNOWN_WITHIN_SECONDS)
    except NotInTime as unknown:
        raise TimedOut(unknown.what, next_step="nothing is taken back while that is not known") from None


def _refuse_beside_another(run: StepRun, job_id: str) -> None:
    """Somebody may have started the job by hand since this action was interrupted: two would write twice."""
    name = run.plan.target.job_name
    for job in run.until("looking at the other jobs", run.control.jobs):
        if job.name == name and job.ended_ms is None and job.id != job_id:
            raise OperationFailed(f"a job named {name} runs already: {job.id}; a second one is not started")


def _old_job_lives(run: StepRun) -> bool:
    """Going back when the stop did not stop: the old job still runs, with its state."""
    if "stopped_ms" in run.seen or run.plan.verb == "resume":
        return False
    job = run.until("looking at the old job", lambda: (run.control.job(run.job_id),))[0]
    return job is not None and job.ended_ms is None


REDEPLOY_ACTIONS: dict[str, StepAction] = {
    "prepare-launch": prepare,
    _STOP: stop,
    "await-end": await_end,
    "check-files": check_files,
    "submit-job": submit,
    "verify-restored": verify_restored,
    "cancel-job": cancel,
}
