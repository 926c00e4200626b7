"""What the steps on custom resources of the Flink operator are told, one struct an action.

``started_ms`` is when the job of before was started, milliseconds since the epoch; 0: that is not known.
"""

from typing import Any, ClassVar, Literal

from flinkops.model.assessment import Value
from flinkops.model.steps import Effect, StepInput
from flinkops.plan.operator.decision import Mode

RollbackWay = Literal["redeploy", "recreate"]
"""By the savepointRedeployNonce, or by deleting the resource and creating it again."""


class DryRunPatch(StepInput, Value, frozen=True, tag_field="action", tag="dry-run-patch"):
    """The API server takes this merge patch of the resource, its webhooks too."""

    patch: dict[str, Any]


class PatchResource(StepInput, Value, frozen=True, tag_field="action", tag="patch-resource"):
    """Change the resource, which is ``before`` when the plan is made (without what the API server writes)."""

    BEGUN: ClassVar[Effect | None] = "handed-over"

    patch: dict[str, Any]
    before: dict[str, Any]


class PrepullImage(StepInput, Value, frozen=True, tag_field="action", tag="prepull-image"):
    """Have the image on each node where the job's pods run, by a short pod there.

    ``pod`` is the pod's spec, without the node and the container.
    """

    image: str
    pod: dict[str, Any] = {}


class TakeCheckpoint(StepInput, Value, frozen=True, tag_field="action", tag="take-checkpoint"):
    """One more checkpoint right before the stop, so that little is done twice after it."""

    trigger_id: str


class RehearseSpec(StepInput, Value, frozen=True, tag_field="action", tag="rehearse-spec"):
    """Restore the job's newest state, or the one that is named, into what the patch makes of ``before``, in a pod.

    ``accepted`` names operators whose state may be lost. With ``sample`` some key groups only.
    """

    patch: dict[str, Any]
    before: dict[str, Any]
    accepted: tuple[str, ...] = ()
    against: str | None = None
    flink_home: str | None = None
    trigger_id: str = ""
    sample: bool = False


class AwaitTakenUp(StepInput, Value, frozen=True, tag_field="action", tag="await-taken-up"):
    """The operator has acted on a change that stops nothing, which the spec still has; the job is the same."""

    job_id: str
    started_ms: int = 0
    patch: dict[str, Any] = {}


class AwaitSuspended(StepInput, Value, frozen=True, tag_field="action", tag="await-suspended"):
    """The job is suspended."""

    DONE: ClassVar[Effect | None] = "stopped"

    job_id: str
    started_ms: int = 0


class VerifyEdit(StepInput, Value, frozen=True, tag_field="action", tag="verify-edit"):
    """The spec of a suspended job has what ``patch`` was to give it; the job is still suspended."""

    patch: dict[str, Any]


class KeepBackup(StepInput, Value, frozen=True, tag_field="action", tag="note-backup"):
    """The savepoint that was taken is a backup: not the one to start from."""


class AwaitUpgradeSavepoint(StepInput, Value, frozen=True, tag_field="action", tag="await-upgrade-savepoint"):
    """The savepoint that the operator takes when it stops the job; not one of the ``known``.

    ``error`` is the resource's status.error when the plan was made: that is none of this change.
    """

    job_id: str
    started_ms: int = 0
    known: tuple[str, ...] = ()
    error: str = ""


class VerifyNewJob(StepInput, Value, frozen=True, tag_field="action", tag="verify-new-job"):
    """A new job runs, restored as the mode says; None: as the rollback has decided.

    From ``savepoint``; None: from the one that an earlier step names.
    """

    mode: Mode | None
    job_id: str
    started_ms: int = 0
    savepoint: str | None = None


class BeginRollback(StepInput, Value, frozen=True, tag_field="action", tag="begin-rollback"):
    """Decide by what has happened how the old spec comes back, and begin it.

    ``patch`` is this action's own change: what else differs from ``before`` by then is somebody else's, and is kept.
    """

    BEGUN: ClassVar[Effect | None] = "handed-over"

    before: dict[str, Any]
    uid: str
    way: RollbackWay
    job_id: str
    started_ms: int = 0
    known: tuple[str, ...] = ()
    patch: dict[str, Any] = {}


class RemoveResource(StepInput, Value, frozen=True, tag_field="action", tag="remove-resource"):
    """Delete the resource of this uid; with ``of_rollback`` only where the rollback creates it again."""

    BEGUN: ClassVar[Effect | None] = "stopping"
    DONE: ClassVar[Effect | None] = "stopped"

    uid: str
    of_rollback: bool = False


class CreateResource(StepInput, Value, frozen=True, tag_field="action", tag="create-resource"):
    """Create the resource as it is in ``before``, to start from ``savepoint`` (None: that which an earlier step names).

    With ``of_rollback`` only where the rollback creates it again.
    """

    BEGUN: ClassVar[Effect | None] = "handed-over"

    before: dict[str, Any]
    savepoint: str | None = None
    of_rollback: bool = False
