"""A Plan: one action as a value. Printable, serialisable, the same for the commands and the TUI.

A plan is made from facts by a pure function (flinkops.plan), shown to a person, and carried out by the one executor
(flinkops.act), which checks the preconditions again, journals before and after, and reports what was seen.
"""

from collections.abc import Mapping
from typing import Any, Literal

from flinkops.model.assessment import Value
from flinkops.model.steps import Findings, StepInput, StepOutcome
from flinkops.model.tagged import Family

Verb = Literal[
    "savepoint-create",
    "savepoint-delete",
    "savepoint-copy",
    "storage-delete",
    "upgrade",
    "rollback",
    "suspend",
    "resume",
    "restart",
    "rescale",
    "autoscale-apply",
]
Outcome = Literal["verified", "rolled-back", "failed", "timed-out", "refused"]


class Target(Value, frozen=True):
    """Which job, where. ``job_id`` and ``resource_version`` are what the plan was made against."""

    source: str  # name of the source: a REST URL or a Kubernetes context
    job_name: str
    job_id: str
    namespace: str | None = None
    kind: str = "rest"
    resource_version: str | None = None


class Precondition(Family):
    """What has to hold before a plan may begin; the back end of the plan asks it again."""

    __slots__ = ()

    TAG_KEY = "requires"

    @property
    def words(self) -> str:
        """As documents name it."""
        return self.tag

    @classmethod
    def unknown(cls, tag: str, fields: Mapping[str, Any]) -> "UnknownPrecondition":
        """One of a newer flinkops, or of a back end that is not here."""
        return UnknownPrecondition(tag)


class UnknownPrecondition(Precondition, Value, frozen=True):
    """It never holds."""

    requires: str

    @property
    def tag(self) -> str:
        """As it was written."""
        return self.requires


class Step(Value, frozen=True):
    """One idempotent step: its name within the plan, and what to do with all that it needs."""

    name: str
    do: StepInput
    only_reads: bool = False  # when it fails, and all before it only read, there is nothing to roll back

    @property
    def action(self) -> str:
        """The kind of step that it is."""
        return self.do.tag


class Plan(Value, frozen=True):
    """What would happen. ``refused`` non-empty: it will not be carried out, and why."""

    id: str
    verb: Verb
    target: Target
    created_ms: int
    change: str = "none"
    diff: tuple[str, ...] = ()
    requested_mode: str = ""
    effective_mode: str = ""
    why: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    steps: tuple[Step, ...] = ()
    rollback: tuple[str, ...] = ()  # what would be done, in words; `rollback_steps` are the steps of it
    rollback_steps: tuple[Step, ...] = ()
    severe: bool = False  # the person types the job's name to confirm
    command: str = ""  # the command line that does the same


class StepResult(Value, frozen=True):
    """What one step did and what was seen."""

    name: str
    at_ms: int
    seconds: float
    outcome: Literal["ok", "failed", "timed-out", "skipped"]
    seen: str = ""


class Result(Value, frozen=True):
    """The outcome as observed, never as requested."""

    plan_id: str
    outcome: Outcome
    steps: tuple[StepResult, ...] = ()
    outcomes: tuple[StepOutcome, ...] = ()
    error: str | None = None
    next_command: str | None = None  # the exact command that continues, where there is something to continue
    denied: bool = False  # failed before anything was changed, because it is not allowed

    @property
    def found(self) -> Findings:
        """What its steps found."""
        return Findings(self.outcomes)

    @property
    def seen(self) -> dict[str, str]:
        """The same as texts by name, as documents have it."""
        return self.found.as_text()
