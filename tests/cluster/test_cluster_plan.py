"""What was predicted, beside what the real operator then does: a chain of changes to one job."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from flinkops.clock import SystemClock
from flinkops.plan.operator import Edit, predict
from flinkops.plan.operator_mode import Evidence, Features, features
from flinkops.plan.operator_spec import last_reconciled
from tests.cluster.kit import Cluster, state_of, wait_for

pytestmark = pytest.mark.timeout(600)


class Step(NamedTuple):
    """One change, the prediction that the rules make of it, and the state the job ends in."""

    edit: Edit
    change: str
    mode: str
    ends: tuple[str, str] = ("RUNNING", "STABLE")
    accepted: frozenset[str] = frozenset()


SUSPENDED = ("FINISHED", "SUSPENDED")
CHAIN = {
    "a setting of the operator's": Step(
        Edit(settings={"kubernetes.operator.savepoint.history.max.age": "1 d"}), "ignore", "none"
    ),
    "parallelism 2 by savepoint": Step(Edit(parallelism=2, mode="savepoint"), "upgrade", "savepoint"),
    "slots by last-state": Step(
        Edit(settings={"taskmanager.numberOfTaskSlots": "3"}, mode="last-state"), "upgrade", "last-state"
    ),
    "suspend by savepoint": Step(Edit(state="suspended", mode="savepoint"), "upgrade", "savepoint", SUSPENDED),
    "resume": Step(Edit(state="running"), "upgrade", "savepoint"),
    "restart without state": Step(Edit(restart_nonce=1, mode="stateless"), "upgrade", "stateless"),
}


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Features:
    """The operator's features, from the schema of its resource."""
    return features(cluster.get("crd", "flinkdeployments.flink.apache.org"))


@pytest.fixture(scope="module")
def job(count: str, cluster: Cluster) -> Iterator[str]:
    """`count`, left as it was."""
    before = cluster.deployment(count)["spec"]
    yield count
    restored = {**before, "restartNonce": 2}
    cluster.kubectl("patch", "flinkdeployment", count, "--type=merge", "-p", json.dumps({"spec": restored}))
    wait_for(lambda: acted(cluster, count, ("RUNNING", "STABLE")), "count is back", seconds=180)


def acted(cluster: Cluster, name: str, ends: tuple[str, str]) -> dict[str, Any] | None:
    """The resource once the operator has taken up its spec and the job is where it should be."""
    found = cluster.deployment(name)
    reconciled = json.loads(found["status"]["reconciliationStatus"]["lastReconciledSpec"])
    seen = ((reconciled.get("resource_metadata") or {}).get("metadata") or {}).get("generation")
    return found if seen == found["metadata"]["generation"] and state_of(found) == ends else None


def lost_savepoint(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The resource once operator 1.7 has recorded a checkpoint over the savepoint that it suspended the job with."""
    found = cluster.deployment(name)
    info = found["status"]["jobStatus"].get("savepointInfo") or {}
    lost = (info.get("lastSavepoint") or {}).get("triggerType") == "UNKNOWN"
    return found if lost and found["status"].get("lifecycleState") == "DEPLOYED" else None


def checkpoints(cluster: Cluster, found: dict[str, Any]) -> dict[str, Any]:
    """What the job's own REST API says of its checkpoints."""
    name, job_id = found["metadata"]["name"], found["status"]["jobStatus"]["jobId"]
    path = f"/api/v1/namespaces/default/services/{name}-rest:8081/proxy/jobs/{job_id}/checkpoints"
    answer: dict[str, Any] = json.loads(cluster.kubectl("get", "--raw", path))
    return answer


def test_the_operators_features_are_told_by_its_schema(installed: Features) -> None:
    assert installed == Features(savepoint_redeploy=False, upgrade_savepoint_path=False)


@pytest.mark.parametrize("name", CHAIN)
def test_the_operator_does_what_was_predicted(cluster: Cluster, job: str, installed: Features, name: str) -> None:
    step = CHAIN[name]
    before = cluster.deployment(job)
    predicted = predict(
        before, step.edit, evidence=Evidence(now_ms=SystemClock().now_ms()), features=installed, accepted=step.accepted
    )
    if name == "resume" and any("not from the savepoint that stopped" in line for line in predicted.refused):
        # Operator 1.7 lost the savepoint of the suspension, as it does now and then: rightly refused.
        running = {"spec": {"job": {"state": "running", "upgradeMode": "stateless"}}}
        cluster.kubectl("patch", "flinkdeployment", job, "--type=merge", "-p", json.dumps(running))
        wait_for(lambda: acted(cluster, job, step.ends), "running without its state", seconds=240, every=2.0)
        return
    assert (predicted.change, predicted.effective_mode, predicted.refused) == (step.change, step.mode, ())
    if step.mode == "last-state":  # until the first one, the last state is the savepoint it started from
        wait_for(lambda: checkpoints(cluster, before)["latest"]["completed"], "a checkpoint", seconds=60)
    pods = cluster.pods(job)
    cluster.kubectl("patch", "flinkdeployment", job, "--type=merge", "-p", json.dumps(predicted.patch))
    after = wait_for(
        lambda: acted(cluster, job, step.ends) or (name == "resume" and lost_savepoint(cluster, job)),
        f"{name}: {step.ends}",
        seconds=240,
        every=2.0,
    )
    if state_of(after) != step.ends:
        return  # what the plan refuses when it can see it came after the plan; the next step starts without state
    if step.mode == "none":
        assert cluster.pods(job) == pods
        return
    spec = last_reconciled(after)
    assert spec is not None
    assert spec["job"]["upgradeMode"] == step.mode
    if step.ends == SUSPENDED:
        return
    restored = checkpoints(cluster, after)["latest"]["restored"]
    if step.mode == "stateless":
        assert restored is None
    else:
        assert restored is not None
        assert restored["is_savepoint"] is (step.mode == "savepoint")
        last = after["status"]["jobStatus"]["savepointInfo"]["lastSavepoint"]
        assert (restored["external_path"] == last["location"]) is (step.mode == "savepoint")
