"""An upgrade of an operator's job is rehearsed in a pod of the new image, with the shipped roles, before the stop."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.accounts import OPERATOR, kubeconfig_of, pod_role, shipped_roles
from tests.cluster.acting import settled
from tests.cluster.kit import DATA, Cluster, wait_for

pytestmark = pytest.mark.timeout(900)

QUERY = "SELECT k, COUNT(*) FROM src GROUP BY k"
LOSES = "SELECT k, COUNT(*) + CAST(SUM(v) AS BIGINT) FROM src GROUP BY k"  # another aggregate: another operator
RESTORES = "SELECT k, COUNT(*) FROM src WHERE v >= 0 GROUP BY k"


@pytest.fixture(scope="module")
def program(cluster: Cluster) -> Callable[[str, str], str]:
    """The kit's example with another query, on the volume that Flink's pods see too; its path there.

    It stays, since the job may be started from it again.
    """
    (example,) = (cluster.kit.folder / "examples" / "layer").rglob("count.py")

    def write(name: str, query: str) -> str:
        made = DATA / f"rehearsed-{name}.py"
        made.write_text(example.read_text(encoding="utf-8").replace(QUERY, query), encoding="utf-8")
        return f"/flink-data/{made.name}"

    return write


@pytest.fixture(scope="module")
def account(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of the account that acts."""
    with shipped_roles(cluster), pod_role(cluster):
        yield kubeconfig_of(cluster, OPERATOR, tmp_path_factory.mktemp("account"))


def upgraded(kubeconfig: str, script: str, journal: Path, expect: int) -> dict[str, Any]:
    """`flinkops upgrade --rehearse` to this program; its document."""
    asked = ["upgrade", "count", "--savepoint", "--rehearse", "--py", script, "--yes", "-o", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "flinkops", *asked, "--watch-for", "5s", "--kubeconfig", kubeconfig],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=600,
        check=False,
        env={**os.environ, "FLINKOPS_JOURNAL": str(journal)},
    )
    assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def left(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "jobs,pods,configmaps", "-l", "flinkops.io/purpose=rehearsal", "-o", "name").split()


def identity(cluster: Cluster, name: str) -> tuple[Any, ...]:
    found = cluster.deployment(name)
    return found["metadata"]["generation"], found["status"]["jobStatus"]["jobId"], found["spec"]["job"]["args"]


def test_an_upgrade_that_would_lose_state_stops_with_the_job_untouched(
    cluster: Cluster, count: str, account: str, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    before = identity(cluster, count)
    document = upgraded(account, program("loses", LOSES), tmp_path, expect=5)
    (step,) = [one for one in document["result"]["steps"] if one["name"] == "rehearse"]
    assert "fails" in json.dumps(step)
    assert identity(cluster, count) == before
    assert settled(cluster, count)
    wait_for(lambda: not left(cluster), "nothing of the rehearsal stays", seconds=60, every=0.2)


@pytest.mark.by_hand
def test_an_upgrade_that_restores_goes_on(
    cluster: Cluster, count: str, account: str, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    document = upgraded(account, program("restores", RESTORES), tmp_path, expect=0)
    assert document["result"]["outcome"] == "verified"
    assert "rehearse" in [one["name"] for one in document["result"]["steps"]]
    assert "/flink-data/rehearsed-restores.py" in cluster.deployment(count)["spec"]["job"]["args"]


@pytest.mark.by_hand
def test_what_a_killed_rehearsal_has_left_is_removed_by_the_next_one(
    cluster: Cluster, count: str, account: str, program: Callable[[str, str], str]
) -> None:
    wait_for(lambda: settled(cluster, count), "count runs", seconds=180)
    before = identity(cluster, count)
    script = program("restores", RESTORES)
    asked = [
        sys.executable,
        "-m",
        "flinkops",
        "rehearse",
        "count",
        "--py",
        script,
        "-o",
        "json",
        "--kubeconfig",
        account,
    ]
    with subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/") as killed:
        wait_for(lambda: any(one.startswith("pod/") for one in left(cluster)), "its pod", seconds=60, every=0.2)
        killed.kill()
    (job,) = [one for one in left(cluster) if one.startswith("job")]
    deadline, ttl = (
        cluster.kubectl("get", job, "-o", f"jsonpath={{.spec.{field}}}")
        for field in ("activeDeadlineSeconds", "ttlSecondsAfterFinished")
    )
    assert (int(deadline), int(ttl)) == (600, 120), "by itself it would be gone after these"
    done = subprocess.run(asked, capture_output=True, text=True, cwd="/", timeout=600, check=False)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "restores"), done.stdout + done.stderr
    wait_for(lambda: not left(cluster), "nothing of both stays", seconds=60, every=0.2)
    assert identity(cluster, count) == before
