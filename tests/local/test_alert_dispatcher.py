"""The dispatcher's whole suite on a real broker, and the service as a process: its topics, its SIGTERM, its death."""

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flinkops.local import kafka
from flinkops.local.ports import free_ports
from flinkops.local.state import FleetInfo
from jobs.price_alerts.dispatcher.kafka_log import KafkaLog
from tests.dispatcher.alerts import SECRET, encoded
from tests.dispatcher.suite import DispatcherSuite, Inbox, Topic, all_committed, in_order, inbox, until
from tests.local.topics import limit_messages

pytestmark = pytest.mark.local

REPOSITORY = Path(__file__).parents[2]
PARTITIONS = 2
_numbers = count()


class KafkaTopic:
    """Alerts and dead letters of one test in topics of their own."""

    def __init__(self, bootstrap: str) -> None:
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.cimpl import NewTopic

        self.bootstrap = bootstrap
        self.name = f"alerts-{os.getpid()}-{next(_numbers)}"
        self.names = [self.name, f"{self.name}-dead", f"{self.name}-subscriptions"]
        compacted = {"cleanup.policy": "compact"}
        wanted = [
            NewTopic(self.name, num_partitions=PARTITIONS, replication_factor=1),
            NewTopic(self.names[1], num_partitions=1, replication_factor=1),
            NewTopic(self.names[2], num_partitions=1, replication_factor=1, config=compacted),
        ]
        admin = kafka.admin_client(bootstrap)
        for done in admin.create_topics(wanted).values():
            done.result()
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._ends = dict.fromkeys(range(PARTITIONS), 0)
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": self.name, "enable.auto.commit": False})
        self._dead: list[dict[str, object]] = []
        self._dead_consumer = self._reader()

    def _reader(self) -> Any:
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "none", "enable.auto.commit": False})
        reader.assign([TopicPartition(self.names[1], 0, OFFSET_BEGINNING)])
        return reader

    def append(self, partition: int, value: bytes | None, **more: Any) -> None:
        self._producer.produce(self.name, value=value, partition=int(partition), **more)
        self._producer.flush(10)
        self._ends[int(partition)] += 1

    def subscribe(self, client: str, document: dict[str, object] | None) -> None:
        value = None if document is None else json.dumps(document).encode()
        self._producer.produce(self.names[2], key=client.encode(errors="surrogateescape"), value=value)
        self._producer.flush(10)

    def committed(self) -> dict[int, int]:
        from confluent_kafka import TopicPartition

        places = self._consumer.committed([TopicPartition(self.name, each) for each in range(PARTITIONS)], timeout=10)
        return {place.partition: max(0, place.offset) for place in places}

    def ends(self) -> dict[int, int]:
        return self._ends

    def dead_letters(self) -> list[dict[str, object]]:
        self._dead += [json.loads(each.value()) for each in self._dead_consumer.consume(100, 0.1) if not each.error()]
        return self._dead

    def limit_dead_letters(self, max_bytes: int) -> None:
        limit_messages(self.bootstrap, self.names[1], max_bytes)

    def log(self) -> KafkaLog:
        settings = {"bootstrap.servers": self.bootstrap}
        return KafkaLog(settings, topic=self.name, dead_letter_topic=self.names[1], group=self.name)

    def close(self) -> None:
        self._consumer.close()
        self._dead_consumer.close()
        for name in self.names:
            kafka.delete_topic(self.bootstrap, name)


@pytest.fixture
def kafka_topic(embedded_fleet: FleetInfo) -> Iterator[KafkaTopic]:
    topic = KafkaTopic(embedded_fleet.kafka_bootstrap)
    yield topic
    topic.close()


class TestOnKafka(DispatcherSuite):
    @pytest.fixture
    def topic(self, kafka_topic: KafkaTopic) -> Topic:
        return kafka_topic


