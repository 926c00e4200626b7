"""The shipped roles suffice for what they are for; without one of their verbs flinkops says which is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.operator.spec_steps import acted_on
from flinkops.sources.kubernetes.permissions import RULES
from tests.cluster.accounts import OPERATOR, READER, kubeconfig_of, shipped_roles, without
from tests.cluster.acting import settled
from tests.cluster.kit import Cluster, wait_for

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def accounts(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The kubeconfigs of the two shipped accounts."""
    with shipped_roles(cluster):
        folder = tmp_path_factory.mktemp("accounts")
        yield {account: kubeconfig_of(cluster, account, folder) for account in (READER, OPERATOR)}


NOT_SERVED = ("flinkstatesnapshots", "flinkbluegreendeployments")
"""Of newer operators than this one: nothing asks for them."""


def missing(cluster: Cluster, kubeconfig: str, *arguments: str) -> list[str]:
    """What `doctor --self` says that this account may not."""
    command = [sys.executable, "-m", "flinkops", "doctor", "--self", "-o", "json", *arguments]
    done = subprocess.run(
        [*command, "--kubeconfig", kubeconfig], capture_output=True, text=True, cwd="/", timeout=60, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    return [one["text"] for one in checks if one["subject"] == "permission" and one["state"] != "ok"]


def test_the_reader_has_all_that_reading_needs(cluster: Cluster, accounts: dict[str, str], count: str) -> None:
    assert missing(cluster, accounts[READER], "-A", "--read-only") == []
    told = missing(cluster, accounts[READER], "-A")
    acts = [rule for rule in RULES if rule.role in ("operator", "lease") and rule.resource not in NOT_SERVED]
    namespaces = {one.rpartition("in namespace ")[2].partition(":")[0] for one in told if "leases" in one}
    assert "default" in namespaces  # the lease is asked about in each namespace that has jobs
    assert len(told) == len(acts) + len(namespaces) - 1


@pytest.mark.parametrize(
    ("role", "resource", "verb", "state"),
    [
        ("flinkops-reader", "flinkdeployments", "list", "failed"),
        ("flinkops-reader", "services/proxy", "get", "warning"),
        ("flinkops-operator", "flinkdeployments", "patch", "warning"),
        ("flinkops-lease", "leases", "update", "warning"),
    ],
)
def test_the_one_verb_that_is_missing_is_named(
    cluster: Cluster, accounts: dict[str, str], count: str, role: str, resource: str, verb: str, state: str
) -> None:
    with without(cluster, role, resource, verb):
        (line,) = wait_for(lambda: missing(cluster, accounts[OPERATOR], "-A"), "the role has changed", seconds=20)
        assert f"not allowed to {verb} {resource}" in line
    wait_for(lambda: missing(cluster, accounts[OPERATOR], "-A") == [], "the role is back", seconds=20)


def upgrade(kubeconfig: str, name: str, journal: Path, parallelism: int) -> subprocess.CompletedProcess[str]:
    command = ["upgrade", name, "--savepoint", "--parallelism", str(parallelism), "--yes", "-o", "json"]
    return subprocess.run(
        [sys.executable, "-m", "flinkops", *command, "--watch-for", "5s", "--kubeconfig", kubeconfig],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=300,
        check=False,
        env={**os.environ, "FLINKOPS_JOURNAL": str(journal)},
    )


def _parallelism(cluster: Cluster, name: str, parallelism: int) -> None:
    """As it was, for the tests that come after."""
    patch = json.dumps({"spec": {"job": {"parallelism": parallelism}}})
    cluster.kubectl("patch", "flinkdeployment", name, "--type=merge", "-p", patch)
    wait_for(lambda: acted_on(cluster.deployment(name)) and settled(cluster, name), "as it was", seconds=180)


def test_the_operators_role_upgrades_a_job_and_nothing_less_does(
    cluster: Cluster, accounts: dict[str, str], count: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wait_for(lambda: settled(cluster, count), "count runs", seconds=120)
    before = cluster.deployment(count)["spec"]["job"]["parallelism"]
    request.addfinalizer(lambda: _parallelism(cluster, count, before))
    command = ("upgrade", count, "--savepoint", "--parallelism", str(before + 1), "--plan", "-o", "json")
    plan = json.loads(cluster.flinkops(*command, kubeconfig=accounts[READER]).stdout)["plan"]
    assert plan["effective_mode"] == "savepoint"
    with without(cluster, "flinkops-operator", "flinkdeployments", "patch"):
        wait_for(lambda: missing(cluster, accounts[OPERATOR], "-A"), "the role has changed", seconds=20)
        refused = upgrade(accounts[OPERATOR], count, tmp_path / "refused", before + 1)
        assert refused.returncode == 3, refused.stdout + refused.stderr
        assert "patch" in refused.stderr + refused.stdout
        assert "Traceback" not in refused.stderr
        assert cluster.deployment(count)["spec"]["job"]["parallelism"] == before
    wait_for(lambda: missing(cluster, accounts[OPERATOR], "-A") == [], "the role is back", seconds=20)
    done = upgrade(accounts[OPERATOR], count, tmp_path / "done", before + 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"]["outcome"] == "verified"
    assert cluster.deployment(count)["spec"]["job"]["parallelism"] == before + 1


def test_not_even_cluster_wide_does_the_role_reach_the_leases_of_others(
    cluster: Cluster, accounts: dict[str, str]
) -> None:
    for verb in ("delete", "update", "get"):
        asked = ["kubectl", "--kubeconfig", accounts[OPERATOR], "auth", "can-i", verb, "leases.coordination.k8s.io"]
        said = subprocess.run(
            [*asked, "-n", "kube-node-lease"], capture_output=True, text=True, check=False, timeout=60
        )
        assert said.stdout.startswith("no")
