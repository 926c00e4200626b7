"""A topic of a real Kafka, of which some partitions get records and the others none."""

import threading
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
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OperationFailed):
            kafka.delete_topic(bootstrap, topic)


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