@asynccontextmanager
async def service(
    topic: KafkaTopic, state: Path, subscriptions: str, port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The dispatcher as its users start it; the test ends it."""
    options = {
        "--bootstrap": topic.bootstrap,
        "--topic": topic.name,
        "--dead-letter-topic": topic.names[1],
        "--group": topic.name,
        "--subscriptions": subscriptions,
        "--state": str(state),
        "--listen": f"127.0.0.1:{port}",
        "--allow-address": "127.0.0.0/8",
        "--first-backoff": "0.05",
        "--concurrency": "4",
    }
    words = [word for pair in options.items() for word in pair]
    command = ["-m", "jobs.price_alerts.dispatcher", "--allow-http", *words]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=REPOSITORY, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def document(client: str, box: Inbox, **fields: object) -> dict[str, object]:
    return {"client": client, "url": box.url(client), "secret": SECRET} | fields


def get(port: int, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return str(response.read().decode())


def test_subscriptions_of_a_topic_change_while_it_runs(kafka_topic: KafkaTopic, tmp_path: Path) -> None:
    (port,) = free_ports(1)

    async def scenario() -> None:
        async with inbox() as box:
            kafka_topic.subscribe("a", document("a", box))
            kafka_topic.subscribe("b", document("b", box))
            kafka_topic.subscribe("b", None)
            async with service(kafka_topic, tmp_path / "state", f"topic:{kafka_topic.names[2]}", port) as process:
                kafka_topic.append(0, encoded(0))
                await until(lambda: box.count("a") == 1)
                kafka_topic.subscribe("b", document("b", box, filters=[{"sku": "B*"}]))
                numbers = count(1)

                def b_receives() -> bool:
                    kafka_topic.append(1, encoded(next(numbers), "B1"))
                    return box.count("b") > 0

                await until(b_receives)
                assert set(box.numbers("b")) == {"B1"}
                metrics = await asyncio.to_thread(get, port, "/metrics")
                assert 'flinkops_alerts_delivery_latency_recent_seconds{quantile="0.99"}' in metrics
                assert "flinkops_alerts_clients 2.0" in metrics
                assert await asyncio.to_thread(get, port, "/healthz") == "ok\n"
                await until(lambda: box.count("a") == sum(kafka_topic.ends().values()))
                process.send_signal(signal.SIGTERM)
                assert process.stderr is not None
                words = await asyncio.wait_for(process.stderr.read(), 30)
                assert await process.wait() == 0, words.decode()
                assert b"Traceback" not in words
            assert all_committed(kafka_topic)

    asyncio.run(scenario())


def test_killed_on_kafka_it_loses_nothing_and_repeats_only_what_was_in_flight(
    kafka_topic: KafkaTopic, tmp_path: Path
) -> None:
    ports = free_ports(2)
    subscriptions = tmp_path / "subscriptions.json"

    async def scenario() -> None:
        async with inbox() as box:
            subscriptions.write_text(json.dumps([document("a", box)]))
            async with service(kafka_topic, tmp_path / "state", str(subscriptions), ports[0]) as process:
                for number in range(100):
                    kafka_topic.append(number % 5 % 2, encoded(number, f"S{number % 5}"))
                await until(lambda: box.count("a") == 100 and all_committed(kafka_topic))
                box.receiver.behaviour.hang_ratio = 1.0
                for number in range(100, 200):
                    kafka_topic.append(number % 5 % 2, encoded(number, f"S{number % 5}"))
                await until(lambda: box.receiver.requests == 104)
                process.kill()
                assert await process.wait() == -signal.SIGKILL
            box.receiver.behaviour.hang_ratio = 0.0
            async with service(kafka_topic, tmp_path / "state", str(subscriptions), ports[1]):
                await until(lambda: box.count("a") == 200 and all_committed(kafka_topic))
            assert box.receiver.requests == 204
            assert box.receiver.repeats == 0
            assert in_order(box.numbers("a"))

    asyncio.run(scenario())


def test_headers_and_keys_of_any_kind_and_tombstones_stop_nothing(kafka_topic: KafkaTopic, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    kafka_topic.subscribe("a", {"client": "a"})
    kafka_topic.subscribe("\udcff\x00", {"client": "b"})
    headers = [(f"h{number % 7}", b"\xff\x00" * 40) for number in range(10_000)]

    async def scenario() -> None:
        async with inbox() as box:
            kafka_topic.subscribe("good", document("good", box))
            async with service(kafka_topic, tmp_path / "state", f"topic:{kafka_topic.names[2]}", port):
                kafka_topic.append(0, encoded(0), headers=headers)
                kafka_topic.append(0, b"\xff" * 100_000, headers=headers, key=b"\xff\x00")
                kafka_topic.append(0, None, key=b"\x00" * 500_000)
                kafka_topic.append(0, encoded(1), key=b"\xff")
                await until(lambda: box.count("good") == 2 and all_committed(kafka_topic))
            await until(lambda: [each["offset"] for each in kafka_topic.dead_letters()] == [1, 2])

    asyncio.run(scenario())


@pytest.mark.parametrize("missing", ["topic", "broker", "subscriptions"])
def test_what_is_missing_is_named_in_one_line(kafka_topic: KafkaTopic, tmp_path: Path, missing: str) -> None:
    (port,) = free_ports(1)
    bootstrap = f"127.0.0.1:{port}" if missing == "broker" else kafka_topic.bootstrap
    topic = "nowhere" if missing == "topic" else kafka_topic.name
    file = tmp_path / "subscriptions.json"
    if missing != "subscriptions":
        file.write_text("[]")
    options = ["--bootstrap", bootstrap, "--topic", topic, "--subscriptions", str(file), "--state", str(tmp_path / "s")]

    async def scenario() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobs.price_alerts.dispatcher", *options, "--listen", "127.0.0.1:0"),
            cwd=REPOSITORY,
            stderr=asyncio.subprocess.PIPE,
        )
        _, words = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, words.decode()

    code, words = asyncio.run(scenario())
    assert code == {"topic": 1, "broker": 3, "subscriptions": 2}[missing], words
    assert "Traceback" not in words
    assert words.splitlines()[-1].startswith("price-alerts dispatcher: ")
