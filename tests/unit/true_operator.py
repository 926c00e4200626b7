"""The Flink operator's reconciliation, round by round, by the rules of one version, 1.7 to 1.16.

Written after ``AbstractJobReconciler``, ``ApplicationReconciler``, ``SessionJobReconciler`` and
``ReconciliationUtils``, apart from the prediction: a round changes the resource's status and gives orders to a
``Cluster``. What a spec means (comparison, settings, validation, bounds) is the prediction's, which recorded decisions
of real operators hold.
"""

import json
from enum import StrEnum
from typing import Any

from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.outside.kubernetes_quantities import BadQuantity
from flinkops.plan.operator.configuration import IGNORE_PENDING, Unparsable
from flinkops.plan.operator.deploy_configuration import unbuildable
from flinkops.plan.operator.reading import Unreadable
from flinkops.plan.operator.scaling import scaled, with_autoscaler
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import Change, compared, desired_state, job_of, upgrade_mode
from flinkops.plan.operator.validation import refused
from flinkops.plan.operator.worlds import World
from tests.unit.true_upgrade_modes import TERMINAL, Spec, Suspend, Thrown, UpgradeModes, copied


class Outcome(StrEnum):
    """What came of a round."""

    NOTHING = "nothing"
    WAITING = "waiting"
    REFUSED = "refused"
    FAILED = "failed"
    SCALED = "scaled"
    CHANGED = "changed"


class TrueOperator(UpgradeModes):
    """`rounds` of one resource, whose status it changes."""

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
        if view.case.not_ready is not None:
            return Outcome.WAITING
        if self._savepoint_pending(view):
            self.redeploys_later = comparison.change is Change.SAVEPOINT_REDEPLOY
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

    def _record(self, savepoint: dict[str, Any]) -> None:
        info = self.job_status.setdefault("savepointInfo", {})
        info["lastSavepoint"] = {"timeStamp": self.cluster.seen().now_ms, **savepoint}
        if savepoint["triggerType"] == "UPGRADE":
            info.setdefault("savepointHistory", []).append(info["lastSavepoint"])
