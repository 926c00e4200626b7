"""Steps that bring the old spec back, from the savepoint that the operator took when it stopped the job.

Where the resource has a savepointRedeployNonce it is redeployed; on older operators it is deleted, once that is seen to
dispose of nothing, and created again. When the job was never stopped, the old spec is patched back and that is all.
"""

from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from flinkops.act.kept_state import kept_state, nothing_in_sight, where_to_look
from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.operator.outcomes import (
    JobGone,
    ResourceCreated,
    ResourceRemoved,
    RollbackBegun,
    RollbackTaken,
)
from flinkops.act.operator.spec_steps import OPERATOR_SILENT, acted_on, new_savepoint, stopping
from flinkops.act.outcomes import StateLost
from flinkops.act.running import StepKind, StepRun
from flinkops.act.savepoint_steps import checked_files
from flinkops.errors import FlinkopsError, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.json_reading import Json, section, text
from flinkops.outside.shell import shell_word
from flinkops.plan.operator.bookkeeping import REDEPLOY_NONCE, next_redeploy_nonce, without_bookkeeping
from flinkops.plan.operator.merge_patch import changed_paths, merge_patch, merged, spec_patch
from flinkops.plan.operator.rollback import PLAN_ANNOTATION, deletion_problems, recreated, rollback_patch
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.session_cluster import joined
from flinkops.plan.operator.spec import ha_on, job_of, savepoint_directory, upgrade_mode
from flinkops.plan.operator.step_inputs import BeginRollback, CreateResource, RemoveResource
from flinkops.sources.kubernetes.verbs import Conflict

_ACTS_WITHIN_SECONDS = 120.0
_GONE_WITHIN_SECONDS = 180.0
_SILENT_SECONDS = 45.0


def begin_rollback(run: StepRun, given: BeginRollback) -> RollbackBegun:
    """Decide by what has happened how the old spec comes back, and begin it."""
    control = kube_control(run)
    found = _read(run, control)
    _refuse_deleted(run, given, found)
    assert found is not None
    given, edits = _with_edits_of_others(given, found)
    begun = _begun(run, given, control, found)
    return msgspec.structs.replace(begun, edits=edits or None, kept_edits=", ".join(changed_paths(edits)) or None)


def _refuse_deleted(run: StepRun, given: BeginRollback, found: Json | None) -> None:
    """What somebody else has deleted, or deleted and made again, is left to them. Raises OperationFailed."""
    metadata = section(found or {}, "metadata")
    if found is None or "deletionTimestamp" in metadata:
        raise OperationFailed("somebody else deletes the resource: it is not created again", next_step=_by_hand(run))
    if given.uid and _uid(found) != given.uid:
        what = "somebody else has deleted the resource and created another of its name: it is left alone"
        raise OperationFailed(what, next_step=_by_hand(run))


def _with_edits_of_others(given: BeginRollback, found: Json) -> tuple[BeginRollback, dict[str, Any]]:
    """The old spec with what others have changed since, and that as a merge patch; nonces and the state are ours."""
    if not given.patch:
        return given, {}
    before = given.before["spec"]
    ours = merged(before, section(given.patch, "spec"))
    edits = merge_patch(without_bookkeeping(ours), without_bookkeeping(section(found, "spec")))
    theirs = merge_patch(before, merged(before, edits))
    kept = {**given.before, "spec": merged(before, theirs)}
    return msgspec.structs.replace(given, before=kept), theirs


def _begun(run: StepRun, given: BeginRollback, control: KubeControl, found: Json) -> RollbackBegun:
    if run.findings.last(StateLost) is not None:  # a savepoint that the operator took since then misses that state
        state: str | None = _kept_state(run, control, given.before)
        _halt(control)
    else:
        state = run.findings.savepoint or new_savepoint(found, given.known)
    if state is None:
        return _patched_back(run, given, control, found)
    return _started_from(run, given, control, found, state)


