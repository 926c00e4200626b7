"""What the Flink operator does about a changed spec: how it stops the job and what it starts it from. Pure.

Source: apache/flink-kubernetes-operator, ``AbstractFlinkResourceReconciler``, ``AbstractJobReconciler``,
``ApplicationReconciler``, ``SessionJobReconciler`` and ``SessionReconciler``; two rule sets, that of operators up to
1.9 and that of 1.10 and newer, with what changed between (:class:`~flinkops.plan.operator.rules.Rules`).
"""

from typing import NamedTuple

import msgspec

from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.model.states import ENDED, JobState
from flinkops.outside.kubernetes_quantities import BadQuantity
from flinkops.plan.operator.configuration import (
    CANCEL,
    FALLBACK,
    IGNORE_PENDING,
    MAX_AGE,
    Unparsable,
    savepoint_option,
)
from flinkops.plan.operator.decision import (
    EMPTY,
    HA_METADATA,
    NEW_SAVEPOINT,
    Act,
    Decision,
    Start,
    StartKind,
)
from flinkops.plan.operator.deploy_configuration import unbuildable
from flinkops.plan.operator.reading import Spec, Unreadable
from flinkops.plan.operator.reasons import Reason, ReasonCode, because
from flinkops.plan.operator.recorded import last_savepoint, pending_savepoint
from flinkops.plan.operator.scaling import scaled, with_autoscaler
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import Change, Comparison, compared, desired_state, job_of, upgrade_mode
from flinkops.plan.operator.validation import refused
from flinkops.plan.operator.worlds import Fact, FactKind


class Predicted(NamedTuple):
    """By the rules of one version: what differs, and what is done about it."""

    comparison: Comparison
    decision: Decision


_READ_AT_ONCE = ("flinkConfiguration.job.autoscaler.", "flinkConfiguration.kubernetes.operator.")
"""Settings of the operator and its autoscaler: they read the spec at each reconciliation."""


def predicted(view: View) -> Predicted:
    """What the operator does, whatever it throws included."""
    view = view._replace(case=view.case._replace(wanted=_wanted(view)))
    case = view.case
    comparison = compared(case.deployed, case.wanted, view.rules, native=case.native)
    if comparison.error is not None:
        return Predicted(comparison, _failed(ReasonCode.UNREADABLE, comparison.error))
    try:
        return Predicted(comparison, _decided(view, comparison))
    except (Unparsable, Unreadable, BadQuantity) as problem:
        return Predicted(comparison, _failed(ReasonCode.UNREADABLE, str(problem)))


def _wanted(view: View) -> Spec:
    try:
        return with_autoscaler(view)
    except Unparsable:
        return view.case.wanted


def _failed(code: ReasonCode, error: str) -> Decision:
    return Decision(Act.FAIL, because(code, error=error))


def _decided(view: View, comparison: Comparison) -> Decision:
    case, change = view.case, comparison.change
    if (error := refused(view)) is not None:
        return Decision(Act.REFUSED, because(ReasonCode.REFUSED_BY_VALIDATION, error=error))
    upgrading = case.reconciliation == "UPGRADING"
    if change is Change.NONE and not upgrading:
        return Decision(Act.NONE, because(ReasonCode.NOTHING_DIFFERS))
    if change is Change.IGNORE and not upgrading:
        at_once = all(one.path.startswith(_READ_AT_ONCE) for one in comparison.fields)
        return Decision(Act.NONE, because(ReasonCode.READ_AT_ONCE if at_once else ReasonCode.ONLY_WRITTEN_DOWN))
    if (error := unbuildable(view)) is not None:
        return _failed(ReasonCode.UNREADABLE, error)
    if case.not_ready is not None:
        return Decision(Act.WAIT, because(ReasonCode.CLUSTER_NOT_READY, what=case.not_ready))
    if _waits_for_savepoint(view):
        if change is Change.SAVEPOINT_REDEPLOY:
            path = str(job_of(case.wanted).get("initialSavepointPath") or "")
            return Decision(Act.SAVEPOINT_REDEPLOY, because(ReasonCode.REDEPLOYED_LATER, path=path))
        return Decision(Act.WAIT, because(ReasonCode.SAVEPOINT_IN_PROGRESS))
    if _is_what_runs(view):
        return Decision(Act.NONE, because(ReasonCode.ROLLED_BACK_TO_IT))
    not_scaled = None
    if change in (Change.NONE, Change.IGNORE, Change.SCALE):
        scaling = scaled(view)
        if scaling.refusal is None:
            return Decision(Act.IN_PLACE, because(ReasonCode.SCALED_IN_PLACE), bounds=scaling.bounds)
        not_scaled = scaling.refusal
    decision = _changed(view, change)
    return decision if not_scaled is None else decision._replace(before=not_scaled)


