import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.clock import parse_iso_utc
from flinkops.model.facts import CheckpointsFacts, JobFacts, SourceStatus
from flinkops.sources.kubernetes.join import Cluster, Listing, job_rows, suspects
from flinkops.sources.kubernetes.resources import (
    error_text,
    is_session_cluster,
    resource_facts,
    rest_port,
    snapshots_by_job,
    time_ms,
    upgrade_savepoint,
)
from flinkops.sources.kubernetes.startup_blockers import stuck_reasons
from flinkops.sources.protocol import SourceSnapshot
from tests.unit.cr_samples import OPERATORS, case, recorded, resource, stuck

NOW_MS = parse_iso_utc("2026-11-23T14:31:00Z")
KEY = ("default", "count")


def poll(*jobs: JobFacts, state: str = "ok", error: str | None = None) -> SourceSnapshot:
    return SourceSnapshot(
        SourceStatus(name="default/count", kind="rest", state=state, error=error),  # type: ignore[arg-type]
        (),
        jobs,
    )


def flink_job(job_id: str, state: str = "RUNNING", started_ms: int = 1) -> JobFacts:
    return JobFacts(
        id=job_id,
        name="insert-into_dst",
        cluster="default/count",
        seen_ms=NOW_MS,
        state=state,
        started_ms=started_ms,
        checkpoints=CheckpointsFacts(enabled=True),
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_facts_of_a_running_deployment(operator: str) -> None:
    number = 6 if operator == "1.7.0" else 5
    facts = resource_facts(resource(operator, number), context="prod", kind="FlinkDeployment")
    assert (facts.context, facts.namespace, facts.name) == ("prod", "default", "count")
    assert (facts.lifecycle_state, facts.reconciliation_state, facts.jobmanager_status) == (
        "STABLE",
        "DEPLOYED",
        "READY",
    )
    assert (facts.operator_job_state, facts.upgrade_mode, facts.desired_state) == ("RUNNING", "savepoint", "running")
    assert facts.observed_generation == (None if operator == "1.7.0" else 1)
    assert facts.image in ("count:1", "count:23")
    assert facts.error is None
    assert facts.resource_version.isdigit()


@pytest.mark.parametrize(("operator", "number"), [("1.7.0", 15), ("1.15.0", 12)])
def test_upgrade_savepoint_is_the_operators_own(operator: str, number: int) -> None:
    path = upgrade_savepoint(resource(operator, number))
    assert path is not None
    assert path.startswith("file:/flink-data/savepoints/savepoint-")


def test_a_savepoint_by_hand_or_the_last_state_mark_is_not_an_upgrade_savepoint() -> None:
    by_hand = resource("1.7.0", 9)
    assert by_hand["status"]["jobStatus"]["savepointInfo"]["lastSavepoint"]["triggerType"] == "MANUAL"
    assert upgrade_savepoint(by_hand) is None
    last_state = resource("1.15.0", 12)
    last_state["status"]["jobStatus"]["upgradeSavepointPath"] = "KUBERNETES_OPERATOR_LAST_STATE"
    assert upgrade_savepoint(last_state) is None


def test_snapshots_belong_to_their_job_newest_first() -> None:
    found = snapshots_by_job(recorded("1.15.0")["snapshots"])
    of_count = found["default", "FlinkDeployment", "count"]
    assert [one.trigger for one in of_count].count("MANUAL") == 1
    assert all(one.state == "COMPLETED" and one.path and one.kind == "savepoint" for one in of_count)
    assert [one.at_ms for one in of_count] == sorted((one.at_ms for one in of_count), reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-23T08:31:27.420487421Z", "2026-11-23T08:31:27.420Z"),
        ("2026-11-23T08:31:27Z", "2026-11-23T08:31:27.000Z"),
        ("yesterday", None),
        (7, None),
    ],
)
def test_kubernetes_times(stamp: object, expected: str | None) -> None:
    assert time_ms({"at": stamp}, "at") == (None if expected is None else parse_iso_utc(expected))


