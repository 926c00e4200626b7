"""What the steps of plain REST clusters find, one struct an action."""

from typing import ClassVar

from flinkops.model.assessment import Value
from flinkops.model.rehearsal import Verdict
from flinkops.model.steps import (
    BeginsSavepoint,
    NamesNewJob,
    NamesSavepoint,
    SaysRunning,
    SaysStopped,
    SaysStopping,
    StepOutcome,
)


class LaunchPrepared(StepOutcome, Value, frozen=True, tag_field="found", tag="launch-prepared"):
    """``uploaded_jar`` is the id that a jar of this machine was given."""

    uploaded_jar: str | None = None


class Rehearsed(StepOutcome, Value, frozen=True, tag_field="found", tag="rehearsed"):
    """What the rehearsal came to, and the state that was restored; flinkops.model.rehearsal."""

    rehearsal: Verdict
    rehearsal_cause: str | None = None
    rehearsed_against: str | None = None
    rehearsal_restore_seconds: float | None = None
    rehearsal_risks: str | None = None


class LaunchCompiled(StepOutcome, Value, frozen=True, tag_field="found", tag="launch-compiled"):
    """``compiled``: where its job graph was built and whether it waits there for the savepoint, for people."""

    compiled: str


class StopBegun(SaysStopping, BeginsSavepoint, Value, frozen=True, tag_field="found", tag="stop-begun"):
    """Flink has accepted it."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"after_checkpoint"})

    old_job_id: str
    after_checkpoint: int | None = None


class JobEnded(SaysStopped, Value, frozen=True, tag_field="found", tag="job-ended"):
    """By Flink's clock; where its end was not observed, when it was last seen to run, by ours, and why."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"stopped_ms"})

    stopped_ms: int | None
    end: str | None = None


class JobSubmitted(NamesNewJob, NamesSavepoint, Value, frozen=True, tag_field="found", tag="job-submitted"):
    """Flink knows the job; without a savepoint where the old one was found running."""

    new_job_id: str
    savepoint: str | None = None


class RestoreVerified(SaysRunning, Value, frozen=True, tag_field="found", tag="restore-verified"):
    """Restored from that path; ``downtime_seconds`` from the old job's end until all tasks ran."""

    restored_from: str
    downtime_seconds: float | None = None


class JobCancelled(StepOutcome, Value, frozen=True, tag_field="found", tag="job-cancelled"):
    """The state in which it has ended, for people."""

    new_job: str