def _is_what_runs(view: View) -> bool:
    """``checkNewSpecAlreadyDeployed``, after a rollback of the operator's own."""
    case = view.case
    if case.reconciliation != "ROLLED_BACK" or case.last_stable is None:
        return False
    return not compared(case.last_stable, case.wanted, view.rules, native=case.native).fields


def _waits_for_savepoint(view: View) -> bool:
    if not job_of(view.case.wanted) or not pending_savepoint(view.case.status):
        return False
    return not view.observe.switch(IGNORE_PENDING, view.world, default=False)


def _changed(view: View, change: Change) -> Decision:
    case = view.case
    if not job_of(case.wanted):
        return Decision(Act.REDEPLOY_CLUSTER, because(ReasonCode.CLUSTER_REDEPLOYED))
    if change is Change.SAVEPOINT_REDEPLOY:
        return _redeployed(view)
    was, wanted = desired_state(case.deployed), desired_state(case.wanted)
    if was == "suspended":
        if wanted == "running":
            return _resumed(view, Act.RESUME, upgrade_mode(case.deployed))
        return Decision(Act.NONE, because(ReasonCode.TAKEN_UP_AT_RESUME))
    decision = _modern(view) if view.rules.cancels_over_rest else _classic(view)
    return decision if decision.start is None or wanted == "running" else decision._replace(start=None)


def _redeployed(view: View) -> Decision:
    """A changed savepointRedeployNonce, whatever changed beside it (``redeployWithSavepoint``)."""
    path = job_of(view.case.wanted).get("initialSavepointPath")
    reason = because(ReasonCode.REDEPLOYED, path=str(path or ""))
    if desired_state(view.case.wanted) != "running":
        return Decision(Act.SAVEPOINT_REDEPLOY, reason, records="savepoint")
    start = Start(StartKind.PATH, str(path)) if path else EMPTY
    return Decision(Act.SAVEPOINT_REDEPLOY, reason, start, records="savepoint")


def _resumed(view: View, act: Act, before: str) -> Decision:
    """``restoreJob``: a job that does not run starts as it was stopped; only stateless can be asked for otherwise."""
    mode = "stateless" if upgrade_mode(view.case.wanted) == "stateless" else before
    reason = because(ReasonCode.RESUMED if act is Act.RESUME else ReasonCode.STATE_RECORDED, mode=before)
    seen = str(view.case.job_status.get("state") or JobState.RECONCILING)  # by the operator itself
    if not view.case.session_job and view.case.jobmanager != "MISSING" and seen not in ENDED:
        return Decision(Act.FAIL, because(ReasonCode.RESUME_OVER_ANOTHER, state=seen), records=mode)
    if before == "last-state":
        if not view.ha_metadata(view.deploy):
            return Decision(Act.FAIL, because(ReasonCode.RESUME_NEEDS_HA_METADATA), records=mode)
        return Decision(act, reason, HA_METADATA, records=mode)
    if mode == "stateless":
        return Decision(act, because(ReasonCode.RESUMED_EMPTY, mode=before), EMPTY, records=mode)
    return Decision(act, reason, _recorded(view), records=mode)


def _recorded(view: View) -> Start:
    """``upgradeSavepointPath``, else ``lastSavepoint`` (which alone operators up to 1.9 have)."""
    path = view.case.job_status.get("upgradeSavepointPath") if view.rules.cancels_over_rest else None
    path = path if path is not None else last_savepoint(view.case.status)
    return EMPTY if path is None else Start(StartKind.PATH, str(path))


def _stateless(view: View) -> Decision:
    """A session job that is being cancelled is started when that has ended, so not now; up to 1.9 it was at once."""
    waits = view.rules.cancels_over_rest and view.case.session_job and view.case.job_state == JobState.CANCELLING
    start = None if waits else EMPTY
    stops = view.case.job_state not in ENDED
    return Decision(Act.STATELESS, because(ReasonCode.STATELESS_ASKED), start, records="stateless", stops=stops)


# --- operators from 1.10 on -------------------------------------------------------------------------------------


