"""A topic of a real Kafka, of which some partitions get records and the others none."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flinkops.errors import OperationFailed
from flinkops.local import kafka
from tests.faults.cases import Feed

_PUSHES_A_SECOND = 10


@contextmanager
def feeding(bootstrap: str, topic: str, feed: Feed) -> Iterator[None]:
    """The topic is there from the start to the end of the block, and fed meanwhile."""
    from confluent_kafka.cimpl import NewTopic

    admin = kafka.admin_client(bootstrap)  # must outlive its future
    admin.create_topics([NewTopic(topic, num_partitions=feed.partitions, replication_factor=1)])[topic].result()
    stop = threading.Event()
    thread = threading.Thread(target=_feed, args=(bootstrap, topic, feed, stop), name=f"feeds {topic}")
    thread.start()
    hanging = threading.Thread(target=_hang, args=(bootstrap, topic, feed, stop), name=f"hangs in {topic}")
    hanging.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        hanging.join()
        with suppress(OperationFailed):
            kafka.delete_topic(bootstrap, topic)


def recreate(bootstrap: str, topic: str) -> None:
    """The topic is deleted and made anew, with a single partition, as by a hand that did not look how many it had."""
    from confluent_kafka import KafkaException
    from confluent_kafka.cimpl import NewTopic

    kafka.delete_topic(bootstrap, topic)
    admin = kafka.admin_client(bootstrap)
    ends = time.monotonic() + 30
    while True:
        try:
            admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result()
            return
        except KafkaException as problem:  # the broker is not done with the deletion yet
            if time.monotonic() > ends:
                raise OperationFailed(f"{topic} was not made anew: {problem}") from None
            time.sleep(0.5)


def _feed(bootstrap: str, topic: str, feed: Feed, stop: threading.Event) -> None:
    from confluent_kafka import KafkaException, Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    sent = 0
    while not stop.wait(1 / _PUSHES_A_SECOND):
        for _ in range(feed.per_second // _PUSHES_A_SECOND):
            sent += 1
            hot = sent % 100 < 100 * feed.hot_share
            with suppress(BufferError, KafkaException):  # a fault may be that the topic is gone
                producer.produce(topic, f"order {sent}", partition=0 if hot else sent % feed.fed)
            producer.poll(0)
    producer.flush(10)


def _hang(bootstrap: str, topic: str, feed: Feed, stop: threading.Event) -> None:
    """One record in each partition, in a transaction that is still open at the end."""
    from confluent_kafka import Producer

    if feed.hung_after_seconds is None or stop.wait(feed.hung_after_seconds):
        return
    settings = {"bootstrap.servers": bootstrap, "transactional.id": f"hangs-{topic}", "transaction.timeout.ms": 900_000}
    producer = Producer(settings)
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition in range(feed.partitions):
        producer.produce(topic, "never committed", partition=partition)
    producer.flush(10)
    stop.wait()
    producer.abort_transaction(30)
