"""For each of the five signals, its real cause is moved, and what is shown is held against another measurement.

Kafka's own offsets, the size of the state's folder, the wall clock: nothing here asks Flink's REST API for the truth.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flinkops.clock import SystemClock, iso_utc
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.local import flink, job, kafka
from flinkops.local.java import find_java
from flinkops.local.probe import patch
from flinkops.local.state import FleetInfo
from flinkops.model.assessment import JobAssessment
from flinkops.model.endpoint import parse_endpoint
from flinkops.observer import Observer
from flinkops.sources.flink.source import FlinkRestSource

pytestmark = [pytest.mark.local, pytest.mark.timeout(1800)]

PATIENCE_SECONDS = 600.0
TOPIC = JOB = "causes"
RATE = 200
WATERMARK_DELAY_SECONDS = 30 + 60
"""Out-of-orderness and allowed lateness of the job's defaults."""


class Seen:
    """What `status` says of one job of the fleet."""

    def __init__(self, fleet: FleetInfo, job_id: str) -> None:
        source = FlinkRestSource(parse_endpoint(fleet.rest_url, name="local"))
        self.observer = Observer(Collector([source], SystemClock(), deadline_seconds=20.0), Policy())
        self.job_id = job_id

    def now(self) -> JobAssessment:
        return next(each for each in self.observer.observe().assessment.jobs if each.id == self.job_id)

    def when(self, condition: Callable[[JobAssessment], bool]) -> JobAssessment:
        """The first poll at which the condition holds."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = self.now()
            if condition(seen):
                return seen
            assert time.monotonic() < ends, seen
            time.sleep(1.0)


class Scrapes:
    """Records of the topic, made here, so that every number about them is known."""

    def __init__(self, bootstrap: str) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
        self.keys = 0
        self.newest_ms = 0

    def send(self, count: int, *, new_keys: bool = False) -> None:
        for number in range(count):
            self.keys += new_keys
            self.newest_ms = SystemClock().now_ms()
            sku = f"new-{self.keys}" if new_keys else f"old-{number % 10}"
            record = {
                "sku": sku,
                "price": 1.5,
                "currency": "EUR",
                "retailer": "r",
                "url": "https://x/",
                "scraped_at": "",
            }
            record["scraped_at"] = iso_utc(self.newest_ms)
            self._producer.produce(TOPIC, json.dumps(record), key=sku)
            self._producer.poll(0)
        self._producer.flush(30)

    def steadily(self, per_second: int, until: Callable[[], bool]) -> float:
        """Returns the rate that it really was."""
        begun, sent = time.monotonic(), 0
        while not until():
            due = int((time.monotonic() - begun) * per_second) - sent
            self.send(due)
            sent += due
            time.sleep(0.1)
        return sent / (time.monotonic() - begun)


@pytest.fixture(scope="module")
def scrapes(embedded_fleet: FleetInfo) -> Iterator[Scrapes]:
    kafka.create_topic(embedded_fleet.kafka_bootstrap, TOPIC, like=kafka.INPUT_TOPIC)
    yield Scrapes(embedded_fleet.kafka_bootstrap)
    kafka.delete_topic(embedded_fleet.kafka_bootstrap, TOPIC)


@pytest.fixture(scope="module")
def seen(embedded_fleet: FleetInfo, scrapes: Scrapes) -> Iterator[Seen]:
    arguments = ["--topic", TOPIC, "--table", "prices.causes", "--name", JOB]
    job_id = job.submit(embedded_fleet, ["price-aggregation", *arguments])
    shown = Seen(embedded_fleet, job_id)
    try:
        scrapes.send(100)
        shown.when(lambda each: each.checkpoints is not None and each.checkpoints.status == "COMPLETED")
        yield shown
    finally:
        shown.observer.close()
        patch(embedded_fleet.rest_url, f"/jobs/{job_id}?mode=cancel")


def checkpoint_folder(shown: JobAssessment) -> Path:
    """Where the job's checkpoints are, by the address of the last one."""
    points = shown.facts.checkpoints if shown.facts else None
    assert points
    assert points.latest_completed
    folder = Path(urlsplit(points.latest_completed.external_path or "").path).parent
    assert folder.is_dir()
    return folder


@pytest.mark.by_hand  # over a minute; test_poller holds the rate against what its source was told
def test_the_rate_is_what_was_sent(seen: Seen, scrapes: Scrapes) -> None:
    with ThreadPoolExecutor(1) as sender:
        stop = threading.Event()
        rate = sender.submit(scrapes.steadily, RATE, stop.is_set)
        try:  # Flink's rates are over a minute
            shown = seen.when(lambda each: (each.records_in_per_second or 0) > 0.9 * RATE)
        finally:
            stop.set()
        assert shown.records_in_per_second == pytest.approx(rate.result(), rel=0.15)


def test_skew_grows_by_the_second_while_the_watermark_is_held(seen: Seen, scrapes: Scrapes) -> None:
    def is_expected(shown: JobAssessment) -> bool:
        assert shown.facts is not None
        expected = (shown.facts.seen_ms - scrapes.newest_ms) / 1000 + WATERMARK_DELAY_SECONDS
        return shown.event_time_skew_seconds == pytest.approx(expected, abs=1.0)

    scrapes.send(50)
    first = seen.when(is_expected)  # Flink's metrics are some seconds old
    time.sleep(10.0)
    second = seen.when(is_expected)
    assert first.event_time_skew_seconds is not None
    assert second.event_time_skew_seconds is not None
    assert second.event_time_skew_seconds - first.event_time_skew_seconds > 9.0


