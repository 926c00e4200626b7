"""State per price, and what its restore takes: `python -m bench.price_state [--jobs NAME ...] [--skus N ...]`.

Starts an embedded fleet of its own. Each job reads one price of each SKU from a topic and gets a savepoint of the
canonical format, is started from it a few times, then the same with the native format. The bytes are those of the
vertex that has the prices (REST, `checkpoints/details`): what sources and sinks keep is not in them. Canonical is each
key and value, uncompressed; native is RocksDB's own compressed files, as in a checkpoint, of a job started from the
canonical one, so that nothing deleted is in them. The time is how long that vertex was INITIALIZING (REST,
`status-duration`), the longest subtask: from the start of its task until its state is there and it takes records. A
line through the shortest of each size tells seconds per GB (10^9 bytes) from the fixed part: classes, RocksDB, clients.
The files are on this machine's disk, and in its memory: from an object store the download comes on top.

price-aggregation runs in arrival order with windows of a second, which are over: only prices are in its state then.
Scrapes are of random times of a day.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from bench import _alert_load as alert_load
from bench.agreement.real import cancel_all, until
from bench.price_alerts import PATIENCE_SECONDS, metric
from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local import fleet, job, kafka
from flinkops.local.probe import get_json
from flinkops.local.signals import signals_interrupt
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.savepoint import SavepointFormat
from flinkops.plan.identity import derived_id

GB = 1_000_000_000
_SPREAD_SECONDS = 86_400
"""Prices in state were scraped some time in a day (`--state-ttl`): equal times would compress too well."""
_OVER_AT_ONCE = ("--size=1s", f"--out-of-orderness={_SPREAD_SECONDS}s", "--allowed-lateness=0s", "--idle-timeout=1h")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "price-alerts": (),
    "price-aggregation": ("--order=arrival", "--sink=print", *_OVER_AT_ONCE),
}
_CLIENT_OPTIONS = (
    "-Dexecution.checkpointing.timeout=15min",
)  # the fleet's two minutes are not enough on a busy machine
_HAS_PRICES = {"price-alerts": "detect", "price-aggregation": "dedup"}


@dataclass(frozen=True)
class Filled:
    """A topic, how many prices are in it, and what watermark it ends with at least, milliseconds since the epoch."""

    topic: str
    prices: int
    watermark_ms: int


@dataclass(frozen=True)
class Snapshot:
    """A savepoint: `bytes` of the vertex that has the prices, `folder_bytes` of all its files."""

    location: str
    bytes: int
    folder_bytes: int


@dataclass(frozen=True)
class Measured:
    """A savepoint of so many prices, and how long each restore from it took."""

    job: str
    format: SavepointFormat
    prices: int
    bytes: int
    folder_bytes: int
    restore_seconds: tuple[float, ...]

    @property
    def bytes_per_price(self) -> float:
        return self.bytes / self.prices

    @property
    def shortest_seconds(self) -> float:
        """What else the machine does only adds to it."""
        return min(self.restore_seconds)


@dataclass(frozen=True)
class Cost:
    """What a restore takes: seconds whatever the size, and seconds for each 10^9 bytes."""

    job: str
    format: SavepointFormat
    fixed_seconds: float
    seconds_per_gb: float


def fill(info: FleetInfo, skus: int) -> Filled:
    """A topic with one price of each SKU, then a later one in each partition, which ends the windows."""
    from confluent_kafka import Producer

    topic = f"bench-{skus}"
    kafka.create_topic(info.kafka_bootstrap, topic, like=kafka.INPUT_TOPIC)
    load = alert_load.Load(
        bootstrap=info.kafka_bootstrap,
        topic=topic,
        phases=(),
        skus=skus,
        first_within_seconds=_SPREAD_SECONDS,
        first_end_seconds=_SPREAD_SECONDS + 60,
    )
    alert_load.finish(alert_load.start(load))
    partitions, _ = kafka.TOPICS[kafka.INPUT_TOPIC]
    producer = Producer({"bootstrap.servers": info.kafka_bootstrap})
    now_s = int(time.time())
    last = datetime.fromtimestamp(now_s, UTC)
    for number in range(partitions):
        value = (
            f'{{"sku":"LAST-{number}","price":1.00,"currency":"EUR","retailer":"shop{number}",'
            f'"url":"https://shop.example/products/last","scraped_at":"{last:%Y-%m-%dT%H:%M:%S}.000Z"}}'
        )
        producer.produce(topic, value.encode(), partition=number)
    if producer.flush(PATIENCE_SECONDS):
        raise SystemExit("Kafka did not take the last prices")
    return Filled(topic, skus + partitions, (now_s - _SPREAD_SECONDS) * 1000 - 1)


class Bench:
    """One of the jobs on the fleet."""

    def __init__(self, info: FleetInfo, name: str, filled: Filled) -> None:
        self.info, self.name, self.filled, self.prices = info, name, filled, filled.prices
        self.operator = _HAS_PRICES[name]
        self.command = [name, "--topic", filled.topic, *_OPTIONS[name]]
        self.control = RestControl(parse_endpoint(info.rest_url), SystemClock())

    def measure(self, rounds: int) -> list[Measured]:
        """Both formats in turn; the native one is of the job that was started from the canonical one."""
        job_id = job.submit(self.info, self.command, client_options=_CLIENT_OPTIONS)
        self.await_prices(job_id)
        found: list[Measured] = []
        formats: tuple[SavepointFormat, ...] = ("canonical", "native")
        for form in formats:
            taken = self.savepoint(job_id, form)
            seconds: list[float] = []
            for _ in range(rounds):
                cancel_all(self.control)
                job_id = job.submit(self.info, self.command, client_options=["-s", taken.location, *_CLIENT_OPTIONS])
                seconds.append(self.initializing_seconds(job_id))
            self.check_restored(job_id)
            found.append(Measured(self.name, form, self.prices, taken.bytes, taken.folder_bytes, tuple(seconds)))
            print(_row(found[-1]), file=sys.stderr, flush=True)
        cancel_all(self.control)
        return found

    def await_prices(self, job_id: str) -> None:
        """Until all prices are in state, and every vertex has the watermark that ends the windows."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (taken := self._metric(job_id, "flinkops.acceptedRecords")) < self.prices or (
            self._watermark_ms(job_id) < self.filled.watermark_ms
        ):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} took in {taken:.0f} of {self.prices} within {PATIENCE_SECONDS:.0f} s")

    def check_restored(self, job_id: str) -> None:
        """By RocksDB's estimate, which is exact where each key was written once."""
        name = "last-prices.rocksdb_estimate-num-keys"
        until(lambda: True if self._metric(job_id, name) == self.prices else None, f"{self.prices} prices restored")

    def _metric(self, job_id: str, name: str) -> float:
        return metric(self.info, job_id, name, self.operator)

    def _watermark_ms(self, job_id: str) -> float:
        """The lowest of all vertices but the source, which has none; before any, that of Java's Long.MIN_VALUE."""
        lowest = float("inf")
        for vertex in self._vertices(job_id)[1:]:
            url = f"{self.info.rest_url}/jobs/{job_id}/vertices/{vertex['id']}/watermarks"
            told = [float(each["value"]) for each in requests.get(url, timeout=10).json()]
            lowest = min(lowest, *told) if told else float("-inf")
        return lowest

    def savepoint(self, job_id: str, form: SavepointFormat) -> Snapshot:
        trigger, folder = derived_id(job_id, form), f"file://{self.info.home}/flink/savepoints"
        self.control.trigger_savepoint(job_id, target_directory=folder, savepoint_format=form, trigger_id=trigger)

        def ask() -> str | None:
            outcome = self.control.savepoint_status(job_id, trigger)
            if outcome is not None and outcome.failure:
                raise SystemExit(f"no {form} savepoint: {outcome.failure}")
            return outcome.location if outcome is not None else None

        location = until(ask, "its savepoint")
        files = [path for path in Path(urlsplit(location).path).rglob("*") if path.is_file()]
        bytes_of_prices = until(lambda: self._bytes_of(job_id, location), "its size")
        return Snapshot(location, bytes_of_prices, sum(path.stat().st_size for path in files))

    def _bytes_of(self, job_id: str, location: str) -> int | None:
        """None while Flink does not list it."""
        statistics_of_job = get_json(self.info.rest_url, f"/jobs/{job_id}/checkpoints") or {}
        latest = (statistics_of_job.get("latest") or {}).get("savepoint")
        if latest is None or latest["external_path"] != location:
            return None
        path = f"/jobs/{job_id}/checkpoints/details/{latest['id']}"
        details = get_json(self.info.rest_url, path)
        return None if details is None else int(details["tasks"][self._vertex(job_id)["id"]]["state_size"])

    def initializing_seconds(self, job_id: str) -> float:
        """Of the longest subtask, once all of them run."""
        path = f"/jobs/{job_id}/vertices/{self._vertex(job_id)['id']}"

        def ask() -> float | None:
            subtasks = (get_json(self.info.rest_url, path) or {}).get("subtasks", ())
            if not subtasks or any(each["status"] != "RUNNING" for each in subtasks):
                return None
            return max(float(each["status-duration"]["INITIALIZING"]) for each in subtasks) / 1000

        return until(ask, "its running subtasks")

    def _vertices(self, job_id: str) -> list[dict[str, Any]]:
        return until(lambda: (get_json(self.info.rest_url, f"/jobs/{job_id}") or {}).get("vertices"), "its vertices")

    def _vertex(self, job_id: str) -> dict[str, Any]:
        return next(each for each in self._vertices(job_id) if each["name"].startswith(self.operator))


