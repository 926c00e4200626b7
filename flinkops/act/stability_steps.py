"""Steps that change parallelism in place, and those that verify that a job is well after a change."""

from collections.abc import Mapping, Sequence
from typing import Any

from flinkops.act.outcomes import ParallelismRequired, ParallelismSeen, StabilitySeen
from flinkops.act.rest_cache import Absence
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import OperationFailed, TimedOut, Unreachable
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.states import ENDED, ExecutionState, JobState
from flinkops.plan.step_inputs import RequireOverrides, RequireParallelism, VerifyParallelism, VerifyStable

_RESCALED_WITHIN_SECONDS = 120.0
_CHECKPOINT_GRACE_SECONDS = 60.0
_IN_HISTORY = 8  # of the ten that Flink keeps, savepoints among them


def require(run: StepRun, given: RequireParallelism) -> ParallelismRequired:
    """Set the bounds of every vertex; the same bounds twice change nothing."""
    wanted = [ResourceRequirement(vertex=vertex, lower=low, upper=high) for vertex, (low, high) in given.bounds.items()]

    def ask() -> bool:
        run.control.require(run.job_id, wanted)
        return True

    run.until("requiring the parallelism", ask)
    return ParallelismRequired()


def verify_parallelism(run: StepRun, given: VerifyParallelism) -> ParallelismSeen:
    """Every vertex runs as wanted, as REST tells it."""
    return _await_parallelism(run, run.job_id, given.parallelism)


def _await_parallelism(run: StepRun, job_id: str, wanted: Mapping[str, int]) -> ParallelismSeen:
    last: dict[str, int] = {}

    def ask() -> JobFacts | None:
        job = alive(run, job_id)
        last.update({vertex.id: vertex.parallelism for vertex in job.vertices})
        return job if all_running(job) and all(last.get(key) == value for key, value in wanted.items()) else None

    try:
        job = run.until("waiting for the new parallelism", ask, within_seconds=_RESCALED_WITHIN_SECONDS)
    except OperationFailed as problem:
        seen = sorted(set(last.values()))
        raise OperationFailed(f"{problem.what}; parallelism seen: {seen or 'none'}") from None
    return ParallelismSeen(", ".join(f"{vertex.name} {vertex.parallelism}" for vertex in job.vertices))


def verify_stable(run: StepRun, given: VerifyStable) -> StabilitySeen:
    """So many checkpoints complete from now on, and the job does not restart meanwhile.

    With ``watch_seconds`` it has to run so long at least: a crash loop may begin only after a while. The counter of
    restarts does not decide: it is up to 10 s old, and Flink before 2.0 counts each rescale in it.
    """
    watched_until = run.clock.monotonic() + given.watch_seconds
    wanted, job_id = given.checkpoints, run.running_job_id
    first = run.until("polling the job", lambda: _measured(run, job_id))
    watch = _RestartWatch(run, first)

    def ask() -> JobFacts | None:
        job = alive(run, job_id)
        if job.checkpoints is None or watch.is_unsettled(job) or job.state != JobState.RUNNING:
            return None
        enough = _completed_since(first, job, wanted) >= wanted and run.clock.monotonic() >= watched_until
        return job if enough else None

    seconds = max(_checkpoint_patience_seconds(first, wanted), watched_until - run.clock.monotonic() + 30.0)
    job = run.until(f"waiting for {wanted} checkpoints", ask, within_seconds=seconds)
    return StabilitySeen(_completed_since(first, job, wanted), 0)


def require_overrides(run: StepRun, given: RequireOverrides) -> ParallelismSeen:
    """The upper bounds move to the overrides, of those vertices that the job has; nothing is done where they hold.

    Raises TimedOut when Flink does not take them: the job runs, and a rollback would not have them either.
    """
    job_id = run.running_job_id

    def ask() -> dict[str, int]:
        bounds = run.control.requirements(job_id)
        wanted = [_upper(one, given.parallelism.get(one.vertex, one.upper)) for one in bounds]
        if tuple(wanted) != tuple(bounds):
            run.control.require(job_id, wanted)
        return {one.vertex: one.upper for one in wanted if one.vertex in given.parallelism}

    try:
        ordered = run.until("requiring the parallelism overrides", ask, within_seconds=_RESCALED_WITHIN_SECONDS)
    except OperationFailed as problem:
        raise TimedOut(f"the job runs without its parallelism overrides: {problem.what}") from None
    return _await_parallelism(run, job_id, ordered)