def test_state_grows_with_keys_and_is_as_large_as_its_folder(seen: Seen, scrapes: Scrapes) -> None:
    before = seen.now()
    assert before.state_bytes is not None
    scrapes.send(30_000, new_keys=True)
    small = before.state_bytes
    seen.when(lambda each: (each.state_keys or 0) > 0.9 * scrapes.keys)
    after = seen.when(lambda each: (each.state_bytes or 0) > small + 500_000)
    assert after.state_keys == pytest.approx(scrapes.keys, rel=0.15)
    folder = checkpoint_folder(after)
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    # On disk are also up to two older checkpoints' files, which the newest one no longer refers to.
    seen.when(lambda each: 0.3 * on_disk < (each.state_bytes or 0) < 1.1 * on_disk)
    seen.when(lambda each: (each.state_growth_bytes_per_hour or 0) > 0)


def test_latency_is_as_long_as_the_stop(seen: Seen, scrapes: Scrapes, embedded_fleet: FleetInfo) -> None:
    manager = next(process for process in embedded_fleet.processes if process.role.startswith("taskmanager"))
    os.kill(manager.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        ends = stopped + 8.0
        scrapes.steadily(100, lambda: time.monotonic() > ends)
    finally:
        os.kill(manager.pid, signal.SIGCONT)
    pause = time.monotonic() - stopped
    shown = seen.when(lambda each: _p99(each) > 0.6 * pause)
    assert shown.processing_latency_seconds is not None
    assert shown.processing_latency_seconds.method == "measured"
    assert _p99(shown) < pause + 30.0  # a busy machine is slow to catch up
    seen.when(lambda each: "latency-high" in _codes(each))  # a reason is raised by the second poll in a row


def _codes(shown: JobAssessment) -> list[str]:
    return [reason.code for reason in shown.health.reasons]


def _p99(shown: JobAssessment) -> float:
    latency = shown.processing_latency_seconds
    return (latency.p99 if latency else None) or 0.0


def test_blocked_storage_fails_checkpoints_until_it_is_free(seen: Seen) -> None:
    folder = checkpoint_folder(seen.now())
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("in the way")
    try:
        failing = seen.when(lambda each: bool(each.checkpoints and (each.checkpoints.failed_in_a_row or 0) >= 1))
        assert failing.checkpoints is not None
        assert failing.checkpoints.status == "FAILED"
        assert failing.checkpoints.failure
        seen.when(lambda each: "checkpoint-failing" in _codes(each))
        newest = max(file.stat().st_mtime for file in aside.rglob("_metadata"))
        assert failing.facts is not None
        since_written = failing.facts.seen_ms / 1000 - newest  # which is after the last acknowledgement
        assert since_written - 1.0 < (failing.checkpoints.age_seconds or 0) < since_written + 15.0
    finally:
        folder.unlink()
        aside.rename(folder)
    well = seen.when(lambda each: bool(each.checkpoints and each.checkpoints.failed_in_a_row == 0))
    assert well.checkpoints is not None
    assert well.checkpoints.status == "COMPLETED"


@pytest.fixture
def overloaded(embedded_fleet: FleetInfo) -> Iterator[Seen]:
    """A source that may send a million records a second, to a vertex that hashes 100 kB for each: 100 GB/s."""
    statements = (
        "CREATE TABLE numbers (n INT) WITH ('connector'='datagen', 'rows-per-second'='1000000', 'fields.n.max'='9')",
        "CREATE TABLE nothing (digest STRING) WITH ('connector'='blackhole')",
        "INSERT INTO nothing SELECT SHA512(REPEAT(CAST(total AS STRING), 100000)) "
        "FROM (SELECT n, COUNT(*) AS total FROM numbers GROUP BY n)",
    )
    environment = os.environ | {
        "FLINK_CONF_DIR": str(embedded_fleet.flink_conf_dir),
        "FLINK_LIB_DIR": str(embedded_fleet.flink_lib_dir),
        "FLINK_LOG_DIR": str(Path(embedded_fleet.home) / "logs"),
        "JAVA_HOME": str(find_java().parent.parent),
        "PYTHONPATH": str(flink.distribution().parent),
    }
    script = str(Path(__file__).with_name("sql_job.py"))
    command = [sys.executable, script, embedded_fleet.rest_url, "overloaded", *statements]
    submitted = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert submitted.returncode == 0, submitted.stderr[-2000:]
    shown = Seen(embedded_fleet, submitted.stdout.split()[-1])
    try:
        yield shown
    finally:
        shown.observer.close()
        patch(embedded_fleet.rest_url, f"/jobs/{shown.job_id}?mode=cancel")


def test_the_overloaded_vertex_is_the_bottleneck(overloaded: Seen) -> None:
    shown = overloaded.when(lambda each: bool(each.backpressure and each.backpressure.level == "high"))
    assert shown.backpressure is not None
    assert shown.backpressure.bottleneck is not None
    assert "GroupAggregate" in shown.backpressure.bottleneck.vertex
    assert shown.backpressure.bottleneck.kind == "capacity"
    source = next(each for each in shown.vertices if each.name.startswith("Source"))
    assert (source.backpressured_ratio or 0) > 0.5
