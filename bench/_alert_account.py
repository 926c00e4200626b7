"""What became of the alerts of the price-alerts bench: counted, timed, and explained where they were slow."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from bench import _alert_load as alert_load
from bench._alert_causes import Alert, Cause, Interval, causes
from bench.price_alerts import SETTLE_SECONDS, Latency, alert_id, ingested_at_ms
from flinkops.local import kafka
from flinkops.local.state import FleetInfo


class Arrival(NamedTuple):
    """A line of the receiver's log."""

    received_ms: int
    ingested_ms: int
    alert_id: str
    sku: str
    scraped_at: str
    again: bool
    path: str = ""


def appended(info: FleetInfo) -> dict[str, Latency]:
    """Of every alert, by its id: when Kafka took in its scrape, and how long after that the alert itself; ms."""
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    reading = {"bootstrap.servers": info.kafka_bootstrap, "group.id": "bench", "enable.partition.eof": True}
    consumer = Consumer(reading)
    unread = set(consumer.list_topics(kafka.ALERTS_TOPIC, timeout=10).topics[kafka.ALERTS_TOPIC].partitions)
    consumer.assign([TopicPartition(kafka.ALERTS_TOPIC, number, 0) for number in unread])
    found = {}
    while unread:
        for message in consumer.consume(1000, 1.0):
            error = message.error()
            if error is None:
                value = message.value() or b""
                ingested_ms = ingested_at_ms(value)
                found[alert_id(value)] = (float(ingested_ms), float(message.timestamp()[1] - ingested_ms))
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
    consumer.close()
    return found


def account(arrivals: list[Arrival], changes: int) -> dict[str, int]:
    last: dict[str, str] = {}
    out_of_order = 0
    for each in arrivals:
        if not each.again:
            out_of_order += each.scraped_at <= last.get(each.sku, "")
            last[each.sku] = each.scraped_at
    effects = {each.alert_id for each in arrivals}
    return {
        "changes_fed": changes,
        "effects": len(effects),
        "lost": changes - len(effects),
        "repeated_requests": len(arrivals) - len(effects),
        "out_of_order": out_of_order,
    }


def quantiles(latencies: list[Latency]) -> dict[str, float]:
    cuts = statistics.quantiles((latency for _, latency in latencies), n=1000)
    named = {
        f"p{name}_ms": round(cuts[at - 1], 1) for name, at in (("50", 500), ("90", 900), ("99", 990), ("999", 999))
    }
    return named | {"max_ms": max(latency for _, latency in latencies)}


def counted(fed: alert_load.Fed, ingested_ms: float) -> bool:
    """Of a phase without its first seconds."""
    return fed.started_ms + SETTLE_SECONDS * 1000 <= ingested_ms < fed.ended_ms


def explained(
    phases: Sequence[alert_load.Fed],
    arrivals: Sequence[Arrival],
    before_delivery: dict[str, Latency],
    intervals: Sequence[Interval],
) -> list[Cause]:
    """What held the slow alerts of all rates up."""
    alerts = [
        Alert(each.ingested_ms, each.ingested_ms + before_delivery[each.alert_id][1], each.received_ms)
        for each in arrivals
        if not each.again and any(counted(fed, each.ingested_ms) for fed in phases)
    ]
    return causes(alerts, intervals)
