"""The operator's own autoscaler, as it really keeps its state: switched on, explained, left alone, switched off."""

import json
from typing import Any

import pytest

from tests.cluster.kit import Cluster, wait_for

WINDOWS = ("metrics.window=1m", "stabilization.interval=10s", "scale-down.interval=10m", "vertex.max-parallelism=2")


def settings_of(cluster: Cluster, name: str) -> dict[str, Any]:
    return dict(cluster.deployment(name)["spec"].get("flinkConfiguration") or {})


def explained(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """None until the operator has written its ConfigMap."""
    names = cluster.kubectl("get", "configmaps", "-o", "name").split()
    if f"configmap/autoscaler-{name}" not in names:
        return None
    found: dict[str, Any] = json.loads(cluster.flinkops("autoscale", "explain", name, "-o", "json").stdout)
    return found


@pytest.mark.timeout(600)
def test_the_operators_autoscaler_is_explained_and_not_fought(cluster: Cluster, count: str) -> None:
    chosen = [part for setting in WINDOWS for part in ("--set", setting)]
    cluster.flinkops("autoscale", "enable", count, *chosen, "--advise-only", "--yes")
    assert settings_of(cluster, count)["job.autoscaler.enabled"] == "true"
    assert settings_of(cluster, count)["job.autoscaler.metrics.window"] == "1m"
    found = wait_for(lambda: explained(cluster, count), "the operator keeps a state of the job", seconds=240, every=10)
    assert (found["enabled"], found["acts"]) == (True, False)
    assert not [note for note in found["notes"] if note.startswith("not read")]
    names = {vertex["name"] for vertex in found["vertices"]}
    assert len(names) == len(found["vertices"]) >= 1
    assert found["drift"] == []
    shown = cluster.flinkops("autoscale", "explain", count).stdout
    assert "on, but only advises" in shown
    assert all(name in shown for name in names)

    cluster.flinkops("autoscale", "enable", count, "--set", "scaling.enabled=true", "--plan", expect=2)  # no such key
    cluster.flinkops("autoscale", "disable", count, "--yes")
    assert settings_of(cluster, count)["job.autoscaler.enabled"] == "false"
    job = cluster.job(count)
    assert job["state"] == "RUNNING"
    assert job["restarts"] == 0