def cost(measured: Sequence[Measured]) -> Cost:
    """The line through the shortest restores of one job and format."""
    line = statistics.linear_regression([each.bytes for each in measured], [each.shortest_seconds for each in measured])
    return Cost(measured[0].job, measured[0].format, round(line.intercept, 3), round(line.slope * GB, 2))


def costs(measured: Sequence[Measured]) -> list[Cost]:
    """Of each job and format that there are two sizes of."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.job, each.format), []).append(each)
    return [cost(group) for group in groups.values() if len({each.bytes for each in group}) > 1]


def _row(each: Measured) -> str:
    seconds = ", ".join(f"{one:.2f}" for one in sorted(each.restore_seconds))
    return (
        f"{each.job:19}{each.format:11}{each.prices:>11,}{each.bytes:>14,}{each.folder_bytes:>14,}"
        f"{each.bytes_per_price:>13.1f}{each.shortest_seconds:>11.2f}  {seconds}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=tuple(_OPTIONS), default=list(_OPTIONS))
    parser.add_argument("--skus", nargs="+", type=int, default=[500_000, 2_000_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=5, help="restores from each savepoint")
    options = parser.parse_args()
    load_before, measured = os.getloadavg()[0], list[Measured]()
    with signals_interrupt(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            info = fleet.up(Path(folder), slots=1)
            for skus in options.skus:
                filled = fill(info, skus)
                for name in options.jobs:
                    measured += Bench(info, name, filled).measure(options.rounds)
        finally:
            fleet.down(Path(folder))
    measured.sort(key=lambda each: (each.job, each.format, each.prices))
    print(f"{'job':19}{'format':11}{'prices':>11}{'bytes':>14}{'folder':>14}{'bytes/price':>13}{'restore s':>11}  each")
    for each in measured:
        print(_row(each))
    lines = costs(measured)
    for line in lines:
        print(f"{line.job}, {line.format}: {line.fixed_seconds:.2f} s and {line.seconds_per_gb:.1f} s per GB")
    found = {"measured": [asdict(each) for each in measured], "costs": [asdict(each) for each in lines]}
    print(json.dumps(found | {"load_before": load_before, "load_after": os.getloadavg()[0]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
