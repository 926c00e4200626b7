"""How an action that did not end well has left the job: said with every failure after the job was to be stopped."""

from collections.abc import Sequence

import msgspec

from flinkops.model.plan import Plan, StepResult
from flinkops.model.steps import Effect, Findings


class Standing(msgspec.Struct, frozen=True):
    """``stopped``: nothing runs the job, as far as the action knows."""

    stopped: bool
    text: str
    savepoint: str | None = None


def standing(plan: Plan, results: Sequence[StepResult], current: str, found: Findings) -> Standing | None:
    """By the steps that have ended and the one that did not; None when nothing has changed the job."""
    inputs = {step.name: step.do for step in (*plan.steps, *plan.rollback_steps)}
    ended = {result.name: result.outcome for result in results}
    effect: Effect | None = None
    since = ""
    for name in dict.fromkeys([*ended, current]):
        if (step := inputs.get(name)) is None:
            continue
        done = step.DONE if ended.get(name) == "ok" else None
        if (new := done or step.BEGUN) is not None:
            since = since if effect == "stopping" and new == "stopped" else name
            effect = new
    if effect is None and plan.verb == "resume" and ended:
        job, kept = plan.target.job_name or plan.target.job_id, found.savepoint
        return Standing(True, f"{job} is stopped, as before" + (f"; its savepoint is {kept}" if kept else ""), kept)
    if effect is None or (effect == "submitted" and found.new_job_id == plan.target.job_id):
        return None  # the old job was found running
    savepoint = found.savepoint
    text = _text(plan, effect, since, found)
    if savepoint is not None:
        text += f"; its savepoint is {savepoint}"
    elif effect in ("stopping", "stopped"):
        text += "; no savepoint of it is known yet"
    return Standing(effect in ("stopping", "stopped"), text, savepoint)


def _text(plan: Plan, effect: Effect, since: str, found: Findings) -> str:
    job = plan.target.job_name or plan.target.job_id
    if effect == "submitted":
        return f"{job} was submitted at step {since!r} as {found.new_job_id or 'a new job'}, and is not verified"
    if effect == "handed-over":
        return f"the operator has the spec that step {since!r} set for {job}, and goes by it"
    return f"{job} {'is' if effect == 'stopped' else 'may be'} stopped since step {since!r}"
