"""What the shared steps find, one struct an action."""

from typing import ClassVar

from flinkops.model.assessment import Value
from flinkops.model.steps import BeginsSavepoint, NamesSavepoint, SaysSize, SaysStopped, StepOutcome


class SavepointTriggered(BeginsSavepoint, Value, frozen=True, tag_field="found", tag="savepoint-triggered"):
    """Flink has accepted the trigger."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"trigger_id", "after_checkpoint"})

    trigger_id: str
    after_checkpoint: int | None = None


class SavepointCompleted(NamesSavepoint, Value, frozen=True, tag_field="found", tag="savepoint-completed"):
    """Its path is Flink's own answer."""

    savepoint: str


class SavepointVerified(SaysSize, Value, frozen=True, tag_field="found", tag="savepoint-verified"):
    """Listed by the job; ``files`` says what was seen of them."""

    files: str
    checkpoint_id: int
    state_bytes: int | None = None


class SavepointDisposed(StepOutcome, Value, frozen=True, tag_field="found", tag="savepoint-disposed"):
    """Flink says so; ``files`` says what was seen of them."""

    disposed: str
    files: str


class SavepointCopied(StepOutcome, Value, frozen=True, tag_field="found", tag="savepoint-copied"):
    """Where it is by now; ``files`` says what was seen of them. ``copied_files``: the others were there already."""

    copied_to: str
    copied_files: int
    copied_bytes: int
    files: str


class OrphansDeleted(StepOutcome, Value, frozen=True, tag_field="found", tag="orphans-deleted"):
    """Files that were removed now, and seen to be gone; those that somebody had removed already do not count."""

    deleted_files: int
    deleted_bytes: int
    changed_files: int = 0  # written since they were listed: they stay


class FilesChecked(NamesSavepoint, SaysSize, Value, frozen=True, tag_field="found", tag="files-checked"):
    """The savepoint to start from; ``files`` says what was seen of them."""

    savepoint: str
    files: str
    state_bytes: int | None = None


class ParallelismRequired(StepOutcome, Value, frozen=True, tag_field="found", tag="parallelism-required"):
    """The bounds are set."""


class ParallelismSeen(StepOutcome, Value, frozen=True, tag_field="found", tag="parallelism-seen"):
    """Each vertex with its parallelism, for people."""

    parallelism: str


class StabilitySeen(StepOutcome, Value, frozen=True, tag_field="found", tag="stability-seen"):
    """Checkpoints and restarts since the step began."""

    checkpoints_after: int
    restarts_after: int


class LoadMeasured(StepOutcome, Value, frozen=True, tag_field="found", tag="load-measured"):
    """Before the change: records that wait in the sources' systems, and records taken in; None: not measurable."""

    pending_before: int | None = None
    records_before: int | None = None


class CheckpointNoted(StepOutcome, Value, frozen=True, tag_field="found", tag="checkpoint-noted"):
    """The newest checkpoint of the job of before: what a job that carries on must not fall behind."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"checkpoint_before", "checkpoint_path", "vertex_ids"})

    checkpoint_before: int
    checkpoint_path: str | None = None
    vertex_ids: str | None = None  # of that job, with commas between them


class StateLost(SaysStopped, Value, frozen=True, tag_field="found", tag="state-lost"):
    """The job that runs misses state, and why; when it was restarted with empty or older state."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"state_lost", "restarted_empty_ms", "stopped_ms"})

    state_lost: str
    restarted_empty_ms: int | None = None
    stopped_ms: int | None = None


class EffectSeen(StepOutcome, Value, frozen=True, tag_field="found", tag="effect-seen"):
    """What was read back of the running job, for people; ``not_compared``: of what is not reported, and why.

    Settings are named without their values.
    """

    image: str | None = None
    flink_version: str | None = None
    job_parallelism: str | None = None
    vertices: str | None = None
    settings: str | None = None
    program: str | None = None
    not_compared: str | None = None


class FlowSeen(StepOutcome, Value, frozen=True, tag_field="found", tag="flow-seen"):
    """For people."""

    flow: str
    lag: str


class ThroughputSeen(StepOutcome, Value, frozen=True, tag_field="found", tag="throughput-seen"):
    """For people."""

    throughput: str
