"""The results of the job over Kafka are those over the archive, also when a TaskManager is killed in the middle."""

import base64
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from flinkops.errors import OperationFailed, UsageError
from flinkops.local import fleet, job, kafka
from flinkops.local.probe import get_json, patch
from flinkops.local.state import FleetInfo
from tests.local.price_jobs import read_table
from tests.local.price_records import START_MS, market, scrape
from tests.local.price_reference import Meaning, reference
from tests.local.topics import limit_messages

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

PATIENCE_SECONDS = 240.0
PARTITIONS = 4
Record = tuple[str, bytes]


def await_true(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.5)


@pytest.fixture
def own_fleet(tmp_path: Path) -> Iterator[FleetInfo]:
    """A fleet whose TaskManager may be killed."""
    try:
        yield fleet.up(tmp_path)
    finally:
        fleet.down(tmp_path)


def partition_of(sku: str) -> int:
    return sum(sku.encode()) % PARTITIONS


def send(info: FleetInfo, topic: str, records: list[Record]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": info.kafka_bootstrap, "linger.ms": 20})
    for sku, raw in records:
        producer.produce(topic, raw, key=sku.encode(), partition=partition_of(sku))
    assert producer.flush(60) == 0


def shuffled(records: list[Record], seed: int) -> list[Record]:
    """The same order within each partition, any order between them."""
    chance = random.Random(seed)
    queues = [[record for record in records if partition_of(record[0]) == number] for number in range(PARTITIONS)]
    result = []
    while any(queues):
        result.append(chance.choice([queue for queue in queues if queue]).pop(0))
    return result


def closers() -> list[Record]:
    """One record for each partition, so late in event time that every window before it is final."""
    skus = {partition_of(name): name for name in (f"~end{number}" for number in range(50))}
    return [(sku, json.dumps(scrape(sku, 1, START_MS + 10 * 3_600_000)).encode()) for sku in skus.values()]


def dead_letters(info: FleetInfo, topic: str) -> list[tuple[str, bytes]]:
    """(reason, bytes) of all committed ones, sorted."""
    return sorted((letter["reason"], base64.b64decode(letter["raw"] or "")) for letter in dead_rows(info, topic))


def dead_rows(info: FleetInfo, topic: str) -> list[dict[str, Any]]:
    """All committed dead letters, in their order."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": info.kafka_bootstrap,
            "group.id": f"read-{topic}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    found: list[dict[str, Any]] = []
    ended: set[int | None] = set()
    try:
        partitions = consumer.list_topics(topic, timeout=120).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        while len(ended) < len(partitions):
            message = consumer.poll(120)
            assert message is not None, "Kafka is silent"
            if message.error():
                ended.add(message.partition())
            else:
                found.append(json.loads(message.value() or b""))
    finally:
        consumer.close()
    return found


def checkpoints(info: FleetInfo, job_id: str) -> int:
    counts = (get_json(info.rest_url, f"/jobs/{job_id}/checkpoints") or {}).get("counts", {})
    return int(counts.get("completed", 0))


@pytest.mark.long
def test_stream_with_a_killed_taskmanager_equals_the_reference(own_fleet: FleetInfo) -> None:
    info = own_fleet
    market_day = market(seed=7, minutes=40, skus=12)
    kafka.create_topic(info.kafka_bootstrap, "in", like="raw-scrapes-in")
    kafka.create_topic(info.kafka_bootstrap, "dead", like="raw-scrapes-dead")
    records = shuffled(market_day.records, seed=11)
    half = len(records) // 2
    send(info, "in", records[:half])
    command = ["price-aggregation", "--topic", "in", "--dead-letter", "topic:dead", "--table", "prices.killed"]
    # The wait below leaves every partition silent, and they stand at different times: none may pass for idle.
    job_id = job.submit(info, [*command, "--parallelism", "2", "--idle-timeout", "1h"])
    await_true("a checkpoint", lambda: checkpoints(info, job_id) >= 1)
    send(info, "in", records[half:])
    taskmanager = next(process for process in info.processes if process.role.startswith("taskmanager"))
    os.kill(taskmanager.pid, signal.SIGKILL)
    await_true("the TaskManager is dead", lambda: not taskmanager.alive)
    info = fleet.up(Path(info.home))
    send(info, "in", closers())

    expected = reference([raw for _, raw in market_day.records], Meaning())
    warehouse = Path(info.warehouse)
    await_true("all rows", lambda: len(read_table(warehouse, "prices.killed")) >= len(expected.table))
    done = checkpoints(info, job_id)
    await_true("one more checkpoint", lambda: checkpoints(info, job_id) > done)
    assert_frame_equal(read_table(warehouse, "prices.killed"), expected.table)
    assert dead_letters(info, "dead") == expected.dead_letters
    assert patch(info.rest_url, f"/jobs/{job_id}?mode=cancel")


def test_bounded_topic_with_late_records_equals_the_reference(embedded_fleet: FleetInfo) -> None:
    """One partition, parallelism 1: what is late is the same too."""
    info = embedded_fleet
    from confluent_kafka import Producer

    kafka.create_topic(info.kafka_bootstrap, "late-in", like="raw-scrapes-in")
    kafka.create_topic(info.kafka_bootstrap, "late-dead", like="raw-scrapes-dead")
    records = market(seed=5, minutes=30, skus=8, disorder_ms=115_000).records
    producer = Producer({"bootstrap.servers": info.kafka_bootstrap})
    for _, raw in records:
        producer.produce("late-in", raw, partition=2)
    assert producer.flush(60) == 0
    command = ["price-aggregation", "--topic", "late-in", "--bounded", "--table", "prices.late"]
    job_id = job.submit(info, [*command, "--dead-letter", "topic:late-dead"])
    job.await_end(info, job_id, timeout_seconds=PATIENCE_SECONDS)
    expected = reference([raw for _, raw in records], Meaning())
    assert any(reason == "late" for reason, _ in expected.dead_letters)
    assert_frame_equal(read_table(Path(info.warehouse), "prices.late"), expected.table)
    assert dead_letters(info, "late-dead") == expected.dead_letters


def produce(info: FleetInfo, topic: str, records: list[tuple[bytes | None, dict[str, Any]]]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": info.kafka_bootstrap})
    for value, more in records:
        producer.produce(topic, value, partition=2, **more)
    assert producer.flush(60) == 0


HEADERS = [(f"h{number % 7}", b"\xff\x00" * 40) for number in range(10_000)]
"""Two megabytes beside a record, as far as the topic takes them."""
POISON: list[tuple[bytes | None, dict[str, Any]]] = [
    (b"\x01" * 990_000, {}),
    (b"\xff" * 20_000, {"headers": HEADERS[:5000], "key": b"\xff\x00"}),
    (None, {"key": b"\x00" * 500_000}),
    (b"{}", {"headers": HEADERS[:10]}),
]


def test_a_record_larger_than_its_dead_letter_may_be_is_cut_and_pointed_to(embedded_fleet: FleetInfo) -> None:
    info = embedded_fleet
    for name in ("large-in", "large-dead", "narrow-dead"):
        kafka.create_topic(info.kafka_bootstrap, name, like="raw-scrapes-in")
    limit_messages(info.kafka_bootstrap, "narrow-dead", 10_000)
    good = json.dumps(scrape("good", 1, START_MS)).encode()
    produce(info, "large-in", [*POISON, (good, {"headers": HEADERS[:100]})])
    for dead, kept in (("large-dead", 512 * 1024), ("narrow-dead", (10_000 - 2048) // 4 * 3)):
        command = ["price-aggregation", "--topic", "large-in", "--bounded", "--table", f"prices.{dead[:5]}"]
        job_id = job.submit(info, [*command, "--dead-letter", f"topic:{dead}", "--name", dead])
        job.await_end(info, job_id, timeout_seconds=PATIENCE_SECONDS)
        rows = {row["source_position"]: row for row in dead_rows(info, dead)}
        assert list(read_table(Path(info.warehouse), f"prices.{dead[:5]}")["sku"]) == ["good"]
        assert {(row["source"], row["source_partition"]) for row in rows.values()} == {("large-in", 2)}
        for position, (value, _) in enumerate(POISON):
            assert rows[position]["raw_bytes"] == len(value or b"")
            assert base64.b64decode(rows[position]["raw"] or "") == (value or b"")[:kept]


def test_a_topic_too_small_for_what_is_written_to_it_is_one_line(embedded_fleet: FleetInfo) -> None:
    info = embedded_fleet
    kafka.create_topic(info.kafka_bootstrap, "tiny", like="raw-scrapes-dead")
    limit_messages(info.kafka_bootstrap, "tiny", 2000)
    for command in (["price-aggregation", "--dead-letter", "topic:tiny"], ["price-alerts", "--alerts-topic", "tiny"]):
        with pytest.raises(OperationFailed, match="the topic tiny takes 2000 bytes a message: set its max"):
            job.submit(info, command)


def test_missing_topic_is_one_line(embedded_fleet: FleetInfo) -> None:
    with pytest.raises(OperationFailed, match="no topic nowhere at") as caught:
        job.submit(embedded_fleet, ["price-aggregation", "--topic", "nowhere"])
    assert "Exception" not in caught.value.line()


def test_wrong_options_are_one_line(embedded_fleet: FleetInfo) -> None:
    with pytest.raises(UsageError, match="'5' is no duration such as 30s"):
        job.submit(embedded_fleet, ["price-aggregation", "--size", "5"])
