"""How an action that did not end well has left the job: said with every failure after the job was to be stopped."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from flinkops.model.plan import Plan, StepResult

Effect = Literal["stopping", "stopped", "submitted", "handed-over"]

_BEGUN: dict[str, Effect] = {
    "stop-with-savepoint": "stopping",
    "cancel-job": "stopping",
    "remove-resource": "stopping",
    "create-resource": "handed-over",
    "patch-resource": "handed-over",
    "take-back": "handed-over",
}
"""What a step may have done to the job once it has begun; ``handed-over``: the operator stops and starts it."""
_ENDED: dict[str, Effect] = {
    "await-end": "stopped",
    "await-suspended": "stopped",
    "cancel-job": "stopped",
    "remove-resource": "stopped",
    "submit-job": "submitted",
}
"""What it has done for certain once it has ended well."""


class Standing(msgspec.Struct, frozen=True):
    """``stopped``: nothing runs the job, as far as the action knows. ``since_step`` is the step that led to it."""

    stopped: bool
    since_step: str
    text: str
    savepoint: str | None = None


def standing(plan: Plan, results: Sequence[StepResult], current: str, seen: dict[str, str]) -> Standing | None:
    """By the steps that have ended and the one that did not; None when nothing has changed the job."""
    actions = {step.name: step.action for step in (*plan.steps, *plan.rollback_steps)}
    ended = {result.name: result.outcome for result in results}
    effect: Effect | None = None
    since = ""
    for name in dict.fromkeys([*ended, current]):
        action = actions.get(name, "")
        found = _ENDED.get(action) if ended.get(name) == "ok" else None
        if (found := found or _BEGUN.get(action)) is not None:
            since = since if effect == "stopping" and found == "stopped" else name
            effect = found
    if effect is None or (effect == "submitted" and seen.get("new_job_id") == plan.target.job_id):
        return None  # the old job was found running
    savepoint = seen.get("savepoint") or None
    text = _text(plan, effect, since, seen)
    if savepoint is not None:
        text += f"; its savepoint is {savepoint}"
    elif effect in ("stopping", "stopped"):
        text += "; no savepoint of it is known yet"
    return Standing(effect in ("stopping", "stopped"), since, text, savepoint)


def _text(plan: Plan, effect: Effect, since: str, seen: dict[str, str]) -> str:
    job = plan.target.job_name or plan.target.job_id
    if effect == "submitted":
        return f"{job} was submitted at step {since!r} as {seen.get('new_job_id', 'a new job')}, and is not verified"
    if effect == "handed-over":
        return f"the operator has the spec that step {since!r} set for {job}, and goes by it"
    return f"{job} {'is' if effect == 'stopped' else 'may be'} stopped since step {since!r}"
