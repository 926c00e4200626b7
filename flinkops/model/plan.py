"""A Plan: one action as a value. Printable, serialisable, the same for the commands and the TUI.

A plan is made from facts by a pure function (flinkops.plan), shown to a person, and carried out by the one executor
(flinkops.act), which checks the preconditions again, journals before and after, and reports what was seen.
"""

from typing import Literal

from flinkops.model.assessment import Value

Verb = Literal[
    "savepoint-create",
    "savepoint-delete",
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


class Step(Value, frozen=True):
    """One idempotent step. ``action`` is a name that the executor knows; ``arguments`` are all it needs."""

    name: str
    action: str
    arguments: dict[str, str] = {}
    only_looks: bool = False  # when it fails, and all before it only looked, there is nothing to take back


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
    preconditions: tuple[str, ...] = ()
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
    seen: dict[str, str] = {}
    error: str | None = None
    go_on: str | None = None  # the exact command that continues, where there is something to continue
    denied: bool = False  # failed before anything was changed, because it is not allowed


_FOR_STEPS = ("trigger_id", "generation", "bad_job_id", "checkpoint_before", "checkpoint_path", "went_back", "job_gone")


def is_for_people(name: str) -> bool:
    """Whether something seen means something to a person; the rest is for later steps and the journal."""
    return not name.endswith("_ms") and name not in _FOR_STEPS
