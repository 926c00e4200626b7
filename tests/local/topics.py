"""Topics of the tests: scrapes into Kafka, alerts out of it, whole; limits of their own."""

import importlib
import json
import time
from typing import Any

from flinkops.local import kafka
from tests.local.alert_records import Record

_SILENCE_SECONDS = 120.0


def send(bootstrap: str, topic: str, records: list[Record]) -> None:
    """Keyed by SKU, in order; also while the broker comes and goes."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    for sku, raw in records:
        producer.produce(topic, raw, key=sku.encode())
    assert producer.flush(120) == 0


def limit_messages(bootstrap: str, topic: str, max_bytes: int) -> None:
    """From now on the topic takes no longer ones."""
    admin: Any = importlib.import_module("confluent_kafka.admin")
    operation = admin.AlterConfigOpType.SET
    entry = admin.ConfigEntry("max.message.bytes", str(max_bytes), incremental_operation=operation)
    resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = kafka.admin_client(bootstrap)  # must outlive its future
    for done in client.incremental_alter_configs([resource]).values():
        done.result()


def read(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """All that a reader of committed records sees now, by partition and offset."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"read-{topic}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    found: list[tuple[int, int, bytes]] = []
    ended: set[int | None] = set()
    try:
        partitions = consumer.list_topics(topic, timeout=_SILENCE_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        deadline = time.monotonic() + _SILENCE_SECONDS
        while len(ended) < len(partitions):
            message = consumer.poll(1)
            assert time.monotonic() < deadline, "Kafka is silent"
            if message is not None and message.error():
                ended.add(message.partition())
            elif message is not None:
                found.append((message.partition() or 0, message.offset() or 0, message.value() or b""))
                deadline = time.monotonic() + _SILENCE_SECONDS
    finally:
        consumer.close()
    return [json.loads(value) for _, _, value in sorted(found)]
