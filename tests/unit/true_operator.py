"""The Flink operator's reconciliation, round by round, by the rules of one version, 1.7 to 1.16.

Written after ``AbstractJobReconciler``, ``ApplicationReconciler``, ``SessionJobReconciler`` and
``ReconciliationUtils``, apart from the prediction: a round changes the resource's status and gives orders to a
:class:`Cluster`. What a spec means (comparison, settings, validation, bounds) is the prediction's, which recorded
decisions of real operators hold.
"""

import json
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.plan.operator.configuration import (
    CANCEL,
    FALLBACK,
    IGNORE_PENDING,
    MAX_AGE,
    Unparsable,
    savepoint_option,
)
from flinkops.plan.operator.deploy_configuration import unbuildable
from flinkops.plan.operator.quantities import BadQuantity
from flinkops.plan.operator.reading import Unreadable
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.scaling import Bounds, scaled, with_autoscaler
from flinkops.plan.operator.situation import ObservedJob, Situation, View
from flinkops.plan.operator.spec import Change, compared, desired_state, job_of, upgrade_mode
from flinkops.plan.operator.validation import refused
from flinkops.plan.operator.worlds import World

Spec = dict[str, Any]


def copied(value: Any) -> Any:
    """A copy of something that is JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


TERMINAL = ("FINISHED", "FAILED", "CANCELED")


class Thrown(Exception):
    """An exception of the operator's: it is written to ``status.error``, and the round is tried again."""


class Cluster(Protocol):
    """Flink and Kubernetes, as the operator uses them."""

    def seen(self) -> ObservedJob:
        """Everything that it may ask for."""
        ...

    def stop_with_savepoint(self) -> str:
        """The savepoint's path. Raises Thrown."""
        ...

    def cancel(self) -> bool:
        """Begins to cancel the job; whether that has ended already."""
        ...

    def delete(self, *, keep_metadata: bool) -> None:
        """Deletes the JobManager, and the HA metadata unless that is kept."""
        ...

    def submit(self, spec: Spec, path: str | None, *, from_metadata: bool) -> None:
        """Starts the job from `path`, or from nothing; HA metadata, where there is any, comes before both."""
        ...

    def scale(self, bounds: Bounds | None) -> None:
        """Changes the parallelism of vertices."""
        ...


class Outcome(StrEnum):
    """What came of a round."""

    NOTHING = "nothing"
    WAITING = "waiting"
    REFUSED = "refused"
    FAILED = "failed"
    SCALED = "scaled"
    CHANGED = "changed"


class Suspend(StrEnum):
    """``SuspendMode``."""

    NOOP = "noop"
    STATELESS = "stateless"
    SAVEPOINT = "savepoint"
    CANCEL = "cancel"
    LAST_STATE = "last-state"


class JobUpgrade(NamedTuple):
    """``JobUpgrade``: how the job is stopped, and the mode that it is restored by. No `suspend`: not now."""

    suspend: Suspend | None
    restore: str = ""
    fallback: bool = False  # whether HA metadata may be used instead


NOT_NOW, UNAVAILABLE = JobUpgrade(None), JobUpgrade(None, fallback=True)


