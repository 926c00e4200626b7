"""What newer operators write, on a real API server: the objects of operator 1.15, and the definitions of 1.10.

The kit's own operator is stopped meanwhile, and the definitions are put back as they were: by server-side apply under
the same field manager as the kit's, so that `kit up` would heal what a killed run leaves.
"""

import copy
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from flinkops.local.jars import Jar, cache_folder, ensure_jars
from flinkops.model.facts import JobFacts, ResourceFacts
from flinkops.plan.operator.rules import features
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.plan_inputs import read_definition
from flinkops.sources.kubernetes.resources import resource_facts, snapshot_facts
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.cluster.kit import Cluster, wait_for
from tests.unit.cr_samples import recorded

pytestmark = pytest.mark.timeout(600)

API_JAR = Jar(
    "org.apache.flink:flink-kubernetes-operator-api:1.10.0",
    190877,
    "b1f44814e17514fa8395c61b329a3ee9087123a5bda5b21fe1a495d5182c30b6",
)
GROUP = "flink.apache.org"
NAMESPACE = "newer-operator"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
BLUE_GREEN = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"flinkbluegreendeployments.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "kind": "FlinkBlueGreenDeployment",
            "plural": "flinkbluegreendeployments",
            "singular": "flinkbluegreendeployment",
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": ANYTHING},
                "subresources": {"status": {}},
            }
        ],
    },
}


def definition_1_10(plural: str) -> dict[str, Any]:
    """A definition as operator 1.10.0 ships it."""
    (jar,) = ensure_jars([API_JAR], cache_folder())
    with zipfile.ZipFile(jar) as archive:
        found: dict[str, Any] = yaml.safe_load(archive.read(f"META-INF/fabric8/{plural}.{GROUP}-v1.yml"))
    return found


class Definitions:
    """Changes definitions, and puts them back."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._before = self._read()

    def apply(self, *manifests: dict[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self._cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
        names = [f"crd/{one['metadata']['name']}" for one in manifests]
        self._cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")

    def without_schema(self, plural: str) -> dict[str, Any]:
        """The kit's own definition, which keeps every field that anybody writes."""
        made = copy.deepcopy(self._before[f"{plural}.{GROUP}"])
        for version in made["spec"]["versions"]:
            version["schema"] = {"openAPIV3Schema": ANYTHING}
        return made

    def restore(self) -> None:
        added = [f"crd/{name}" for name in self._read() if name not in self._before]
        if added:
            self._cluster.kubectl("delete", *added)
        self.apply(*self._before.values())
        assert self._read() == self._before

    def _read(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self._cluster.kubectl("get", "crd", "-o", "json"))["items"]
        return {
            one["metadata"]["name"]: {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": one["metadata"]["name"]},
                "spec": one["spec"],
            }
            for one in found
            if one["spec"]["group"] == GROUP
        }


@pytest.fixture(scope="module")
def definitions(cluster: Cluster) -> Iterator[Definitions]:
    scale = ("-n", "flink-operator", "scale", "deployment/flink-kubernetes-operator")
    found = Definitions(cluster)
    cluster.kubectl(*scale, "--replicas=0")
    operator_pods = ("-n", "flink-operator", "wait", "--for=delete", "pod", "-l", "app=flink-kubernetes-operator")
    cluster.kubectl(*operator_pods, "--timeout=90s")
    try:
        cluster.kubectl("create", "namespace", NAMESPACE)
        yield found
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s")
        found.restore()
        cluster.kubectl(*scale, "--replicas=1")
        cluster.kubectl("-n", "flink-operator", "rollout", "status", "deployment/flink-kubernetes-operator")


@pytest.fixture
def source(cluster: Cluster) -> Iterator[KubernetesSource]:
    found = KubernetesSource(open_access(cluster.kubeconfig), namespaces=(NAMESPACE,))
    yield found
    found.close()


