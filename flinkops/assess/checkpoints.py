"""Signal 5, checkpoints: the last one, its age, failures in a row with their cause."""

from collections.abc import Sequence
from typing import Literal

from flinkops.assess.signal import Signal, reason
from flinkops.config.policy import JobClass
from flinkops.model.assessment import Checkpoints
from flinkops.model.facts import BATCH, CheckpointFacts, CheckpointsFacts, JobFacts
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount, whole

PATH = "checkpoints"
AGE_INTERVALS = 3
AGE_GRACE_SECONDS = 30.0
_OF_PERIODIC = ("duration_seconds", "age_seconds", "size_bytes", "interval_seconds", "failed_in_a_row", "failure")


def checkpoints(job: JobFacts, past: Sequence[JobSample]) -> Signal[Checkpoints | None]:
    """The status is that of the newest finished checkpoint: with one always under way, that would say nothing."""
    facts = job.checkpoints
    if job.job_type == BATCH:
        return Signal(None, not_applicable={PATH: "a batch job takes no checkpoints"})
    if facts is None:
        return Signal(None, {PATH: reason(job, PATH, "Flink gave no answer about checkpoints")})
    done = newest_completed(facts)
    failed_in_a_row = count_failed_in_a_row(job, past)
    failure = _failure(facts) if failed_in_a_row else None
    found = Checkpoints(
        status=_status(facts),
        duration_seconds=amount(done.duration_seconds) if done else None,
        age_seconds=_age(job, done),
        size_bytes=whole(done.state_size_bytes) if done else None,
        interval_seconds=amount(facts.interval_seconds),
        failed_in_a_row=failed_in_a_row,
        completed=whole(facts.completed),
        failed=whole(facts.failed),
        failure=failure,
    )
    reasons, absent = _reasons(job, found, done), _absent(found)
    told = {path: why for path, why in reasons.items() if path not in absent}
    return Signal(found, told, {path: why for path, why in reasons.items() if path in absent})


def newest_completed(facts: CheckpointsFacts) -> CheckpointFacts | None:
    """The last completed checkpoint, a savepoint only when there is nothing else."""
    if facts.latest_completed:
        return facts.latest_completed
    return next((each for each in facts.history if each.status == "COMPLETED" and not each.is_savepoint), None)


def count_failed_in_a_row(job: JobFacts, past: Sequence[JobSample]) -> int | None:
    """Failures since the last completed checkpoint; at least so many when Flink's short history holds nothing else."""
    facts = job.checkpoints
    if facts is None or not facts.enabled:
        return None
    count = 0
    for checkpoint in facts.history:
        if checkpoint.is_savepoint or checkpoint.status == "IN_PROGRESS":
            continue
        if checkpoint.status == "COMPLETED":
            return count
        count += 1
    if not facts.completed:
        count = max(count, whole(facts.failed) or 0)
    elif past and past[-1].job_id == job.id and count:
        count = max(count, whole(past[-1].checkpoints_failed_in_a_row) or 0)
    return count


def age_limit_seconds(job: JobFacts, job_class: JobClass) -> float | None:
    """How old the last checkpoint may be: the class's limit, else three of the job's own intervals or durations."""
    facts = job.checkpoints
    if not job_class.checkpoint_age_asked:
        return None
    if job_class.checkpoint_age_seconds is not None:
        return job_class.checkpoint_age_seconds
    interval = amount(facts.interval_seconds) if facts and facts.enabled else None
    if interval is None:
        return None
    done = facts.latest_completed if facts else None
    longest = max(interval, (amount(done.duration_seconds) if done else None) or 0.0)
    pause = (amount(facts.min_pause_seconds) if facts else None) or 0.0
    return amount(AGE_INTERVALS * max(longest, pause) + AGE_GRACE_SECONDS)


def _status(facts: CheckpointsFacts) -> Literal["COMPLETED", "IN_PROGRESS", "FAILED", "NONE", "DISABLED"]:
    if not facts.enabled:
        return "DISABLED"
    finished = next((each for each in facts.history if each.status != "IN_PROGRESS" and not each.is_savepoint), None)
    if finished:
        return finished.status
    if facts.latest_completed:
        return "COMPLETED"
    return "IN_PROGRESS" if facts.in_progress else "NONE"


def _age(job: JobFacts, done: CheckpointFacts | None) -> float | None:
    at_ms = completed_ms(done)
    return None if at_ms is None else max(0.0, (job.seen_ms - at_ms) / 1000)


def completed_ms(done: CheckpointFacts | None) -> int | None:
    """When the last subtask had acknowledged it."""
    if done is None:
        return None
    if done.acknowledged_ms is not None:
        return done.acknowledged_ms
    seconds = amount(done.duration_seconds)
    duration_ms = None if seconds is None else whole(seconds * 1000)
    return None if done.triggered_ms is None or duration_ms is None else done.triggered_ms + duration_ms


def _failure(facts: CheckpointsFacts) -> str | None:
    failed = next((each for each in facts.history if each.status == "FAILED" and not each.is_savepoint), None)
    return (failed.failure if failed else None) or (facts.latest_failed.failure if facts.latest_failed else None)


def _absent(found: Checkpoints) -> frozenset[str]:
    """What there cannot be: anything of checkpoints that are disabled, the failure where none has failed."""
    fields = _OF_PERIODIC if found.status == "DISABLED" else () if found.failed_in_a_row != 0 else ("failure",)
    return frozenset(f"{PATH}.{field}" for field in fields)


def _reasons(job: JobFacts, found: Checkpoints, done: CheckpointFacts | None) -> dict[str, str]:
    if found.status == "DISABLED":
        why_missing = "checkpointing is disabled"
    elif done is None:
        why_missing = "no checkpoint has completed since the job's JobManager started"
    else:
        why_missing = "Flink does not say it of the last checkpoint"
    reasons = {
        "duration_seconds": why_missing,
        "age_seconds": why_missing,
        "size_bytes": why_missing,
        "interval_seconds": reason(job, "checkpoints.interval_seconds", "no periodic checkpoints are configured"),
        "failed_in_a_row": why_missing,
        "completed": "Flink does not count them",
        "failed": "Flink does not count them",
        "failure": "Flink names no cause" if found.failed_in_a_row else "none has failed since the last completed one",
    }
    return {f"{PATH}.{field}": why for field, why in reasons.items() if getattr(found, field) is None}
