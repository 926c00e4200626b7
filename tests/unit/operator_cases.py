"""Recorded resources put into the situations that the operator's rules are about."""

import json
from typing import Any

import msgspec
import pytest

from flinkops.clock import parse_iso_utc
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import last_reconciled
from tests.unit.cr_samples import resource

NOW_MS = parse_iso_utc("2026-11-23T12:00:00Z")
NO_DEFAULTS: dict[str, str] = {}
SEEN = ObservedJob(
    now_ms=NOW_MS,
    operator_configuration=NO_DEFAULTS,
    checkpoints_read=True,
    checkpoint_path="file:/checkpoints/chk-7",
    ha_metadata=True,
    jobmanager_never_started=False,
    autoscaler_overrides={},
)
"""All is known: the operator has no settings of its own, and the job's HA metadata is there."""
NOT_SEEN = ObservedJob(now_ms=NOW_MS)
OLD = Features(version="1.7.0")
NEW = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version="1.15.0")
FEATURES = {"1.7.0": OLD, "1.15.0": NEW}
SWITCH = "kubernetes.operator.job.upgrade."
EACH_OPERATOR = pytest.mark.parametrize("operator", FEATURES)
NO_DIRECTORY = {"state.savepoints.dir": None, "execution.checkpointing.savepoint-dir": None}
RUNNING = {"1.7.0": 15, "1.15.0": 11}  # recorded objects: RUNNING, nothing pending
AGE_KEY = "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age"
FALLBACK_KEY = "kubernetes.operator.job.upgrade.last-state-fallback.enabled"
CANCEL_KEY = "kubernetes.operator.job.upgrade.last-state.job-cancel.enabled"
HA_OFF = {"high-availability.type": "NONE"}
NO_METADATA = msgspec.structs.replace(SEEN, ha_metadata=False)
METADATA = SEEN
NEVER_STARTED = msgspec.structs.replace(SEEN, ha_metadata=False, jobmanager_never_started=True)


def running(operator: str, **status: Any) -> dict[str, Any]:
    found = resource(operator, RUNNING[operator])
    found["status"].update(status)
    return found


def in_state(operator: str, state: str, *, jobmanager: str = "DEPLOYING", **job_status: Any) -> dict[str, Any]:
    found = running(operator, jobManagerDeploymentStatus=jobmanager)
    found["status"]["jobStatus"].update(state=state, **job_status)
    return found


def deployed_with(found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same resource as if it had been deployed with these fields of the spec (``job.x`` as ``job_x``)."""
    spec = dict(last_reconciled(found) or {})
    for target in (spec, found["spec"]):
        for key, value in changes.items():
            if key.startswith("job_"):
                target["job"] = {**target["job"], key.removeprefix("job_"): value}
            elif key == "settings":
                target["flinkConfiguration"] = {**target["flinkConfiguration"], **value}
            else:
                target[key] = value
    found["status"]["reconciliationStatus"]["lastReconciledSpec"] = json.dumps({"spec": spec})
    return found


def replaced(observed: ObservedJob = SEEN, **changes: Any) -> ObservedJob:
    return msgspec.structs.replace(observed, **changes)


def told(
    found: dict[str, Any], edit: Edit, observed: ObservedJob = SEEN, able: Features = NEW, **more: Any
) -> Prediction:
    return predict(found, edit, observed=observed, features=able, **more)


def act(found: dict[str, Any], edit: Edit, observed: ObservedJob = SEEN, able: Features = NEW) -> tuple[str, str]:
    """What it does, and why in a code."""
    prediction = told(found, edit, observed, able)
    return prediction.act, prediction.reason
