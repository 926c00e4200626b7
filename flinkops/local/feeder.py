"""Feeds scrapes into a Kafka topic, in a process of its own: an hour of the past first, then live ones."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flinkops.clock import SystemClock
from flinkops.local.processes import Process, spawn
from flinkops.local.scrapes import Mix, Scrapes
from flinkops.local.signals import signals_interrupt

if TYPE_CHECKING:
    from confluent_kafka import Producer

_TICK_SECONDS = 0.02
_LIVE_DELAY_MS = 500  # a scrape is on its way for a moment
_FLUSH_SECONDS = 5.0


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What to feed: `rate_per_second` live scrapes, after `history_seconds` of the past.

    The past holds `history_per_second` scrapes per second of event time and goes out at most at `replay_per_second`,
    None: as fast as it can.
    """

    bootstrap: str
    topic: str
    rate_per_second: float = 1000.0
    history_seconds: int = 3600
    history_per_second: float = 20.0
    replay_per_second: float | None = None
    seed: int = 1
    mix: Mix = Mix()


def start(feed: Feed, log: Path) -> Process:
    """Start the feeder as a child; it ends by itself when we are gone."""
    command = [sys.executable, "-m", "flinkops.local.feeder", msgspec.json.encode(feed).decode()]
    return spawn("feeder", command, output=log, environment=os.environ)


def run(feed: Feed) -> None:
    """Feed until a signal, or until the process that started us is gone."""
    from confluent_kafka import Producer

    parent = os.getppid()
    producer = Producer(
        {
            "bootstrap.servers": feed.bootstrap,
            "linger.ms": 5,
            "enable.idempotence": True,  # keeps the order through retries
            "partitioner": "murmur2_random",  # as Java producers do
        }
    )
    scrapes = Scrapes(feed.seed, feed.mix)
    try:
        now_ms = SystemClock().now_ms()
        past = scrapes.over(now_ms - feed.history_seconds * 1000, now_ms, feed.history_per_second)
        _send(producer, feed.topic, past if feed.replay_per_second is None else paced(past, feed.replay_per_second))
        _feed_live(producer, feed, scrapes, parent)
    finally:
        producer.flush(_FLUSH_SECONDS)


def _feed_live(producer: "Producer", feed: Feed, scrapes: Scrapes, parent: int) -> None:
    clock, started, sent = SystemClock(), time.monotonic(), 0
    while os.getppid() == parent:
        due = int((time.monotonic() - started) * feed.rate_per_second)
        event_ms = clock.now_ms() - _LIVE_DELAY_MS
        _send(producer, feed.topic, (scrapes.at(event_ms) for _ in range(due - sent)))
        sent = due
        producer.poll(0)
        time.sleep(_TICK_SECONDS)


def paced(
    records: Iterable[tuple[bytes, bytes]],
    per_second: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[bytes, bytes]]:
    """The same records, no more of them a second; what a slow reader makes late is not caught up with."""
    due = clock()
    for count, record in enumerate(records):
        if count % max(1, int(per_second * _TICK_SECONDS)) == 0:
            due = max(due + _TICK_SECONDS, clock())
            sleep(max(0.0, due - clock()))
        yield record


def _send(producer: "Producer", topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    for key, value in records:
        while True:
            try:
                producer.produce(topic, value=value, key=key)
                break
            except BufferError:  # its queue is full: let it send
                producer.poll(0.1)


def main() -> None:
    """`python -m flinkops.local.feeder FEED`, where FEED is a Feed as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feed", help="a Feed as JSON")
    feed = msgspec.json.decode(parser.parse_args().feed, type=Feed)
    with signals_interrupt():
        try:
            run(feed)
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