def _upper(before: ResourceRequirement, upper: int) -> ResourceRequirement:
    return ResourceRequirement(vertex=before.vertex, lower=min(before.lower, upper), upper=upper)


class _RestartWatch:
    """Tells restarts from rescales, by what Flink says of one start of the job that was seen after the change."""

    def __init__(self, run: StepRun, first: JobFacts) -> None:
        self._run, self._first = run, first
        self._since_ms = first.running_since_ms
        self._no_failure = Absence(run.clock)

    def is_unsettled(self, job: JobFacts) -> bool:
        """Whether it cannot be told yet. Raises OperationFailed when the job has restarted since."""
        first = self._first
        if None not in (job.started_ms, first.started_ms) and job.started_ms != first.started_ms:
            raise OperationFailed("the job was started again after the change: its JobManager was lost")
        now, before = job.running_since_ms, self._since_ms
        if before is None:
            self._refuse_by_counter(job)
            return False
        if now is None or now <= before:
            return False
        failures = [one for one in self._run.control.failures(job.id) if one.at_ms >= before]
        if failures:
            raise OperationFailed(f"the job restarted after the change{_cause(failures)}")
        if not self._no_failure.is_known(now):
            return True
        self._since_ms = now  # without a failure: somebody has rescaled it
        return False

    def _refuse_by_counter(self, job: JobFacts) -> None:
        """A Flink that does not say since when the job runs."""
        restarts = (job.restarts or 0) - (self._first.restarts or 0)
        if restarts > 0:
            raise OperationFailed(f"the job restarted {restarts} times after the change{why_failed(self._run, job.id)}")


def alive(run: StepRun, job_id: str) -> JobFacts:
    """The job now. Raises OperationFailed when it has ended or is gone, Unreachable when its state is unknown."""
    job = run.control.job(job_id)
    if job is None:
        raise OperationFailed(f"job {job_id} is gone from {run.control.name}")
    if job.state in ENDED:
        raise OperationFailed(f"job {job_id} is {job.state}{why_failed(run, job_id)}")
    return job


def why_failed(run: StepRun, job_id: str) -> str:
    """The cause that Flink gives, as the end of a sentence. A job that failed before it ran has none over REST."""
    try:
        failures = run.control.failures(job_id)
    except Unreachable:
        return ""
    return _cause(failures) or " (Flink gives no cause here; its JobManager's log has it)"


def _cause(failures: Sequence[ExceptionFacts]) -> str:
    """The innermost cause of the newest one, as the end of a sentence."""
    message = failures[0].message if failures else ""
    return f": {message.splitlines()[-1]}" if message else ""


def all_running(job: JobFacts) -> bool:
    """The job and each of its tasks run."""
    return job.state == JobState.RUNNING and all(
        vertex.status in (ExecutionState.RUNNING, ExecutionState.FINISHED) for vertex in job.vertices
    )


def _measured(run: StepRun, job_id: str) -> JobFacts | None:
    job = alive(run, job_id)
    counted = job.restarts is not None or job.running_since_ms is not None
    ready = counted and job.checkpoints is not None and all_running(job)
    return job if ready else None


def _completed_since(first: JobFacts, job: JobFacts, wanted: int) -> int:
    """How many checkpoints the job has completed that were triggered since it runs as it was seen `first`.

    A counter may have been some seconds old then; it counts where Flink's history, of ten, does not reach.
    """
    since_ms, points = first.running_since_ms, job.checkpoints
    if points is None:
        return 0
    if since_ms is None or wanted > _IN_HISTORY:
        return (points.completed or 0) - ((first.checkpoints.completed if first.checkpoints else None) or 0)
    done = (one for one in points.history if one.status == "COMPLETED" and not one.is_savepoint)
    return sum(1 for one in done if (one.triggered_ms or 0) >= since_ms)


def _checkpoint_patience_seconds(job: JobFacts, wanted: int) -> float:
    """Several intervals and durations for each checkpoint: a job that is slower than it was is not stable."""
    facts = job.checkpoints
    interval = facts.interval_seconds if facts and facts.interval_seconds else 0.0
    duration = facts.duration_p99_seconds if facts and facts.duration_p99_seconds else 0.0
    return _CHECKPOINT_GRACE_SECONDS + (wanted + 1) * (interval + 3 * duration)


STABILITY_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(RequireParallelism, ParallelismRequired, require),
    StepKind(VerifyParallelism, ParallelismSeen, verify_parallelism),
    StepKind(RequireOverrides, ParallelismSeen, require_overrides),
    StepKind(VerifyStable, StabilitySeen, verify_stable),
)
