"""Removing a savepoint by the resource that names it, so that none is left which points to nothing."""

from typing import Any

from flinkops.act.operator.control import kube_control
from flinkops.act.outcomes import SavepointDisposed
from flinkops.act.running import StepKind, StepRun
from flinkops.act.savepoint_check import check_savepoint
from flinkops.errors import NotInTime, OperationFailed, TimedOut
from flinkops.model.json_reading import section, text
from flinkops.plan.step_inputs import RemoveSnapshot
from flinkops.sources.kubernetes.verbs import ResourceRef

_GONE_WITHIN_SECONDS = 180.0


def remove_snapshot(run: StepRun, given: RemoveSnapshot) -> SavepointDisposed:
    """The resource is gone; and where the operator disposes of its savepoint, the files are, as far as can be seen."""
    control = kube_control(run)
    ref = ResourceRef("FlinkStateSnapshot", control.ref.namespace, given.name)

    def ask() -> bool | None:
        found = control.verbs.resource(ref)
        if found is None:
            return True
        metadata = section(found, "metadata")
        if metadata.get("deletionTimestamp") is None:
            control.require_lock()
            control.verbs.delete(ref, uid=text(metadata, "uid") or "")
        return None

    try:
        run.until(f"waiting until FlinkStateSnapshot {given.name} is gone", ask, within_seconds=_GONE_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(problem.what, next_step="the operator removes it once it runs, and the job too") from None
    check = check_savepoint(given.path, run.stores)
    if given.disposes and check.verdict == "ok":
        raise OperationFailed(f"FlinkStateSnapshot {given.name} is gone, but the files of {given.path} are still there")
    gone = check.verdict == "bad" and check.metadata is None
    return SavepointDisposed(given.path, "gone" if gone else f"unknown: {check.why}")


SNAPSHOT_STEPS: tuple[StepKind[Any, Any], ...] = (StepKind(RemoveSnapshot, SavepointDisposed, remove_snapshot),)
