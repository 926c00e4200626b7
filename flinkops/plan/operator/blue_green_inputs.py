"""What the steps on a FlinkBlueGreenDeployment are told, one struct an action.

A child is told by its name; ``job_id`` and ``started_ms`` (milliseconds since the epoch; 0: not known) are the job's
that was active when the plan was made.
"""

from typing import Any, ClassVar, Literal

from flinkops.model.assessment import Value
from flinkops.model.steps import Effect, StepInput

ChildMode = Literal["savepoint", "stateless"]


class RemoveChild(StepInput, Value, frozen=True, tag_field="action", tag="remove-child"):
    """Delete a child that an aborted transition has left suspended; nothing when it is not there.

    With ``of_rollback`` the child is the one that is not active then, and ``child`` is not read.
    """

    child: str = ""
    of_rollback: bool = False


class AwaitTransition(StepInput, Value, frozen=True, tag_field="action", tag="await-transition"):
    """The operator has begun to start ``child``, from a savepoint that it has taken of the active one's job.

    ``error`` is what the resource said when the plan was made: that is none of this change. With ``of_rollback`` only
    where the rollback is a transition back, and then ``child`` is the other one.
    """

    child: str
    mode: ChildMode
    error: str = ""
    of_rollback: bool = False


class VerifyChild(StepInput, Value, frozen=True, tag_field="action", tag="verify-child"):
    """The job of ``child`` runs, from the savepoint of the transition; ``active`` ran until then.

    With ``of_rollback``: the job of before runs on, or its spec runs again after a transition back.
    """

    child: str
    active: str
    mode: ChildMode
    job_id: str
    started_ms: int = 0
    of_rollback: bool = False


class AwaitSwitch(StepInput, Value, frozen=True, tag_field="action", tag="await-switch"):
    """``child`` is the active one, and the other is gone. With ``of_rollback`` only after a transition back."""

    child: str
    active: str
    job_id: str
    of_rollback: bool = False


class AwaitChildPatched(StepInput, Value, frozen=True, tag_field="action", tag="await-child-patched"):
    """The active child has the change, which stops nothing; its job is the same. ``patch`` is of its spec."""

    child: str
    job_id: str
    patch: dict[str, Any]
    started_ms: int = 0


class BeginBlueGreenRollback(StepInput, Value, frozen=True, tag_field="action", tag="begin-blue-green-rollback"):
    """Abort the transition while the job of before still runs; after the switch: prepare a transition back.

    ``before`` is the resource when the plan was made, ``patch`` this action's own change of it.
    """

    BEGUN: ClassVar[Effect | None] = "handed-over"

    before: dict[str, Any]
    uid: str
    patch: dict[str, Any]
    child: str
    active: str


class RestoreBlueGreenSpec(StepInput, Value, frozen=True, tag_field="action", tag="restore-blue-green-spec"):
    """Set the spec of before, in whole: also the settings with which the transition was aborted."""

    BEGUN: ClassVar[Effect | None] = "handed-over"

    before: dict[str, Any]
