"""How the Flink operator will stop and restore a job when its spec changes: the *effective* upgrade mode. Pure.

Source: apache/flink-kubernetes-operator, ``AbstractJobReconciler`` and ``ApplicationReconciler``; two rule sets: that
of operators up to 1.9 (read at 1.7.0) and that of 1.10 and newer (read at 1.15.0). They are told apart by the custom
resource's schema (``status.jobStatus.upgradeSavepointPath`` came with the second).
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from flinkops.model.assessment import Value
from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.model.states import ENDED, JobState
from flinkops.model.switches import is_on
from flinkops.plan.operator.spec import Spec, configuration, desired_state, upgrade_mode

Mode = Literal["none", "savepoint", "last-state", "stateless", "savepoint-redeploy", "wait", "fail"]

_OPERATOR = "kubernetes.operator."
_TAKEN_WHEN_RESUMED = "the job is suspended and stays so: the operator takes the change up when it is resumed"


class Features(Value, frozen=True):
    """What the installed operator can do, told by the schema of its custom resource (see :func:`features`)."""

    savepoint_redeploy: bool = False  # spec.job.savepointRedeployNonce: 1.8 and newer
    upgrade_savepoint_path: bool = False  # status.jobStatus.upgradeSavepointPath: 1.10 and newer
    version: str | None = None  # only to match known bugs, where it could be read


class ObservedJob(Value, frozen=True):
    """What was observed of the job and the resource does not say; None where it was not observed."""

    now_ms: int
    job_state: str | None = None  # by the REST API, newer than the operator's own view
    checkpoint_age_seconds: float | None = None  # since the last completed one
    pending_checkpoint_age_seconds: float | None = None
    checkpoint_p99_seconds: float | None = None
    max_parallelism: int | None = None  # the smallest of the vertices that follow the job's parallelism
    ha_metadata: bool | None = None  # whether the HA ConfigMaps of the job exist
    jobmanager_never_started: bool | None = None  # no container of a JobManager pod ever ran
    adaptive: bool | None = None  # the adaptive scheduler, which scales in place
    stop_savepoint: str | None = None  # that a job which has stopped was stopped with, by Flink or by the journal


class Decision(NamedTuple):
    """The effective mode and the rule that leads to it."""

    mode: Mode
    why: str


class Situation(NamedTuple):
    """One upgrade as the operator sees it: the running spec, the wanted one, and its status."""

    deployed: Spec
    wanted: Spec
    status: Mapping[str, Any]
    features: Features
    observed: ObservedJob
    session_job: bool = False
    not_ready: str | None = None  # why the operator does nothing about a session job

    @property
    def job_status(self) -> Mapping[str, Any]:
        """``status.jobStatus``."""
        return self.status.get("jobStatus") or {}

    @property
    def job_state(self) -> str:
        """Flink's state: what was seen just now, else what the operator saw last."""
        return self.observed.job_state or str(self.job_status.get("state") or JobState.RECONCILING)

    @property
    def version_changed(self) -> bool:
        """Whether ``flinkVersion`` differs."""
        return self.deployed.get("flinkVersion") != self.wanted.get("flinkVersion")

    def operator_setting(self, key: str, *, default: bool) -> bool:
        """A ``kubernetes.operator.*`` switch of the wanted spec."""
        return is_on(configuration(self.wanted), f"{_OPERATOR}{key}", default=default)

    @property
    def ha_usable(self) -> bool:
        """HA on before and after, and its metadata not known to be missing."""
        return ha_on(self.deployed) and ha_on(self.wanted) and self.observed.ha_metadata is not False


def features(crd: Mapping[str, Any], version: str | None = None) -> Features:
    """Reads the schema of the FlinkDeployment CRD (``flinkdeployments.flink.apache.org``)."""
    served = [one for one in (crd.get("spec") or {}).get("versions") or [] if one.get("served")]
    schema = (served[0].get("schema") or {}).get("openAPIV3Schema") if served else {}

    def has(*path: str) -> bool:
        node: Any = schema
        for name in path:
            node = (node or {}).get("properties", {}).get(name)
        return node is not None

    return Features(
        savepoint_redeploy=has("spec", "job", "savepointRedeployNonce"),
        upgrade_savepoint_path=has("status", "jobStatus", "upgradeSavepointPath"),
        version=version,
    )


