"""The Helm chart by real Helm on a real cluster: linted, checked by the server's schemas, installed and removed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.go_tools import GoTool, built
from tests.cluster.kit import FLINKOPS_IMAGE, REPOSITORY, Cluster, wait_for
from tests.cluster.kube_schemas import LOCATION, write_schemas

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(1800)]  # building Helm alone takes minutes

HELM = GoTool("helm", "helm.sh/helm/v4", "cmd/helm", "v4.3.2", "h1:zdd8DgKTlLrlYIzdoAntDHLH0V3RkgNIpQ3yjzuD84M=")
KUBECONFORM = GoTool(
    "kubeconform",
    "github.com/yannh/kubeconform",
    "cmd/kubeconform",
    "v0.8.0",
    "h1:loDYd3a3spjIFrauqW67CDKF55Oo9R6uvC8AvpVd4ug=",
)
CHART = REPOSITORY / "deploy" / "chart" / "flinkops"
NAMESPACE = "flinkops-chart-test"
MONITORING = {"serviceMonitor.enabled": "true", "prometheusRule.enabled": "true"}
VARIANTS: dict[str, dict[str, str]] = {
    "defaults": {},
    "namespaces": {"watch.namespaces": "{default,kube-system}", "shards": "3", "dashboards.enabled": "true"},
    "cluster": {"watch.allNamespaces": "true", "watch.restVia": "direct", "vertices": "true"},
    "keep": {"keep": "2h"},
    "rest-only": {"watch.enabled": "false", "restEndpoints": "{http://flink:8081}", "networkPolicy.enabled": "false"},
    "config": {"config": 'interval = "20s" # {{ .Values.image }} $(id)', "extraArgs": "{--timeout=5s,--shard=1/1}"},
}


def helm(*arguments: str, expect: int = 0, kubeconfig: str | None = None) -> str:
    where = ["--kubeconfig", kubeconfig] if kubeconfig else []
    done = subprocess.run([str(built(HELM)), *arguments, *where], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == (expect != 0), done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def options(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def template(values: dict[str, str]) -> str:
    given = {key: value for key, value in values.items() if key != "config"}
    config = ["--set-literal", f"config={values['config']}"] if "config" in values else []
    return helm("template", "fleet", str(CHART), "-n", NAMESPACE, *options(given), *config)


@pytest.fixture(scope="module")
def schemas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    assert write_schemas(json.loads(cluster.kubectl("get", "--raw", "/openapi/v2")), folder) > 50
    return folder


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", seconds=300)


@pytest.mark.parametrize("name", VARIANTS)
def test_lint_is_clean(name: str) -> None:
    said = helm("lint", "--strict", str(CHART), *options({k: v for k, v in VARIANTS[name].items() if k != "config"}))
    assert "[ERROR]" not in said
    assert "[WARNING]" not in said


NONSENSE = [
    {"shard": "2"},
    {"shards": "0"},
    {"watch.restVia": "magic"},
    {"image.digest": "sha256:1"},
    {"watch.namespaces": "{A b}"},
    {"keep": "two hours"},
]


@pytest.mark.parametrize("values", NONSENSE, ids=str)
def test_values_that_make_no_sense_are_refused(values: dict[str, str]) -> None:
    assert "schema" in helm("template", "fleet", str(CHART), *options(values), expect=1)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_it_renders_fits_the_server_s_schemas(
    name: str, cluster: Cluster, schemas: Path, namespace: str, tmp_path: Path
) -> None:
    text = template(VARIANTS[name])
    (tmp_path / "all.yaml").write_text(text)
    check = [str(built(KUBECONFORM)), "-strict", "-summary", "-schema-location", f"{schemas}/{LOCATION}"]
    done = subprocess.run([*check, str(tmp_path / "all.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = text.replace("replicas:", "replica:", 1)
    assert broken != text
    (tmp_path / "all.yaml").write_text(broken)
    assert subprocess.run([*check, str(tmp_path / "all.yaml")], capture_output=True, check=False).returncode == 1
    cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)


def rendered(kind: str, values: dict[str, str]) -> dict[str, Any]:
    (found,) = [one for one in yaml.safe_load_all(template(values)) if one and one["kind"] == kind]
    return dict(found)


def test_hostile_values_stay_values() -> None:
    assert rendered("ConfigMap", VARIANTS["config"])["data"]["flinkops.toml"] == VARIANTS["config"]["config"]


def test_rules_come_through_as_they_are() -> None:
    alerts = yaml.safe_load((REPOSITORY / "alerts" / "flinkops.rules.yaml").read_text(encoding="utf-8"))
    rule = rendered("PrometheusRule", {**MONITORING, "prometheusRule.labels.release": "monitoring"})
    assert rule["spec"] == alerts
    assert rule["metadata"]["labels"]["release"] == "monitoring"
    monitor, service = rendered("ServiceMonitor", MONITORING), rendered("Service", MONITORING)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["honorLabels"] is True


def test_plain_manifests_and_the_kustomization_are_accepted(cluster: Cluster, namespace: str) -> None:
    text = cluster.kubectl("kustomize", str(REPOSITORY / "deploy"))
    moved = text.replace("namespace: flinkops", f"namespace: {namespace}")
    cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=moved)


def test_installed_upgraded_and_removed(cluster: Cluster, namespace: str, flinkops_image: str) -> None:
    repository, _, tag = flinkops_image.partition(":")
    values = {"image.repository": repository, "image.tag": tag, "image.pullPolicy": "Never"}
    command = ["fleet", str(CHART), "-n", namespace, *options({**values, "dashboards.enabled": "true"})]
    helm("install", *command, *options({"watch.namespaces": "{default}"}), kubeconfig=cluster.kubeconfig)
    assert ready(cluster) == 1
    pod = "fleet-flinkops-0"
    wait_for(lambda: "flinkops_source_up{" in get(cluster, pod, "metrics"), "it has polled", seconds=120)
    up = [line for line in get(cluster, pod, "metrics").splitlines() if line.startswith("flinkops_source_up{")]
    assert [line.rpartition(" ")[2] for line in up] == ["1.0"]
    assert cluster.kubectl("-n", namespace, "exec", pod, "--", "flinkops", "--version").startswith("flinkops ")
    more = options({"shards": "2", "watch.allNamespaces": "true", "keep": "2h"})
    helm("upgrade", *command, *more, kubeconfig=cluster.kubeconfig)
    assert ready(cluster) == 2
    assert FLINKOPS_IMAGE in cluster.kubectl("-n", namespace, "get", "pods", "-o", "yaml")
    keeps_the_last_hours(cluster, pod)
    helm("uninstall", "fleet", "-n", namespace, "--wait", kubeconfig=cluster.kubeconfig)
    kinds = "clusterroles,clusterrolebindings,roles,rolebindings,statefulsets,services,configmaps,networkpolicies"
    assert cluster.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/instance=fleet", "-o", "name") == ""


def keeps_the_last_hours(cluster: Cluster, pod: str) -> None:
    """Its file is for its owner alone, and can be written out in the pod whose root is read-only."""
    inside = ("-n", NAMESPACE, "exec", pod, "--")
    wait_for(lambda: "flinkops_source_up{" in get(cluster, pod, "metrics"), "it has polled", seconds=120)
    assert cluster.kubectl(*inside, "sh", "-c", "stat -c %a /kept/*.kept.rec").split() == ["600"]
    cluster.kubectl(*inside, "flinkops", "record", "--last", "2h", "--keep-dir", "/kept", "/kept/incident.rec")
    told = cluster.kubectl(*inside, "flinkops", "status", "--replay", "/kept/incident.rec", "-o", "json")
    assert json.loads(told)["schema_version"] == 1


def ready(cluster: Cluster) -> int:
    """How many pods there are, once all of them are ready and of the newest revision."""

    def status() -> Any:
        found = cluster.get("statefulset", "fleet-flinkops", NAMESPACE)
        wanted, said = found["spec"]["replicas"], found.get("status", {})
        done = said.get("readyReplicas") == wanted and said.get("updatedReplicas") == wanted
        return done and said.get("observedGeneration") == found["metadata"]["generation"] and wanted

    return int(wait_for(status, "all pods are ready", seconds=300))


def get(cluster: Cluster, pod: str, path: str) -> str:
    return cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9249/proxy/{path}")
