"""From an ActionRequest about a job of the Flink operator to a Plan; flinkops.plan decides."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from flinkops.act.backend import Prepared
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.manifest import spec_of_kind
from flinkops.act.operator.control import KubeControl
from flinkops.act.operator.redeploy import NonceChoice, Settled, settle_nonce, what_is_lost
from flinkops.act.rest.prepare import plan_in_place
from flinkops.autoscale.configmap import OVERRIDES, decode_configmap
from flinkops.errors import UsageError
from flinkops.model.facts import CheckpointFacts, JobFacts
from flinkops.model.json_reading import section
from flinkops.model.plan import Plan
from flinkops.model.request import ActionRequest
from flinkops.outside.shell import shell_command, shell_word
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.bookkeeping import (
    next_redeploy_nonce,
    next_restart_nonce,
    with_bookkeeping_of,
    without_bookkeeping,
)
from flinkops.plan.operator.checks import ANEW
from flinkops.plan.operator.configuration import HA_TYPE, of_running_cluster
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.predict import Edit, Prediction, edited_spec, predict
from flinkops.plan.operator.recorded import lost_stop_savepoint, stopped_with
from flinkops.plan.operator.resource_change import ResourceChange, Seen
from flinkops.plan.operator.resource_plan import plan_for_resource
from flinkops.plan.operator.rules import Features, features
from flinkops.plan.operator.session_cluster import has_job, on_cluster
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import Change, configuration, savepoint_directory, upgrade_mode
from flinkops.plan.operator.step_inputs import PatchResource
from flinkops.plan.transactions import committing_sinks
from flinkops.sources.kubernetes.plan_inputs import Read
from flinkops.sources.storage.stores import Stores


def prepare_for_resource(
    control: KubeControl,
    journal: Journal,
    job: JobFacts,
    read: Read,
    request: ActionRequest,
    stamp: Stamp,
    stores: Stores,
) -> Prepared:
    """The plan, or one that says why it is refused. `job` is as the fleet shows it, `read` the resource now.

    Raises UsageError when the request makes no sense for this job, Unreachable and OperationFailed as the control does.
    """
    resource = read.resource
    if not has_job(resource):
        raise UsageError("this is a session cluster without a job of its own; name one of its jobs")
    adaptive = (job.scheduler or "").lower() == "adaptive"
    if request.verb == "savepoint-create":
        raise UsageError("Flink itself takes a savepoint: its operator is not asked")
    if request.verb == "rescale" and (adaptive or request.vertices):
        return _prepared(_in_place(control, job, request, stamp), {})
    observed = observed_job(job, read, stopped_by=_suspended_with(journal, control))
    start_from = request.start_from or _lost_savepoint(request, resource, observed)
    abilities = features(read.definition, read.operator.version)
    found = _predicted(control, journal, job, read, request, observed, stores, start_from, abilities)
    plan = plan_for_resource(
        request.verb,
        control.name,
        ResourceChange(resource, _seen(job, stamp), found, abilities, request.terms),
        stamp,
        start_from=start_from,
        backup_directory=_backup_directory(request, read),
    )
    return _prepared(plan, found.patch)


def _predicted(
    control: KubeControl,
    journal: Journal,
    job: JobFacts,
    read: Read,
    request: ActionRequest,
    observed: ObservedJob,
    stores: Stores,
    start_from: str | None,
    abilities: Features,
) -> Prediction:
    """What the operator will do with the edit that is asked for, and what of an earlier redeployment goes with it."""
    resource = read.resource
    edit, settled = _edit(journal, control, resource, request)
    accepted = _accepted(request, start_from)
    found = predict(resource, edit, observed=observed, features=abilities, cluster=read.cluster, accepted=accepted)
    found = _told_of_redeployment(found, settled, job, resource, journal, stores)
    ordered = settled is not None and settled.orders is not None and request.terms.redeploy_from is None
    if ordered and not abilities.savepoint_redeploy:
        found = msgspec.structs.replace(found, refused=(*found.refused, _no_nonce(control.ref.name)))
    return found


def _lost_savepoint(request: ActionRequest, resource: Mapping[str, Any], observed: ObservedJob) -> str | None:
    """The savepoint of a suspended job's stop that the operator has lost: only a new resource can start from it."""
    if request.verb != "resume":
        return None
    return lost_stop_savepoint(section(resource, "status"), observed.stop_savepoint)