def _started_from(run: StepRun, given: BeginRollback, control: KubeControl, found: Json, state: str) -> RollbackBegun:
    """The old spec, started from a savepoint or checkpoint."""
    files, bad = checked_files(run, state), _bad_job(control)
    begun = RollbackBegun("recreate", state, files.files, files.state_bytes, *bad)
    if given.way == "recreate":
        return begun
    old = rollback_patch(given.before["spec"], state, next_redeploy_nonce(found))
    now = _patch_to(run, control, old, REDEPLOY_NONCE)
    begun = msgspec.structs.replace(begun, rollback_way="redeploy")
    return begun if now else msgspec.structs.replace(begun, bad_job_id=None, bad_started_ms=0)


def _patched_back(run: StepRun, given: BeginRollback, control: KubeControl, found: Json) -> RollbackBegun:
    """No savepoint of the operator's is known: the job was never stopped, or by last-state, or it died."""
    before = given.before
    old = dict(before["spec"])
    stopped = _was_stopped(run, given, control)
    if stopped and upgrade_mode(old) != "last-state":
        if not _has_ha_metadata(run, control, before):
            return _started_from(run, given, control, found, _kept_state(run, control, before))
        old["job"] = {**job_of(old), "upgradeMode": "last-state"}
    bad = _bad_job(control) if stopped else _NO_JOB
    if not _patch_to(run, control, old, None):
        bad = _NO_JOB  # an earlier try set it: the newest job may be the good one already

    def ask() -> str | None:
        now = control.resource()
        if (path := new_savepoint(now, given.known)) is not None:
            return path  # the operator was already about to stop it
        return "" if acted_on(now) else None

    try:
        late = run.until("waiting for the operator to take the old spec", ask, within_seconds=_ACTS_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(f"the old spec is set, but {problem.what}", next_step=OPERATOR_SILENT) from None
    way: RollbackTaken = "savepoint" if late else "last-state" if stopped else "not-stopped"
    return RollbackBegun(way, late or None, bad_job_id=bad.job_id, bad_started_ms=bad.started_ms)


def remove(run: StepRun, given: RemoveResource) -> ResourceRemoved:
    """Delete the resource and wait until nothing of its Flink cluster or session job is left; the savepoint stays."""
    begun = run.findings.last(RollbackBegun)
    if given.of_rollback and (begun is None or begun.rollback_way != "recreate"):
        return ResourceRemoved()
    control = kube_control(run)
    found = _read(run, control)
    if found is not None and _uid(found) == given.uid:
        if problems := deletion_problems(joined(found, control.session_cluster), Features()):
            raise OperationFailed(f"it is not deleted: {'; '.join(problems)}", next_step=_by_hand(run))
        run.until("deleting the resource", lambda: _deleted(control, given.uid))
    bad_job_id = begun.bad_job_id if begun is not None else None

    def ask() -> bool | None:
        left = control.verbs.resource(control.ref)
        if left is not None and _uid(left) == given.uid:
            return None
        if left is not None:
            return True  # created again already
        return None if control.leftovers({run.job_id, bad_job_id or ""}) else True

    try:
        run.until("waiting until the resource and what it ran are gone", ask, within_seconds=_GONE_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(problem.what, next_step=OPERATOR_SILENT) from None
    return ResourceRemoved()


def create(run: StepRun, given: CreateResource) -> ResourceCreated:
    """Create the resource with the old spec, to start from the savepoint. One with this plan's mark was made before."""
    begun = run.findings.last(RollbackBegun)
    if given.of_rollback and (begun is None or begun.rollback_way != "recreate"):
        return ResourceCreated()
    control = kube_control(run)
    savepoint = given.savepoint or run.savepoint
    edits = (begun.edits if given.of_rollback and begun is not None else None) or {}
    before = {**given.before, "spec": merged(section(given.before, "spec"), edits)}
    body = recreated(before, savepoint, run.plan.id)

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
    return ResourceCreated(savepoint)


def _deleted(control: KubeControl, uid: str) -> bool:
    control.require_lock()
    control.verbs.delete(control.ref, uid=uid)
    return True


def _read(run: StepRun, control: KubeControl) -> Json | None:
    """The resource; None when it is gone."""
    return run.until("reading the resource", lambda: (control.verbs.resource(control.ref),))[0]


def _patch_to(run: StepRun, control: KubeControl, spec: dict[str, Any], nonce: str | None) -> bool:
    """Gives the resource this spec; False when it had it. A difference in the job's field `nonce` alone is none."""

    def ask() -> tuple[bool] | None:
        found = control.resource()
        patch = spec_patch(found, spec)
        if not patch or (nonce and patch["spec"].get("job", {}).keys() == {nonce} and patch["spec"].keys() == {"job"}):
            return (False,)
        return None if control.patch_as_found(found, patch) is None else (True,)

    return run.until("setting the old spec again", ask)[0]


def _was_stopped(run: StepRun, given: BeginRollback, control: KubeControl) -> bool:
    """Whether the old job is gone: as the REST API has it; when that is silent for long, by what else was seen.

    A JobManager in a crash loop is READY in the operator's eyes every now and then.
    """
    try:
        job = run.until("polling the job", control.newest, within_seconds=_SILENT_SECONDS)
    except NotInTime:
        found = run.until("reading the resource", control.resource)
        manager = text(section(found, "status"), "jobManagerDeploymentStatus")
        return run.findings.last(JobGone) is not None or stopping(found) or manager not in ("READY", None)
    return job.ended_ms is not None or (job.id, job.started_ms or 0) != (given.job_id, given.started_ms)


def _kept_state(run: StepRun, control: KubeControl, before: dict[str, Any]) -> str:
    """What the old spec can be started from; raises OperationFailed with what to do when nothing is in sight."""
    spec = joined(before, control.session_cluster)["spec"]
    directory = savepoint_directory(spec)
    # With high availability only the end of the job cleans its metadata up, and its checkpoints with it.
    if (state := kept_state(run, directory, checkpoints_dropped=ha_on(spec))) is not None:
        return state
    name = shell_word(control.ref.name)
    runs = f"flinkops suspend {name}; " if run.findings.last(StateLost) is not None else ""
    command = f"{runs}flinkops resume {name} --from PATH"
    raise OperationFailed(nothing_in_sight(run), next_step=f"{where_to_look(run, directory)}, then: {command}")


def _halt(control: KubeControl) -> None:
    """End a job that lost its state, at once and as far as it can be done.

    It counts its checkpoints from 1, under the same job id and so in the same folder. At the number of one from before
    it would fail at the file that is there, and remove the folder (FsCheckpointStorageLocation.disposeOnFailure).
    """
    if (bad := _bad_job(control).job_id) is not None:
        with suppress(FlinkopsError):
            control.cancel(bad)


def _has_ha_metadata(run: StepRun, control: KubeControl, before: dict[str, Any]) -> bool:
    """Whether the operator can bring the job back by last-state: a job that has ended leaves no metadata behind."""
    if not ha_on(joined(before, control.session_cluster)["spec"]) or control.is_session_job:
        return False
    left = run.until("reading its metadata", lambda: control.leftovers({run.job_id}))
    return any(one.kind == "configmap" and run.job_id in one.name for one in left)


class _BadJob(NamedTuple):
    """The job that did not do: not to be taken for the old one that comes back."""

    job_id: str | None = None
    started_ms: int = 0


_NO_JOB = _BadJob()


def _bad_job(control: KubeControl) -> _BadJob:
    try:
        job = control.newest()
    except Unreachable:
        return _NO_JOB
    return _NO_JOB if job is None else _BadJob(job.id, job.started_ms or 0)


def _uid(resource: Json) -> str:
    return text(section(resource, "metadata"), "uid") or ""


def _by_hand(run: StepRun) -> str:
    return f"the old spec is in the journal: flinkops history {shell_word(run.plan.target.job_name)} -o json"


ROLLBACK_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(BeginRollback, RollbackBegun, begin_rollback),
    StepKind(RemoveResource, ResourceRemoved, remove),
    StepKind(CreateResource, ResourceCreated, create),
)
