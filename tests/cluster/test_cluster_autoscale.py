"""flinkops and the operator's own autoscaler on one job: scaled in place, then handed over, explained, handed back."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.acting import CommandLine, settled
from tests.cluster.kit import Cluster, wait_for
from tests.cluster.wait_bound import build_image, manifest

NAME = "wait-bound"
RATE = 95  # of 50 a subtask
OVERRIDES = "pipeline.jobvertex-parallelism-overrides"
OURS = ("metrics.window=15s", "stabilization.interval=5s", "restart.time=5s", "catch-up.duration=5m")
OPERATORS = ("metrics.window=1m", "stabilization.interval=10s", "vertex.max-parallelism=8")


@pytest.fixture(scope="module")
def too_small(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A job with parallelism 1 that needs 3, RUNNING; its name."""
    build_image(cluster, tmp_path_factory.mktemp("wait-bound"))
    cluster.delete_deployment(NAME)
    cluster.apply(manifest(cluster.kit, NAME, time.time() + 40, f"0:{RATE}"))
    try:
        wait_for(lambda: settled(cluster, NAME), f"{NAME} runs", seconds=180)
        yield NAME
    finally:
        cluster.delete_deployment(NAME)


def settings_of(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.deployment(NAME)["spec"].get("flinkConfiguration") or {})


def chosen(settings: tuple[str, ...]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def parallelism(cluster: Cluster) -> dict[str, int]:
    """Source and wait."""
    return {each["name"].split(" ")[0].rstrip(":"): each["parallelism"] for each in cluster.job(NAME)["vertices"]}


def explained(cluster: Cluster) -> dict[str, Any] | None:
    """None until the operator keeps a state of the job."""
    names = cluster.kubectl("get", "configmaps", "-o", "name").split()
    if f"configmap/autoscaler-{NAME}" not in names:
        return None
    found: dict[str, Any] = json.loads(cluster.flinkops("autoscale", "explain", NAME, "-o", "json").stdout)
    return found


@pytest.mark.by_hand
@pytest.mark.timeout(600)
def test_scaled_in_place_handed_over_and_taken_back(cluster: Cluster, too_small: str, tmp_path: Path) -> None:
    command_line = CommandLine(cluster, tmp_path / "journal")
    begun = cluster.job(too_small)
    done = command_line.run("autoscale", "apply", too_small, "--seconds", "25", *chosen(OURS), "--yes")
    assert done["result"]["outcome"] == "verified"
    assert done["plan"]["effective_mode"] == "in-place"
    assert {"patch", "rescaled", "stable", "throughput"} <= {step["name"] for step in done["result"]["steps"]}
    reached = parallelism(cluster)
    assert reached["Source"] == 1
    assert 3 <= reached["wait"] <= 4  # 95 / 50 / 0.7 = 2.7

    command_line.run("autoscale", "enable", too_small, *chosen(OPERATORS), "--yes")
    assert settings_of(cluster)["job.autoscaler.metrics.window"] == "1m"
    refused = command_line.run("autoscale", "run", too_small, "--seconds", "5", "--yes", expect=5)
    assert "two controllers" in refused["stderr"]
    found = wait_for(lambda: explained(cluster), "the operator keeps a state of the job", seconds=120, every=5)
    assert (found["enabled"], found["acts"], found["drift"]) == (True, True, [])
    assert not [note for note in found["notes"] if note.startswith("not read")]
    assert {vertex["running"] for vertex in found["vertices"]} == set(reached.values())

    command_line.run("autoscale", "disable", too_small, "--yes")
    assert settings_of(cluster)["job.autoscaler.enabled"] == "false"
    assert settings_of(cluster)[OVERRIDES]  # without them the operator would redeploy the job with parallelism 1
    assert parallelism(cluster) == reached
    assert cluster.job(too_small)["id"] == begun["id"]
