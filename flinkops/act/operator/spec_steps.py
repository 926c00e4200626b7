"""Steps that change a custom resource of the Flink operator, and wait for what the operator makes of it."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.operator.outcomes import (
    BackupKept,
    ChangeTakenUp,
    DryRunPassed,
    EditVerified,
    JobSuspended,
    ResourcePatched,
)
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import NotInTime, OperationFailed, Refused, TimedOut, Unreachable
from flinkops.model.json_reading import Json, section, text
from flinkops.model.places import same_place
from flinkops.model.steps import NamesSavepoint
from flinkops.plan.operator.bookkeeping import initial_paths
from flinkops.plan.operator.merge_patch import merged, spec_patch
from flinkops.plan.operator.recorded import lost_stop_savepoint, stop_savepoints
from flinkops.plan.operator.spec import desired_state
from flinkops.plan.operator.step_inputs import (
    AwaitSuspended,
    AwaitTakenUp,
    DryRunPatch,
    KeepBackup,
    PatchResource,
    VerifyEdit,
)
from flinkops.plan.preconditions import spec_hash
from flinkops.sources.kubernetes.verbs import Conflict

_TAKEN_UP_WITHIN_SECONDS = 120.0
OPERATOR_SILENT = (
    "is the operator running? kubectl get pods -A -l app.kubernetes.io/name=flink-kubernetes-operator;"
    " the job runs on as before until the operator acts"
)


def dry_run(run: StepRun, given: DryRunPatch) -> DryRunPassed:
    """The API server takes the change, its webhooks too, and drops nothing of it."""
    control = kube_control(run)
    patch = given.patch

    def ask() -> Json | None:
        version = _version(control.resource())
        try:
            return control.verbs.patch(control.ref, patch, resource_version=version, dry_run=True)
        except Conflict:
            return None

    answer = run.until("asking the API server for a dry run", ask)
    if lost := dropped(section(patch, "spec"), section(answer, "spec"), "spec"):
        raise OperationFailed(f"this operator's resource has no {lost}: the API server would drop it silently")
    return DryRunPassed()


def dropped(patch: Mapping[str, Any], answer: Mapping[str, Any], path: str) -> str | None:
    """The path of the first part of a merge patch that the answer does not have; None when it has all."""
    for key, value in patch.items():
        here = f"{path}.{key}"
        if isinstance(value, Mapping):
            inner = answer.get(key)
            if (lost := dropped(value, inner if isinstance(inner, Mapping) else {}, here)) is not None:
                return lost
        elif value is not None and answer.get(key) != value:
            return here
    return None


def patch_resource(run: StepRun, given: PatchResource) -> ResourcePatched:
    """Change the spec, if it is still the one that the plan was made for; once it is changed, nothing more."""
    control, patch, before = kube_control(run), given.patch, given.before

    def ask() -> Json | None:
        found = control.resource()
        spec = section(found, "spec")
        if not spec_patch(found, merged(spec, section(patch, "spec"))):
            return found  # an earlier try did it
        if spec_hash(found) != spec_hash(before):
            raise Refused("the spec was edited by somebody else since the plan was made: plan again")
        return control.patch_as_found(found, patch)

    answer = run.until("changing the resource", ask)
    return ResourcePatched(str(section(answer, "metadata").get("generation")), run.job_id)


def await_taken_up(run: StepRun, given: AwaitTakenUp) -> ChangeTakenUp:
    """The operator has seen a change that stops nothing, and the job is the same."""
    control = kube_control(run)
    spec = section(taken_up(run), "spec")
    if lost := dropped(section(given.patch, "spec"), spec, "spec"):
        raise OperationFailed(f"somebody else has changed {lost} again")
    job = run.until("polling the job", control.newest, within_seconds=60.0)
    started_ms = given.started_ms
    if run.job_id and (job.id != run.job_id or (started_ms and job.started_ms != started_ms)):
        raise OperationFailed(f"the job was restarted, against the plan: {job.id} is {job.state}")
    return ChangeTakenUp(f"{job.state}, untouched")


def await_suspended(run: StepRun, given: AwaitSuspended) -> JobSuspended:
    """The operator says SUSPENDED of the spec as it is, and no JobManager shows the job running any more."""
    control = kube_control(run)

    def ask() -> Json | None:
        found = control.resource()
        said = text(section(found, "status"), "lifecycleState") == "SUSPENDED"
        return found if said and not _runs(control, run.job_id or given.job_id) else None

    found = run.until("waiting until the job is suspended", ask)
    savepoint = run.findings.savepoint
    if savepoint and lost_stop_savepoint(section(found, "status"), savepoint) is not None:
        return JobSuspended(f"the operator has lost {savepoint}; `flinkops resume` starts from it nevertheless")
    return JobSuspended()


def _runs(control: KubeControl, job_id: str) -> bool:
    try:
        job = control.job(job_id)
    except Unreachable:
        return False  # its JobManager is gone, as the operator says
    return job is not None and job.ended_ms is None


def verify_edit(run: StepRun, given: VerifyEdit) -> EditVerified:
    """A suspended job's spec has the change, and the operator started nothing because of it."""
    control = kube_control(run)
    found = run.until("reading the resource", control.resource)
    spec = section(found, "spec")
    if lost := dropped(section(given.patch, "spec"), spec, "spec"):
        raise OperationFailed(f"somebody else has changed {lost} again")
    if desired_state(spec) != "suspended":
        raise OperationFailed("somebody else has resumed the job meanwhile")
    return EditVerified(str(section(found, "metadata").get("generation")))


