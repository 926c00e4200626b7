"""Steps that change a custom resource of the Flink operator, and wait for what the operator makes of it."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from flinkops.act.kube_control import KubeControl, kube_control
from flinkops.act.running import StepAction, StepRun
from flinkops.errors import OperationFailed, Refused, TimedOut, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.plan.operator_actions import merged, spec_patch, stopped_with
from flinkops.plan.operator_mode import lost_stop_savepoint, stop_savepoints
from flinkops.plan.operator_spec import last_reconciled, upgrade_mode
from flinkops.plan.preconditions import spec_hash
from flinkops.sources.kube_resources import Json, error_text, section, text
from flinkops.sources.kube_verbs import Conflict

_TAKEN_UP_WITHIN_SECONDS = 120.0
_ERROR_HOLDS_SECONDS = 20.0
_WITHOUT_SAVEPOINT_SECONDS = 15.0
OPERATOR_SILENT = (
    "is the operator running? kubectl get pods -A -l app.kubernetes.io/name=flink-kubernetes-operator;"
    " the job goes on as before until the operator acts"
)


def dry_run(run: StepRun) -> dict[str, str]:
    """The API server takes the change, its webhooks too, and drops nothing of it."""
    control = kube_control(run)
    patch = _decoded(run, "patch")

    def ask() -> Json | None:
        version = _version(control.resource())
        try:
            return control.verbs.patch(control.ref, patch, resource_version=version, dry_run=True)
        except Conflict:
            return None

    answer = run.until("asking the API server for a dry run", ask)
    if lost := dropped(patch.get("spec") or {}, section(answer, "spec"), "spec"):
        raise OperationFailed(f"this operator's resource has no {lost}: the API server would drop it silently")
    return {}


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


def patch_resource(run: StepRun) -> dict[str, str]:
    """Change the spec, if it is still the one that the plan was made for; once it is changed, nothing more."""
    control, patch, before = kube_control(run), _decoded(run, "patch"), _decoded(run, "before")

    def ask() -> Json | None:
        found = control.resource()
        spec = section(found, "spec")
        if not spec_patch(found, merged(spec, patch.get("spec") or {})):
            return found  # an earlier try did it
        if spec_hash(found) != spec_hash(before):
            raise Refused("the spec was edited by somebody else since the plan was made: plan again")
        control.require_lock()
        try:
            return control.verbs.patch(control.ref, patch, resource_version=_version(found))
        except Conflict:
            return None

    answer = run.until("changing the resource", ask)
    return {"generation": str(section(answer, "metadata").get("generation")), "old_job_id": run.job_id}


def await_upgrade_savepoint(run: StepRun) -> dict[str, str]:
    """The savepoint that the operator takes when it stops the job; the only one that counts.

    When the operator has not begun after two minutes, nothing is taken back: it may only be down.
    """
    control = kube_control(run)
    watch = _Waiting(run, control)
    path = run.until("waiting for the operator's savepoint", watch.savepoint)
    return {"savepoint": path, "stopped_ms": str(watch.last_running_ms)}


class _Waiting:
    """Watches the old job and the resource until the operator has stopped the job."""

    def __init__(self, run: StepRun, control: KubeControl) -> None:
        self._run, self._control = run, control
        self._known = set(_decoded_list(run, "known"))
        self._begun = time.monotonic()
        self._error_since: float | None = None
        self._stopped_since: float | None = None
        self._first_error = run.arguments.get("error", "")
        self.last_running_ms = run.clock.now_ms()

    def savepoint(self) -> str | None:
        """Its path, once the resource has it."""
        found = self._control.resource()
        if (path := new_savepoint(found, self._known)) is not None:
            return path
        now = time.monotonic()
        job = self._old_job()
        if job is not None and job.state == "FINISHED" and (path := stopped_with(job)) is not None:
            return path  # operator 1.7 sometimes loses it: Flink itself still knows
        if job is not None and job.state == "RUNNING":
            self.last_running_ms = self._run.clock.now_ms()
            self._refuse_error(found, now)
            if not _savepoint_begun(job) and now - self._begun > _TAKEN_UP_WITHIN_SECONDS:
                raise TimedOut(
                    f"the operator has not acted on the change within {now - self._begun:.0f} s",
                    next_step=OPERATOR_SILENT,
                )
        self._refuse_without(found, now)
        return None

    def _old_job(self) -> JobFacts | None:
        try:
            return self._control.job(self._run.job_id)
        except Unreachable:
            return None

    def _refuse_error(self, found: Json, now: float) -> None:
        error = text(section(found, "status"), "error") or ""
        if error in ("", self._first_error):
            self._error_since = None
            return
        self._error_since = self._error_since or now
        if now - self._error_since > _ERROR_HOLDS_SECONDS:
            raise OperationFailed(f"the operator cannot stop the job with a savepoint: {error_text(found)}")

    def _refuse_without(self, found: Json, now: float) -> None:
        if not stopping(found) and not acted_on(found):
            self._stopped_since = None
            return
        self._stopped_since = self._stopped_since or now
        if now - self._stopped_since > _WITHOUT_SAVEPOINT_SECONDS:
            used = upgrade_mode(last_reconciled(found) or {})
            raise OperationFailed(f"the operator stopped the job without a savepoint (by {used})")


def await_taken_up(run: StepRun) -> dict[str, str]:
    """The operator has seen a change that stops nothing, and the job is the same."""
    control = kube_control(run)
    taken_up(run)
    job = run.until("looking at the job", control.newest, within_seconds=60.0)
    started_ms = int(run.arguments["started_ms"])
    if run.job_id and (job.id != run.job_id or (started_ms and job.started_ms != started_ms)):
        raise OperationFailed(f"the job was restarted, against the plan: {job.id} is {job.state}")
    return {"job": f"{job.state}, untouched"}


def await_suspended(run: StepRun) -> dict[str, str]:
    """The operator says SUSPENDED, and nothing runs any more."""
    control = kube_control(run)

    def ask() -> Json | None:
        found = control.resource()
        return found if text(section(found, "status"), "lifecycleState") == "SUSPENDED" else None

    found = run.until("waiting until the job is suspended", ask)
    savepoint = run.seen.get("savepoint")
    if savepoint and lost_stop_savepoint(section(found, "status"), savepoint) is not None:
        return {"note": f"the operator has lost {savepoint}; `flinkops resume` starts from it nevertheless"}
    return {}


def taken_up(run: StepRun) -> Json:
    """The resource once the operator has acted on its spec. Raises TimedOut when it does not for two minutes."""
    control = kube_control(run)

    def ask() -> Json | None:
        found = control.resource()
        return found if acted_on(found) else None

    try:
        return run.until("waiting for the operator", ask, within_seconds=_TAKEN_UP_WITHIN_SECONDS)
    except OperationFailed as problem:
        if problem.what.startswith("waiting"):
            raise TimedOut(f"the operator has not acted: {problem.what}", next_step=OPERATOR_SILENT) from None
        raise


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
    except msgspec.DecodeError:
        return False
    return section(section(last, "resource_metadata"), "metadata").get("generation") == generation


def stopping(found: Json) -> bool:
    """Whether the operator has stopped the job to deploy another spec."""
    return text(section(section(found, "status"), "reconciliationStatus"), "state") in ("UPGRADING", "ROLLING_BACK")


def new_savepoint(found: Json, known: set[str]) -> str | None:
    """The path of an upgrade's savepoint that is not among the `known`."""
    return next((one.path for one in stop_savepoints(section(found, "status")) if one.path not in known), None)


def note_backup(run: StepRun) -> dict[str, str]:
    """A savepoint of ours is a backup: never the one that counts."""
    return {"backup_savepoint": run.seen["savepoint"], "savepoint": ""}


def _savepoint_begun(job: JobFacts) -> bool:
    history = job.checkpoints.history if job.checkpoints else ()
    return any(one.is_savepoint and one.status == "IN_PROGRESS" for one in history)


def _version(resource: Json) -> str | None:
    return text(section(resource, "metadata"), "resourceVersion")


def _decoded(run: StepRun, name: str) -> dict[str, Any]:
    return msgspec.json.decode(run.arguments[name], type=dict[str, Any])


def _decoded_list(run: StepRun, name: str) -> list[str]:
    return msgspec.json.decode(run.arguments.get(name, "[]"), type=list[str])


OPERATOR_ACTIONS: dict[str, StepAction] = {
    "dry-run-patch": dry_run,
    "patch-resource": patch_resource,
    "await-upgrade-savepoint": await_upgrade_savepoint,
    "await-taken-up": await_taken_up,
    "await-suspended": await_suspended,
    "note-backup": note_backup,
}
