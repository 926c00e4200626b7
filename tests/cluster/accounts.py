"""Service accounts with the roles of deploy/, as kubeconfigs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kit import REPOSITORY, Cluster

READER, OPERATOR = "flinkops", "flinkops-operator"
_ROLES = ("rbac-reader.yaml", "rbac-operator.yaml")
_CLUSTER_WIDE = "rbac-cluster-wide.yaml"
_NAMESPACE = "rbac-namespace.yaml"
_PODS = "rbac-pods.yaml"


@contextmanager
def shipped_roles(cluster: Cluster, *, cluster_wide: bool = True) -> Iterator[None]:
    """The roles and accounts of deploy/, bound in namespace default, and for the whole cluster; all gone afterwards."""
    everywhere = _files(*_ROLES, *([_CLUSTER_WIDE] if cluster_wide else []))
    cluster.kubectl("apply", *everywhere)
    cluster.kubectl("-n", "default", "apply", *_files(_NAMESPACE))
    try:
        yield
    finally:
        cluster.kubectl("-n", "default", "delete", "--ignore-not-found", *_files(_NAMESPACE))
        cluster.kubectl("delete", "--ignore-not-found", *everywhere)


@contextmanager
def pod_role(cluster: Cluster) -> Iterator[None]:
    """The role to run short-lived pods, bound in namespace default; gone afterwards."""
    cluster.kubectl("-n", "default", "apply", *_files(_PODS))
    try:
        yield
    finally:
        cluster.kubectl("-n", "default", "delete", "--ignore-not-found", *_files(_PODS))


def _files(*names: str) -> list[str]:
    return [part for name in names for part in ("-f", str(REPOSITORY / "deploy" / name))]


def kubeconfig_of(cluster: Cluster, account: str, folder: Path) -> str:
    """A kubeconfig whose one context has a token of this account of namespace flinkops."""
    token = cluster.kubectl("-n", "flinkops", "create", "token", account, "--duration=1h").strip()
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text(encoding="utf-8"))
    config["users"] = [{"name": "account", "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = "account"
    path = folder / f"kubeconfig-{account}"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


@contextmanager
def without(cluster: Cluster, role: str, resource: str, verb: str) -> Iterator[None]:
    """One verb of one resource taken out of a role, and put back."""
    full: dict[str, Any] = cluster.get("clusterrole", role)
    manifest = {key: full[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": role}}
    rules = []
    for rule in full["rules"]:
        others = [one for one in rule["resources"] if one != resource]
        rules.append({**rule, "resources": others})
        if resource in rule["resources"]:
            rules.append({**rule, "resources": [resource], "verbs": [one for one in rule["verbs"] if one != verb]})
    kept = [rule for rule in rules if rule["resources"] and rule["verbs"]]
    cluster.kubectl("replace", "-f", "-", stdin=json.dumps({**manifest, "rules": kept}))
    try:
        yield
    finally:
        cluster.kubectl("replace", "-f", "-", stdin=json.dumps({**manifest, "rules": full["rules"]}))
