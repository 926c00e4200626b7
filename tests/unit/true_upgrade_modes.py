"""How the true operator stops a job for a change, and which state it goes on from: its upgrade modes, by version.

Written after ``AbstractJobReconciler.getJobUpgrade``, ``ApplicationReconciler`` and their older forms.
"""

import json
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.plan.operator.configuration import CANCEL, FALLBACK, MAX_AGE, savepoint_option
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.scaling import Bounds
from flinkops.plan.operator.situation import ObservedJob, Situation, View
from flinkops.plan.operator.spec import upgrade_mode
from flinkops.plan.operator.worlds import World

Spec = dict[str, Any]

TERMINAL = ("FINISHED", "FAILED", "CANCELED")


def copied(value: Any) -> Any:
    """A copy of something that is JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


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


_BY_METADATA = JobUpgrade(Suspend.LAST_STATE, "last-state")


class UpgradeModes:
    """One resource, and the cluster that it is about."""

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
        self.redeploys_later = False  # when the savepoint that is in progress has ended

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

    def _delete(self, *, keep_metadata: bool) -> None:
        self.cluster.delete(keep_metadata=keep_metadata)
        self.status["jobManagerDeploymentStatus"] = "MISSING"

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
