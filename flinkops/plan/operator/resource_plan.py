"""An action on a job of the Flink operator as a Plan: what is refused, at what risk, by which steps. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from flinkops.model.json_reading import section
from flinkops.model.plan import Plan, Precondition, Step
from flinkops.outside.shell import shell_word
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.in_place import ROLLBACK as IN_PLACE_ROLLBACK
from flinkops.plan.operator.in_place import in_place_preconditions, ordered
from flinkops.plan.operator.resource_change import Resource, ResourceChange, target_of_resource
from flinkops.plan.operator.rollback import NO_ROLLBACK, rollback_text
from flinkops.plan.operator.spec import configuration, desired_state
from flinkops.plan.operator.steps import (
    LEFT_RUNNING,
    anew_steps,
    in_place_rollback_steps,
    patch_steps,
    restart_rollback_steps,
)
from flinkops.plan.preconditions import (
    JobInState,
    NoSavepointInProgress,
    OperatorIdle,
    OperatorSeesItRun,
    same_spec,
    unmet_of_resource,
)
from flinkops.plan.transactions import transaction_risks

OperatorVerb = Literal["upgrade", "restart", "rollback", "suspend", "resume", "rescale"]


def plan_for_resource(
    verb: OperatorVerb,
    source: str,
    change: ResourceChange,
    stamp: Stamp,
    *,
    start_from: str | None = None,
    backup_directory: str | None = None,
) -> Plan:
    """`start_from`: create the resource anew, to start from this savepoint.

    `backup_directory`: a savepoint of our own goes there first.
    """
    if start_from is None:
        course = _patched(verb, change, stamp, backup_directory)
    else:
        course = _created_anew(change, start_from)
    refused, found = course.refused, change.found
    restarts = course.mode not in LEFT_RUNNING and change.runs_after
    replaces = restarts and verb != "resume"
    back = _rollback(course, change, replaces=replaces)
    return Plan(
        id=stamp.plan_id,
        verb=verb,
        target=target_of_resource(source, change.resource, change.seen.job_id),
        created_ms=stamp.now_ms,
        change=course.change,
        diff=found.diff,
        requested_mode=found.requested_mode,
        effective_mode=Mode.FAIL.value if refused and course.mode is not Mode.UNKNOWN else course.mode.value,
        why=course.why,
        risks=_all_risks(course.mode, change, back.undeletable, restarts=restarts),
        refused=refused,
        preconditions=course.preconditions,
        steps=() if refused else course.steps,
        rollback=() if refused or not back.steps else (back.text,),
        rollback_steps=() if refused else back.steps,
        severe=course.mode in ("stateless", "savepoint-redeploy") or (replaces and not back.steps),
        command=stamp.command,
    )


class _Rollback(NamedTuple):
    """``undeletable``: where the resource would have to be deleted for it, why it cannot be."""

    text: str
    steps: tuple[Step, ...] = ()
    undeletable: tuple[str, ...] = ()


class _Course(NamedTuple):
    """How the change is made: by a patch of the resource, or by creating it anew."""

    mode: Mode
    change: str
    why: tuple[str, ...]
    preconditions: tuple[Precondition, ...]
    refused: tuple[str, ...]
    steps: tuple[Step, ...]
    rollback: _Rollback | None = None
    """Where it is not that of a job that was started again."""


def _rollback(course: _Course, change: ResourceChange, *, replaces: bool) -> _Rollback:
    back = course.rollback or _Rollback(rollback_text(course.mode, change.features))
    if not replaces:
        return back
    undeletable = change.found.not_deletable if course.mode == "savepoint" else ()
    steps = () if undeletable else back.steps or restart_rollback_steps(change)
    return _Rollback(back.text, steps, undeletable)


def _all_risks(mode: Mode, change: ResourceChange, undeletable: tuple[str, ...], *, restarts: bool) -> tuple[str, ...]:
    """Of the change, of transactions that a broker may have ended before the start, of a missing rollback."""
    seen = change.seen
    transactions: tuple[str, ...] = ()
    if restarts and mode in (Mode.LAST_STATE, Mode.SAVEPOINT_REDEPLOY):
        told = configuration(change.wanted)
        transactions = transaction_risks(seen.committing, told, down_seconds=seen.down_seconds, from_savepoint=False)
    return (*change.found.risks, *transactions, *(f"{NO_ROLLBACK}: {problem}" for problem in undeletable))


def _patched(verb: OperatorVerb, change: ResourceChange, stamp: Stamp, backup_directory: str | None) -> _Course:
    found, seen = change.found, change.seen
    preconditions = _preconditions(change, backup=backup_directory is not None)
    unmet = _unmet(change.resource, preconditions) if found.patch else ["nothing would change"]
    rollback = None
    if found.effective_mode is Mode.IN_PLACE and ordered(change.expected, seen.parallelism):
        preconditions = (*preconditions, *in_place_preconditions(seen.job_id, seen.parallelism))
        rollback = _Rollback(IN_PLACE_ROLLBACK, in_place_rollback_steps(change))
    return _Course(
        found.effective_mode,
        found.change.value,
        found.why,
        preconditions,
        (*found.refused, *unmet, *_out_of_place(verb, change.resource)),
        patch_steps(change, stamp, backup_directory),
        rollback,
    )


def _created_anew(change: ResourceChange, start_from: str) -> _Course:
    found = change.found
    preconditions = same_spec(change.resource)
    unmet = _unmet(change.resource, preconditions) if found.patch else []
    return _Course(
        Mode.SAVEPOINT,
        "savepoint-redeploy",
        (f"the resource is created anew and starts from {start_from}",),
        preconditions,
        (*found.refused, *unmet, *found.not_deletable),
        anew_steps(change, start_from),
    )


def _preconditions(change: ResourceChange, *, backup: bool) -> tuple[Precondition, ...]:
    stops = change.found.effective_mode == "savepoint" and change.runs_before
    seen = (OperatorSeesItRun(),) if stops else ()
    running = (JobInState("RUNNING"), NoSavepointInProgress()) if stops or backup else ()
    return (*same_spec(change.resource), OperatorIdle(), *seen, *running)


def _unmet(resource: Resource, preconditions: tuple[Precondition, ...]) -> Sequence[str]:
    checked = [one for one in preconditions if not isinstance(one, OperatorIdle)]  # the prediction refuses that
    return unmet_of_resource(checked, resource)[0]


def _out_of_place(verb: OperatorVerb, resource: Resource) -> list[str]:
    """A request that has nothing to do here, whatever else of the spec it would touch."""
    state = desired_state(section(resource, "spec"))
    name = shell_word(str(section(resource, "metadata").get("name")))
    if verb in ("suspend", "restart") and state == "suspended":
        return [f"the job is suspended already: flinkops resume {name} starts it"]
    if verb == "resume" and state == "running":
        return [f"the job is not suspended: flinkops restart {name}, or flinkops resume {name} --from PATH"]
    return []
