"""What shortens an upgrade through the operator, on a real cluster: the image beforehand, a checkpoint, the trace."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.accounts import pod_role
from tests.cluster.acting import CommandLine, settled
from tests.cluster.kit import Cluster, wait_for

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(900)]

NEXT_IMAGE = "count:next"


@pytest.fixture
def command_line(cluster: Cluster, tmp_path: Path) -> CommandLine:
    return CommandLine(cluster, tmp_path)


def upgraded(command_line: CommandLine, *arguments: str, expect: int = 0) -> dict[str, Any]:
    document = command_line.run("upgrade", "count", *arguments, "--yes", "--watch-for", "5s", expect=expect)
    result: dict[str, Any] = document["result"]
    return result


def short_pods(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "pods", "-l", "flinkops.io/purpose=prepull", "-o", "name").split()


def test_the_image_is_on_the_jobs_node_before_the_stop(
    cluster: Cluster, count: str, count_image: str, command_line: CommandLine
) -> None:
    layer = str(cluster.kit.folder / "examples" / "layer")
    cluster.kit.run("image", NEXT_IMAGE, "pyflink-1.20.5", layer)
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    with pod_role(cluster):
        result = upgraded(command_line, "--savepoint", "--image", NEXT_IMAGE, "--prepull")
    assert result["outcome"] == "verified"
    names = [step["name"] for step in result["steps"]]
    assert names.index("prepull") + 1 == names.index("patch")
    nodes = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert result["seen"]["prepulled"] == f"{NEXT_IMAGE} on {', '.join(nodes)}"
    assert short_pods(cluster) == []
    phases = result["downtime_phases"]
    assert sum(one["seconds"] for one in phases) == pytest.approx(result["downtime_seconds"], abs=0.6)
    assert [one["phase"] for one in phases][-1] == "their JVMs, the restore, all tasks run"
    assert next(one["seconds"] for one in phases if one["phase"] == "its image is there") <= 1.0


def test_an_image_that_is_nowhere_is_found_out_while_the_job_runs(
    cluster: Cluster, count: str, command_line: CommandLine
) -> None:
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    before = cluster.deployment(count)
    with pod_role(cluster):
        result = upgraded(command_line, "--savepoint", "--image", "nowhere:1", "--prepull", expect=5)
    assert result["outcome"] == "refused"
    after = cluster.deployment(count)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"]["jobStatus"]["jobId"] == before["status"]["jobStatus"]["jobId"]
    wait_for(lambda: short_pods(cluster) == [], "the short pod is gone", seconds=60)


def test_a_checkpoint_comes_right_before_a_last_state_stop(
    cluster: Cluster, count: str, command_line: CommandLine
) -> None:
    """The interval is an hour: the job is restored from the checkpoint that was asked for, as there is no other."""
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    before = cluster.deployment(count)["status"]["jobStatus"]["startTime"]
    hourly = '{"spec": {"flinkConfiguration": {"execution.checkpointing.interval": "1 h"}}}'
    cluster.kubectl("patch", "flinkdeployment", count, "--type=merge", "-p", hourly)
    wait_for(
        lambda: settled(cluster, count) and cluster.deployment(count)["status"]["jobStatus"]["startTime"] != before,
        "count runs with the interval",
        seconds=180,
    )
    result = upgraded(command_line, "--last-state", "--set", "execution.checkpointing.interval=5s")
    assert result["outcome"] == "verified"
    names = [step["name"] for step in result["steps"]]
    assert names.index("checkpoint") + 1 == names.index("patch")
    taken = next(step["seen"] for step in result["steps"] if step["name"] == "checkpoint")
    assert result["restored_from"].rstrip("/").endswith(f"/chk-{taken['checkpoint_before_stop']}")
