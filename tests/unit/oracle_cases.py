"""Recorded cases of what real Flink operators did about a changed spec, put to the prediction.

Each case was decided by the operator's own classes (1.7.0, 1.15.0, main before 1.16): the class of the change and of
each field, what it does, and what it starts the job from.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flinkops.outside.kubernetes_quantities import BadQuantity
from flinkops.plan.operator.configuration import Unparsable
from flinkops.plan.operator.decision import Act, Start, StartKind
from flinkops.plan.operator.outlook import Outlook, outlook, versions_of
from flinkops.plan.operator.reading import Unreadable
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.scaling import scaled
from flinkops.plan.operator.situation import ObservedJob, Situation, View
from flinkops.plan.operator.spec import Change, as_json
from flinkops.plan.operator.worlds import World

Case = Mapping[str, Any]

NOW_MS = 1_800_000_000_000
_MEMORY = {"jobmanager.memory.process.size": "1g", "taskmanager.memory.process.size": "1g"}
"""What the operator's own configuration had in every case."""
_VERTICES = {vertex * 32: (1, 2) for vertex in "ab"}


class Difference(NamedTuple):
    """One thing in which the prediction and the operator are not of one mind."""

    id: str
    operator: str
    expected: str
    got: str
    cause: str


def differences(case: Case) -> Iterator[Difference]:
    """None where all of it agrees: class, fields, act, start, recorded mode, bounds."""
    expected, got = _expected(case), _predicted(case)
    for cause, value in expected.items():
        if got.get(cause) != value:
            yield Difference(case["id"], case["operator"], str(value), str(got.get(cause)), cause)


def _expected(case: Case) -> dict[str, Any]:
    found = {"class": case["diff_type"], "fields": {one["path"]: one["type"] for one in case["fields"]}}
    found["act"] = case["act"]
    for field in case["fields"]:
        for side in ("before", "after"):
            if side in field and "…" not in str(field[side]):
                found[f"{side} {field['path']}"] = field[side]
    if "start_from" in case:
        found["start"] = case["start_from"]
    if "recorded_mode" in case:
        found["recorded mode"] = case["recorded_mode"]
    if "new_bounds" in case:
        found["bounds"] = {vertex: tuple(bounds) for vertex, bounds in case["new_bounds"].items()}
    return found


def _predicted(case: Case) -> dict[str, Any]:
    """By the same names. A mode that is not recorded anew stays that of the deployed spec."""
    found = outlook(situation_of(case))
    change = found.comparison.change
    told: dict[str, Any] = {
        "class": _class(change),
        "fields": {one.path: _class(one.change) for one in found.comparison.fields},
    }
    for one in found.comparison.fields:
        told[f"before {one.path}"], told[f"after {one.path}"] = as_json(one.before), as_json(one.after)
    return told | (of_mode(case, found) if "start_from" in case else _of_diff(case, change))


def _class(change: Change) -> str | None:
    """As the operator calls it; nothing that differs is IGNORE to it."""
    if change is Change.UNREADABLE:
        return None
    return "IGNORE" if change is Change.NONE else change.name


def of_mode(case: Case, found: Outlook) -> dict[str, Any]:
    """The act, the start, and what is recorded at the end."""
    decision = found.decision
    before = case["deployed"].get("job", {}).get("upgradeMode")
    in_place = decision.act is Act.IN_PLACE
    records = case["wanted"].get("job", {}).get("upgradeMode") if in_place else decision.records or before
    return {
        "act": decision.act.value,
        "start": _start(decision.start),
        "recorded mode": records,
        "bounds": decision.bounds,
    }


def _start(start: Start | None) -> str | None:
    if start is None:
        return None
    return start.path if start.kind in (StartKind.PATH, StartKind.LAST_CHECKPOINT) else start.kind.value


def _of_diff(case: Case, change: Change) -> dict[str, Any]:
    """These cases asked the operator for its comparison, and for its scaling where that gave SCALE; no more."""
    if change is Change.UNREADABLE:
        return {"act": "error"}
    if change is not Change.SCALE:
        return {"act": {Change.NONE: "none", Change.IGNORE: "none"}.get(change, change.value)}
    situation = situation_of(case)
    try:
        scaling = scaled(View(situation, versions_of(situation)[0], World({})))
    except (Unparsable, Unreadable, BadQuantity):
        return {"act": "error"}
    return {"act": "upgrade" if scaling.refusal else "scale-in-place", "bounds": scaling.bounds}


def situation_of(case: Case) -> Situation:
    """The case as the prediction takes it."""
    seen, session_job = case.get("situation") or {}, case["kind"] == "session-job"
    version = case["operator"].partition("-")[0]
    return Situation(
        deployed=case["deployed"],
        wanted=case["wanted"],
        status=_status(seen),
        features=Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=version),
        observed=_observed(case, seen),
        session_job=session_job,
        cluster=_cluster(case, seen) if session_job else None,
        not_ready="its JobManager is not READY" if session_job and seen.get("jobmanager", "READY") != "READY" else None,
        last_stable=case["deployed"],
    )


def _status(seen: Mapping[str, Any]) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if seen.get("last_savepoint"):
        info["lastSavepoint"] = {"location": seen["last_savepoint"]}
    if seen.get("pending_savepoint"):
        info["triggerId"] = "pending"
    return {
        "jobManagerDeploymentStatus": seen.get("jobmanager", "READY"),
        "jobStatus": {
            "state": seen.get("job_state", "RUNNING"),
            "startTime": str(NOW_MS - 1000 * seen.get("started_s", 7200)),
            "upgradeSavepointPath": seen.get("upgrade_savepoint_path"),
            "savepointInfo": info,
        },
        "reconciliationStatus": {"state": seen.get("reconciliation", "DEPLOYED")},
    }


def _observed(case: Case, seen: Mapping[str, Any]) -> ObservedJob:
    bounds = {vertex: tuple(each) for vertex, each in (seen.get("vertices") or _VERTICES).items()}
    return ObservedJob(
        now_ms=NOW_MS,
        checkpoints_read=True,
        checkpoint_age_seconds=seen.get("checkpoint_age_s"),
        pending_checkpoint_age_seconds=seen.get("pending_checkpoint_age_s"),
        checkpoint_path="s3://b/chk-1" if "checkpoint_age_s" in seen else None,
        ha_metadata=seen.get("ha_metadata", True),
        jobmanager_never_started=bool(seen.get("jm_never_started")),
        vertices=tuple(bounds),
        vertex_bounds=bounds,
        taskmanager_deployment=case["kind"] == "standalone" or "taskmanager_replicas" in seen,
        operator_configuration={**_MEMORY, **(seen.get("operator_defaults") or {})},
        autoscaler_overrides={},
    )


def _cluster(case: Case, seen: Mapping[str, Any]) -> dict[str, Any]:
    version = "v1_19" if case["operator"].startswith("1.7") else "v1_20"
    spec = {"flinkVersion": version, "flinkConfiguration": seen.get("cluster_configuration") or {}}
    name = case["deployed"].get("deploymentName", "cluster")
    return {"metadata": {"name": name}, "spec": seen.get("cluster_spec") or spec}