def _modern(view: View) -> Decision:
    """``AbstractJobReconciler.getJobUpgrade``, and what an application has beyond it."""
    case, state = view.case, view.case.job_state
    if upgrade_mode(case.wanted) == "stateless":
        return _stateless(view)
    if _uses_recorded(view):
        return _from_recorded(view, state)
    if state == JobState.CANCELLING:
        return _pending(view, because(ReasonCode.CANCELLING))
    running, mode = state == JobState.RUNNING, upgrade_mode(case.wanted)
    if mode == "savepoint":
        if running:
            return _by_savepoint(ReasonCode.RUNNING_SAVEPOINT)
        if not case.version_changed and not view.deploy.switch(FALLBACK, view.world, default=True):
            return _pending(view, because(ReasonCode.FALLBACK_OFF, state=state))
    fallback = because(ReasonCode.FELL_BACK, state=state) if mode == "savepoint" else None
    if case.version_changed:
        decision = _across_versions(view, running)
    elif running:
        decision = _by_checkpoint_age(view)
    elif _cancel_instead(view):
        decision = _by_cancelling(view, because(ReasonCode.CANCELLED_OVER_REST))
    else:
        decision = _from_ha_metadata(view)
    return decision._replace(before=fallback) if fallback is not None else decision


def _uses_recorded(view: View) -> bool:
    """``useStatusSavepoint``: whether what is recorded of a job that has ended is its last state."""
    state = view.case.job_state
    if state not in ENDED:
        return False
    if state == JobState.CANCELED:
        return True
    if view.rules.recorded_if_accessible and (view.case.session_job or view.case.jobmanager == "READY"):
        return True
    return not view.ha_metadata(view.observe)


def _from_recorded(view: View, state: str) -> Decision:
    path = view.case.job_status.get("upgradeSavepointPath") or last_savepoint(view.case.status)
    if path == LAST_STATE_DUMMY:
        return Decision(Act.FAIL, because(ReasonCode.STATE_LOST_WITH_HA, state=state))
    start = _recorded(view)
    code = ReasonCode.STATE_RECORDED if start.kind is StartKind.PATH else ReasonCode.NO_STATE_RECORDED
    return Decision(Act.RECORDED, because(code, state=state, path=start.path), start, records="savepoint", stops=False)


def _by_savepoint(code: ReasonCode) -> Decision:
    return Decision(Act.SAVEPOINT, because(code), NEW_SAVEPOINT, records="savepoint")


def _by_cancelling(view: View, reason: Reason) -> Decision:
    """Cancelled over REST, then started from its last checkpoint; from nothing where there was none."""
    start = _recorded(view) if view.case.job_state in ENDED else _last_checkpoint(view)
    return Decision(Act.LAST_STATE_BY_CANCEL, reason, start, records="savepoint")


def _last_checkpoint(view: View) -> Start:
    seen = view.case.observed
    if seen.checkpoint_age_seconds is not None or seen.checkpoint_path is not None:
        return Start(StartKind.LAST_CHECKPOINT, seen.checkpoint_path or "")
    if not seen.checkpoints_read and view.world.ask(Fact(FactKind.CHECKPOINTS), (True, False)):
        return Start(StartKind.LAST_CHECKPOINT, "")
    path = last_savepoint(view.case.status)
    return EMPTY if path is None else Start(StartKind.PATH, path)


def _by_ha_metadata(view: View, reason: Reason) -> Decision:
    """The JobManager is deleted, its metadata kept: the next start needs it, by the wanted settings."""
    if desired_state(view.case.wanted) == "running" and not view.ha_metadata(view.deploy):
        return Decision(Act.FAIL, because(ReasonCode.STOPPED_FOR_GOOD), records="last-state", stops=True)
    return Decision(Act.LAST_STATE, reason, HA_METADATA, records="last-state")


def _across_versions(view: View, running: bool) -> Decision:
    if running and view.observe.has_directory(savepoint_option(view.rules), view.world):
        return _by_savepoint(ReasonCode.VERSION_NEEDS_SAVEPOINT)
    if _cancellable(view):
        return _by_cancelling(view, because(ReasonCode.VERSION_BY_CANCELLING))
    return _pending(view, because(ReasonCode.VERSION_IMPOSSIBLE_NOW))


def _cancellable(view: View) -> bool:
    """``isJobCancellable``."""
    case = view.case
    if case.job_state == JobState.RECONCILING:
        return False
    if not view.rules.cancellable_by_jobmanager:
        return True
    return case.job_state not in ENDED and (case.session_job or case.jobmanager == "READY")


def _cancel_instead(view: View) -> bool:
    """``allowLastStateCancel``."""
    if not _cancellable(view):
        return False
    if view.case.session_job or not view.ha_metadata(view.observe):
        return True
    return view.observe.switch(CANCEL, view.world, default=False)