def taken_up(run: StepRun) -> Json:
    """The resource once the operator has acted on its spec. Raises TimedOut when it does not for two minutes."""
    control = kube_control(run)

    def ask() -> Json | None:
        found = control.resource()
        return found if acted_on(found) else None

    try:
        return run.until("waiting for the operator", ask, within_seconds=_TAKEN_UP_WITHIN_SECONDS)
    except NotInTime as problem:
        raise TimedOut(f"the operator has not acted: {problem.what}", next_step=OPERATOR_SILENT) from None


def acted_on(found: Json) -> bool:
    """Whether the operator has deployed the spec as it is now: by observedGeneration, or by what it reconciled last."""
    status, generation = section(found, "status"), section(found, "metadata").get("generation")
    reconciliation = section(status, "reconciliationStatus")
    if text(reconciliation, "state") in ("UPGRADING", "ROLLING_BACK"):
        return False
    if isinstance(observed := status.get("observedGeneration"), int):
        return observed == generation
    try:
        last = msgspec.json.decode(text(reconciliation, "lastReconciledSpec") or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return section(section(last, "resource_metadata"), "metadata").get("generation") == generation


def stopping(found: Json) -> bool:
    """Whether the operator has stopped the job to deploy another spec."""
    return text(section(section(found, "status"), "reconciliationStatus"), "state") in ("UPGRADING", "ROLLING_BACK")


def new_savepoint(found: Json, known: Collection[str]) -> str | None:
    """The path of an upgrade's savepoint that is not among the `known`, nor what the spec says to start from.

    A redeployment writes its initialSavepointPath where the savepoint of a stop would be; seen on operator 1.15.
    """
    not_ours = (*known, *initial_paths(found))
    paths = (one.path for one in stop_savepoints(section(found, "status")))
    return next((path for path in paths if not any(same_place(path, one) for one in not_ours)), None)


def keep_backup(run: StepRun, _given: KeepBackup) -> BackupKept:
    """A savepoint of ours is a backup: never the one that counts."""
    return BackupKept(run.savepoint)


def _version(resource: Json) -> str | None:
    return text(section(resource, "metadata"), "resourceVersion")


SPEC_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(DryRunPatch, DryRunPassed, dry_run),
    StepKind(PatchResource, ResourcePatched, patch_resource),
    StepKind(AwaitTakenUp, ChangeTakenUp, await_taken_up),
    StepKind(AwaitSuspended, JobSuspended, await_suspended),
    StepKind(VerifyEdit, EditVerified, verify_edit),
    StepKind(KeepBackup, BackupKept, keep_backup, needs=(NamesSavepoint,)),
)