def write(cluster: Cluster, resource: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Puts a recorded object, with its status, into the namespace of this test; as the API server has it then."""
    kept = {key: resource["metadata"][key] for key in ("name", "labels", "annotations") if key in resource["metadata"]}
    made = {**resource, "metadata": {**kept, "namespace": NAMESPACE, **metadata}}
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(made))
    cluster.kubectl("replace", "--subresource=status", "-f", "-", stdin=json.dumps(made))
    return cluster.get(resource["kind"].lower() + f".{GROUP}", kept["name"], NAMESPACE)


def seen_by(source: KubernetesSource, name: str) -> JobFacts | None:
    snapshot = source.poll(10.0)
    assert snapshot.status.state == "ok", snapshot.status.error
    return next((job for job in snapshot.jobs if job.name == name), None)


def without_counters(facts: ResourceFacts) -> ResourceFacts:
    """What the API server itself counts is not in the recording, and no operator is here to let go of a finalizer."""
    counted: dict[str, Any] = {
        "resource_version": "",
        "generation": None,
        "spec_changed_ms": None,
        "status_changed_ms": None,
    }
    elsewhere: dict[str, Any] = {"namespace": NAMESPACE, "stuck": (), "snapshots": (), "operator_version": None}
    return msgspec.structs.replace(facts, finalizers=(), **counted, **elsewhere)


def test_every_object_that_operator_1_15_wrote_is_read_as_recorded(
    cluster: Cluster, definitions: Definitions, source: KubernetesSource
) -> None:
    definitions.apply(definitions.without_schema("flinkdeployments"))
    lives = {
        number: one
        for number, one in recorded("1.15.0")["resources"].items()
        if "deletionTimestamp" not in one["metadata"]
    }
    assert len(lives) == 28
    for number, resource in sorted(lives.items()):
        write(cluster, copy.deepcopy(resource))
        wanted = without_counters(resource_facts(resource, context=source.name, kind="FlinkDeployment"))

        def arrived(wanted: ResourceFacts = wanted) -> JobFacts | None:
            job = seen_by(source, "count")
            return job if job and job.resource and without_counters(job.resource) == wanted else None

        job = wait_for(arrived, f"object {number} is seen", seconds=10, every=0.05)
        assert job.state != "RUNNING"  # STABLE or not: nobody has seen it run here
        assert job.unknown["vertices"]
    assert source.watches == 2  # flinkdeployments and flinksessionjobs: it was not listed 28 times


def test_snapshots_under_the_definition_of_operator_1_10(
    cluster: Cluster, definitions: Definitions, source: KubernetesSource
) -> None:
    definitions.apply(definitions.without_schema("flinkdeployments"), definition_1_10("flinkstatesnapshots"))
    write(cluster, copy.deepcopy(recorded("1.15.0")["resources"]["11"]))
    snapshots = recorded("1.15.0")["snapshots"]
    assert len(snapshots) >= 2
    for snapshot in snapshots:
        write(cluster, copy.deepcopy(snapshot))

    def all_there() -> JobFacts | None:
        job = seen_by(source, "count")
        return job if job and job.resource and len(job.resource.snapshots) == len(snapshots) else None

    job = wait_for(all_there, "the snapshots are seen", seconds=20, every=0.2)
    assert job.resource is not None
    found = {one.name: one for one in job.resource.snapshots}
    for snapshot in snapshots:
        wanted = snapshot_facts(snapshot)
        assert msgspec.structs.replace(found[wanted.name], at_ms=wanted.at_ms) == wanted
    times = [one.at_ms or 0 for one in job.resource.snapshots]
    assert times == sorted(times, reverse=True)


def test_blue_and_green(cluster: Cluster, definitions: Definitions, source: KubernetesSource) -> None:
    definitions.apply(definitions.without_schema("flinkdeployments"), BLUE_GREEN)
    parent = {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "FlinkBlueGreenDeployment",
        "metadata": {"name": "orders"},
        "spec": {"template": {"spec": {}}},
        "status": {"blueGreenState": "TRANSITIONING_TO_GREEN"},
    }
    uid = write(cluster, parent)["metadata"]["uid"]
    child = copy.deepcopy(recorded("1.15.0")["resources"]["11"])
    child["metadata"]["name"] = "orders-blue"
    owner = {"apiVersion": parent["apiVersion"], "kind": parent["kind"], "name": "orders", "uid": uid}
    write(cluster, child, ownerReferences=[owner])
    job = wait_for(lambda: seen_by(source, "orders-blue"), "the blue one is seen", seconds=20)
    assert job.resource.blue_green_state == "TRANSITIONING_TO_GREEN"
    assert job.resource.owner == "FlinkBlueGreenDeployment/orders"
    row = cluster.job("orders-blue", "-n", NAMESPACE)
    assert row["resource"]["blue_green_state"] == "TRANSITIONING_TO_GREEN"
    refused = cluster.flinkops(
        "upgrade", "orders-blue", "-n", NAMESPACE, "--savepoint", "--parallelism", "3", "--plan", "-o", "json", expect=5
    )
    assert any("FlinkBlueGreenDeployment" in line for line in json.loads(refused.stdout)["plan"]["refused"])


def test_what_operator_1_10_can_is_told_by_its_definition(cluster: Cluster, definitions: Definitions) -> None:
    access = open_access(cluster.kubeconfig)
    definitions.apply(definition_1_10("flinkdeployments"))

    def abilities() -> bool:
        found = features(read_definition(access, deadline_seconds=10.0))
        return found.savepoint_redeploy and found.upgrade_savepoint_path

    wait_for(abilities, "the new definition is served", seconds=10)
