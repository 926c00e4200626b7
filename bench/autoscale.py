"""The control loop on a job whose capacity grows with its parallelism: `python -m bench.autoscale steps|breathing`.

A source that lags behind a schedule, a keyed operator that waits 20 ms for each record (50 records a second each), an
embedded Flink without Kafka, and `flinkops autoscale run` as a user starts it. Everything in fast motion: minutes for
hours. Prints one JSON document; with a second argument it also draws a chart into that SVG file.
"""

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from flinkops.local import flink
from flinkops.local.java import find_java
from flinkops.local.javac import compile_jar
from flinkops.local.ports import free_ports
from flinkops.local.processes import terminate

WAIT_MICROSECONDS = 20_000
RATE_EACH = 1_000_000 / WAIT_MICROSECONDS
SLOTS = 8
TARGET = 0.85
SETTINGS = {
    "metrics.window": "20s",
    "stabilization.interval": "5s",
    "cool-down": "5s",
    "scale-down.interval": "40s",
    "utilization.target": str(TARGET),
    "utilization.max": "0.95",
    "utilization.min": "0.6",
    "restart.time": "3s",
    "catch-up.duration": "60s",
    "backlog-processing.lag-threshold": "10s",
    "observed-true-processing-rate.lag-threshold": "5s",
}
FLINK = {
    "state.backend.type": "hashmap",
    "execution.checkpointing.interval": "3 s",
    "metrics.fetcher.update-interval": "2 s",
    "metrics.latency.interval": "0",
    "taskmanager.memory.segment-size": "4kb",  # what waits shall wait at the source, where it is counted
    "taskmanager.numberOfTaskSlots": SLOTS,
    "taskmanager.cpu.cores": float(SLOTS),
    "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "2 s",
    "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "2 s",
}


class Phase(NamedTuple):
    """Until `until_seconds`, from the rate before linearly to `rate` where `ramps`, else at once."""

    name: str
    until_seconds: float
    rate: float
    ramps: bool = False


STEPS = (
    Phase("start", 40, 35),
    Phase("up", 130, 120),
    Phase("up more", 220, 240),
    Phase("down", 330, 80),
)
BREATHING = (
    Phase("start", 40, 60),
    Phase("ramp up", 130, 260, ramps=True),
    Phase("spike", 145, 340),
    Phase("after it", 190, 200),
    *(
        Phase(f"day {number}", 190 + 10 * (number + 1), 120 + 80 * math.cos(number / 9 * 2 * math.pi), ramps=True)
        for number in range(9)
    ),
)
SCENARIOS = {"steps": STEPS, "breathing": BREATHING}


class Seen(NamedTuple):
    """One second of a run. Lag in records."""

    seconds: float
    offered: float
    parallelism: int | None
    lag: float | None


def schedule(phases: tuple[Phase, ...]) -> str:
    """As the job takes it: points, linear between them."""
    points, before, rate = [], 0.0, phases[0].rate
    for phase in phases:
        start = rate if phase.ramps else phase.rate
        points += [f"{before:g}:{start:g}", f"{phase.until_seconds - 0.01:g}:{phase.rate:g}"]
        before, rate = phase.until_seconds, phase.rate
    return ",".join(points)


def offered(phases: tuple[Phase, ...], seconds: float) -> float:
    """Records that arrive a second."""
    before, rate = 0.0, phases[0].rate
    for phase in phases:
        if seconds < phase.until_seconds:
            share = (seconds - before) / (phase.until_seconds - before)
            return rate + (phase.rate - rate) * share if phase.ramps else phase.rate
        before, rate = phase.until_seconds, phase.rate
    return rate


class Fleet:
    """One JobManager and one TaskManager of their own."""

    def __init__(self, home: Path) -> None:
        rest_port, rpc_port = free_ports(2)
        flink.write_config(home, rest_port, rpc_port)
        (home / "logs").mkdir()
        config = home / "flink" / "conf" / "config.yaml"
        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | FLINK, width=100_000))
        java = find_java()
        self.url = f"http://127.0.0.1:{rest_port}"
        self.home = home
        self.processes = [flink.start_jobmanager(home, java)]
        self.processes.append(flink.start_taskmanager(home, java, f"{flink.TASKMANAGER_PREFIX}1"))
        self._until("a TaskManager", lambda: requests.get(f"{self.url}/overview", timeout=5).json()["slots-total"] > 0)

    def start(self, name: str, phases: tuple[Phase, ...]) -> tuple[str, float]:
        """The job, RUNNING, and when its schedule begins."""
        lib = sorted((self.home / "flink" / "lib").glob("flink-dist-*.jar"))
        jar = compile_jar(Path(__file__).parent / "autoscale_java", self.home / "load.jar", lib)
        with jar.open("rb") as file:
            uploaded = requests.post(f"{self.url}/jars/upload", files={"jarfile": (jar.name, file)}, timeout=60)
        jar_id = uploaded.json()["filename"].rpartition("/")[2]
        begins = time.time() + 10
        arguments = [name, str(WAIT_MICROSECONDS), str(round(begins * 1000)), schedule(phases)]
        body = {"entryClass": "load.WaitBound", "programArgsList": arguments, "parallelism": 1}
        started = requests.post(f"{self.url}/jars/{jar_id}/run", json=body, timeout=120)
        started.raise_for_status()
        job_id = str(started.json()["jobid"])
        self._until("the job", lambda: self.job(job_id)["state"] == "RUNNING")
        return job_id, begins

    def job(self, job_id: str) -> Any:
        return requests.get(f"{self.url}/jobs/{job_id}", timeout=5).json()

    def _until(self, what: str, ask: Any) -> None:
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            try:
                if ask():
                    return
            except (requests.RequestException, KeyError):
                pass
            time.sleep(0.2)
        raise SystemExit(f"{what} did not come up in 120 s; logs in {self.home / 'logs'}")

    def poll(self, job_id: str) -> tuple[int | None, float | None]:
        """The waiting operator's parallelism, and the source's lag."""
        try:
            vertices = {each["name"].split(":")[0].split(" ")[0]: each for each in self.job(job_id)["vertices"]}
            path = f"{self.url}/jobs/{job_id}/vertices/{vertices['Source']['id']}/subtasks/metrics"
            lag = requests.get(f"{path}?get=Source__load.pendingRecords&agg=sum", timeout=5).json()
            parallelism = vertices["wait"]["parallelism"] if vertices["wait"]["status"] == "RUNNING" else None
            return parallelism, lag[0]["sum"] if lag else None
        except (requests.RequestException, KeyError, ValueError):
            return None, None

    def stop(self) -> None:
        terminate(self.processes)


