"""Steps that bring the old spec back, from the savepoint that the operator took when it stopped the job.

Where the resource has a savepointRedeployNonce it is redeployed; on older operators it is deleted, once that is seen to
dispose of nothing, and created again. When the job was never stopped, the old spec is patched back and that is all.
"""

from contextlib import suppress
from typing import Any

import msgspec

from flinkops.act.kept_state import kept_state, nothing_in_sight, where_to_look
from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.operator.spec_steps import OPERATOR_SILENT, acted_on, new_savepoint, stopping
from flinkops.act.running import StepAction, StepRun
from flinkops.act.savepoint_steps import verify_files
from flinkops.errors import FlinkopsError, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.plan.operator.bookkeeping import REDEPLOY_NONCE, next_redeploy_nonce
from flinkops.plan.operator.rollback import PLAN_ANNOTATION, back_patch, deletion_problems, recreated
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.session_cluster import joined
from flinkops.plan.operator.spec import ha_on, job_of, savepoint_directory, upgrade_mode
from flinkops.plan.operator.steps import spec_patch
from flinkops.sources.kubernetes.resources import Json, section, text
from flinkops.sources.kubernetes.verbs import Conflict

_ACTS_WITHIN_SECONDS = 120.0
_GONE_WITHIN_SECONDS = 180.0
_SILENT_SECONDS = 45.0


def take_back(run: StepRun) -> dict[str, str]:
    """Decide the way back by what has happened, and begin it. ``way_back`` says which."""
    control, before = kube_control(run), _before(run)
    found = _look(run, control)
    if found is None:  # an earlier try was interrupted after deleting it
        return {"way_back": "recreate"}
    if "went_back" in run.seen:  # a savepoint that the operator took since then misses what the job forgot
        state: str | None = _kept_state(run, control, before)
        _halt(control)
    else:
        state = run.seen.get("savepoint") or new_savepoint(found, _known(run))
    if state is None:
        return _patched_back(run, control, found, before)
    return _back_from(run, control, found, before, state)


def _back_from(run: StepRun, control: KubeControl, found: Json, before: dict[str, Any], state: str) -> dict[str, str]:
    """The old spec, started from a savepoint or checkpoint."""
    seen, bad = {"savepoint": state, **verify_files(state)}, _bad_job(control)
    if run.arguments["way"] != "redeploy":
        return {**seen, **bad, "way_back": "recreate"}
    old = back_patch(before["spec"], state, next_redeploy_nonce(found))
    now = _patch_to(run, control, old, REDEPLOY_NONCE)
    return {**seen, **(bad if now else {}), "way_back": "redeploy"}


