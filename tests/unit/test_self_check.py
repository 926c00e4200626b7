"""`flinkops doctor --self`: what it says of permissions, clocks, folders; and that deploy/ has exactly these rules."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flinkops.cli.options import Common
from flinkops.cli.self_check import folder_check, self_check
from flinkops.config.load import load_settings
from flinkops.errors import ExitCode
from flinkops.sources.kubernetes.permissions import RULES, Review, Role
from flinkops.sources.kubernetes.self_check import clock_check, permission_check
from tests.unit.cr_samples import resource
from tests.unit.kube_server import GROUP, ApiServer, serving, status, write_kubeconfig
from tests.unit.test_kube_operator import DEFINITION, OPERATORS, operator

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
Grant = tuple[str, str, str, tuple[str, ...]]


def granted(file: str, role: str) -> set[Grant]:
    """(group, resource, verb, names) of every rule of a role in deploy/."""
    documents = list(yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8")))
    (found,) = [one for one in documents if one["kind"] == "ClusterRole" and one["metadata"]["name"] == role]
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in found["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("role", "file"),
    [
        ("reader", "rbac-reader.yaml"),
        ("cluster", "rbac-reader.yaml"),
        ("operator", "rbac-operator.yaml"),
        ("lease", "rbac-operator.yaml"),
        ("pods", "rbac-pods.yaml"),
    ],
)
def test_the_shipped_roles_have_the_rules_that_are_checked(role: Role, file: str) -> None:
    known = {(one.group, one.resource, verb, one.names) for one in RULES if one.role == role for verb in one.verbs}
    assert granted(file, f"flinkops-{role}") == known


def test_a_missing_permission_names_the_rule_to_add() -> None:
    rule = next(one for one in RULES if one.resource == "services/proxy" and one.role == "reader")
    found = permission_check("prod", Review(rule, "pricing", ("get",)))
    assert found.state == "warning"
    assert "not allowed to get services/proxy in namespace pricing: jobs are seen without measurements" in found.text
    assert '{apiGroups: [""], resources: [services/proxy], verbs: [get]}' in str(found.next)
    needed = next(one for one in RULES if one.needed)
    assert permission_check("prod", Review(needed, None, ("list",))).state == "failed"
    assert permission_check("prod", Review(needed, None, ("watch",))).state == "warning"
    assert permission_check("prod", Review(needed, None, ())).state == "ok"


@pytest.mark.parametrize(
    ("ahead_seconds", "state", "words"),
    [
        (0.0, "ok", "agrees"),
        (4.0, "ok", "agrees"),
        (30.0, "warning", "30 s ahead"),
        (-3600.0, "warning", "3600 s behind"),
    ],
)
def test_clocks(ahead_seconds: float, state: str, words: str) -> None:
    found = clock_check("prod", "Mon, 23 Nov 2026 12:00:00 GMT", 1_795_435_200.5 + ahead_seconds)
    assert found.state == state
    assert words in found.text


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_server_without_a_clock(date: str | None) -> None:
    assert clock_check("prod", date, 0.0).state == "unknown"


def test_folders(tmp_path: Path) -> None:
    assert folder_check("journal", tmp_path / "new").state == "ok"
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    found = folder_check("journal", tmp_path / "file" / "below")
    assert found.state == "failed"
    assert "cannot be written" in found.text


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ApiServer:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLINKOPS_JOURNAL", str(tmp_path / "book"))
    found = ApiServer()
    found.answers["/version"] = lambda *_: (200, {"gitVersion": "v1.34.0"})
    found.answers[OPERATORS] = lambda *_: (200, {"items": [operator("flink-kubernetes-operator:1.7.0")]})
    found.answers[DEFINITION] = lambda *_: (200, {"spec": {"versions": [{"served": True, "schema": {}}]}})
    return found


Check = Callable[..., tuple[ExitCode, list[dict[str, Any]]]]


@pytest.fixture
def check(api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Check]:
    with serving(api) as url:
        kubeconfig = write_kubeconfig(url, tmp_path)

        def run(**flags: Any) -> tuple[ExitCode, list[dict[str, Any]]]:
            flags = {"kubeconfig": [kubeconfig], "output": "json", "timeout": "5s", **flags}
            code = self_check(Common(load_settings(flags, environ={})))
            document = json.loads(capsys.readouterr().out)
            assert document["schema_version"] == 1
            return code, document["checks"]

        yield run


def found(checks: list[dict[str, Any]], subject: str, state: str) -> list[str]:
    return [one["text"] for one in checks if (one["subject"], one["state"]) == (subject, state)]


def test_all_is_well(check: Check) -> None:
    code, checks = check()
    assert code == ExitCode.OK
    assert not [one for one in checks if one["state"] == "failed"]
    assert any("/book can be written" in one for one in found(checks, "journal", "ok"))
    assert "Flink operator 1.7.0 in namespace flink-operator, running" in found(checks, "operator", "ok")
    assert any("API server v1.34.0" in one for one in found(checks, "reach", "ok"))
    assert any(one.startswith("get services/proxy in namespace default") for one in found(checks, "permission", "ok"))
    assert any("savepointInfo" in one for one in found(checks, "abilities", "ok"))
    assert any("count" in one for one in found(checks, "rest", "warning"))  # its JobManager does not answer


@pytest.mark.thorough
def test_each_missing_permission_is_a_line(check: Check, api: ApiServer) -> None:
    missing = {("leases", "update"), ("flinkdeployments", "patch"), ("services", "get"), ("services", "create")}
    api.allows = lambda attributes: (attributes["resource"], attributes["verb"]) not in missing
    code, checks = check()
    assert code == ExitCode.OK  # seeing still works
    lines = found(checks, "permission", "warning")
    assert len(lines) == 4
    assert any("not allowed to patch flinkdeployments.flink.apache.org in namespace default" in one for one in lines)
    assert any("not allowed to update leases.coordination.k8s.io" in one for one in lines)
    _, checks = check(read_only=True)
    assert len(found(checks, "permission", "warning")) == 1


def test_without_the_list_of_deployments_nothing_works(check: Check, api: ApiServer) -> None:
    api.allows = lambda attributes: attributes["resource"] != "flinkdeployments"
    code, checks = check(all_namespaces=True)
    assert code == ExitCode.UNREACHABLE
    assert any("in all namespaces: no job is seen" in one for one in found(checks, "permission", "failed"))


@pytest.mark.thorough
def test_clock_and_operator_of_a_real_answer(check: Check, api: ApiServer) -> None:
    api.clock_ahead_seconds = 120.0
    api.answers[OPERATORS] = lambda *_: status(403, 'User "ann" cannot list')
    _, checks = check()
    assert any("s behind the server's" in one for one in found(checks, "clock", "warning"))
    assert any("not allowed to list deployments.apps" in one for one in found(checks, "operator", "unknown"))


def test_an_api_server_that_is_away(check: Check, api: ApiServer) -> None:
    api.answers.clear()
    code, checks = check()
    assert code == ExitCode.UNREACHABLE
    assert found(checks, "reach", "failed")


@pytest.mark.thorough
def test_for_all_namespaces_leases_are_asked_about_where_jobs_are(check: Check, api: ApiServer) -> None:
    here, there = resource("1.15.0", 5), resource("1.15.0", 5)
    there["metadata"]["namespace"] = "alerts"
    api.answers[f"{GROUP}/flinkdeployments"] = lambda *_: (200, {"items": [here, there, there]})
    api.allows = lambda asked: asked["resource"] != "leases" or asked["namespace"] == "default"
    _, checks = check(all_namespaces=True)
    (line,) = found(checks, "permission", "warning")
    assert "leases.coordination.k8s.io in namespace alerts" in line
    assert any("leases.coordination.k8s.io in namespace default" in one for one in found(checks, "permission", "ok"))


def manifests() -> list[tuple[str, dict[str, Any]]]:
    files = sorted(DEPLOY.glob("*.yaml"))
    return [(file.name, one) for file in files for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def test_cluster_wide_bindings_are_in_a_file_of_their_own_and_leases_in_none() -> None:
    bound = {(file, one["roleRef"]["name"]) for file, one in manifests() if one["kind"] == "ClusterRoleBinding"}
    harmless = {("rbac-reader.yaml", "flinkops-cluster"), ("rbac-operator.yaml", "flinkops-cluster")}
    wide = {("rbac-cluster-wide.yaml", "flinkops-reader"), ("rbac-cluster-wide.yaml", "flinkops-operator")}
    assert bound == harmless | wide
    roles = {one["metadata"]["name"]: one["rules"] for _, one in manifests() if one["kind"] == "ClusterRole"}
    with_leases = {name for name, rules in roles.items() if any("leases" in rule["resources"] for rule in rules)}
    assert with_leases == {"flinkops-lease"}
    in_namespaces = {one["roleRef"]["name"] for _, one in manifests() if one["kind"] == "RoleBinding"}
    assert in_namespaces == set(roles) - {"flinkops-cluster"}
    assert not [rule for rules in roles.values() for rule in rules if "*" in str(rule) or "secrets" in str(rule)]


def test_pods_run_as_nobody_in_particular_and_reach_what_they_need() -> None:
    pods = [one for _, one in manifests() if "template" in one.get("spec", {})]
    assert pods
    for one in pods:
        pod = one["spec"]["template"]["spec"]
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert min(context["runAsUser"], context["runAsGroup"]) >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            inside = container["securityContext"]
            assert (inside["allowPrivilegeEscalation"], inside["readOnlyRootFilesystem"]) == (False, True)
            assert inside["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        policies = [
            policy["spec"]
            for _, policy in manifests()
            if policy["kind"] == "NetworkPolicy"
            and policy["metadata"]["namespace"] == one["metadata"]["namespace"]
            and policy["spec"]["podSelector"]["matchLabels"].items()
            <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert [policy["policyTypes"] for policy in policies] == [["Ingress", "Egress"]]
        assert all(rule.get("from") and rule.get("ports") for rule in policies[0]["ingress"])
        assert all(rule.get("ports") for rule in policies[0]["egress"])