def _by_checkpoint_age(view: View) -> Decision:
    """A running job with last-state: its last checkpoint must be young enough where a limit is set."""
    by_cancelling = view.rules.cancels_over_rest and _cancel_instead(view)
    limit = view.deploy.duration(MAX_AGE, view.world)

    def last_state(code: ReasonCode, **values: str) -> Decision:
        reason = because(code, **values)
        return _by_cancelling(view, reason) if by_cancelling else _by_ha_metadata(view, reason)

    if limit is None:
        return last_state(ReasonCode.RUNNING_LAST_STATE)
    seen, started = view.case.observed, str(view.case.job_status.get("startTime") or "")
    allowed = f"{limit:.0f}"
    if started.isdecimal() and (seen.now_ms - int(started)) / 1000 < limit:
        return last_state(ReasonCode.STARTED_RECENTLY, limit=allowed)
    completed, pending = seen.checkpoint_age_seconds, seen.pending_checkpoint_age_seconds
    if completed is None and pending is None and not seen.checkpoints_read:
        completed = view.world.ask(Fact(FactKind.CHECKPOINTS), (0.0, None))
    if completed is not None and completed < limit:
        return last_state(ReasonCode.CHECKPOINT_YOUNG, age=f"{completed:.0f}", limit=allowed)
    if pending is not None and pending < limit:
        return _pending(view, because(ReasonCode.CHECKPOINT_IN_PROGRESS))
    return _by_savepoint(ReasonCode.CHECKPOINT_OLD)._replace(reason=because(ReasonCode.CHECKPOINT_OLD, limit=allowed))


def _pending(view: View, reason: Reason) -> Decision:
    """Nothing now (``pendingUpgrade``); newer operators look all the same at what became of the JobManager."""
    if not view.rules.cancellable_by_jobmanager or view.case.session_job:
        return Decision(Act.WAIT, reason)
    return _without_jobmanager(view, reason)


def _from_ha_metadata(view: View) -> Decision:
    """``ApplicationReconciler.getJobUpgrade`` of a job that does not run and is not cancelled."""
    if view.case.session_job:
        return Decision(Act.WAIT, because(ReasonCode.WAITS_FOR_RUNNING, state=view.case.job_state))
    deploy, world = view.deploy, view.world
    if deploy.ha_on(world) and view.observe.ha_on(world) and view.ha_metadata(deploy):
        return _by_ha_metadata(view, because(ReasonCode.FROM_HA_METADATA))
    return _without_jobmanager(view, because(ReasonCode.NO_HA_METADATA, state=view.case.job_state))


def _without_jobmanager(view: View, waiting: Reason) -> Decision:
    case, state = view.case, view.case.jobmanager
    if state != "MISSING" and upgrade_mode(case.deployed) != "last-state" and view.never_started():
        failed = {"jobManagerDeploymentStatus": "MISSING", "jobStatus": {**case.job_status, "state": JobState.FAILED}}
        seen = msgspec.structs.replace(case.observed, job_state=None)
        again = view._replace(case=case._replace(status={**case.status, **failed}, observed=seen))
        return _modern(again) if view.rules.cancels_over_rest else _classic(again)
    if state in ("MISSING", "ERROR") and not view.ha_metadata(view.deploy):
        return Decision(Act.FAIL, because(ReasonCode.JOBMANAGER_GONE))
    return Decision(Act.WAIT, waiting)


# --- operators up to 1.9 ----------------------------------------------------------------------------------------


def _classic(view: View) -> Decision:
    case, state, mode = view.case, view.case.job_state, upgrade_mode(view.case.wanted)
    if mode == "stateless":
        return _stateless(view)
    if state in ENDED and not view.ha_metadata(view.observe):
        start = _recorded(view)
        code = ReasonCode.STATE_RECORDED if start.kind is StartKind.PATH else ReasonCode.NO_STATE_RECORDED
        reason = because(code, state=state, path=start.path)
        return Decision(Act.RECORDED, reason, start, records="savepoint", stops=False)
    if state == JobState.RUNNING:
        was = upgrade_mode(case.running_spec)
        if mode == "last-state" and was != "last-state" and not view.observe.ha_on(view.world):
            return _by_savepoint(ReasonCode.LAST_STATE_IS_NEW)
        if case.version_changed:
            return _by_savepoint(ReasonCode.VERSION_NEEDS_SAVEPOINT)
        return _by_checkpoint_age(view) if mode == "last-state" else _by_savepoint(ReasonCode.RUNNING_SAVEPOINT)
    if case.session_job:
        return Decision(Act.WAIT, because(ReasonCode.WAITS_FOR_RUNNING, state=state))
    allowed = mode == "last-state" or view.deploy.switch(FALLBACK, view.world, default=True)
    if allowed and not case.version_changed:
        decision = _from_ha_metadata(view)
        return decision._replace(before=because(ReasonCode.FELL_BACK, state=state)) if mode == "savepoint" else decision
    return _without_jobmanager(view, because(ReasonCode.LAST_STATE_NOT_ALLOWED, state=state))
