"""Many small jobs on one real Flink cluster, submitted by one client: `python -m bench.live_jobs 120`.

Prints the REST address and runs until its input ends. A source of 20 records a second, a keyed aggregation and a sink
that discards, each with two vertices, checkpoints every 30 s and state on the heap.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import requests
import yaml

from flinkops.local import flink
from flinkops.local.java import find_java
from flinkops.local.ports import free_ports
from flinkops.local.processes import Process, terminate

SETTINGS = {
    "state.backend.type": "hashmap",
    "execution.checkpointing.interval": "30 s",
    "metrics.fetcher.update-interval": "10 s",
    "metrics.latency.interval": "0",
    "taskmanager.memory.segment-size": "4kb",  # every small job wants some of each
}


def start(home: Path, slots: int) -> tuple[str, list[Process]]:
    rest_port, rpc_port = free_ports(2)
    flink.write_config(home, rest_port, rpc_port)
    (home / "logs").mkdir()
    config = home / "flink" / "conf" / "config.yaml"
    settings = yaml.safe_load(config.read_text()) | SETTINGS
    settings |= {"taskmanager.numberOfTaskSlots": slots, "taskmanager.cpu.cores": float(slots)}
    config.write_text(yaml.safe_dump(settings, width=100_000))
    java = find_java()
    processes = [
        flink.start_jobmanager(home, java),
        flink.start_taskmanager(home, java, f"{flink.TASKMANAGER_PREFIX}1"),
    ]
    return f"http://127.0.0.1:{rest_port}", processes


def submit(url: str, home: Path, jobs: int) -> None:
    """One JVM for all: a process for each would take a minute and more."""
    os.environ |= {
        "FLINK_CONF_DIR": str(home / "flink" / "conf"),
        "FLINK_LIB_DIR": str(home / "flink" / "lib"),
        "FLINK_LOG_DIR": str(home / "logs"),
        "JAVA_HOME": str(find_java().parent.parent),
    }
    from pyflink.table import EnvironmentSettings, TableEnvironment

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = tables.get_config()
    host, port = url.removeprefix("http://").split(":")
    for key, value in {"execution.target": "remote", "rest.address": host, "rest.port": port}.items():
        config.set(key, value)
    config.set("parallelism.default", "1")
    tables.execute_sql(
        "CREATE TABLE numbers (k INT, v DOUBLE) WITH ('connector'='datagen','rows-per-second'='20',"
        "'fields.k.min'='0','fields.k.max'='99')"
    )
    tables.execute_sql("CREATE TABLE sums (k INT, n BIGINT, v DOUBLE) WITH ('connector'='blackhole')")
    for number in range(jobs):
        config.set("pipeline.name", f"small-{number:03d}")
        tables.execute_sql("INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM numbers GROUP BY k")


def await_running(url: str, jobs: int, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            overview = requests.get(f"{url}/overview", timeout=5).json()
        except requests.RequestException:
            overview = {}
        if overview.get("slots-total", 0) > 0 and overview.get("jobs-running", 0) >= jobs:
            return
        time.sleep(0.5)
    raise SystemExit(f"not {jobs} jobs running after {seconds:g} s")


def main() -> None:
    jobs = int(sys.argv[1])
    home = Path(tempfile.mkdtemp(prefix="many jobs "))
    processes: list[Process] = []
    try:
        url, processes = start(home, jobs)
        await_running(url, 0, 60)
        begun = time.monotonic()
        submit(url, home, jobs)
        await_running(url, jobs, 240)
        print(f"{url} {jobs} jobs after {time.monotonic() - begun:.0f} s", flush=True)
        sys.stdin.read()
    finally:
        terminate(processes)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