class TrueOperator:
    """`rounds` of one resource, whose status it changes."""

    def __init__(
        self,
        rules: Rules,
        cluster: Cluster,
        resource: dict[str, Any],
        session_cluster: dict[str, Any] | None = None,
    ) -> None:
        self.rules, self.cluster, self.resource, self.session_cluster = rules, cluster, resource, session_cluster
        self.suspended: list[Suspend] = []  # how it stopped the job, in order
        self.redeployed = False  # whether that was for another nonce

    # --- the resource ---

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.resource.setdefault("status", {})
        return found

    @property
    def job_status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status.setdefault("jobStatus", {})
        return found

    @property
    def reconciliation(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status.setdefault("reconciliationStatus", {})
        return found

    @property
    def last(self) -> Spec | None:
        """``lastReconciledSpec``."""
        text = self.reconciliation.get("lastReconciledSpec")
        found: Spec | None = json.loads(text)["spec"] if text else None
        return found

    @property
    def jobmanager(self) -> str:
        return str(self.status.get("jobManagerDeploymentStatus") or "MISSING")

    @property
    def is_session_job(self) -> bool:
        return self.session_cluster is not None

    def write(self, spec: Spec, state: str) -> None:
        """``updateStatusForSpecReconciliation``, with the generation that it was read from."""
        metadata = self.resource["metadata"]
        meta = {"metadata": {"generation": metadata.get("generation")}, "firstDeployment": False}
        self.reconciliation["lastReconciledSpec"] = json.dumps({"spec": spec, "resource_metadata": meta})
        self.reconciliation["state"] = state
        self.status.pop("error", None)
        if self.rules.cancels_over_rest:
            self.status["observedGeneration"] = metadata.get("generation")

    # --- a round ---

    def round(self) -> Outcome:
        """One call of the reconciler, the validation before it."""
        try:
            return self._round()
        except (Unparsable, Unreadable, BadQuantity, Thrown) as problem:
            self.status["error"] = json.dumps({"message": str(problem)})
            return Outcome.FAILED

    def _round(self) -> Outcome:
        last = self.last
        if last is None:
            return self._first_deployment()
        view = self._view(last)
        view = view._replace(case=view.case._replace(wanted=copied(dict(with_autoscaler(view)))))
        wanted: Spec = dict(view.case.wanted)
        comparison = compared(last, wanted, self.rules, native=view.case.native)
        if comparison.error is not None:
            raise Thrown(comparison.error)
        if (problem := refused(view)) is not None:
            self.status["error"] = json.dumps({"message": problem})
            return Outcome.REFUSED
        upgrading = self.reconciliation.get("state") == "UPGRADING"
        if comparison.change.rank <= Change.IGNORE.rank and not upgrading:
            self.write(last, self.reconciliation.get("state", "DEPLOYED"))
            return Outcome.NOTHING
        if view.case.not_ready is not None or self._savepoint_pending(view):
            return Outcome.WAITING
        if (error := unbuildable(view)) is not None:
            raise Thrown(error)
        if self._rolled_back_to(view, wanted):
            return Outcome.NOTHING
        if comparison.change not in (Change.UPGRADE, Change.SAVEPOINT_REDEPLOY):
            scaling = scaled(view)
            if scaling.refusal is None:
                self.cluster.scale(scaling.bounds)
                self.write(wanted, "DEPLOYED")
                return Outcome.SCALED
        return self._spec_change(view, comparison.change, last, wanted)

    def _view(self, last: Spec) -> View:
        spec, cluster = self.resource["spec"], self.session_cluster
        stable = self.reconciliation.get("lastStableSpec")
        ready = cluster is None or (cluster.get("status") or {}).get("jobManagerDeploymentStatus", "READY") == "READY"
        case = Situation(
            deployed=last,
            wanted=spec,
            status=self.status,
            features=Features(version=f"1.{self.rules.minor}.0"),
            observed=self.cluster.seen(),
            session_job=self.is_session_job,
            cluster=cluster,
            not_ready=None if ready else "its JobManager is not READY",
            last_stable=json.loads(stable)["spec"] if stable else None,
            namespace=str(self.resource["metadata"].get("namespace") or ""),
        )
        return View(case, self.rules, World({}))

    def _savepoint_pending(self, view: View) -> bool:
        pending = (self.job_status.get("savepointInfo") or {}).get("triggerId")
        ignored = view.observe.switch(IGNORE_PENDING, view.world, default=False)
        return bool(job_of(view.case.wanted)) and bool(pending) and not ignored

    def _rolled_back_to(self, view: View, wanted: Spec) -> bool:
        if self.reconciliation.get("state") != "ROLLED_BACK" or view.case.last_stable is None:
            return False
        return not compared(view.case.last_stable, wanted, self.rules, native=view.case.native).fields

    def _first_deployment(self) -> Outcome:
        spec: Spec = copied(self.resource["spec"])
        if desired_state(spec) == "suspended":
            return Outcome.NOTHING
        path = job_of(spec).get("initialSavepointPath")
        if job_of(spec):
            spec["job"]["upgradeMode"] = "savepoint" if path else "stateless"
        if path and self.rules.cancels_over_rest:
            self.job_status["upgradeSavepointPath"] = path
        elif path:
            self._record({"location": path, "triggerType": "UNKNOWN"})
        self.cluster.submit(spec, path, from_metadata=False)
        self._is_being_deployed()
        self.write(spec, "DEPLOYED")
        return Outcome.CHANGED

    # --- reconcileSpecChange ---

    def _spec_change(self, view: View, change: Change, last: Spec, wanted: Spec) -> Outcome:
        if not job_of(wanted):
            self.cluster.delete(keep_metadata=False)
            self.cluster.submit(wanted, None, from_metadata=False)
            self.write(wanted, "DEPLOYED")
            return Outcome.CHANGED
        if change is Change.SAVEPOINT_REDEPLOY:
            return self._redeploy(wanted)
        current, desired = desired_state(last), desired_state(wanted)
        if current == "suspended" and desired == "suspended":
            return Outcome.NOTHING  # nothing is written: it is taken up at the resume
        if current == "running":
            upgrade = self._job_upgrade(view) if self.rules.cancels_over_rest else self._available_mode(view)
            if upgrade.suspend is None:
                return Outcome.WAITING
            if self._suspend(upgrade.suspend):
                self.reconciliation["state"] = "UPGRADING"
                self._remember_mode(upgrade.restore)
                return Outcome.CHANGED
            wanted["job"]["upgradeMode"] = last["job"]["upgradeMode"] = upgrade.restore
            between = {**wanted, "job": {**wanted["job"], "state": "suspended"}}
            self.write(between, "UPGRADING" if desired == "running" else "DEPLOYED")
            current = "suspended" if upgrade.suspend is Suspend.NOOP else current
        if current == "suspended" and desired == "running":
            self._resume(wanted, upgrade_mode(last))
        return Outcome.CHANGED

    def _remember_mode(self, mode: str) -> None:
        found = json.loads(self.reconciliation["lastReconciledSpec"])
        found["spec"]["job"]["upgradeMode"] = mode
        self.reconciliation["lastReconciledSpec"] = json.dumps(found)

    def _redeploy(self, wanted: Spec) -> Outcome:
        self.redeployed = True
        self._suspend(Suspend.STATELESS)
        path = wanted["job"].get("initialSavepointPath")
        wanted["job"]["upgradeMode"] = "savepoint"
        if self.rules.cancels_over_rest:
            self.job_status["upgradeSavepointPath"] = path
        else:
            self._record({"location": path, "triggerType": "UNKNOWN"})
        if desired_state(wanted) == "running":
            self._deploy(wanted, path, requires_metadata=False)
        self.write(wanted, "DEPLOYED")
        return Outcome.CHANGED

    def _resume(self, wanted: Spec, before: str) -> None:
        """The mode is that of the suspension, unless stateless is asked for."""
        mode = "stateless" if upgrade_mode(wanted) == "stateless" else before
        wanted["job"]["upgradeMode"] = mode
        self.write({**wanted, "job": {**wanted["job"], "state": "suspended"}}, "UPGRADING")
        path: str | None = None
        recorded = (self.job_status.get("savepointInfo") or {}).get("lastSavepoint") or {}
        if self.rules.cancels_over_rest and mode == "savepoint":
            path = self.job_status.get("upgradeSavepointPath") or recorded.get("location")
        elif not self.rules.cancels_over_rest and mode != "stateless":
            path = recorded.get("location")
        self._deploy(wanted, path, requires_metadata=before == "last-state")
        self.write(wanted, "DEPLOYED")

    def _deploy(self, spec: Spec, path: str | None, *, requires_metadata: bool) -> None:
        there = bool(self.cluster.seen().ha_metadata) and self._view(spec).deploy.ha_on(World({}))
        if self.rules.cancels_over_rest and path is None and requires_metadata and there:
            self.job_status["upgradeSavepointPath"] = LAST_STATE_DUMMY
        if not self.is_session_job and self.jobmanager != "MISSING":
            if self.job_status.get("state") not in TERMINAL:
                raise Thrown("IllegalArgumentException")
            self.cluster.delete(keep_metadata=requires_metadata)
        if requires_metadata and not there:
            raise Thrown("HA metadata not available to restore from last state. Manual restore required.")
        self.cluster.submit(spec, path, from_metadata=requires_metadata)
        self._is_being_deployed()

    def _is_being_deployed(self) -> None:
        self.job_status["state"] = "RECONCILING"
        if not self.is_session_job:
            self.status["jobManagerDeploymentStatus"] = "DEPLOYING"

    def _suspend(self, mode: Suspend) -> bool:
        """``cancelJob``. Whether the job is still being cancelled."""
        self.suspended.append(mode)
        state = self.job_status.get("state")
        (self.job_status.get("savepointInfo") or {}).pop("triggerId", None)  # reset when the job is seen not to run
        if mode is Suspend.SAVEPOINT and state == "RUNNING":
            path = self.cluster.stop_with_savepoint()
            self._record({"location": path, "triggerType": "UPGRADE"})
            if self.rules.cancels_over_rest:
                self.job_status["upgradeSavepointPath"] = path
        elif mode is Suspend.SAVEPOINT and state not in TERMINAL:
            raise Thrown(f"Unexpected non-terminal status: {state}")
        elif mode in (Suspend.CANCEL, Suspend.STATELESS) and state not in TERMINAL:
            waits = mode is Suspend.CANCEL or (self.is_session_job and self.rules.cancels_over_rest)
            if not self.cluster.cancel() and waits:
                return True
        if mode in (Suspend.STATELESS, Suspend.LAST_STATE) and not self.is_session_job:
            self._delete(keep_metadata=mode is Suspend.LAST_STATE)
        self.job_status["state"] = "FINISHED"
        return False

    def _delete(self, *, keep_metadata: bool) -> None:
        self.cluster.delete(keep_metadata=keep_metadata)
        self.status["jobManagerDeploymentStatus"] = "MISSING"

    def _record(self, savepoint: dict[str, Any]) -> None:
        info = self.job_status.setdefault("savepointInfo", {})
        info["lastSavepoint"] = {"timeStamp": self.cluster.seen().now_ms, **savepoint}
        if savepoint["triggerType"] == "UPGRADE":
            info.setdefault("savepointHistory", []).append(info["lastSavepoint"])

    # --- operators from 1.10 on ---

    def _job_upgrade(self, view: View) -> JobUpgrade:
        found = self._of_any_job(view)
        early = found.suspend is not None or self.is_session_job
        if early or (not self.rules.cancellable_by_jobmanager and not found.fallback):
            return found
        return self._of_application(view, found, allowed=found.fallback)

    def _of_any_job(self, view: View) -> JobUpgrade:
        mode, state = upgrade_mode(view.case.wanted), self._job_state
        if mode == "stateless":
            return JobUpgrade(Suspend.NOOP if state in TERMINAL else Suspend.STATELESS, "stateless")
        if self._status_savepoint_counts(view):
            recorded = (self.job_status.get("savepointInfo") or {}).get("lastSavepoint") or {}
            known = self.job_status.get("upgradeSavepointPath") or recorded.get("location")
            if known == LAST_STATE_DUMMY:
                raise Thrown("Job is in terminal state but last checkpoint is unknown. Manual restore required.")
            return JobUpgrade(Suspend.NOOP, "savepoint")
        if state == "CANCELLING":
            return NOT_NOW
        running, versions = state == "RUNNING", view.case.version_changed
        if mode == "savepoint":
            if running:
                return JobUpgrade(Suspend.SAVEPOINT, "savepoint")
            if not versions and not view.deploy.switch(FALLBACK, view.world, default=True):
                return NOT_NOW
        if versions:
            if running and view.observe.has_directory(savepoint_option(self.rules), view.world):
                return JobUpgrade(Suspend.SAVEPOINT, "savepoint")
            return JobUpgrade(Suspend.CANCEL, "savepoint") if self._cancellable() else NOT_NOW
        cancel = self._cancellable() and self._rather_cancel(view)
        if running:
            return self._by_age(view, JobUpgrade(Suspend.CANCEL, "savepoint") if cancel else _BY_METADATA)
        return JobUpgrade(Suspend.CANCEL, "savepoint") if cancel else UNAVAILABLE

    @property
    def _job_state(self) -> str:
        return str(self.job_status.get("state") or "RECONCILING")

    def _status_savepoint_counts(self, view: View) -> bool:
        if self._job_state not in TERMINAL:
            return False
        accessible = self.is_session_job or self.jobmanager == "READY"
        if self._job_state == "CANCELED" or (self.rules.recorded_if_accessible and accessible):
            return True
        return not self._metadata(view)

    def _metadata(self, view: View) -> bool:
        return view.observe.ha_on(view.world) and bool(view.case.observed.ha_metadata)

    def _cancellable(self) -> bool:
        if self._job_state == "RECONCILING":
            return False
        ready = self.is_session_job or self.jobmanager == "READY"
        return not self.rules.cancellable_by_jobmanager or (self._job_state not in TERMINAL and ready)

    def _rather_cancel(self, view: View) -> bool:
        if self.is_session_job or not self._metadata(view):
            return True
        return view.observe.switch(CANCEL, view.world, default=False)

    def _by_age(self, view: View, default: JobUpgrade) -> JobUpgrade:
        limit, seen = view.deploy.duration(MAX_AGE, view.world), view.case.observed
        if limit is None or (seen.now_ms - int(self.job_status["startTime"])) / 1000 < limit:
            return default
        if seen.checkpoint_age_seconds is not None and seen.checkpoint_age_seconds < limit:
            return default
        if seen.pending_checkpoint_age_seconds is not None and seen.pending_checkpoint_age_seconds < limit:
            return NOT_NOW
        return JobUpgrade(Suspend.SAVEPOINT, "savepoint")

    def _of_application(self, view: View, found: JobUpgrade, *, allowed: bool) -> JobUpgrade:
        """``ApplicationReconciler``, of a job that does not run."""
        there = view.deploy.ha_on(view.world) and bool(view.case.observed.ha_metadata)
        if allowed and there and view.observe.ha_on(view.world):
            return _BY_METADATA
        before = upgrade_mode(view.case.deployed)
        if self.jobmanager != "MISSING" and before != "last-state" and view.case.observed.jobmanager_never_started:
            self.job_status["state"] = "FAILED"
            self._delete(keep_metadata=True)
            again = self._view(dict(view.case.deployed))
            return self._job_upgrade(again) if self.rules.cancels_over_rest else self._available_mode(again)
        if self.jobmanager in ("MISSING", "ERROR") and not there:
            raise Thrown("JobManager deployment is missing and HA data is not available. Manual restore required.")
        return found

    # --- operators up to 1.9 ---

    def _available_mode(self, view: View) -> JobUpgrade:
        mode, state = upgrade_mode(view.case.wanted), self._job_state
        if mode == "stateless":
            return JobUpgrade(Suspend.STATELESS, "stateless")
        if state in TERMINAL and not self._metadata(view):
            return JobUpgrade(Suspend.SAVEPOINT, "savepoint")
        if state == "RUNNING":
            was = upgrade_mode(view.case.running_spec)
            newly = mode == "last-state" != was and not view.observe.ha_on(view.world)
            if mode == "savepoint" or newly or view.case.version_changed:
                return JobUpgrade(Suspend.SAVEPOINT, "savepoint")
            found = self._by_age(view, _BY_METADATA)
            return found if found.suspend is not None else NOT_NOW
        if self.is_session_job:
            return NOT_NOW
        fallback = mode == "last-state" or view.deploy.switch(FALLBACK, view.world, default=True)
        return self._of_application(view, NOT_NOW, allowed=fallback and not view.case.version_changed)


_BY_METADATA = JobUpgrade(Suspend.LAST_STATE, "last-state")
