"""What the shared steps and those of plain REST clusters are told, one struct an action."""

from typing import ClassVar

from flinkops.model.assessment import Value
from flinkops.model.effect import Expected
from flinkops.model.launch import Launch
from flinkops.model.savepoint import SavepointFormat
from flinkops.model.steps import Effect, StepInput


class TriggerSavepoint(StepInput, Value, frozen=True, tag_field="action", tag="trigger-savepoint"):
    """Begin a savepoint. ``trigger_id`` is ours, so that a repeated trigger is the same one."""

    target_directory: str
    savepoint_format: SavepointFormat
    trigger_id: str


class AwaitSavepoint(StepInput, Value, frozen=True, tag_field="action", tag="await-savepoint"):
    """Wait for the savepoint of that trigger."""

    trigger_id: str


class VerifySavepoint(StepInput, Value, frozen=True, tag_field="action", tag="verify-savepoint"):
    """The job lists the savepoint that was taken, and its files are all there."""


class DisposeSavepoint(StepInput, Value, frozen=True, tag_field="action", tag="dispose-savepoint"):
    """Let Flink remove a savepoint's files."""

    path: str


class RemoveSnapshot(StepInput, Value, frozen=True, tag_field="action", tag="remove-snapshot"):
    """Delete the FlinkStateSnapshot of a savepoint. ``disposes``: the operator removes the files with it."""

    name: str
    path: str
    disposes: bool


class DeleteOrphans(StepInput, Value, frozen=True, tag_field="action", tag="delete-orphans"):
    """Remove the files of a list that was written beside the plan; ``digest`` is its SHA-256."""

    folder: str
    list_file: str
    digest: str


class CopySavepoint(StepInput, Value, frozen=True, tag_field="action", tag="copy-savepoint"):
    """Copy a savepoint, file by file, its metadata last; ``target`` is the path that it gets."""

    path: str
    target: str


class CheckFiles(StepInput, Value, frozen=True, tag_field="action", tag="check-files"):
    """The savepoint to start from has all its files; None: the one that an earlier step names."""

    savepoint: str | None = None


class RequireParallelism(StepInput, Value, frozen=True, tag_field="action", tag="require-parallelism"):
    """Set the bounds (lower, upper) of every vertex."""

    bounds: dict[str, tuple[int, int]]


class VerifyParallelism(StepInput, Value, frozen=True, tag_field="action", tag="verify-parallelism"):
    """Every vertex runs with this parallelism."""

    parallelism: dict[str, int]


class RequireOverrides(StepInput, Value, frozen=True, tag_field="action", tag="require-overrides"):
    """The job that was just started is brought to the parallelism that its overrides order, and seen to run so.

    For a Flink that ignores them when a job is submitted (model.overrides).
    """

    parallelism: dict[str, int]


class VerifyStable(StepInput, Value, frozen=True, tag_field="action", tag="verify-stable"):
    """So many checkpoints complete without a restart; it runs at least ``watch_seconds``."""

    checkpoints: int = 1
    watch_seconds: float = 0.0


class MeasureLoad(StepInput, Value, frozen=True, tag_field="action", tag="measure-load"):
    """The backlog before the change."""


class VerifyFlow(StepInput, Value, frozen=True, tag_field="action", tag="verify-flow"):
    """Records flow, and the backlog is no greater than before."""


class VerifyEffect(StepInput, Value, frozen=True, tag_field="action", tag="verify-effect"):
    """The job that runs after the change shows what that was to bring about.

    ``application``: the settings of its cluster are its own.
    """

    expected: tuple[Expected, ...]
    application: bool = False


class VerifyThroughput(StepInput, Value, frozen=True, tag_field="action", tag="verify-throughput"):
    """The sources take in as much as was expected, or as arrives."""

    records_per_second: float


class PrepareLaunch(StepInput, Value, frozen=True, tag_field="action", tag="prepare-launch"):
    """All that can be done for a submission before the old job stops."""

    launch: Launch


class RehearseLaunch(StepInput, Value, frozen=True, tag_field="action", tag="rehearse-launch"):
    """Restore the job's newest state, or the one that is named, into the program, with sources and sinks replaced.

    ``old`` is the running program's launch, to compare with. ``accepted`` names operators whose state may be lost.
    With ``sample`` some key groups only.
    """

    launch: Launch
    old: Launch | None = None
    accepted: tuple[str, ...] = ()
    against: str | None = None
    flink_home: str | None = None
    savepoint_directory: str | None = None
    trigger_id: str = ""
    sample: bool = False


class CompileLaunch(StepInput, Value, frozen=True, tag_field="action", tag="compile-launch"):
    """Build the job graph of what is submitted under this id after the stop."""

    job_id: str
    launch: Launch


class StopWithSavepoint(StepInput, Value, frozen=True, tag_field="action", tag="stop-with-savepoint"):
    """Begin to stop the job with a savepoint."""

    BEGUN: ClassVar[Effect | None] = "stopping"

    target_directory: str
    savepoint_format: SavepointFormat
    trigger_id: str


class AwaitEnd(StepInput, Value, frozen=True, tag_field="action", tag="await-end"):
    """The old job has ended."""

    DONE: ClassVar[Effect | None] = "stopped"


class SubmitJob(StepInput, Value, frozen=True, tag_field="action", tag="submit-job"):
    """Submit a job under this id, from the savepoint that an earlier step names.

    ``drops_state``: this once, state that no operator takes is left behind.
    """

    DONE: ClassVar[Effect | None] = "submitted"

    job_id: str
    launch: Launch
    drops_state: bool = False


class VerifyRestored(StepInput, Value, frozen=True, tag_field="action", tag="verify-restored"):
    """All its tasks run, and it was restored from that savepoint."""

    job_id: str


class CancelJob(StepInput, Value, frozen=True, tag_field="action", tag="cancel-job"):
    """The job is gone."""

    BEGUN: ClassVar[Effect | None] = "stopping"
    DONE: ClassVar[Effect | None] = "stopped"

    job_id: str
