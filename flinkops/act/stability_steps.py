"""Steps that change parallelism in place, and those that look whether a job is well after a change."""

import time

import msgspec

from flinkops.act.running import StepAction, StepRun
from flinkops.errors import OperationFailed, Unreachable
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import JobFacts
from flinkops.model.states import ENDED, ExecutionState, JobState

_RESCALED_WITHIN_SECONDS = 120.0
_CHECKPOINT_GRACE_SECONDS = 60.0


def require(run: StepRun) -> dict[str, str]:
    """Set the bounds of every vertex; the same bounds twice change nothing."""
    bounds = msgspec.json.decode(run.arguments["bounds"], type=dict[str, tuple[int, int]])
    wanted = [ResourceRequirement(vertex=vertex, lower=low, upper=high) for vertex, (low, high) in bounds.items()]

    def ask() -> bool:
        run.control.require(run.job_id, wanted)
        return True

    run.until("requiring the parallelism", ask)
    return {}


def verify_parallelism(run: StepRun) -> dict[str, str]:
    """Every vertex runs as wanted, as REST tells it."""
    wanted = msgspec.json.decode(run.arguments["parallelism"], type=dict[str, int])
    last: dict[str, int] = {}

    def ask() -> JobFacts | None:
        job = alive(run, run.job_id)
        last.update({vertex.id: vertex.parallelism for vertex in job.vertices})
        return job if all_running(job) and all(last.get(key) == value for key, value in wanted.items()) else None

    try:
        job = run.until("waiting for the new parallelism", ask, within_seconds=_RESCALED_WITHIN_SECONDS)
    except OperationFailed as problem:
        seen = sorted(set(last.values()))
        raise OperationFailed(f"{problem.what}; parallelism seen: {seen or 'none'}") from None
    return {"parallelism": ", ".join(f"{vertex.name} {vertex.parallelism}" for vertex in job.vertices)}


def verify_stable(run: StepRun) -> dict[str, str]:
    """So many checkpoints complete from now on, and the job does not restart meanwhile.

    With ``watch_seconds`` it has to go on so long at least: a crash loop may begin only after a while.
    """
    watched_until = time.monotonic() + float(run.arguments.get("watch_seconds", "0"))
    wanted = int(run.arguments.get("checkpoints", "1"))
    job_id = run.seen.get("new_job_id", run.job_id)
    first = run.until("looking at the job", lambda: _measured(run, job_id))
    restarts, completed = _numbers(first)

    def ask() -> JobFacts | None:
        job = alive(run, job_id)
        if job.checkpoints is None:
            return None
        now_restarts, now_completed = _numbers(job)
        if now_restarts > restarts:
            raise OperationFailed(
                f"the job restarted {now_restarts - restarts} times after the change{why_failed(run, job_id)}"
            )
        if job.state != JobState.RUNNING:
            return None
        enough = now_completed - completed >= wanted and time.monotonic() >= watched_until
        return job if enough else None

    seconds = max(_checkpoint_patience_seconds(first, wanted), watched_until - time.monotonic() + 30.0)
    job = run.until(f"waiting for {wanted} checkpoints", ask, within_seconds=seconds)
    now_restarts, now_completed = _numbers(job)
    return {"checkpoints_after": str(now_completed - completed), "restarts_after": str(now_restarts - restarts)}


def alive(run: StepRun, job_id: str) -> JobFacts:
    """The job now. Raises OperationFailed when it has ended or is gone, Unreachable when nobody knows."""
    job = run.control.job(job_id)
    if job is None:
        raise OperationFailed(f"job {job_id} is gone from {run.control.name}")
    if job.state in ENDED:
        raise OperationFailed(f"job {job_id} is {job.state}{why_failed(run, job_id)}")
    return job


def why_failed(run: StepRun, job_id: str) -> str:
    """The cause that Flink gives, as the end of a sentence. A job that failed before it ran has none over REST."""
    try:
        failure = run.control.failure(job_id)
    except Unreachable:
        return ""
    return f": {failure}" if failure else " (Flink gives no cause here; its JobManager's log has it)"


def all_running(job: JobFacts) -> bool:
    """The job and each of its tasks run."""
    return job.state == JobState.RUNNING and all(
        vertex.status in (ExecutionState.RUNNING, ExecutionState.FINISHED) for vertex in job.vertices
    )


def _measured(run: StepRun, job_id: str) -> JobFacts | None:
    job = alive(run, job_id)
    ready = job.restarts is not None and job.checkpoints is not None and all_running(job)
    return job if ready else None


def _numbers(job: JobFacts) -> tuple[int, int]:
    completed = job.checkpoints.completed if job.checkpoints else None
    return job.restarts or 0, completed or 0


def _checkpoint_patience_seconds(job: JobFacts, wanted: int) -> float:
    """Several intervals and durations for each checkpoint: a job that is slower than it was is not stable."""
    facts = job.checkpoints
    interval = facts.interval_seconds if facts and facts.interval_seconds else 0.0
    duration = facts.duration_p99_seconds if facts and facts.duration_p99_seconds else 0.0
    return _CHECKPOINT_GRACE_SECONDS + (wanted + 1) * (interval + 3 * duration)


STABILITY_ACTIONS: dict[str, StepAction] = {
    "require-parallelism": require,
    "verify-parallelism": verify_parallelism,
    "verify-stable": verify_stable,
}
