"""The load of the price-alerts benches: a feeder in a process of its own, and what processes use.

`python -m bench._alert_load LOAD`, where LOAD is a Load as JSON, feeds and prints a Fed as JSON for each phase.
"""

import os
import random
import subprocess
import sys
import time
from array import array
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

_TICK_SECONDS = 0.002
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Phases of scrapes a second and seconds, of random SKUs; no phase: each SKU once, as fast as it goes."""

    bootstrap: str
    topic: str
    phases: tuple[tuple[float, float], ...]
    skus: int = 1_000_000
    change_ratio: float = 0.1
    seed: int = 0
    topics: tuple[str, ...] = ()
    """Of each phase, where they are not all `topic`; the prices of another one are none of the changes of `topic`."""
    first_within_seconds: float = 0.0
    """Over how long the times of the first prices are spread, at random."""
    first_end_seconds: float = 60.0
    """How long ago the last of them is."""


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """What was fed in a phase; times are milliseconds since the epoch; `behind_seconds`: the most that it was late."""

    rate_per_second: float
    started_ms: int
    ended_ms: int
    records: int
    changes: int
    behind_seconds: float
    cpu_seconds: float


def start(load: Load) -> "subprocess.Popen[str]":
    """Start the feeder as a child, which ends when we do; each line of its output is a Fed."""
    command = [sys.executable, "-m", "bench._alert_load", msgspec.json.encode(load).decode()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(feeder: "subprocess.Popen[str]") -> list[Fed]:
    """What a feeder says in the end, a phase each."""
    said, _ = feeder.communicate()
    if feeder.returncode != 0:
        raise SystemExit(f"the feeder ended with {feeder.returncode}")
    return [msgspec.json.decode(line, type=Fed) for line in said.splitlines()]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def busy_seconds() -> float:
    """CPU time that all of the machine has used so far, all cores together."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / _CLOCK_TICKS


class _Shelf:
    """The prices of all SKUs, in cents; the same ones for the same seed."""

    def __init__(self, load: Load) -> None:
        self.chance = random.Random(load.seed)
        self.load = load
        self.cents = array("i", [1000 + number % 9000 for number in range(load.skus)])
        self.scraped = array("q", [0]) * load.skus
        self.changes = 0

    def scrape(self, now_ms: int, second: str) -> tuple[bytes, bytes]:
        """Of a random SKU, a tenth of them with a new price; a SKU's scrapes get later and later times."""
        number = int(self.chance.random() * self.load.skus)
        while self.scraped[number] >= now_ms:  # twice in a millisecond: take its neighbour
            number = (number + 1) % self.load.skus
        self.scraped[number] = now_ms
        if self.chance.random() < self.load.change_ratio:
            self.cents[number] += 1 if self.cents[number] < 20_000 else -10_000
            self.changes += 1
        return self._encode(number, f"{second}.{now_ms % 1000:03}Z")

    def _encode(self, number: int, at: str) -> tuple[bytes, bytes]:
        cents = self.cents[number]
        value = (
            f'{{"sku":"SKU-{number}","price":{cents // 100}.{cents % 100:02},"currency":"EUR",'
            f'"retailer":"shop{number % 7}","url":"https://shop.example/products/{number}","scraped_at":"{at}"}}'
        )
        return b"SKU-%d" % number, value.encode()

    def first(self, number: int, at: str) -> tuple[bytes, bytes]:
        return self._encode(number, at)


def _iso_second(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _feed(load: Load) -> None:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": load.bootstrap,
            "linger.ms": 2,
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
            "partitioner": "murmur2_random",
        }
    )
    shelf = _Shelf(load)
    if not load.phases:
        latest_ms = int(time.time() - load.first_end_seconds) * 1000
        for number in range(load.skus):
            at_ms = latest_ms - int(shelf.chance.random() * load.first_within_seconds * 1000)
            key, value = shelf.first(number, f"{_iso_second(at_ms)}.{at_ms % 1000:03}Z")
            while True:
                try:
                    producer.produce(load.topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(300):
            raise SystemExit("Kafka did not take the first prices within 300 s")
    shelves = {load.topic: shelf} | {topic: _Shelf(load) for topic in set(load.topics) - {load.topic}}
    for number, (rate_per_second, seconds) in enumerate(load.phases):
        topic = load.topics[number] if load.topics else load.topic
        fed = _feed_live(topic, shelves[topic], producer, rate_per_second, seconds)
        print(msgspec.json.encode(fed).decode(), flush=True)


def _feed_live(topic: str, shelf: _Shelf, producer: Any, rate_per_second: float, seconds: float) -> Fed:
    used, started, sent, behind = time.process_time(), time.monotonic(), 0, 0.0
    started_ms, changes = int(time.time() * 1000), shelf.changes
    second, iso, parent = 0, "", os.getppid()
    while (elapsed := time.monotonic() - started) < seconds and os.getppid() == parent:
        due = int(elapsed * rate_per_second)
        now_ms = int(time.time() * 1000)
        if now_ms // 1000 != second:
            second, iso = now_ms // 1000, _iso_second(now_ms)
        for _ in range(due - sent):
            key, value = shelf.scrape(now_ms, iso)
            producer.produce(topic, value, key)
        sent = due
        producer.poll(0)
        behind = max(behind, time.monotonic() - started - elapsed)
        time.sleep(_TICK_SECONDS)
    if producer.flush(60):
        raise SystemExit("Kafka did not take all scrapes within 60 s")
    return Fed(
        rate_per_second=rate_per_second,
        started_ms=started_ms,
        ended_ms=int(time.time() * 1000),
        records=sent,
        changes=shelf.changes - changes,
        behind_seconds=behind,
        cpu_seconds=time.process_time() - used,
    )


if __name__ == "__main__":
    _feed(msgspec.json.decode(sys.argv[1], type=Load))
