"""What the steps on custom resources find, one struct an action, and what they note on the way."""

from typing import Any, ClassVar, Literal

from flinkops.model.assessment import Value
from flinkops.model.steps import NamesNewJob, NamesSavepoint, SaysSize, SaysStopped, SetsSavepointAside, StepOutcome
from flinkops.plan.operator.downtime_trace import DowntimePhase

RollbackTaken = Literal["redeploy", "recreate", "savepoint", "last-state", "not-stopped"]
"""How the old spec comes back; ``not-stopped``: the old job runs as it did."""


class DryRunPassed(StepOutcome, Value, frozen=True, tag_field="found", tag="dry-run-passed"):
    """The API server takes the patch."""


class ResourcePatched(StepOutcome, Value, frozen=True, tag_field="found", tag="resource-patched"):
    """The generation of the changed spec."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"generation"})

    generation: str
    old_job_id: str


class ChangeTakenUp(StepOutcome, Value, frozen=True, tag_field="found", tag="change-taken-up"):
    """The job's state, for people."""

    job: str


class JobSuspended(StepOutcome, Value, frozen=True, tag_field="found", tag="job-suspended"):
    """``note`` is for people."""

    note: str | None = None


class EditVerified(StepOutcome, Value, frozen=True, tag_field="found", tag="edit-verified"):
    """``generation`` is the resource's, read back; the change has an effect once the job is resumed."""

    generation: str


class BackupKept(SetsSavepointAside, Value, frozen=True, tag_field="found", tag="backup-kept"):
    """A savepoint of ours: never the one to start from."""

    backup_savepoint: str


class UpgradeSavepointTaken(
    NamesSavepoint, SaysStopped, Value, frozen=True, tag_field="found", tag="upgrade-savepoint-taken"
):
    """The operator's; ``stopped_ms`` is when the old job was last seen running."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"stopped_ms"})

    savepoint: str
    stopped_ms: int | None


class OldJobSeen(SaysStopped, Value, frozen=True, tag_field="found", tag="old-job-seen"):
    """When the old job was last seen running, of a stop that takes no savepoint."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"stopped_ms"})

    stopped_ms: int | None


class JobGone(StepOutcome, Value, frozen=True, tag_field="found", tag="job-gone"):
    """Nothing will bring the old job back by itself, and why."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"job_gone"})

    job_gone: str


class NewJobVerified(NamesNewJob, Value, frozen=True, tag_field="found", tag="new-job-verified"):
    """``downtime_seconds`` from when the old job was last seen running until this."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"new_started_ms"})

    new_job_id: str
    restored_from: str
    new_started_ms: int | None = None
    downtime_seconds: float | None = None


class ImagePulled(StepOutcome, Value, frozen=True, tag_field="found", tag="image-pulled"):
    """On which nodes the image is now, or why that is not known."""

    prepulled: str


class CheckpointTaken(StepOutcome, Value, frozen=True, tag_field="found", tag="checkpoint-taken"):
    """The one right before the stop, or why there is none."""

    checkpoint_before_stop: str


class DowntimeTraced(StepOutcome, Value, frozen=True, tag_field="found", tag="downtime-traced"):
    """Where the seconds of the downtime went, in words and in phases."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"downtime_phases"})

    downtime_trace: str
    downtime_phases: tuple[DowntimePhase, ...] = ()


class RollbackBegun(NamesSavepoint, SaysSize, Value, frozen=True, tag_field="found", tag="rollback-begun"):
    """How the old spec comes back, and from which state; ``bad_job_id`` is the job that is given up.

    ``edits`` is a merge patch of the spec: what others changed meanwhile, and is kept; ``kept_edits`` names its fields.
    """

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"bad_job_id", "bad_started_ms", "edits"})

    rollback_way: RollbackTaken
    savepoint: str | None = None
    files: str | None = None
    state_bytes: int | None = None
    bad_job_id: str | None = None
    bad_started_ms: int = 0
    edits: dict[str, Any] | None = None
    kept_edits: str | None = None


class ResourceRemoved(StepOutcome, Value, frozen=True, tag_field="found", tag="resource-removed"):
    """Nothing of it is left, or it was not to be removed."""


class ResourceCreated(NamesSavepoint, Value, frozen=True, tag_field="found", tag="resource-created"):
    """To start from that savepoint; None: it was not to be created."""

    savepoint: str | None = None
