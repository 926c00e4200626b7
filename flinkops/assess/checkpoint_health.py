"""What is wrong with the checkpoints, beyond the numbers that have a limit."""

from flinkops.assess.catch_up import started_lately
from flinkops.assess.checkpoints import newest_completed
from flinkops.assess.signal import reason
from flinkops.config.policy import JobClass
from flinkops.model.assessment import Checkpoints, Level, Reason, brief
from flinkops.model.facts import BATCH, JobFacts
from flinkops.model.numbers import amount
from flinkops.model.reasons import ReasonCode
from flinkops.model.root_cause import RootCause, root_in


def checkpoint_reasons(job: JobFacts, found: Checkpoints | None, job_class: JobClass) -> list[Reason]:
    """Disabled, failing, or not to be judged. A class with ``checkpoint_age = "off"`` asks for none of it.

    Nor does a batch job: it has none, and is run again from its blocking results.
    """
    if not job_class.checkpoint_age_asked or job.job_type == BATCH:
        return []
    if found is None:
        why = reason(job, "checkpoints", "Flink gave no answer about checkpoints")
        return [Reason(code=ReasonCode.CHECKPOINTS_UNKNOWN, text=f"checkpoints unknown: {why}", level="unknown")]
    if found.status == "DISABLED":
        text = "checkpointing is disabled: a failure loses the state"
        return [Reason(code=ReasonCode.CHECKPOINTS_DISABLED, text=text)]
    return [*_failing(job, found, job_class), *_unknown_interval(job, found, job_class)]


def age_seconds(job: JobFacts, found: Checkpoints | None) -> float | None:
    """Since the last completed checkpoint; before the first one, since the job runs."""
    if found is None:
        return None
    if found.age_seconds is not None or job.running_since_ms is None:
        return found.age_seconds
    if job.checkpoints is not None and newest_completed(job.checkpoints) is not None:
        return None
    return amount((job.seen_ms - job.running_since_ms) / 1000)


def _failing(job: JobFacts, found: Checkpoints, job_class: JobClass) -> list[Reason]:
    count = found.failed_in_a_row
    if not count:
        return []
    level: Level = "critical" if count >= job_class.checkpoint_failures else "warning"
    done = newest_completed(job.checkpoints) if job.checkpoints else None
    times = "the last checkpoint failed" if count == 1 else f"the last {count} checkpoints failed"
    cause = root_in(found.failure) if found.failure else RootCause("", "Flink names no cause")
    text, cell = f"{times}: {cause.text}", brief(cause.short, f", {count} checkpoints in a row" if count > 1 else "")
    if _only_declined(job):
        level, text, cell = "warning", f"{count} checkpoints could not begin yet: tasks were still starting", ""
    return [
        Reason(
            code=ReasonCode.CHECKPOINT_FAILING,
            text=text,
            value=count,
            limit=job_class.checkpoint_failures,
            level=level,
            since_ms=done.acknowledged_ms if done else None,
            brief=cell,
        )
    ]


def _only_declined(job: JobFacts) -> bool:
    """Counted as failed, but Flink has no record of any: what it does with a trigger before all tasks run."""
    facts = job.checkpoints
    if facts is None or started_lately(job) is None or facts.completed:
        return False
    recorded = any(each.status == "FAILED" and not each.is_savepoint for each in facts.history)
    return not recorded and facts.latest_failed is None


def _unknown_interval(job: JobFacts, found: Checkpoints, job_class: JobClass) -> list[Reason]:
    """Without the interval it is unknown whether the last checkpoint is old."""
    if found.interval_seconds is not None or job_class.checkpoint_age_seconds is not None:
        return []
    why = reason(job, "checkpoints.interval_seconds", "Flink does not say the interval")
    return [
        Reason(code=ReasonCode.CHECKPOINT_AGE_UNKNOWN, text=f"age of checkpoints not judged: {why}", level="unknown")
    ]
