# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Kafka as the service needs it: a thread that reads, so that the event loop never waits for the broker."""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flinkops.errors import OperationFailed, Unreachable, UsageError

from .alert import Record
from .broker import Bounds, TooLarge

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, Producer

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 15.0
_START_SECONDS = 60.0
_IDENTITY_SECONDS = 5.0
_POLL_SECONDS = 0.1
_BATCH_RECORDS = 256
_BATCHES_AHEAD = 4
_CONSUMER_TUNING = {
    # A few alerts at a time: each request, and each turn of the loop, has its price in CPU.
    "fetch.min.bytes": 4096,
    "fetch.wait.max.ms": 2,
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 8192,
    "reconnect.backoff.max.ms": 1000,
}
"""Defaults, which the user's own settings go before; the two below go before these."""
_CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "allow.auto.create.topics": False,
}
_PRODUCER = {
    "enable.idempotence": True,
    "linger.ms": 0,
    "batch.num.messages": 1,  # a topic refuses whole batches: no letter for the size of another
    "message.timeout.ms": 0,  # as long as it takes
    "queue.buffering.max.kbytes": 16_384,
    "reconnect.backoff.max.ms": 1000,
}


class KafkaLog:
    """The partitions of `topic` whose number modulo `shards` is `shard`; they are assigned, never negotiated.

    So no rebalance takes a partition away from the file that knows what was delivered of it.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        topic: str,
        dead_letter_topic: str,
        group: str,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        # Errors come by error_cb; without this the library also writes lines of its own to stderr.
        self._settings = {"log_level": 2, **settings}
        self._topic, self._dead_letter_topic, self._group = topic, dead_letter_topic, group
        self._shard, self._shards = shard, shards
        self._identity = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[Sequence[Record] | OperationFailed] = asyncio.Queue()
        self._room = threading.Semaphore(_BATCHES_AHEAD)
        self._to_commit: queue.SimpleQueue[dict[int, int]] = queue.SimpleQueue()
        self._ending = False
        self._threads: list[threading.Thread] = []
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None

    @property
    def identity(self) -> str:
        """The topic's name and Kafka's own id of it."""
        return self._identity

    async def open(self) -> Mapping[int, Bounds]:
        """Connect, find the partitions, and begin to read them."""
        self._loop = asyncio.get_running_loop()
        bounds = await asyncio.to_thread(self._connect)
        for work in (self._read_on, self._produce_on):
            thread = threading.Thread(target=work, name=f"kafka{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return bounds

    def _connect(self) -> dict[int, Bounds]:
        from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

        errors = {"error_cb": _log_error}
        try:
            self._consumer = Consumer(
                {**_CONSUMER_TUNING, **self._settings, **_CONSUMER, "group.id": self._group, **errors}
            )
            self._producer = Producer({**self._settings, **_PRODUCER, **errors})
            partitions = self._find_topics(self._consumer)
            self._identity = f"{self._topic} {self._topic_id()}".strip()
            return self._assign(self._consumer, partitions)
        except (TypeError, ValueError) as error:
            raise UsageError(f"--kafka: {error}") from None
        except KafkaException as error:
            if error.args[0].code() == KafkaError._INVALID_ARG:
                raise UsageError(f"--kafka: {error.args[0].str()}") from None
            raise Unreachable(f"Kafka at {self._settings['bootstrap.servers']}: {error.args[0].str()}") from None

    def _assign(self, consumer: "Consumer", partitions: Sequence[int]) -> dict[int, Bounds]:
        """Read each partition from the committed offset, from its beginning where that is no longer kept."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        bounds: dict[int, Bounds] = {}
        for each in _committed(consumer, [TopicPartition(self._topic, number) for number in partitions]):
            low, high = consumer.get_watermark_offsets(each, timeout=_ANSWER_SECONDS)
            bounds[each.partition] = Bounds(each.offset if low <= each.offset <= high else low, high)
        consumer.assign(
            [TopicPartition(self._topic, each, bounds[each].start or OFFSET_BEGINNING) for each in partitions]
        )
        return bounds

    def _find_topics(self, consumer: "Consumer") -> list[int]:
        topics = consumer.list_topics(timeout=_ANSWER_SECONDS).topics
        for name in (self._topic, self._dead_letter_topic):
            if name not in topics:
                raise OperationFailed(
                    f"no topic {name} at {self._settings['bootstrap.servers']}", next_step="create it, or name another"
                )
        mine = [each for each in sorted(topics[self._topic].partitions) if each % self._shards == self._shard]
        if not mine:
            raise OperationFailed(f"no partition of {self._topic} is for shard {self._shard}/{self._shards}")
        return mine

    def _topic_id(self) -> str:
        """Kafka's id of the topic; empty where the broker is too old to give it."""
        from confluent_kafka import KafkaException, TopicCollection
        from confluent_kafka.admin import AdminClient

        settings: dict[str, Any] = {**self._settings, "error_cb": _log_error}
        admin = AdminClient(settings)
        future = admin.describe_topics(TopicCollection([self._topic]), request_timeout=_IDENTITY_SECONDS)[self._topic]
        try:
            return str(future.result().topic_id or "")
        except KafkaException:
            return ""

    async def read(self) -> Sequence[Record]:
        """The next records."""
        records = await self._queue.get()
        if isinstance(records, OperationFailed):
            raise records
        self._room.release()
        return records

    def _read_on(self) -> None:
        from confluent_kafka import KafkaException

        assert self._consumer is not None
        try:
            while not self._ending:
                self._commit_what_is_due(self._consumer)
                records = self._poll(self._consumer)
                if records:
                    self._enqueue(records, self._consumer)
        except KafkaException as error:
            failure = OperationFailed(f"reading alerts failed: {error.args[0].str()}")
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._queue.put_nowait, failure)

    @staticmethod
    def _poll(consumer: "Consumer") -> list[Record]:
        """The first record as soon as it is there, and with it what has come meanwhile."""
        messages = consumer.consume(1, _POLL_SECONDS)
        if messages:
            messages += consumer.consume(_BATCH_RECORDS - 1, 0)
        return [record for message in messages if (record := _record(message)) is not None]

    def _enqueue(self, records: list[Record], consumer: "Consumer") -> None:
        assert self._loop is not None
        while not self._room.acquire(timeout=_POLL_SECONDS):
            self._commit_what_is_due(consumer)
            if self._ending:
                return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._queue.put_nowait, records)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Leave it to the reading thread: Kafka's client does not bear a commit while another thread waits in it."""
        self._to_commit.put(dict(offsets))

    def _commit_what_is_due(self, consumer: "Consumer") -> None:
        due: dict[int, int] = {}
        while not self._to_commit.empty():
            due |= self._to_commit.get()
        if due:
            consumer.commit(offsets=self._places(due), asynchronous=True)

    def _places(self, offsets: Mapping[int, int]) -> list[Any]:
        from confluent_kafka import TopicPartition

        return [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]

    async def dead_letter(self, key: bytes, value: bytes) -> None:
        """Append; waits as long as it takes until the broker has it. Raises TooLarge, OperationFailed."""
        from confluent_kafka import KafkaException

        assert self._loop is not None
        assert self._producer is not None
        loop, written = self._loop, self._loop.create_future()

        def acknowledged(error: "KafkaError | None", _message: object) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, written, error)

        while True:
            try:
                self._producer.produce(self._dead_letter_topic, value=value, key=key, on_delivery=acknowledged)
                break
            except BufferError:
                await asyncio.sleep(_POLL_SECONDS)
            except KafkaException as error:
                raise _refusal(error.args[0]) from None
        await written

    def _produce_on(self) -> None:
        assert self._producer is not None
        while not self._ending:
            self._producer.poll(_POLL_SECONDS)

    async def close(self, offsets: Mapping[int, int]) -> None:
        """Commit what is settled, and disconnect."""
        self._ending = True
        await asyncio.to_thread(self._disconnect, dict(offsets))

    def _disconnect(self, offsets: Mapping[int, int]) -> None:
        from confluent_kafka import KafkaException

        for thread in self._threads:
            thread.join()
        if self._consumer is not None:
            with contextlib.suppress(KafkaException):  # what is not committed is read again
                if offsets:
                    self._consumer.commit(offsets=self._places(offsets), asynchronous=False)
            self._consumer.close()
        if self._producer is not None:
            self._producer.flush(_ANSWER_SECONDS)


def _committed(consumer: "Consumer", places: list[Any]) -> list[Any]:
    """The committed offsets. A broker that has just started takes a while to find who keeps them."""
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return list(consumer.committed(places, timeout=_ANSWER_SECONDS))
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _resolve(written: "asyncio.Future[None]", error: "KafkaError | None") -> None:
    if written.done():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(_refusal(error))


def _refusal(error: "KafkaError") -> Exception:
    """What the broker, or its client on the broker's behalf, has against a record."""
    from confluent_kafka import KafkaError

    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
        return TooLarge(error.str())
    return OperationFailed(f"the dead letter could not be written: {error.str()}")


def _record(message: "Message") -> Record | None:
    """The record in a message; None, and a line in the log, where the message is an error."""
    error = message.error()
    if error is not None:
        log.warning("reading alerts: %s", error.str())
        return None
    partition, offset, value = message.partition(), message.offset(), message.value()
    assert partition is not None
    assert offset is not None
    return Record.of(partition, offset, message.timestamp()[1], value or b"")


def _log_error(error: Any) -> None:
    log.warning("Kafka: %s", error.str())
