"""Kills what price-alerts stands on while it is fed: `python -m bench.price_alerts_kills [--rate N] [--rounds N]`.

Starts an embedded fleet of its own with high availability and the job, feeds it, and kills the TaskManager, the
JobManager and the broker in turn with SIGKILL; the fleet's watcher starts them again. Prints for each kill how long no
alert came and after how long alerts came within a second again; and of all alerts: lost, repeated, repeats that say
something else, alerts of a SKU out of order.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from array import array
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import _alert_load as alert_load
from bench.price_alerts import PATIENCE_SECONDS, Reader, prime
from flinkops.local import fleet, job, kafka
from flinkops.local.flink import TASKMANAGER_PREFIX
from flinkops.local.signals import signals_interrupt
from flinkops.local.state import JOBMANAGER, FleetInfo, read_info

SKUS = 50_000
QUIET_SECONDS = 20.0
APART_SECONDS = 60.0
CAUGHT_UP_MS = 1000.0
CALM_MS = 3000.0
ROLES = (TASKMANAGER_PREFIX, JOBMANAGER, kafka.ROLE)


class Account(Reader):
    """Also what each alert said first, and in which order."""

    def __init__(self, info: FleetInfo) -> None:
        super().__init__(info)
        self.arrived_ms = array("d")
        self.said: dict[str, dict[str, Any]] = {}
        self.last: dict[str, str] = {}
        self.other_words = 0
        self.out_of_order = 0

    def take(self, value: bytes, now_ms: float) -> None:
        super().take(value, now_ms)
        self.arrived_ms.append(now_ms)
        alert = json.loads(value)
        del alert["detected_at"]
        first = self.said.setdefault(alert["alert_id"], alert)
        if first is not alert:
            self.other_words += first != alert
            return
        self.out_of_order += alert["scraped_at"] <= self.last.get(alert["sku"], "")
        self.last[alert["sku"]] = alert["scraped_at"]


def kill(info: FleetInfo, prefix: str) -> float:
    """Kill the process of that role; when, milliseconds since the epoch."""
    now = read_info(Path(info.home))
    assert now is not None
    os.kill(next(each.pid for each in now.processes if each.role.startswith(prefix) and each.alive), signal.SIGKILL)
    return time.time() * 1000


def recovery(alerts: Iterable[tuple[float, float]], killed_ms: float, until_ms: float) -> dict[str, float | None]:
    """Of alerts as (arrival, latency) in milliseconds, in order.

    Seconds: the longest without an alert, and from the kill until alerts are out within a second; None: not yet.
    """
    seen = [(arrived, latency) for arrived, latency in alerts if killed_ms - CALM_MS <= arrived < until_ms]
    times = [*(arrived for arrived, _ in seen), until_ms]
    silence = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
    slow = [arrived for arrived, latency in seen if arrived >= killed_ms and latency > CAUGHT_UP_MS]
    caught_up = (max(slow) - killed_ms) / 1000 if slow else 0.0
    over = until_ms - max(slow, default=0.0) < CALM_MS or not any(arrived > killed_ms for arrived, _ in seen)
    return {"silence_seconds": round(silence / 1000, 1), "caught_up_seconds": None if over else round(caught_up, 1)}


def measure(info: FleetInfo, rate: float, rounds: int) -> dict[str, Any]:
    job_id = job.submit(info, ["price-alerts"])
    account = Account(info)
    account.start()
    kills = [role for _ in range(rounds) for role in ROLES]
    seconds = QUIET_SECONDS + APART_SECONDS * len(kills)
    load = alert_load.Load(
        bootstrap=info.kafka_bootstrap, topic=kafka.INPUT_TOPIC, phases=((rate, seconds),), skus=SKUS
    )
    prime(info, job_id, load)
    feeder = alert_load.start(load)
    time.sleep(QUIET_SECONDS)
    killed = []
    for role in kills:
        killed.append((role, kill(info, role)))
        time.sleep(APART_SECONDS)
    (fed,) = alert_load.finish(feeder)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(account.ids) < fed.changes and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(CALM_MS / 1000)
    account.ended.set()
    account.join()
    arrivals = list(zip(account.arrived_ms, account.latency_ms, strict=True))
    return {
        "rate_per_second": rate,
        "kills": [
            {"killed": role.rstrip("-")} | recovery(arrivals, at_ms, at_ms + APART_SECONDS * 1000)
            for role, at_ms in killed
        ],
        "changes_fed": fed.changes,
        "lost": fed.changes - len(account.ids),
        "repeated": len(account.latency_ms) - len(account.ids),
        "repeats_with_other_words": account.other_words,
        "out_of_order": account.out_of_order,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=2000.0, metavar="N", help="scrapes a second")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with signals_interrupt(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            found = measure(fleet.up(Path(folder), ha=True), options.rate, options.rounds)
            watcher = (Path(folder) / "logs" / "watcher.log").read_text()
        finally:
            fleet.down(Path(folder))
    for each in found["kills"]:
        silent, caught_up = each["silence_seconds"], each["caught_up_seconds"]
        print(f"{each['killed']:12} no alert for {silent} s, in time again after {caught_up} s")
    print(watcher, end="")
    print(json.dumps(found))
    wrong = found["lost"] + found["repeats_with_other_words"] + found["out_of_order"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
