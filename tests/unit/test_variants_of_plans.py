"""Recorded resources, edits and what was seen beside them, some of it otherwise: predictions, plans, what is shown.

What a real operator does is held by `operator_oracle`; this holds that a change of ours is one that was meant.
`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_of_plans.py` writes the files: read these.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from flinkops.errors import FlinkopsError
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp, canonical_json, plan_hash
from flinkops.plan.operator.blue_green import last_template, not_ready, outlook, ready_time_kept, template_of
from flinkops.plan.operator.blue_green_plan import plan_blue_green
from flinkops.plan.operator.bookkeeping import keeping_nonce, next_redeploy_nonce, with_bookkeeping_of
from flinkops.plan.operator.effects import overrides_of
from flinkops.plan.operator.merge_patch import changed_paths, merge_patch
from flinkops.plan.operator.predict import Edit, predict
from flinkops.plan.operator.recorded import lost_stop_savepoint, recorded_savepoint
from flinkops.plan.operator.rehearsal_pod import drops_state_of, settings_of
from flinkops.plan.operator.resource_change import ResourceChange, Seen
from flinkops.plan.operator.resource_plan import plan_for_resource
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import last_reconciled
from flinkops.render.plan import plan_lines, plan_parts
from tests.unit.builders import job, vertex
from tests.unit.cr_samples import case, resource
from tests.unit.operator_cases import SEEN
from tests.unit.test_blue_green_plan import active, child
from tests.unit.test_variants_of_jobs import whole
from tests.variants import Outcome, hold

AUTOSCALED = {
    "job.autoscaler.enabled": "true",
    "job.autoscaler.utilization.target": "0.7",
    "job.autoscaler.utilization.min": "0.4",
    "job.autoscaler.utilization.max": "0.9",
    "job.autoscaler.metrics.window": "10m",
    "job.autoscaler.excluded.periods": "09:30-10:30 && 0/10 * * * * ?",
    "job.autoscaler.scale-down.max-factor": "0.6",
    "pipeline.jobvertex-parallelism-overrides": f"{'a' * 32}:2,{'b' * 32}:3",
    "jobmanager.scheduler": "adaptive",
}
UPGRADING = {
    "kubernetes.operator.periodic.savepoint.interval": "1h",
    "kubernetes.operator.job.upgrade.last-state-fallback.enabled": "true",
    "kubernetes.operator.job.upgrade.last-state.job-cancel.enabled": "false",
    "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age": "10min",
    "kubernetes.operator.deployment.rollback.enabled": "true",
    "kubernetes.operator.cluster.health-check.enabled": "true",
    "execution.checkpointing.timeout": "10min",
    "taskmanager.memory.process.size": "1728m",
}
STATES = ("running", "suspended", "RUNNING", "RUNNING", "FINISHED", "FAILED", "RECONCILING", "CANCELED")
WORDS: dict[str, tuple[Any, ...]] = {
    "state": (*STATES, "DEPLOYED", "UPGRADING", "ROLLED_BACK", "ROLLING_BACK"),
    "job_state": (*STATES[2:], None),
    "jobManagerDeploymentStatus": ("READY", "DEPLOYING", "DEPLOYED_NOT_READY", "MISSING", "ERROR"),
    "upgradeMode": ("savepoint", "last-state", "stateless"),
    "mode": ("savepoint", "last-state", "stateless", "native", "standalone", None),
    "version": ("1.7.0", "1.8.0", "1.9.1", "1.10.0", "1.11.0", "1.13.0", "1.16.0", "1.17.0", "2.0.0", None),
    "flinkVersion": ("v1_14", "v1_18", "v1_20", "v2_0", "v2_3", "v2_9", "one"),
    "memory": ("512m", "2 gb", "1.5Gi", "", "much", 1024),
    "cpu": (0, 0.5, 3, "1", "x"),
    "replicas": (0, 1, 2, None),
    "parallelism": (0, 1, 3, 200, None),
    "verb": ("upgrade", "restart", "rollback", "suspend", "resume", "rescale"),
    "start_from": ("s3://bucket/sav 1", None),
    "backup_directory": ("s3://bucket/own", None),
    "initialSavepointPath": ("s3://bucket/first", "", None),
    "savepointRedeployNonce": (1, 2, None),
    "savepointTriggerNonce": (1, 2, None),
    "restartNonce": (1, 2, None),
    "lifecycleState": ("STABLE", "DEPLOYED", "FAILED", "SUSPENDED"),
    "blueGreenState": (
        "ACTIVE_BLUE", "ACTIVE_GREEN", "TRANSITIONING_TO_GREEN", "SAVEPOINTING_BLUE", "INITIALIZING_BLUE", "X_GREEN",
    ),
    "deletionTimestamp": ("2026-11-28T15:00:00Z",),
    "operator_configuration": ({}, None, {"kubernetes.operator.savepoint.format.type": "NATIVE"}),
    "ha_metadata": (True, False, None),
    "jobmanager_never_started": (True, False, None),
    "taskmanager_deployment": (True, False, None),
    "adaptive": (True, False, None),
    "job.autoscaler.enabled": ("true", "false", "yes"),
    "jobmanager.scheduler": ("adaptive", "default"),
    "high-availability.type": ("NONE", "kubernetes", ""),
    "jarURI": ("local:///a.jar", "https://jars/a.jar", "http://jars/b.jar", "", None),
}  # fmt: skip
EDITS: dict[str, dict[str, Any]] = {
    "image": {"image": "other:1"},
    "modes": {"image": "other:1", "mode": "last-state"},
    "settings": {"settings": {"taskmanager.numberOfTaskSlots": "4", "kubernetes.operator.x": "1", **UPGRADING}},
    "scaled": {"parallelism": 5, "settings": {"job.autoscaler.enabled": "false"}},
    "suspended": {"state": "suspended"},
    "restarted": {"restart_nonce": 3},
    "program": {"jar": "local:///opt/new.jar", "entry_class": "shop.Orders", "arguments": ["--topic", "two"]},
}
OBSERVED = ObservedJob(
    now_ms=SEEN.now_ms,
    job_state="RUNNING",
    checkpoints_read=True,
    checkpoint_age_seconds=30.0,
    pending_checkpoint_age_seconds=5.0,
    checkpoint_path="file:/checkpoints/chk-7",
    checkpoint_p99_seconds=2.0,
    max_parallelism=128,
    ha_metadata=True,
    jobmanager_never_started=False,
    adaptive=True,
    vertices=("a" * 32, "b" * 32),
    vertex_bounds={"a" * 32: (1, 2), "b" * 32: (1, 3)},
    operator_configuration={},
    running_configuration={"execution.checkpointing.timeout": "5 min"},
    autoscaler_overrides={"a" * 32: "2"},
    stop_savepoint="s3://bucket/stopped-with",
)
KINDS: dict[str, Callable[[], tuple[dict[str, Any], dict[str, Any] | None]]] = {
    "deployment": lambda: (with_settings(resource("1.15.0", 11), UPGRADING), None),
    "autoscaled": lambda: (with_settings(resource("1.15.0", 11), AUTOSCALED), None),
    "of 1.7": lambda: (resource("1.7.0", 15), None),
    "session job": lambda: session_job(),
}


def with_settings(found: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    found["spec"]["flinkConfiguration"].update(settings)
    spec = {**(last_reconciled(found) or {}), "flinkConfiguration": dict(found["spec"]["flinkConfiguration"])}
    found["status"]["reconciliationStatus"]["lastReconciledSpec"] = json.dumps({"spec": spec})
    return found


def session_job() -> tuple[dict[str, Any], dict[str, Any]]:
    job_of_session, cluster = case("sessionjob-failed"), resource("1.15.0", 11)
    del cluster["spec"]["job"]
    cluster["metadata"]["name"] = "session"
    cluster["status"].pop("reconciliationStatus")
    status = job_of_session["status"]
    status["jobStatus"].update(state="RUNNING", jobId="c" * 32, upgradeSavepointPath="s3://bucket/sav-2")
    status["reconciliationStatus"].update(
        state="DEPLOYED", lastReconciledSpec=json.dumps({"spec": job_of_session["spec"]})
    )
    return job_of_session, cluster


@pytest.mark.thorough
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_a_resource_that_is_otherwise_comes_out_as_it_did(kind: str, edit: str) -> None:
    found, cluster = KINDS[kind]()
    found["metadata"].pop("managedFields", None)
    able = Features(
        version="1.15.0" if kind != "of 1.7" else "1.7.0", savepoint_redeploy=True, upgrade_savepoint_path=True
    )
    given = {
        "spec": found.pop("spec"),
        "deployed": last_reconciled({"status": found["status"]}),
        "status": found["status"],
        "resource": {key: found[key] for key in ("apiVersion", "kind", "metadata")},
        "edit": {**whole(Edit()), **EDITS[edit], "manifest": None},
        "observed": whole(OBSERVED),
        "features": whole(able),
        "seen": whole(Seen("c" * 32, 1_000, True, {"a" * 32: 2, "b" * 32: 3}, ("Sink: Kafka",), None)),
        "how": {"verb": "upgrade", "start_from": None, "backup_directory": None, "accepted": ["stateless"]},
        "terms": whole(Terms()),
    }
    hold(f"plans/{kind} {edit}", given | ({"cluster": cluster} if cluster else {}), planned, 14, WORDS)


def planned(document: Any) -> Outcome:
    """The prediction, the plan of it, and how that is shown."""
    found = {**document.get("resource", {}), "spec": document.get("spec", {}), "status": document.get("status", {})}
    reconciled = found["status"].setdefault("reconciliationStatus", {})
    reconciled["lastReconciledSpec"] = json.dumps({"spec": document["deployed"]}) if "deployed" in document else None
    how = document.get("how", {})
    edit = msgspec.convert(document.get("edit", {}), Edit)
    observed = msgspec.convert({"now_ms": 1, **document.get("observed", {})}, ObservedJob)
    features = msgspec.convert(document.get("features", {}), Features)
    cluster, accepted = document.get("cluster"), frozenset(how.get("accepted", ()))
    try:
        prediction = predict(found, edit, observed=observed, features=features, cluster=cluster, accepted=accepted)
        seen = msgspec.convert(document.get("seen", {}), Seen)
        terms = msgspec.convert(document.get("terms", {}), Terms)
        plan = plan_for_resource(
            how.get("verb", "upgrade"),
            "kind",
            ResourceChange(found, seen, prediction, features, terms),
            Stamp("p1", 10_000, "flinkops upgrade"),
            start_from=how.get("start_from"),
            backup_directory=how.get("backup_directory"),
        )
    except FlinkopsError as problem:
        return f"{type(problem).__name__}: {problem}", None
    wanted = {**found["spec"], **prediction.patch.get("spec", {})}
    deployed = document.get("deployed", {})
    everything = (
        prediction,
        plan,
        plan_hash(plan),
        plan_lines(plan),
        plan_parts(plan),
        changed_paths(prediction.patch),
        overrides_of(found["spec"]),
        (recorded_savepoint(found["status"]), lost_stop_savepoint(found["status"], observed.stop_savepoint)),
        (
            with_bookkeeping_of(found["spec"], deployed),
            keeping_nonce(found["spec"], deployed),
            next_redeploy_nonce(found),
        ),
        (settings_of(wanted, {"taskmanager.numberOfTaskSlots": "1"}), drops_state_of(wanted)),
    )
    start = f" from {prediction.start.kind}" if prediction.start else ""
    counts = f"{len(prediction.risks)} risks, {len(plan.refused)} refused, {len(plan.steps)} steps"
    return f"{prediction.change} {prediction.act}{start}, {prediction.reason}; {counts}", everything


@pytest.mark.thorough
@pytest.mark.parametrize("edit", ["image", "settings"])
def test_a_change_of_a_pair_that_is_otherwise_comes_out_as_it_did(edit: str) -> None:
    pair = active(**{"kubernetes.operator.bluegreen.deployment-deletion.delay": "30 s"})
    pair["metadata"].pop("managedFields", None)
    wanted: dict[str, Any] = json.loads(canonical_json(template_of(pair)))
    if edit == "image":
        wanted["image"] = "count:2"
    else:
        wanted["flinkConfiguration"]["kubernetes.operator.x"] = "1"
    runs = job(vertices=(vertex("src"), named("Sink: KafkaSink"), named("IcebergSink")))
    of_child = child()
    of_child["metadata"].pop("managedFields", None)
    status = pair.pop("status")
    given = {
        "spec": pair.pop("spec"),
        "deployed": last_template({"status": status}),
        "status": status,
        "resource": pair,
        "wanted": wanted,
        "child": of_child,
        "job": whole(runs),
        "how": {"leftover": "bg-green", "minor": 15, "terms": whole(Terms())},
    }
    hold(f"plans/pair {edit}", given, pair_planned, 20, WORDS | {"leftover": ("bg-green", None)})


def named(name: str) -> VertexFacts:
    return msgspec.structs.replace(vertex(name, "src"), name=name)


def pair_planned(document: Any) -> Outcome:
    """What the operator would do, and the plan."""
    found = {**document.get("resource", {}), "spec": document.get("spec", {}), "status": document.get("status", {})}
    if "deployed" in document:
        of_template = {"spec": {"template": {"spec": document["deployed"]}}}
        found["status"]["lastReconciledSpec"] = json.dumps(of_template)
    wanted, how = document.get("wanted", {}), document.get("how", {})
    found_of_child, runs = document.get("child"), msgspec.convert(document["job"], JobFacts)
    seen = outlook(found, wanted, found_of_child, Rules(how.get("minor", 15)))
    patch = {"spec": {"template": {"spec": merge_patch(template_of(found), wanted)}}}
    terms = msgspec.convert(how.get("terms", {}), Terms)
    plan = plan_blue_green("kind", found, wanted, patch, seen, runs, how.get("leftover"), Stamp("p1", 10_000), terms)
    everything = (seen, plan, plan_lines(plan), not_ready(found_of_child), ready_time_kept(found))
    return f"{seen.act} {seen.active}: {len(plan.refused)} refused, {len(plan.risks)} risks", everything