def _accepted(request: ActionRequest, start_from: str | None) -> frozenset[str]:
    """What the request itself accepts, so that it is no reason to refuse."""
    accepted = {"last-state"} if request.verb == "resume" else set[str]()
    if start_from:
        accepted.add(ANEW)
    if request.terms.redeploy_from:
        accepted.add("savepoint-redeploy")
    return frozenset(accepted)


def _backup_directory(request: ActionRequest, read: Read) -> str | None:
    """Where a savepoint of our own goes first. Raises UsageError where one is asked for and no directory is set."""
    if not request.terms.backup:
        return None
    directory = savepoint_directory(on_cluster(section(read.resource, "spec"), read.cluster))
    if directory is None:
        raise UsageError("--backup-savepoint: no savepoint directory is configured (state.savepoints.dir)")
    return directory


def _seen(job: JobFacts, stamp: Stamp) -> Seen:
    return Seen(
        job.id,
        job.started_ms,
        running=bool(job.vertices) and job.state == "RUNNING",
        parallelism={vertex.id: vertex.parallelism for vertex in job.vertices},
        committing=committing_sinks(job.vertices),
        down_seconds=None if job.ended_ms is None else max(0.0, (stamp.now_ms - job.ended_ms) / 1000),
    )


def wanted_spec(
    journal: Journal, control: KubeControl, request: ActionRequest
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The spec as it is, and as the request would change it. Raises UsageError where it makes no sense for this job."""
    resource = control.resource()
    if not has_job(resource):
        raise UsageError("this is a session cluster without a job of its own; name one of its jobs")
    before = dict(section(resource, "spec"))
    return before, edited_spec(before, _edit(journal, control, resource, request)[0])


def observed_job(job: JobFacts, read: Read, *, stopped_by: str | None = None) -> ObservedJob:
    """What a snapshot of the fleet adds to the resource; `stopped_by`: the stop's savepoint by the journal."""
    seen = bool(job.vertices)  # else its state is the operator's word, which the resource has too
    points = job.checkpoints
    completed = points.latest_completed if points else None
    # As the operator (getCheckpointInfo): the newest in progress in Flink's history.
    history = points.history if points else ()
    pending = next((each for each in history if each.status == "IN_PROGRESS" and not each.is_savepoint), None)
    # A vertex that can only be 1, such as the committer of a sink, does not follow the job's parallelism.
    limits = [limit for vertex in job.vertices if (limit := vertex.max_parallelism) and limit > 1]
    return ObservedJob(
        now_ms=job.seen_ms,
        job_state=job.state if seen else None,
        checkpoint_age_seconds=_age_seconds(job, completed),
        pending_checkpoint_age_seconds=_age_seconds(job, pending),
        checkpoints_read=points is not None,
        checkpoint_path=completed.external_path if completed is not None else None,
        checkpoint_p99_seconds=points.duration_p99_seconds if points else None,
        max_parallelism=min(limits, default=None),
        ha_metadata=None if _in_zookeeper(job, read) else read.ha_metadata,
        jobmanager_never_started=read.jobmanager_never_started,
        operator_configuration=read.operator_configuration,
        running_configuration=of_running_cluster(job.configuration) if seen and job.configuration else None,
        autoscaler_overrides=_kept_overrides(read),
        vertices=tuple(vertex.id for vertex in job.vertices) if seen else None,
        adaptive=None if job.scheduler is None else job.scheduler.lower() == "adaptive",
        taskmanager_deployment=True if seen and job.state == "RUNNING" else None,
        stop_savepoint=None if job.state == "RUNNING" else stopped_with(job) or stopped_by,
    )


def _kept_overrides(read: Read) -> dict[str, str] | None:
    """The parallelism that the operator's autoscaler keeps, by vertex; None where it is not known."""
    if read.autoscaler is None:
        return None
    state = decode_configmap(read.autoscaler)
    return None if OVERRIDES in state.unread else {vertex: str(number) for vertex, number in state.overrides.items()}


def _in_zookeeper(job: JobFacts, read: Read) -> bool:
    """Whether HA metadata is where nobody has searched for it."""
    of_spec = configuration(section(read.resource, "spec"))
    known = (*(of_spec.get(key) for key in HA_TYPE.keys), *(job.configuration.get(key) for key in HA_TYPE.keys))
    return next((one for one in known if one is not None), "").lower() == "zookeeper"


def _age_seconds(job: JobFacts, checkpoint: CheckpointFacts | None) -> float | None:
    """Since it was triggered, as the operator counts."""
    if checkpoint is None or checkpoint.triggered_ms is None:
        return None
    return max(0.0, (job.seen_ms - checkpoint.triggered_ms) / 1000)


def _told_of_redeployment(
    found: Prediction,
    settled: Settled | None,
    job: JobFacts,
    resource: Mapping[str, Any],
    journal: Journal,
    stores: Stores,
) -> Prediction:
    """With what a changed redeploy nonce costs: in the refusal where nobody asked for it, else as a risk."""
    if settled is None:
        return found
    if settled.warning is not None:
        found = msgspec.structs.replace(found, risks=(*found.risks, settled.warning))
    if settled.orders is None or found.change != Change.SAVEPOINT_REDEPLOY.value:
        return found
    lost = what_is_lost(settled.orders, job, resource, journal, stores)
    if found.refused:
        return msgspec.structs.replace(found, refused=(*found.refused, lost))
    return msgspec.structs.replace(found, risks=(*found.risks, lost))


def _no_nonce(name: str) -> str:
    name = shell_word(name)
    return (
        "this operator has no savepointRedeployNonce: it would not redeploy the job."
        f" Leave the nonce out, or flinkops suspend {name} and flinkops resume {name} --from PATH"
    )


def _edit(
    journal: Journal, control: KubeControl, resource: Mapping[str, Any], request: ActionRequest
) -> tuple[Edit, Settled | None]:
    spec = section(resource, "spec")
    if request.verb == "suspend":
        return Edit(state="suspended", mode="savepoint"), None
    if request.verb == "resume":
        kept = None if upgrade_mode(spec) == "last-state" else "savepoint"
        return Edit.of(request.change, state="running", mode=request.mode or kept), None
    if request.verb == "restart":
        return Edit(restart_nonce=next_restart_nonce(resource), mode="savepoint"), None
    if request.verb == "rescale":
        return Edit(parallelism=request.change.parallelism, mode="savepoint"), None
    if request.verb == "rollback":
        before = spec_before(journal, control, spec, request.undo)
        return Edit(manifest=with_bookkeeping_of(spec, before), mode="savepoint"), None
    change, choice = request.change, _nonce_choice(request)
    if request.manifest:
        whole = spec_of_kind(request.manifest, control.ref.kind, control.ref.name)
        change = msgspec.structs.replace(change, manifest=whole)
    edit = Edit.of(change, mode=request.mode)
    if edit.manifest is None and choice == NonceChoice():
        return edit, None
    wanted = spec if edit.manifest is None else edit.manifest
    settled = settle_nonce(spec, wanted, next_redeploy_nonce(resource), choice)
    return msgspec.structs.replace(edit, manifest=settled.spec), settled


def _nonce_choice(request: ActionRequest) -> NonceChoice:
    return NonceChoice(request.terms.redeploy_from, request.terms.keep_nonce)


def _suspended_with(journal: Journal, control: KubeControl) -> str | None:
    """The savepoint of our last action on this job, when that was to suspend it."""
    for record in reversed(journal.records()):
        target = record.plan.target
        same = (target.source, target.kind, target.namespace, target.job_name) == (control.name, *control.ref)
        if same and record.plan.verb in ("upgrade", "rollback", "suspend", "resume", "restart", "rescale"):
            return record.found.savepoint if record.plan.verb == "suspend" else None
    return None


_CHANGES_SPEC = ("upgrade", "rescale", "autoscale-apply")
_LEFT_STANDING = ("verified", "failed", "abandoned")


def spec_before(
    journal: Journal, control: KubeControl, current: Mapping[str, Any], plan_id: str | None
) -> dict[str, Any]:
    """The spec before the last change of what runs that still stands, or before the action `plan_id`.

    Nonces, suspending and resuming are no such change. Raises UsageError when the journal knows none.
    """
    changes = [change for record in journal.records() if (change := _spec_change(record, control)) is not None]
    if plan_id is not None:
        found = [one.before for one in changes if one.record.plan.id == plan_id]
    else:
        found = [one for one in _standing(changes) if without_bookkeeping(one) != without_bookkeeping(current)]
    if found:
        return found[-1]
    raise UsageError(
        f"the journal knows no {'such ' if plan_id else ''}change of {control.ref.name} to roll back",
        next_step=shell_command("flinkops", "history", control.ref.name),
    )


class _SpecChange(NamedTuple):
    """An action that has patched the resource: the whole spec before it and after it."""

    record: ActionRecord
    before: dict[str, Any]
    after: dict[str, Any]


def _standing(changes: list[_SpecChange]) -> list[dict[str, Any]]:
    """The specs before those changes that have not been undone, oldest first; a rollback undoes back to its spec."""
    standing: list[dict[str, Any]] = []
    for one in changes:
        verb, outcome = one.record.plan.verb, one.record.outcome
        if verb in _CHANGES_SPEC and outcome in _LEFT_STANDING:
            standing.append(one.before)
        elif verb == "rollback" and outcome == "verified":
            after = without_bookkeeping(one.after)
            places = [index for index, before in enumerate(standing) if without_bookkeeping(before) == after]
            del standing[max(places, default=len(standing)) :]
    return standing


def _spec_change(record: ActionRecord, control: KubeControl) -> _SpecChange | None:
    target = record.plan.target
    if (target.source, target.kind, target.namespace, target.job_name) != (control.name, *control.ref):
        return None
    done = {step.name for step in record.steps if step.outcome == "ok"}
    for step in record.plan.steps:
        if isinstance(step.do, PatchResource) and step.name in done:
            spec: dict[str, Any] = step.do.before["spec"]
            return _SpecChange(record, spec, merged(spec, section(step.do.patch, "spec")))
    return None


def _in_place(control: KubeControl, job: JobFacts, request: ActionRequest, stamp: Stamp) -> Plan:
    close = control.job(job.id) or job
    plan = plan_in_place(
        control,
        close,
        stamp,
        parallelism=request.change.parallelism,
        vertices=request.vertices,
        checkpoints=request.terms.checkpoints,
    )
    spoken = "the resource's spec keeps its parallelism: the next restart goes back to it"
    return msgspec.structs.replace(plan, risks=(*plan.risks, spoken))


def _prepared(plan: Plan, patch: Mapping[str, Any]) -> Prepared:
    changes = bool(patch) or plan.change != "none"
    return Prepared(plan, changes, patch_command(plan, patch))


def patch_command(plan: Plan, prediction_patch: Mapping[str, Any]) -> str | None:
    """The same change as a kubectl command, for whoever wants to do it another way; None when there is none."""
    if not prediction_patch:
        return None
    target = plan.target
    where = ("kubectl", "-n", target.namespace or "", "patch", target.kind.lower(), target.job_name)
    return shell_command(*where, "--type=merge", "-p", json.dumps(prediction_patch))
