"""The shipped roles, bound in one namespace: enough there, nothing elsewhere."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.accounts import OPERATOR, kubeconfig_of, shipped_roles
from tests.cluster.kit import Cluster
from tests.cluster.test_cluster_permissions import missing

pytestmark = pytest.mark.timeout(600)


def test_bound_in_one_namespace_the_roles_reach_no_other(cluster: Cluster, count: str, tmp_path: Path) -> None:
    with shipped_roles(cluster, cluster_wide=False):
        account = kubeconfig_of(cluster, OPERATOR, tmp_path)
        assert missing(cluster, account, "-n", "default") == []
        (row,) = [row for row in cluster.status("-n", "default", kubeconfig=account)["jobs"] if row["name"] == count]
        assert row["state"] != "UNKNOWN"
        cluster.flinkops("status", "-A", "-o", "json", kubeconfig=account, expect=3)
        for verb, resource, namespace in (
            ("delete", "leases.coordination.k8s.io", "kube-node-lease"),
            ("update", "leases.coordination.k8s.io", "kube-system"),
            ("get", "services/proxy", "kube-system"),
            ("list", "pods", "kube-system"),
            ("patch", "flinkdeployments.flink.apache.org", "kube-system"),
        ):
            asked = ["kubectl", "--kubeconfig", account, "auth", "can-i", verb, resource, "-n", namespace]
            said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout
            assert said.startswith("no"), (verb, resource, namespace)
