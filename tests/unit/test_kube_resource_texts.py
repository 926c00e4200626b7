"""Every resource of the operator as text, for who looks for paths of state in them."""

from pathlib import Path

import pytest

from flinkops.errors import FlinkopsError
from flinkops.plan.state_layout import job_ids_in
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.unit.kube_server import GROUP, RESOURCES, ApiServer, serving, status, write_kubeconfig


def test_all_kinds_are_read_whole(tmp_path: Path) -> None:
    api = ApiServer()
    kinds = [one["name"] for one in RESOURCES["resources"] if "/" not in one["name"]]
    for number, kind in enumerate(kinds):
        named = {"metadata": {"namespace": "shop", "name": f"n{number}"}, "spec": {"job": {"id": f"{number:x}" * 32}}}
        api.answers[f"{GROUP}/{kind}"] = lambda *_, named=named: (200, {"items": [named]})
    with serving(api) as url:
        source = KubernetesSource(open_access(write_kubeconfig(url, tmp_path)), all_namespaces=True)
        found = source.resource_texts()
        assert set(found) == {f"{kind}/shop/n{number}" for number, kind in enumerate(kinds)}
        assert job_ids_in("".join(found.values())) == {f"{number:x}" * 32 for number in range(len(kinds))}
        assert source.sees_all
        assert not KubernetesSource(source.access, all_namespaces=True, selector="a=b").sees_all
        assert not KubernetesSource(source.access, namespaces=["shop"]).sees_all
        api.answers[f"{GROUP}/{kinds[-1]}"] = lambda *_: status(403, 'User "ann" cannot list')
        with pytest.raises(FlinkopsError):
            source.resource_texts()
        source.close()