def _patched_back(run: StepRun, control: KubeControl, found: Json, before: dict[str, Any]) -> dict[str, str]:
    """No savepoint of the operator's is known: the job was never stopped, or by last-state, or it died."""
    old = dict(before["spec"])
    stopped = _was_stopped(run, control)
    if stopped and upgrade_mode(old) != "last-state":
        if not _has_ha_metadata(run, control, before):
            return _back_from(run, control, found, before, _kept_state(run, control, before))
        old["job"] = {**job_of(old), "upgradeMode": "last-state"}
    bad = _bad_job(control) if stopped else {}
    if not _patch_to(run, control, old, None):
        bad = {}  # an earlier try set it: the newest job may be the good one already
    known = _known(run)

    def ask() -> str | None:
        found = control.resource()
        if (path := new_savepoint(found, known)) is not None:
            return path  # the operator was already about to stop it
        return "" if acted_on(found) else None

    try:
        late = run.until("waiting for the operator to take the old spec", ask, within_seconds=_ACTS_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(f"the old spec is set, but {problem.what}", next_step=OPERATOR_SILENT) from None
    if late:
        return {"savepoint": late, **bad, "way_back": "savepoint"}
    return {**bad, "way_back": "last-state" if stopped else "never stopped"}


def remove(run: StepRun) -> dict[str, str]:
    """Delete the resource and wait until nothing of its Flink cluster or session job is left; the savepoint stays."""
    if not _recreates(run):
        return {}
    control = kube_control(run)
    found = _look(run, control)
    uid = run.arguments["uid"]
    if found is not None and _uid(found) == uid:
        if problems := deletion_problems(joined(found, control.session_cluster), Features()):
            raise OperationFailed(f"it is not deleted: {'; '.join(problems)}", next_step=_by_hand(run))
        run.until("deleting the resource", lambda: _deleted(control, uid))

    def ask() -> bool | None:
        left = control.verbs.resource(control.ref)
        if left is not None and _uid(left) == uid:
            return None
        if left is not None:
            return True  # created again already
        return None if control.leftovers({run.job_id, run.seen.get("bad_job_id", "")}) else True

    try:
        run.until("waiting until the resource and what it ran are gone", ask, within_seconds=_GONE_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(problem.what, next_step=OPERATOR_SILENT) from None
    return {}


def create(run: StepRun) -> dict[str, str]:
    """Create the resource with the old spec, to start from the savepoint. One with this plan's mark was made before."""
    if not _recreates(run):
        return {}
    control = kube_control(run)
    savepoint = run.arguments.get("savepoint") or run.seen["savepoint"]
    body = recreated(_before(run), savepoint, run.plan.id)

    def ask() -> Json | None:
        found = control.verbs.resource(control.ref)
        if found is not None:
            if text(section(section(found, "metadata"), "annotations"), PLAN_ANNOTATION) != run.plan.id:
                raise OperationFailed("somebody else has created the resource meanwhile; it is left alone")
            return found
        control.require_lock()
        try:
            return control.verbs.create(control.ref, body)
        except Conflict:
            return None

    run.until("creating the resource again", ask)
    return {"savepoint": savepoint}


def _recreates(run: StepRun) -> bool:
    return "way" not in run.arguments or run.seen.get("way_back") == "recreate"


def _deleted(control: KubeControl, uid: str) -> bool:
    control.require_lock()
    control.verbs.delete(control.ref, uid=uid)
    return True


def _look(run: StepRun, control: KubeControl) -> Json | None:
    """The resource; None when it is gone."""
    return run.until("looking at the resource", lambda: (control.verbs.resource(control.ref),))[0]


def _patch_to(run: StepRun, control: KubeControl, spec: dict[str, Any], nonce: str | None) -> bool:
    """Gives the resource this spec; False when it had it. A difference in the job's field `nonce` alone is none."""

    def ask() -> tuple[bool] | None:
        found = control.resource()
        patch = spec_patch(found, spec)
        if not patch or (nonce and patch["spec"].get("job", {}).keys() == {nonce} and patch["spec"].keys() == {"job"}):
            return (False,)
        control.require_lock()
        version = text(section(found, "metadata"), "resourceVersion")
        try:
            control.verbs.patch(control.ref, patch, resource_version=version)
        except Conflict:
            return None
        return (True,)

    return run.until("setting the old spec again", ask)[0]


def _was_stopped(run: StepRun, control: KubeControl) -> bool:
    """Whether the old job is gone: as the REST API has it; when that is silent for long, by what else was seen.

    A JobManager in a crash loop is READY in the operator's eyes every now and then.
    """
    try:
        job = run.until("looking at the job", control.newest, within_seconds=_SILENT_SECONDS)
    except NotInTime:
        found = run.until("looking at the resource", control.resource)
        manager = text(section(found, "status"), "jobManagerDeploymentStatus")
        return "job_gone" in run.seen or stopping(found) or manager not in ("READY", None)
    old = (run.arguments["job_id"], run.arguments["started_ms"])
    return job.ended_ms is not None or (job.id, str(job.started_ms or 0)) != old


def _kept_state(run: StepRun, control: KubeControl, before: dict[str, Any]) -> str:
    """What the old spec can be started from; raises OperationFailed with what to do when nothing is in sight."""
    spec = joined(before, control.session_cluster)["spec"]
    directory = savepoint_directory(spec)
    # With high availability only the end of the job cleans its metadata up, and its checkpoints with it.
    if (state := kept_state(run, directory, checkpoints_dropped=ha_on(spec))) is not None:
        return state
    name = control.ref.name
    runs = f"flinkops suspend {name}; " if "went_back" in run.seen else ""
    go_on = f"{runs}flinkops resume {name} --from PATH"
    raise OperationFailed(nothing_in_sight(run), next_step=f"{where_to_look(run, directory)}, then: {go_on}")


def _halt(control: KubeControl) -> None:
    """End a job that forgot its state, at once and as far as it can be done.

    It counts its checkpoints from 1, under the same job id and so in the same folder. At the number of one from before
    it would fail at the file that is there, and remove the folder (FsCheckpointStorageLocation.disposeOnFailure).
    """
    if bad := _bad_job(control):
        with suppress(FlinkopsError):
            control.cancel(bad["bad_job_id"])


def _has_ha_metadata(run: StepRun, control: KubeControl, before: dict[str, Any]) -> bool:
    """Whether the operator can bring the job back by last-state: a job that has ended leaves no metadata behind."""
    if not ha_on(joined(before, control.session_cluster)["spec"]) or control.is_session_job:
        return False
    left = run.until("looking for its metadata", lambda: control.leftovers({run.job_id}))
    return any(one.startswith("configmap/") and run.job_id in one for one in left)


def _bad_job(control: KubeControl) -> dict[str, str]:
    """The job that did not do: not to be taken for the old one that comes back."""
    try:
        job = control.newest()
    except Unreachable:
        return {}
    return {} if job is None else {"bad_job_id": job.id, "bad_started_ms": str(job.started_ms or 0)}


def _before(run: StepRun) -> dict[str, Any]:
    return msgspec.json.decode(run.arguments["before"], type=dict[str, Any])


def _known(run: StepRun) -> set[str]:
    return set(msgspec.json.decode(run.arguments.get("known", "[]"), type=list[str]))


def _uid(resource: Json) -> str:
    return text(section(resource, "metadata"), "uid") or ""


def _by_hand(run: StepRun) -> str:
    return f"the old spec is in the journal: flinkops history {run.plan.target.job_name} -o json"


RETURN_ACTIONS: dict[str, StepAction] = {"take-back": take_back, "remove-resource": remove, "create-resource": create}
