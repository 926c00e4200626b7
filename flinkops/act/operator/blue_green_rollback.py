"""Steps that bring the spec of before back to a FlinkBlueGreenDeployment.

While the operator is in the transition, the job of before still runs. The operator is told to abort by what its abort
goes by: a changed template is handed on to the new child and sets the abort's time again, so the template of before
with a grace of 1 ms makes it suspend that child and stay with the old one. Until then it must not delete the old one,
so its deletion delay is put off as well. Suspending the new child by hand would end with that one active and suspended;
deleting it would leave the operator without the child that its state names.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.act.operator.blue_green_control import BlueGreenControl, blue_green_control
from flinkops.act.operator.blue_green_outcomes import BlueGreenRollbackBegun, BlueGreenSpecRestored
from flinkops.act.operator.spec_steps import OPERATOR_SILENT
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import NotInTime, OperationFailed, TimedOut
from flinkops.model.blue_green_state import Phase, state_of
from flinkops.model.json_reading import Json, section, text
from flinkops.outside.shell import shell_word
from flinkops.plan.operator.blue_green import (
    ABORT_GRACE,
    DELETION_DELAY,
    child_name,
    last_template,
    not_ready,
    same_template,
    template_of,
)
from flinkops.plan.operator.blue_green_inputs import BeginBlueGreenRollback, RestoreBlueGreenSpec
from flinkops.plan.operator.merge_patch import changed_paths, merge_patch, merged, spec_patch

_ABORTED_WITHIN_SECONDS = 180.0
_ABORT_NOW = {ABORT_GRACE: "1 ms", DELETION_DELAY: "3650 d"}
"""The delay counts from when the child was ready, and an earlier abort may have left such a time (FLINK-40119)."""


def begin(run: StepRun, given: BeginBlueGreenRollback) -> BlueGreenRollbackBegun:
    """Abort the transition while that can be done, and say how the spec of before comes back."""
    control = blue_green_control(run)

    def settled() -> Json | None:
        found = control.resource()
        # A template that changed now would leave the savepoint's trigger behind, and the next transition take it.
        return None if state_of(found).phase in (Phase.SAVEPOINTING, Phase.UNKNOWN) else found

    found = run.until("waiting until the operator has taken its savepoint", settled)
    _refuse_moved(run, given, found)
    state, before = state_of(found), template_of(given.before)
    of_old = given.active == child_name(control.ref.name, state.colour)
    if not state.is_active and not of_old:
        return _aborted(run, given, control)
    if state.is_active and of_old and same_template(last_template(found) or before, before):
        return BlueGreenRollbackBegun("aborted" if _abort_ordered(found) else "never-begun")
    ready = control.child_resource(child_name(control.ref.name, state.colour))
    if state.is_active and not of_old and (why := not_ready(ready)) is not None:
        raise OperationFailed(f"the operator begins no transition back: {why}", next_step=_by_hand(run, control))
    return _transition_back(control, found)


def _transition_back(control: BlueGreenControl, found: Json) -> BlueGreenRollbackBegun:
    """To the other child than the one that is active, or to the one that it is on its way to."""
    state = state_of(found)
    colour = state.other if state.is_active else state.colour
    error = text(section(found, "status"), "error") or ""
    return BlueGreenRollbackBegun("transition-back", child_name(control.ref.name, colour), error)


def _aborted(run: StepRun, given: BeginBlueGreenRollback, control: BlueGreenControl) -> BlueGreenRollbackBegun:
    old = given.before["spec"]
    told = {**old, "configuration": {**section(old, "configuration"), **_ABORT_NOW}}
    _set(run, control, told)

    def ask() -> Json | None:
        found = control.resource()
        return found if state_of(found).is_active else None

    try:
        found = run.until("waiting until the operator has aborted", ask, within_seconds=_ABORTED_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(f"the abort is ordered, but {problem.what}", next_step=OPERATOR_SILENT) from None
    if given.active != child_name(control.ref.name, state_of(found).colour):
        return _transition_back(control, found)  # it was faster
    return BlueGreenRollbackBegun("aborted")


def _refuse_moved(run: StepRun, given: BeginBlueGreenRollback, found: Json) -> None:
    """What somebody else has deleted or edited meanwhile is left to them. Raises OperationFailed."""
    metadata = section(found, "metadata")
    if "deletionTimestamp" in metadata or (given.uid and text(metadata, "uid") != given.uid):
        raise OperationFailed("somebody else deletes the resource, or has made another of its name: it is left alone")
    spec, before = _without_abort(section(found, "spec"), given.before["spec"]), given.before["spec"]
    ours = merged(before, section(given.patch, "spec"))
    if spec in (ours, before):
        return
    edited = ", ".join(changed_paths(merge_patch(ours, spec)))
    job = run.plan.target.job_name
    raise OperationFailed(
        f"somebody else has edited {edited} meanwhile: nothing is set back",
        next_step=f"the spec of before is in the journal: flinkops history {shell_word(job)} -o json",
    )


def _abort_ordered(found: Json) -> bool:
    settings = section(section(found, "spec"), "configuration")
    return all(settings.get(key) == value for key, value in _ABORT_NOW.items())


def _without_abort(spec: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with the settings of before where an earlier try has set those of the abort."""
    now, old = section(spec, "configuration"), section(before, "configuration")
    ours = {key for key, value in _ABORT_NOW.items() if now.get(key) == value}
    settings = {key: value for key, value in now.items() if key not in ours}
    settings |= {key: old[key] for key in ours if key in old}
    rest = {key: value for key, value in spec.items() if key != "configuration"}
    return {**rest, "configuration": settings} if settings or "configuration" in before else rest


def restore_spec(run: StepRun, given: RestoreBlueGreenSpec) -> BlueGreenSpecRestored:
    """The whole spec of before: where a transition back is needed, this begins it."""
    _set(run, blue_green_control(run), given.before["spec"])
    return BlueGreenSpecRestored()


def _set(run: StepRun, control: BlueGreenControl, spec: Mapping[str, Any]) -> None:
    """Gives the resource this spec; nothing where it has it."""

    def ask() -> bool | None:
        found = control.resource()
        patch = spec_patch(found, spec)
        if not patch:
            return True
        return None if control.patch_as_found(found, patch) is None else True

    run.until("setting the spec", ask)


def _by_hand(run: StepRun, control: BlueGreenControl) -> str:
    name, path = control.ref.name, run.findings.savepoint
    start = f"initialSavepointPath: {path}" if path else "its savepoint as initialSavepointPath"
    return f"delete FlinkBlueGreenDeployment {name} and create it with the spec of before and {start}"


BLUE_GREEN_ROLLBACK_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(BeginBlueGreenRollback, BlueGreenRollbackBegun, begin),
    StepKind(RestoreBlueGreenSpec, BlueGreenSpecRestored, restore_spec),
)