def ha_on(spec: Spec) -> bool:
    """Whether high availability is configured, under its new or old key."""
    settings = configuration(spec)
    return (settings.get("high-availability.type") or settings.get("high-availability") or "NONE").upper() != "NONE"


def duration_seconds(text: str | None) -> float | None:
    """A duration as Flink writes it: "10 min", "PT10M", "600000" (milliseconds); None when it is none.

    >>> duration_seconds("10 min"), duration_seconds("500"), duration_seconds("PT1M30S"), duration_seconds("soon")
    (600.0, 0.5, 90.0, None)
    """
    if text is None:
        return None
    if iso := _ISO_DURATION.fullmatch(text.strip().upper()):
        parts = [float(one or 0) for one in iso.groups()]
        return sum(one * factor for one, factor in zip(parts, (86400, 3600, 60, 1), strict=True))
    match = _DURATION.fullmatch(text.strip().lower())
    factor = _UNITS.get(match[2] or "ms") if match else None
    return None if match is None or factor is None else int(match[1]) * factor


_ISO_DURATION = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_DURATION = re.compile(r"(\d+)\s*([a-zµ]*)")
_UNITS = {
    name: factor
    for names, factor in (
        (("d", "day", "days"), 86400.0),
        (("h", "hour", "hours"), 3600.0),
        (("m", "min", "minute", "minutes"), 60.0),
        (("s", "sec", "secs", "second", "seconds"), 1.0),
        (("ms", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
        (("us", "µs", "micro", "micros", "microsecond", "microseconds"), 1e-6),
        (("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    )
    for name in names
}


def effective_mode(case: Situation) -> Decision:
    """What the operator will do about an UPGRADE of `case`, by its rules."""
    was, wanted = desired_state(case.deployed), desired_state(case.wanted)
    if was == "suspended":
        return _resume(case) if wanted == "running" else Decision("none", _TAKEN_WHEN_RESUMED)
    if pending_savepoint(case.status) and not case.operator_setting(
        "job.upgrade.ignore-pending-savepoint", default=False
    ):
        return Decision("wait", "a savepoint is in progress; the operator waits for it")
    if upgrade_mode(case.wanted) == "stateless":
        return Decision("stateless", "upgradeMode is stateless: the job is cancelled and starts empty")
    return _modern(case) if case.features.upgrade_savepoint_path else _classic(case)


def pending_savepoint(status: Mapping[str, Any]) -> bool:
    """Whether the operator is taking a savepoint (by its own trigger id)."""
    info = (status.get("jobStatus") or {}).get("savepointInfo") or {}
    return bool(info.get("triggerId"))


def _resume(case: Situation) -> Decision:
    """A suspended job starts from what it was suspended with; only stateless can be asked for otherwise."""
    before = upgrade_mode(case.deployed)
    if upgrade_mode(case.wanted) == "stateless":
        return Decision("stateless", "upgradeMode is stateless: the state of before the suspension is not used")
    if before == "stateless":
        return Decision("stateless", "the job was suspended stateless: there is no state to start from")
    if before == "savepoint":
        return _from_recorded(case, "suspended")
    if case.version_changed:
        return Decision("fail", "suspended with last-state, the operator accepts no other flinkVersion")
    return Decision("last-state", "from the HA metadata kept by the suspension")


def _modern(case: Situation) -> Decision:
    state, mode = case.job_state, upgrade_mode(case.wanted)
    reachable = case.status.get("jobManagerDeploymentStatus") == "READY"
    if state == JobState.CANCELED or (state in ENDED and (case.observed.ha_metadata is not True or reachable)):
        return _from_recorded(case, state)
    if state == JobState.CANCELLING:
        return Decision("wait", "the job is being cancelled; the operator waits for the end")
    running = state == JobState.RUNNING
    if mode == "savepoint":
        if running:
            return Decision("savepoint", "the job is RUNNING: stop-with-savepoint")
        if not case.version_changed and not case.operator_setting(
            "job.upgrade.last-state-fallback.enabled", default=True
        ):
            return Decision(
                "wait", f"the job is {state} and last-state-fallback is off: the operator waits for RUNNING"
            )
    if case.version_changed:
        return _modern_across_versions(case, running)
    cancellable = state != JobState.RECONCILING and (
        case.session_job
        or case.observed.ha_metadata is False
        or not ha_on(case.deployed)
        or case.operator_setting("job.upgrade.last-state.job-cancel.enabled", default=False)
    )
    if running:
        return _by_checkpoint_age(case)
    fallback = f"savepoint was asked for, but the job is {state}: " if mode == "savepoint" else ""
    if cancellable:
        return Decision("last-state", f"{fallback}cancelled over REST, restored from its last checkpoint")
    return _from_ha_metadata(case, state, fallback)


def _modern_across_versions(case: Situation, running: bool) -> Decision:
    if running and savepoint_directory(case.deployed):
        return Decision("savepoint", "flinkVersion changes: a savepoint even if last-state is asked for")
    if case.job_state not in (JobState.RECONCILING, *ENDED):
        return Decision("last-state", "flinkVersion changes: cancelled over REST, restored from its last checkpoint")
    return Decision("wait", "flinkVersion changes, and neither a savepoint nor a cancellation is possible now")


def _classic(case: Situation) -> Decision:
    state, mode = case.job_state, upgrade_mode(case.wanted)
    if state in ENDED and case.observed.ha_metadata is not True:
        return _from_recorded(case, state)
    if state == JobState.RUNNING:
        if mode == "last-state" and upgrade_mode(case.deployed) != "last-state" and not ha_on(case.deployed):
            return Decision("savepoint", "last-state is new and HA was off: a savepoint this once")
        if case.version_changed:
            return Decision("savepoint", "flinkVersion changes: a savepoint even if last-state is asked for")
        return (
            _by_checkpoint_age(case)
            if mode == "last-state"
            else Decision("savepoint", "the job is RUNNING: stop-with-savepoint")
        )
    if case.session_job:
        return Decision("wait", f"the job is {state}; the operator waits for RUNNING")
    allowed = mode == "last-state" or case.operator_setting("job.upgrade.last-state-fallback.enabled", default=True)
    if not allowed or case.version_changed:
        return Decision("wait", f"the job is {state} and last-state is not allowed: the operator waits for RUNNING")
    fallback = f"savepoint was asked for, but the job is {state}: " if mode == "savepoint" else ""
    return _from_ha_metadata(case, state, fallback)


def _from_recorded(case: Situation, state: str) -> Decision:
    path = recorded_savepoint(case.status)
    if path is not None:
        return Decision("savepoint", f"the job is {state}: from the state recorded last, {path}")
    if case.job_status.get("upgradeSavepointPath") == LAST_STATE_DUMMY:
        return Decision("fail", f"the job is {state} and its state was only in HA metadata: a manual restore")
    return Decision("stateless", f"the job is {state} and no state of it is recorded: the operator starts it empty")


def _from_ha_metadata(case: Situation, state: str, fallback: str) -> Decision:
    never_started = (
        case.observed.jobmanager_never_started and case.status.get("jobManagerDeploymentStatus") != "MISSING"
    )
    if never_started and upgrade_mode(case.deployed) != "last-state" and case.observed.ha_metadata is not True:
        return _from_recorded(case, "not started yet")
    if case.ha_usable:
        assumed = "" if case.observed.ha_metadata else " (assumed to be there)"
        return Decision("last-state", f"{fallback}restored from the HA metadata{assumed}")
    if case.status.get("jobManagerDeploymentStatus") in ("MISSING", "ERROR"):
        return Decision("fail", "the JobManager is gone and there is no HA metadata: a manual restore")
    return Decision("wait", f"the job is {state} and there is no HA metadata: the operator waits for RUNNING")


def _by_checkpoint_age(case: Situation) -> Decision:
    """A running job with last-state: the checkpoint must be young enough where a limit is set."""
    limit = duration_seconds(
        configuration(case.wanted).get(f"{_OPERATOR}job.upgrade.last-state.max.allowed.checkpoint.age")
    )
    if limit is None:
        return Decision("last-state", "the job is RUNNING: stopped as it is, restored from its last checkpoint")
    started = str(case.job_status.get("startTime") or "")
    age = (case.observed.now_ms - int(started)) / 1000 if started.isdigit() else None
    if age is not None and age < limit:
        return Decision("last-state", "the job started within the allowed age of a checkpoint")
    completed, pending = case.observed.checkpoint_age_seconds, case.observed.pending_checkpoint_age_seconds
    if completed is not None and completed < limit:
        return Decision("last-state", f"the last checkpoint is {completed:.0f} s old, {limit:.0f} s are allowed")
    if pending is not None and pending < limit:
        return Decision("wait", "the operator waits for the checkpoint that is in progress")
    return Decision("savepoint", f"no checkpoint within the allowed {limit:.0f} s: a savepoint instead")


def savepoint_directory(spec: Spec) -> str | None:
    """Where savepoints go, under its new or old key."""
    settings = configuration(spec)
    return settings.get("execution.checkpointing.savepoint-dir") or settings.get("state.savepoints.dir")


def recorded_savepoint(status: Mapping[str, Any]) -> str | None:
    """The state that a stopped job would be restored from: newer field first."""
    job_status = status.get("jobStatus") or {}
    path = job_status.get("upgradeSavepointPath")
    if path is not None:
        return None if path == LAST_STATE_DUMMY else str(path)
    location = ((job_status.get("savepointInfo") or {}).get("lastSavepoint") or {}).get("location")
    return None if location is None else str(location)


class StopSavepoint(NamedTuple):
    """A savepoint that the operator took when it stopped the job. ``at_ms`` 0: it does not say when."""

    path: str
    at_ms: int


def stop_savepoints(status: Mapping[str, Any]) -> list[StopSavepoint]:
    """Those that the resource still knows, newest first; operator 1.7 keeps a history of them.

    ``upgradeSavepointPath`` where the operator writes it; else those of trigger type UPGRADE.
    """
    job_status = status.get("jobStatus") or {}
    path = job_status.get("upgradeSavepointPath")
    if path is not None:
        return [] if path == LAST_STATE_DUMMY else [StopSavepoint(str(path), 0)]
    info = job_status.get("savepointInfo") or {}
    listed = [info.get("lastSavepoint") or {}, *(info.get("savepointHistory") or [])]
    found = [
        StopSavepoint(str(one["location"]), int(one.get("timeStamp") or 0))
        for one in listed
        if one.get("triggerType") == "UPGRADE" and one.get("location")
    ]
    return sorted(dict.fromkeys(found), key=lambda one: -one.at_ms)


def lost_stop_savepoint(status: Mapping[str, Any], known: str | None = None) -> str | None:
    """The savepoint that stopped the job, where something else is recorded as the state to restore; else None.

    `known` is that savepoint where it was seen elsewhere (by Flink, in the journal). Operator 1.7, seen on a real one:
    the last checkpoint, or what the job was started from, may be recorded over the savepoint that stopped the job.
    Flink drops that checkpoint when the job has stopped, and the next start crash-loops, or repeats what was done.
    """
    recorded = ((status.get("jobStatus") or {}).get("savepointInfo") or {}).get("lastSavepoint") or {}
    if known is not None:
        restores = recorded_savepoint(status)
        return None if restores is not None and _folder(restores) == _folder(known) else known
    newest = next(iter(stop_savepoints(status)), None)
    if newest is None or recorded.get("triggerType") == "UPGRADE":
        return None
    if _folder(str(recorded.get("location") or "")) == _folder(newest.path):
        return None
    return newest.path if int(recorded.get("timeStamp") or 0) < newest.at_ms else None


def _folder(path: str) -> str:
    """The last part of a path: savepoints have unique names, and their roots are spelled in several ways."""
    return path.rstrip("/").rpartition("/")[2]
