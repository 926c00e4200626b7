"""What the steps on a FlinkBlueGreenDeployment find, one struct an action, and what they note on the way."""

from typing import ClassVar, Literal

from flinkops.model.assessment import Value
from flinkops.model.steps import NamesNewJob, NamesSavepoint, StepOutcome

BlueGreenWay = Literal["never-begun", "aborted", "transition-back"]
"""How the spec of before comes back; but for the last the job of before has run all the time."""


class ChildRemoved(StepOutcome, Value, frozen=True, tag_field="found", tag="child-removed"):
    """``removed`` is its name; None: there was none to remove."""

    removed: str | None = None


class TransitionSeen(NamesSavepoint, Value, frozen=True, tag_field="found", tag="transition-seen"):
    """The operator starts the other child from that savepoint; ``abort_ms``: when it gives it up, since the epoch."""

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"abort_ms"})

    savepoint: str | None = None
    abort_ms: int | None = None


class ChildVerified(NamesNewJob, Value, frozen=True, tag_field="found", tag="child-verified"):
    """``downtime_seconds`` from when the old job was last seen running until the new one was; 0 where both ran.

    ``both_since_ms`` is since when both have run, milliseconds since the epoch, and ``both_until_ms`` when the old one
    was seen to run last; None: they were not seen to.
    """

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"new_started_ms", "both_since_ms", "both_until_ms"})

    new_job_id: str
    restored_from: str
    new_started_ms: int | None = None
    downtime_seconds: float | None = None
    both_since_ms: int | None = None
    both_until_ms: int | None = None


class SwitchSeen(StepOutcome, Value, frozen=True, tag_field="found", tag="switch-seen"):
    """``overlap_seconds``: how long both jobs were seen to run; None: they were not."""

    blue_green_state: str | None = None
    overlap_seconds: float | None = None


class ChildPatched(StepOutcome, Value, frozen=True, tag_field="found", tag="child-patched"):
    """The job's state, for people."""

    job: str


class BlueGreenRollbackBegun(StepOutcome, Value, frozen=True, tag_field="found", tag="blue-green-rollback-begun"):
    """How the spec of before comes back; ``back_to`` is the child that a transition back starts.

    ``error`` is what the resource said then: that is none of a transition back.
    """

    FOR_STEPS: ClassVar[frozenset[str]] = frozenset({"back_to", "error_before"})

    rollback_way: BlueGreenWay
    back_to: str | None = None
    error_before: str = ""


class BlueGreenSpecRestored(StepOutcome, Value, frozen=True, tag_field="found", tag="blue-green-spec-restored"):
    """The spec is that of before."""