def watch(poll: Callable[[], tuple[int | None, float | None]], begins: float, phases: tuple[Phase, ...]) -> list[Seen]:
    """A poll of parallelism and lag each second, to the end of the scenario."""
    seen: list[Seen] = []
    while (now := time.time() - begins) < phases[-1].until_seconds:
        if now >= 0:
            seen.append(Seen(now, offered(phases, now), *poll()))
        time.sleep(max(0.0, 1.0 - (time.time() - begins - now)))
    return seen


def control(fleet: Fleet, name: str, seconds: float, log: Path) -> "subprocess.Popen[bytes]":
    """The loop, as a user starts it."""
    command = [sys.executable, "-m", "flinkops", "autoscale", "run", name, "--rest", fleet.url, "--yes"]
    command += ["--no-throughput", "--interval", "2s", "-o", "jsonl", "--seconds", str(round(seconds))]
    command += ["--journal", str(fleet.home / "journal")]
    command += [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    with log.open("wb") as out, (log.with_suffix(".err")).open("wb") as err:
        return subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "PYTHONUNBUFFERED": "1"})


def record(fleet: Fleet, seconds: float, file: Path) -> "subprocess.Popen[bytes]":
    """What was seen, for `autoscale replay` and for the comparison with flink-autoscaler."""
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "flinkops", "record", str(file), "--rest", fleet.url]
    command += ["--interval", "5s", "--seconds", str(round(seconds)), "--quiet"]
    return subprocess.Popen(command)


def judged(phases: tuple[Phase, ...], seen: list[Seen]) -> list[dict[str, Any]]:
    """Each phase: what it needed, what it got, how often the job was rescaled, and what waited."""
    rows, begin, before = [], 0.0, None
    for phase in phases:
        mine = [each for each in seen if begin <= each.seconds < phase.until_seconds]
        known = [each.parallelism for each in mine if each.parallelism is not None]
        changed = [before, *known] if before is not None else known
        changes = sum(a != b for a, b in itertools.pairwise(changed))
        needed = math.ceil(max(phase.rate, 1) / RATE_EACH / TARGET)
        settled = (
            next((each.seconds - begin for each in mine if each.parallelism == known[-1]), None) if known else None
        )
        rows.append(
            {
                "phase": phase.name,
                "offered_per_second": round(phase.rate, 1),
                "least_sufficient": needed,
                "parallelism_at_end": known[-1] if known else None,
                "rescales": changes,
                "settled_after_seconds": None if settled is None else round(settled),
                "peak_lag_records": max((each.lag for each in mine if each.lag is not None), default=None),
                "lag_at_end_records": next((each.lag for each in reversed(mine) if each.lag is not None), None),
            }
        )
        begin, before = phase.until_seconds, known[-1] if known else before
    return rows


def totals(seen: list[Seen]) -> dict[str, Any]:
    """Of a whole run."""
    known = [each.parallelism for each in seen if each.parallelism is not None]
    lags = [each.lag for each in seen if each.lag is not None]
    return {
        "seconds": round(seen[-1].seconds),
        "rescales": sum(a != b for a, b in itertools.pairwise(known)),
        "slot_seconds": sum(known),
        "slot_seconds_at_peak_size": max(known) * len(known),
        "peak_lag_records": max(lags),
        "mean_lag_records": round(sum(lags) / len(lags), 1),
    }


def main(scenario: str, chart: str | None = None) -> None:
    phases = SCENARIOS[scenario]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped then too
    with tempfile.TemporaryDirectory(prefix="flinkops-autoscale-") as folder:
        home = Path(folder)
        fleet = Fleet(home)
        helpers = []
        try:
            job_id, begins = fleet.start("load", phases)
            helpers.append(control(fleet, "load", phases[-1].until_seconds + 10, home / "decisions.jsonl"))
            if chart:
                helpers.append(record(fleet, phases[-1].until_seconds + 10, Path(chart).with_suffix(".rec")))
            seen = watch(lambda: fleet.poll(job_id), begins, phases)
        finally:
            for helper in helpers:
                helper.terminate()
            for helper in helpers:
                helper.wait(30)
            fleet.stop()
        words = (home / "decisions.err").read_text().splitlines()
    result = {"scenario": scenario, "settings": SETTINGS, "totals": totals(seen), "phases": judged(phases, seen)}
    print(json.dumps({**result, "words": words[-40:], "seen": seen}))
    if chart:
        from bench._autoscale_chart import draw

        draw(Path(chart), f"autoscale run: {scenario}", seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
