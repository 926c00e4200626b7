"""Beside the rows: the operator's version, the way to REST, a job's events."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.operator.prepare import observed_job
from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.model.facts import FleetSnapshot, JobFacts, ResourceFacts
from flinkops.outside.text import clean
from flinkops.render.status_json import status_document
from flinkops.sources.kubernetes.access import KubeAccess, open_access
from flinkops.sources.kubernetes.events import events_of
from flinkops.sources.kubernetes.operator_version import operator_seen
from flinkops.sources.kubernetes.plan_inputs import Read, read_for_plan
from flinkops.sources.kubernetes.rest_route import RestVia, rest_endpoint
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.patience import PATIENT_SECONDS
from tests.unit.cr_samples import recorded, resource, stuck
from tests.unit.kube_server import GROUP, ApiServer, serving, status, write_kubeconfig

OPERATORS = "/apis/apps/v1/deployments"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/flinkdeployments.flink.apache.org"
Open = Callable[..., KubernetesSource]


def operator(image: str, namespace: str = "flink-operator", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "flink-kubernetes-operator", "namespace": namespace, "labels": labels},
        "spec": {"template": {"spec": {"containers": [{"name": "operator", "image": image}]}}},
        "status": {"readyReplicas": 1},
    }


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def access(api: ApiServer, tmp_path: Path) -> Iterator[KubeAccess]:
    with serving(api) as url:
        yield open_access(write_kubeconfig(url, tmp_path))


@pytest.fixture
def open_source(access: KubeAccess) -> Iterator[Open]:
    opened: list[KubernetesSource] = []

    def build(**options: Any) -> KubernetesSource:
        opened.append(KubernetesSource(access, **options))
        return opened[-1]

    yield build
    for source in opened:
        source.close()


@pytest.mark.parametrize(
    ("image", "label", "version"),
    [
        ("flink-kubernetes-operator:1.7.0", None, "1.7.0"),
        ("ghcr.io:5000/apache/flink-kubernetes-operator:d6b5b6a", "1.15.0", "1.15.0"),
        ("ghcr.io:5000/apache/flink-kubernetes-operator:d6b5b6a", None, None),
        ("apache/flink-kubernetes-operator:1.10.0@sha256:12", None, "1.10.0"),
        ("apache/flink-kubernetes-operator", None, None),
        ("", None, None),
    ],
)
def test_the_version_of_the_operator(image: str, label: str | None, version: str | None) -> None:
    labels = {"app.kubernetes.io/version": label} if label else {}
    seen = operator_seen(operator(image, **labels))
    assert seen.version == version
    assert (seen.unknown is None) == (version is not None)
    assert seen.namespace == "flink-operator"


def test_it_reaches_the_plan_and_the_rows(api: ApiServer, access: KubeAccess, open_source: Open) -> None:
    api.answers[OPERATORS] = lambda *_: (200, {"items": [operator("flink-kubernetes-operator:1.12.0")]})
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments/count"] = lambda *_: (200, resource("1.15.0", 11))
    api.answers[DEFINITION] = lambda *_: (200, {})
    read = read_for_plan(access, "FlinkDeployment", "default", "count", deadline_seconds=PATIENT_SECONDS)
    assert read.operator.version == "1.12.0"
    assert any("fieldSelector=metadata.name%3Dflink-kubernetes-operator" in one for one in api.asked)
    source = open_source()
    for _ in range(3):
        (job,) = source.poll(PATIENT_SECONDS).jobs
        assert job.resource is not None
        assert job.resource.operator_version == "1.12.0"
    assert sum(one.startswith(OPERATORS) for one in api.asked) == 2  # a poll does not ask each time


def test_a_version_that_cannot_be_read_is_unknown_with_the_reason(api: ApiServer, access: KubeAccess) -> None:
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments/count"] = lambda *_: (200, resource("1.15.0", 11))
    api.answers[DEFINITION] = lambda *_: (200, {})
    api.answers[OPERATORS] = lambda *_: status(403, 'User "ann" cannot list')

    def read() -> tuple[str | None, str]:
        seen = read_for_plan(access, "FlinkDeployment", "default", "count", deadline_seconds=PATIENT_SECONDS).operator
        return seen.version, seen.unknown or ""

    assert read()[0] is None
    assert "not allowed to list deployments.apps flink-kubernetes-operator" in read()[1]
    api.answers[OPERATORS] = lambda *_: (200, {"items": []})
    assert "no Deployment named" in read()[1]
    two = [operator("o:1.7.0", "a"), operator("o:1.15.0", "b")]
    api.answers[OPERATORS] = lambda *_: (200, {"items": two})
    assert read() == (
        None,
        "several operators run here (1.7.0 in a, 1.15.0 in b): which one reconciles a job is not known",
    )


INGRESS = "flink.example.com/{{namespace}}/{{name}}(/|$)(.*)"


@pytest.mark.parametrize(
    ("via", "spec", "url"),
    [
        ("proxy", {}, "API/api/v1/namespaces/shop/services/orders-rest:8081/proxy"),
        ("direct", {}, "http://orders-rest.shop.svc:8081"),
        ("direct", {"flinkConfiguration": {"rest.port": "8082"}}, "http://orders-rest.shop.svc:8082"),
        (
            "direct",
            {"flinkConfiguration": {"security": {"ssl": {"rest": {"enabled": True}}}}},
            "https://orders-rest.shop.svc:8081",
        ),
        (
            "proxy",
            {"flinkConfiguration": {"security.ssl.rest.enabled": "true"}},
            "API/api/v1/namespaces/shop/services/https:orders-rest:8081/proxy",
        ),
        ("ingress", {"ingress": {"template": INGRESS}}, "http://flink.example.com/shop/orders"),
        (
            "ingress",
            {"ingress": {"template": "{{name}}.{{namespace}}.example.com", "tls": [{"hosts": []}]}},
            "https://orders.shop.example.com",
        ),
        ("ingress", {}, "API/api/v1/namespaces/shop/services/orders-rest:8081/proxy"),
        ("ingress", {"ingress": {"template": "a b"}}, "API/api/v1/namespaces/shop/services/orders-rest:8081/proxy"),
    ],
)
def test_ways_to_the_rest_api(access: KubeAccess, via: RestVia, spec: dict[str, Any], url: str) -> None:
    endpoint = rest_endpoint(access, ("shop", "orders"), {"spec": spec}, via)
    assert endpoint.url == url.replace("API", access.endpoint().url)
    assert bool(endpoint.headers) == url.startswith("API")  # the token is for the API server alone


def test_without_the_api_server_flinks_own_word_goes_on(api: ApiServer, open_source: Open) -> None:
    begun = time.monotonic()
    source = open_source(rest_via="direct")
    assert source.poll(PATIENT_SECONDS).status.state == "ok"
    api.answers[GROUP] = lambda *_: status(503, "the server is shutting down")
    time.sleep(0.05)
    snapshot = source.poll(PATIENT_SECONDS)
    assert snapshot.status.state == "stale"
    assert 0.05 <= (snapshot.status.age_seconds or 0.0) < time.monotonic() - begun
    assert "shutting down" in str(snapshot.status.error)
    assert [job.name for job in snapshot.jobs] == ["count"]
    through_it = open_source()
    assert through_it.poll(PATIENT_SECONDS).status.state == "unreachable"


def recorded_events() -> list[dict[str, Any]]:
    """What operator 1.15 said of `count`, in the order of time."""
    about = {"involvedObject": {"kind": "FlinkDeployment", "name": "count"}}
    return [
        {**one, **about, "lastTimestamp": f"2026-11-23T08:00:{second:02d}Z"}
        for second, one in enumerate(recorded("1.15.0")["events"])
    ]


def test_events_of_a_job_newest_first_and_of_nobody_else() -> None:
    raw = recorded_events()
    found = events_of(raw, resources={"count"}, cluster="count")
    assert len(found) == len(raw)
    times = [one.at_ms or 0 for one in found]
    assert times == sorted(times, reverse=True)
    assert {"Submit", "SpecChanged"} <= {one.reason for one in found}
    assert events_of(raw, resources={"coun"}, cluster="coun") == ()
    pods = events_of(stuck()["events"], resources={"no-image"}, cluster="no-image")
    assert {one.object.split("/")[1].startswith("no-image") for one in pods} == {True}
    assert any(one.kind == "Warning" for one in pods)


def event(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"involvedObject": {"kind": kind, "name": name}, "type": "Normal", "reason": "R", **fields}


@pytest.mark.parametrize(
    ("kind", "name", "concerns"),
    [
        ("Pod", "orders-7d9c6f5b84-x2x2x", True),
        ("Pod", "orders-taskmanager-1-3", True),
        ("Pod", "orders-eu-7d9c6f5b84-x2x2x", False),
        ("Pod", "orders-eu-taskmanager-1-3", False),
        ("FlinkDeployment", "orders", True),
        ("FlinkDeployment", "orders-eu", False),
        ("ReplicaSet", "orders-7d9c6f5b84", True),
        ("Secret", "orders", False),
    ],
)
def test_whose_event_it_is(kind: str, name: str, concerns: bool) -> None:
    assert bool(events_of([event(kind, name)], resources={"orders"}, cluster="orders")) == concerns


def test_an_event_is_cut_and_kept_as_it_was_said() -> None:
    hostile = event("FlinkDeployment", "orders", message="\x1b[2J jdbc://me:pw@db\nfailed " + "x" * 5000, count=3)
    (found,) = events_of([hostile], resources={"orders"}, cluster="orders")
    assert found.text.startswith("\x1b[2J jdbc://me:pw@db failed xxx")
    assert clean(found.text).startswith(" jdbc://******@db failed xxx")
    assert len(found.text) <= 1000
    assert found.count == 3


def test_events_from_the_source(api: ApiServer, open_source: Open) -> None:
    facts = ResourceFacts(context="prod", namespace="default", name="count", resource_version="1")
    job = JobFacts(id="", name="count", cluster="prod", seen_ms=0, resource=facts)
    api.answers["/api/v1/namespaces/default/events"] = lambda *_: (200, {"items": recorded_events()})
    api.answers["/api/v1/namespaces/default/pods"] = lambda *_: (200, {"items": []})
    found = open_source().events(job)
    assert found.events
    assert found.unknown == {}
    api.answers["/api/v1/namespaces/default/events"] = lambda *_: status(403, "no")
    assert "not allowed to list events in namespace default" in open_source().events(job).unknown["events"]


def test_the_status_document_has_what_the_resource_says(api: ApiServer, open_source: Open) -> None:
    snapshot = open_source().poll(PATIENT_SECONDS)
    fleet = assess(
        FleetSnapshot(taken_ms=snapshot.jobs[0].seen_ms, sources=(snapshot.status,), jobs=snapshot.jobs), {}, Policy()
    )
    (row,) = status_document(fleet)["jobs"]
    assert row["resource"]["image"] == "count:23"
    assert row["resource"]["upgrade_mode"] == "savepoint"
    assert None not in row["resource"].values()


@pytest.mark.parametrize(
    ("name", "deleted", "counts"),
    [
        ("count-9c3a-config-map", False, True),
        ("count-9c3a-config-map", True, False),
        ("count-cluster-config-map", False, False),  # the election of the JobManager: stays when the job has ended
        ("count-9c3a-jobmanager-leader", False, True),
        ("count-dispatcher-leader", False, False),
    ],
)
def test_which_config_map_is_a_jobs_ha_metadata(
    api: ApiServer, access: KubeAccess, name: str, deleted: bool, counts: bool
) -> None:
    metadata = {"name": name, **({"deletionTimestamp": "2026-11-28T12:00:00Z"} if deleted else {})}
    api.answers["/api/v1/namespaces/default/configmaps"] = lambda *_: (200, {"items": [{"metadata": metadata}]})
    assert read_count(api, access).ha_metadata is counts


def read_count(api: ApiServer, access: KubeAccess) -> Read:
    api.answers[OPERATORS] = lambda *_: (200, {"items": [operator("flink-kubernetes-operator:1.12.0")]})
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments/count"] = lambda *_: (200, resource("1.15.0", 11))
    api.answers[DEFINITION] = lambda *_: (200, {})
    return read_for_plan(access, "FlinkDeployment", "default", "count", deadline_seconds=PATIENT_SECONDS)


CREATED, LATER = "2026-11-28T12:00:00Z", "2026-11-28T12:00:09Z"


@pytest.mark.parametrize(
    ("condition", "never"),
    [
        ({"type": "Available", "status": "False", "lastTransitionTime": CREATED}, True),
        ({"type": "Available", "status": "False", "lastTransitionTime": LATER}, False),
        ({"type": "Available", "status": "True", "lastTransitionTime": CREATED}, False),
        ({"type": "Progressing", "status": "False", "lastTransitionTime": CREATED}, False),
    ],
)
@pytest.mark.thorough
def test_a_jobmanager_that_was_never_available(
    api: ApiServer, access: KubeAccess, condition: dict[str, str], never: bool
) -> None:
    found = {"metadata": {"creationTimestamp": CREATED}, "status": {"conditions": [condition]}}
    api.answers["/apis/apps/v1/namespaces/default/deployments/count"] = lambda *_: (200, found)
    assert read_count(api, access).jobmanager_never_started is never


@pytest.mark.parametrize(
    ("state", "never"), [({"waiting": {"reason": "ErrImagePull"}}, True), ({"running": {}}, False)]
)
def test_where_deployments_may_not_be_read_the_pods_tell(
    api: ApiServer, access: KubeAccess, state: dict[str, Any], never: bool
) -> None:
    api.answers["/apis/apps/v1/namespaces/default/deployments/count"] = lambda *_: status(403, "no")
    pods = [{"status": {"containerStatuses": [{"state": state}]}}]
    api.answers["/api/v1/namespaces/default/pods"] = lambda *_: (200, {"items": pods})
    assert read_count(api, access).jobmanager_never_started is never


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ((200, {"data": {"parallelismOverrides": "a:2,b:1"}}), {"parallelismOverrides": "a:2,b:1"}),
        (status(404, "none"), {}),
        (status(403, "no"), None),
    ],
)
def test_what_the_operators_autoscaler_keeps_reaches_the_plan(
    api: ApiServer, access: KubeAccess, answer: Any, kept: dict[str, str] | None
) -> None:
    api.answers["/api/v1/namespaces/default/configmaps/autoscaler-count"] = lambda *_: answer
    read = read_count(api, access)
    assert read.autoscaler == kept
    job = JobFacts(id="a", name="count", cluster="kit", seen_ms=1)
    assert observed_job(job, read).autoscaler_overrides == (
        None if kept is None else {"a": "2", "b": "1"} if kept else {}
    )


@pytest.mark.parametrize(("where", "told"), [("zookeeper", None), ("kubernetes", True)])
def test_ha_metadata_in_zookeeper_is_unknown(api: ApiServer, access: KubeAccess, where: str, told: bool | None) -> None:
    metadata = {"name": "count-9c3a-config-map"}
    api.answers["/api/v1/namespaces/default/configmaps"] = lambda *_: (200, {"items": [{"metadata": metadata}]})
    read = read_count(api, access)
    read.resource["spec"]["flinkConfiguration"]["high-availability.type"] = where
    read.resource["spec"]["flinkConfiguration"].pop("high-availability", None)
    job = JobFacts(id="a", name="count", cluster="kit", seen_ms=1)
    assert observed_job(job, read).ha_metadata is told
