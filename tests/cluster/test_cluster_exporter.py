"""The exporter as a pod: the shipped manifests, the read-only role, its jobs split over two replicas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.kit import FLINKOPS_IMAGE, REPOSITORY, Cluster, wait_for

pytestmark = pytest.mark.timeout(900)  # the image is made first

NAMESPACE = "flinkops-exporter-test"
PORT = 9249
REPLICAS = 2


@pytest.fixture(scope="module")
def exporter(cluster: Cluster, flinkops_image: str) -> Iterator[str]:
    """Two replicas, from deploy/, on flinkops' own image."""
    bindings = [one for one in _manifests("rbac-namespace.yaml") if one["metadata"]["name"] == "flinkops-reader"]
    manifests = [*_manifests("rbac-reader.yaml"), *bindings, *_manifests("exporter.yaml")]
    for manifest in manifests:
        _adapt(manifest)
    manifests.sort(key=lambda manifest: manifest["kind"] != "Namespace")
    cluster.apply(*manifests)
    try:
        ready = "{.status.readyReplicas}"
        wait_for(
            lambda: (
                cluster.kubectl("-n", NAMESPACE, "get", "statefulset", "flinkops-exporter", "-o", f"jsonpath={ready}")
                == str(REPLICAS)
            ),
            "both replicas are ready",
            seconds=180,
        )
        yield "flinkops-exporter"
    finally:
        names = [f"{NAMESPACE}-{role}" for role in ("flinkops-reader", "flinkops-cluster")]
        cluster.kubectl("delete", "clusterrolebinding,clusterrole,rolebinding", *names, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", seconds=180)


def test_two_replicas_share_the_jobs(cluster: Cluster, count: str, exporter: str) -> None:
    def shares() -> list[str]:
        return [metrics(cluster, f"{exporter}-{replica}") for replica in range(REPLICAS)]

    wait_for(lambda: all("flinkops_source_up{" in share for share in shares()), "both have polled", seconds=60)
    found = shares()
    assert all(line.endswith(" 1.0") for share in found for line in lines(share, "flinkops_source_up"))
    assert sorted(line.split()[-1] for share in found for line in lines(share, "flinkops_exporter_shard")) == [
        "1.0",
        "2.0",
    ]
    jobs = [line for share in found for line in lines(share, "flinkops_job_running") if f'job="{count}"' in line]
    assert len(jobs) == 1
    assert 'namespace="default"' in jobs[0]

    def measured() -> list[str]:
        rates = [line for share in shares() for line in lines(share, "flinkops_job_records_in_per_second")]
        return [line for line in rates if f'job="{count}"' in line]

    wait_for(measured, "the job's REST API is reached by its service's name", seconds=60, every=3.0)


def test_the_kubelet_s_probe_is_answered(cluster: Cluster, exporter: str) -> None:
    assert get(cluster, f"{exporter}-0", "healthz") == "ok\n"


def lines(text: str, metric: str) -> list[str]:
    return [line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == metric]


def metrics(cluster: Cluster, pod: str) -> str:
    return get(cluster, pod, "metrics")


def get(cluster: Cluster, pod: str, path: str) -> str:
    return cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{PORT}/proxy/{path}")


def _manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((REPOSITORY / "deploy" / name).read_text()))


def _adapt(manifest: dict[str, Any]) -> None:
    """Names of our own; everything else is as shipped."""
    text = json.dumps(manifest["metadata"])
    manifest["metadata"] = json.loads(text.replace('"namespace": "flinkops"', f'"namespace": "{NAMESPACE}"'))
    if manifest["kind"] == "Namespace":
        manifest["metadata"]["name"] = NAMESPACE
    if manifest["kind"] in ("ClusterRole", "ClusterRoleBinding", "RoleBinding"):
        manifest["metadata"]["name"] = f"{NAMESPACE}-{manifest['metadata']['name']}"
    if manifest["kind"] in ("ClusterRoleBinding", "RoleBinding"):
        manifest["roleRef"]["name"] = f"{NAMESPACE}-{manifest['roleRef']['name']}"
        manifest["subjects"][0]["namespace"] = NAMESPACE
    if manifest["kind"] == "RoleBinding":
        manifest["metadata"]["namespace"] = "default"
    if manifest["kind"] == "StatefulSet":
        _adapt_pods(manifest["spec"])


def _adapt_pods(spec: dict[str, Any]) -> None:
    """Two shares of the jobs; the image is as shipped, and there is no registry to pull it from."""
    spec["replicas"] = REPLICAS
    container = spec["template"]["spec"]["containers"][0]
    assert container["image"] == FLINKOPS_IMAGE
    container["imagePullPolicy"] = "Never"
    for variable in container["env"]:
        if variable["name"] == "SHARDS":
            variable["value"] = str(REPLICAS)
    # The other way to Flink, which only a pod has; tests on this side of the API server go through its proxy.
    container["env"].append({"name": "FLINKOPS_REST_VIA", "value": "direct"})