@pytest.mark.parametrize(
    ("configuration", "port"),
    [({}, 8081), ({"rest.port": "9999"}, 9999), ({"rest": {"port": 9000}}, 9000), ({"rest.port": "8081-8090"}, 8081)],
)
def test_rest_port(configuration: dict[str, Any], port: int) -> None:
    assert rest_port({"spec": {"flinkConfiguration": configuration}}) == port


def test_error_text_is_one_line_with_causes_once() -> None:
    error = (
        '{"type":"X","message":"no\\n  savepoint","throwableList":[{"message":"disk full"},{"message":"disk full"}]}'
    )
    assert error_text({"status": {"error": error}}) == "no savepoint <- disk full"
    assert error_text({"status": {"error": "not json\nat all"}}) == "not json at all"


def test_gitops_and_blue_green_owners_are_seen() -> None:
    deployment = resource("1.15.0", 5)
    deployment["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    deployment["metadata"]["ownerReferences"] = [{"kind": "FlinkBlueGreenDeployment", "name": "orders"}]
    facts = resource_facts(deployment, context="prod", kind="FlinkDeployment")
    assert facts.managed_by == "Flux"
    assert facts.owner == "FlinkBlueGreenDeployment/orders"
    found, _ = job_rows(Listing((deployment,), blue_green={("default", "orders"): "ACTIVE_BLUE"}), {}, "prod", NOW_MS)
    assert found[0].resource is not None
    assert found[0].resource.blue_green_state == "ACTIVE_BLUE"


def test_a_row_is_named_after_its_resource_and_joined_by_job_id() -> None:
    deployment = resource("1.7.0", 6)
    job_id = deployment["status"]["jobStatus"]["jobId"]
    clusters = {KEY: Cluster(poll(flink_job("0" * 32, "FINISHED"), flink_job(job_id)))}
    found, _ = job_rows(Listing((deployment,)), clusters, "prod", NOW_MS)
    (row,) = found
    assert (row.id, row.name, row.namespace, row.cluster) == (job_id, "count", "default", "prod")
    assert (row.kind, row.state) == ("FlinkDeployment", "RUNNING")
    assert row.checkpoints is not None
    assert row.resource is not None
    assert not row.unknown


def test_a_new_submission_that_the_operator_has_not_recorded_is_the_job() -> None:
    deployment = resource("1.15.0", 5)
    old = deployment["status"]["jobStatus"]["jobId"]
    clusters = {KEY: Cluster(poll(flink_job(old, "FINISHED", 1), flink_job("f" * 32, "RUNNING", 2)))}
    found, _ = job_rows(Listing((deployment,)), clusters, "prod", NOW_MS)
    assert [row.id for row in found] == ["f" * 32]


@pytest.mark.parametrize(
    "failure", [None, poll(state="unreachable", error="refused"), poll(state="denied", error="403")]
)
def test_a_failed_probe_is_unknown_never_down(failure: SourceSnapshot | None) -> None:
    deployment = resource("1.15.0", 5)
    found, _ = job_rows(Listing((deployment,)), {KEY: Cluster(failure)}, "prod", NOW_MS)
    (row,) = found
    assert row.state == "UNKNOWN"
    assert "the operator saw RUNNING last" in row.unknown["state"]
    assert row.restarts is None
    assert {"vertices", "checkpoints", "restarts"} <= set(row.unknown)


@pytest.mark.parametrize("operator", OPERATORS)
def test_no_recorded_state_of_a_running_spec_is_shown_as_ended(operator: str) -> None:
    """While the operator upgrades, its FINISHED is the end of the old run, not of the job."""
    for number, deployment in recorded(operator)["resources"].items():
        if deployment["spec"]["job"]["state"] == "suspended":
            continue
        (row,), _ = job_rows(Listing((deployment,)), {KEY: Cluster(poll(state="unreachable", error="x"))}, "c", NOW_MS)
        assert row.state in ("UNKNOWN", "RECONCILING"), number


def test_stable_while_the_jobmanager_deploys_is_not_taken_for_running() -> None:
    """Operator 1.15 says STABLE during the rollback while the JobManager is still DEPLOYING (recorded object 18)."""
    deployment = resource("1.15.0", 18)
    assert deployment["status"]["lifecycleState"] == "STABLE"
    (row,), _ = job_rows(Listing((deployment,)), {KEY: Cluster(poll(state="unreachable", error="x"))}, "c", NOW_MS)
    assert row.state == "RECONCILING"
    assert "the JobManager is DEPLOYING" in row.unknown["vertices"]
    assert suspects(Listing((deployment,)), {KEY: poll(state="unreachable")}) == [KEY]


def test_a_suspended_job_is_no_suspect() -> None:
    deployment = resource("1.15.0", 28)
    assert suspects(Listing((deployment,)), {KEY: None}) == []
    (row,), _ = job_rows(Listing((deployment,)), {KEY: Cluster(None)}, "c", NOW_MS)
    assert row.state == "FINISHED"
    assert row.unknown["vertices"] == "the job is suspended"


def test_session_jobs_are_joined_and_the_others_of_their_cluster_shown() -> None:
    session = {
        "metadata": {"name": "shared", "namespace": "default"},
        "spec": {"image": "flink"},
        "status": {"jobManagerDeploymentStatus": "READY", "lifecycleState": "STABLE"},
    }
    session_job = {
        "metadata": {"name": "orders", "namespace": "default"},
        "spec": {"deploymentName": "shared", "job": {"parallelism": 1}},
        "status": {"jobStatus": {"jobId": "a" * 32, "state": "RUNNING"}, "lifecycleState": "STABLE"},
    }
    assert is_session_cluster(session)
    clusters = {("default", "shared"): Cluster(poll(flink_job("a" * 32), flink_job("b" * 32)))}
    found, _ = job_rows(Listing((session,), (session_job,)), clusters, "prod", NOW_MS)
    assert [(row.name, row.kind, row.id[0]) for row in found] == [
        ("orders", "FlinkSessionJob", "a"),
        ("insert-into_dst", "rest", "b"),
    ]
    blind, _ = job_rows(Listing((session,), (session_job,)), {("default", "shared"): Cluster(None)}, "prod", NOW_MS)
    assert [(row.name, row.state) for row in blind] == [("orders", "UNKNOWN"), ("shared", "UNKNOWN")]


@pytest.mark.parametrize(
    ("cluster", "codes", "words"),
    [
        ("no-image", {"image"}, 'Container image "count:missing" is not present'),
        ("too-big", {"unschedulable"}, "1 Insufficient cpu"),
        ("greedy", {"oom-killed", "crash-loop"}, "more memory than its limit"),
        ("count", set(), ""),
    ],
)
def test_why_a_deployment_is_stuck(cluster: str, codes: set[str], words: str) -> None:
    recording = stuck()
    pods = [pod for pod in recording["pods"] if pod["metadata"]["labels"]["app"] == cluster]
    found = stuck_reasons(pods, recording["events"], cluster=cluster, now_ms=NOW_MS)
    assert {one.code for one in found} == codes
    assert not codes or words in found[0].text
    assert all(one.object.startswith(cluster) for one in found)


def test_a_quota_speaks_through_the_replica_set_of_this_deployment_only() -> None:
    def event(name: str) -> dict[str, Any]:
        about = {"kind": "ReplicaSet", "name": name}
        return {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota", "involvedObject": about}

    ours, other = event("count-757956d749"), event("count-two-757956d749")
    found = stuck_reasons([], [ours, other], cluster="count", now_ms=NOW_MS)
    assert [(one.code, one.object) for one in found] == [("quota", "count-757956d749")]


def at(stamp: str) -> int:
    found = time_ms({"at": stamp}, "at")
    assert found is not None
    return found


def test_an_event_that_the_operator_repeats_is_no_reason_beside_a_pod_that_is_ready() -> None:
    """As it happened: an early FailedMount, repeated about the FlinkDeployment, ended a healthy upgrade after 60 s."""
    pods, events = case("stale-mount-event-pods")["items"], case("stale-mount-event-events")["items"]
    assert stuck_reasons(pods, events, cluster="count", now_ms=at("2026-11-28T15:11:41Z")) == ()


def test_nor_beside_a_pod_whose_container_is_slow_to_start() -> None:
    pods, events = case("stale-mount-event-pods")["items"], case("stale-mount-event-events")["items"]
    for condition in pods[0]["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition["status"] = "False"
    pods[0]["status"]["containerStatuses"][0]["ready"] = False
    assert stuck_reasons(pods, events, cluster="count", now_ms=at("2026-11-28T15:13:41Z")) == ()


def creating(pod: dict[str, Any], *, sandbox: str | None) -> dict[str, Any]:
    """The pod as it was while its container was being created."""
    status = pod["status"]
    status["containerStatuses"][0].update(ready=False, state={"waiting": {"reason": "ContainerCreating"}})
    status["conditions"] = [one for one in status["conditions"] if one["type"] == "PodScheduled"]
    if sandbox is not None:
        status["conditions"].append({"type": "PodReadyToStartContainers", "status": sandbox})
    return pod


@pytest.mark.parametrize("sandbox", ["True", "False", None])
def test_a_mount_that_fails_is_a_reason_until_the_containers_may_start(sandbox: str | None) -> None:
    """An image that is pulled for minutes is ContainerCreating too, its volumes mounted long since."""
    pod = creating(case("failed-storage-pods")["items"][0], sandbox=sandbox)
    now_ms = at("2026-11-28T15:32:47Z")
    found = stuck_reasons([pod], case("failed-storage-events")["items"], cluster="price-archive", now_ms=now_ms)
    assert {one.code for one in found} == (set() if sandbox == "True" else {"volume"})


def test_a_mount_event_of_the_pod_before_is_no_reason_for_the_next_one() -> None:
    pod = creating(case("stale-mount-event-pods")["items"][0], sandbox=None)
    events = [one for one in case("stale-mount-event-events")["items"] if one["involvedObject"]["kind"] != "Pod"]
    assert stuck_reasons([pod], events, cluster="count", now_ms=at("2026-11-28T15:11:30Z")) == ()


def test_a_quota_is_no_reason_any_more_once_the_replica_set_has_its_pod() -> None:
    pod = case("stale-mount-event-pods")["items"][0]
    about = {"kind": "ReplicaSet", "name": pod["metadata"]["name"].rpartition("-")[0]}

    def found(stamp: str) -> set[str]:
        event = {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota", "involvedObject": about}
        events = [{**event, "lastTimestamp": stamp}]
        return {one.code for one in stuck_reasons([pod], events, cluster="count", now_ms=at("2026-11-28T15:13:00Z"))}

    assert found("2026-11-28T15:11:00Z") == set()
    assert found("2026-11-28T15:12:00Z") == {"quota"}  # of the second pod


def test_a_container_that_was_killed_once_and_is_ready_again_holds_nothing_up() -> None:
    pod = case("stale-mount-event-pods")["items"][0]
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    assert stuck_reasons([pod], [], cluster="count", now_ms=NOW_MS) == ()
    pod["status"]["containerStatuses"][0]["ready"] = False
    assert [one.code for one in stuck_reasons([pod], [], cluster="count", now_ms=NOW_MS)] == ["oom-killed"]


def test_the_operators_error_is_told_once_and_by_its_innermost_message() -> None:
    failed = case("failed-storage")
    assert error_text(failed) == (
        "org.apache.flink.util.FlinkRuntimeException:"
        " Failed to create checkpoint storage at checkpoint coordinator side."
    )
    pods, events = case("failed-storage-pods")["items"], case("failed-storage-events")["items"]
    assert stuck_reasons(pods, events, cluster="price-archive", now_ms=at("2026-11-28T15:33:00Z")) == ()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data(), operator=st.sampled_from(OPERATORS))
def test_odd_resources_never_raise(data: st.DataObject, operator: str) -> None:
    """A resource of an unknown version: any part replaced by anything still gives a row that serialises."""
    deployment = copy.deepcopy(resource(operator, 12))
    node: Any = deployment
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [key for key, value in node.items() if isinstance(value, dict)]
        if not inner:
            break
        node = node[data.draw(st.sampled_from(sorted(inner)))]
    if node:
        node[data.draw(st.sampled_from(sorted(node)))] = data.draw(anything)
    found, _ = job_rows(Listing((deployment,)), {}, "prod", NOW_MS)
    stuck_reasons([deployment], [deployment], cluster="count", now_ms=NOW_MS)
    assert msgspec.json.decode(msgspec.json.encode(found), type=tuple[JobFacts, ...]) == found
