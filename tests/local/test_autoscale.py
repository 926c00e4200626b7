"""Advice and its application on a real job that is too small: its keyed operator waits 20 ms for each record."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from flinkops.local.javac import compile_jar
from flinkops.local.state import FleetInfo

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

JAVA = Path(__file__).parents[2] / "bench" / "autoscale_java"
NAME = "wait bound"
RATE = 85  # of 50 a subtask; the parallelism stays the same one down to 30, on a busy machine
SETTINGS = (
    "metrics.window=15s",
    "stabilization.interval=5s",
    "utilization.max=0.9",
    "restart.time=5s",
    "catch-up.duration=5m",
    "observed-true-processing-rate.lag-threshold=5s",
)


@pytest.fixture(scope="module")
def too_small(embedded_fleet: FleetInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The job's id; it runs with parallelism 1."""
    lib = sorted(embedded_fleet.flink_lib_dir.glob("flink-dist-*.jar"))
    jar = compile_jar(JAVA, tmp_path_factory.mktemp("load") / "load.jar", lib)
    url = embedded_fleet.rest_url
    with jar.open("rb") as file:
        uploaded = requests.post(f"{url}/jars/upload", files={"jarfile": (jar.name, file)}, timeout=60)
    jar_id = uploaded.json()["filename"].rpartition("/")[2]
    arguments = [NAME, "20000", str(round(time.time() * 1000)), f"0:{RATE}"]
    body = {"entryClass": "load.WaitBound", "programArgsList": arguments, "parallelism": 1}
    started = requests.post(f"{url}/jars/{jar_id}/run", json=body, timeout=120)
    job_id = str(started.json()["jobid"])
    try:
        yield job_id
    finally:
        requests.patch(f"{url}/jobs/{job_id}?mode=cancel", timeout=30)


def autoscale(fleet: FleetInfo, journal: Path, *arguments: str, expect: int = 0) -> Any:
    """The command line as a user has it; its document."""
    given = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "flinkops",
        "autoscale",
        *arguments,
        *given,
        "--rest",
        fleet.rest_url,
        "-o",
        "json",
    ]
    environment = {**os.environ, "FLINKOPS_JOURNAL": str(journal)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert done.returncode == expect, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return json.loads(done.stdout) if done.stdout else None


def parallelism(fleet: FleetInfo, job_id: str) -> dict[str, int]:
    job = requests.get(f"{fleet.rest_url}/jobs/{job_id}", timeout=10).json()
    return {vertex["name"].split(" ")[0].rstrip(":"): vertex["parallelism"] for vertex in job["vertices"]}


def test_a_job_that_is_too_small_grows_in_place(embedded_fleet: FleetInfo, too_small: str, tmp_path: Path) -> None:
    """To the least parallelism that the rate needs or one more: seen in REST, with a checkpoint and the throughput."""
    done = autoscale(embedded_fleet, tmp_path, "apply", NAME, "--seconds", "30", "--yes")
    assert done["result"]["outcome"] == "verified"
    assert "throughput" in {step["name"] for step in done["result"]["steps"]}
    found = parallelism(embedded_fleet, too_small)
    assert found["Source"] == 1
    assert 3 <= found["wait"] <= 4  # 85 / 50 / 0.7 = 2.4
