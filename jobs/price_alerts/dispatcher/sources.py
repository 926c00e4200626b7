# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""Where subscriptions come from while the dispatcher runs: a file that is watched, or a compacted topic."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flinkops.errors import FlinkopsError, OperationFailed, Unreachable

from .subscriptions import Rejected, Subscription, decode_one, read_file, sort_out

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 15.0
_GATHER_SECONDS = 0.1
_READ_SECONDS = 60.0
_BATCH_MESSAGES = 1000

Use = Callable[[dict[str, Subscription]], Awaitable[None]]


def usable(
    subscriptions: Sequence[Subscription], rejected: Sequence[Rejected] = (), *, allow_http: bool
) -> dict[str, Subscription]:
    """Those that can be served; a line in the log for each of the others."""
    good, bad = sort_out(subscriptions, allow_http=allow_http)
    for each in (*rejected, *bad):
        log.warning("the subscription of %r is not served: %s", each.client, each.problem)
    return good


class FileSource:
    """A JSON list in a file, read again when it changes. What cannot be read changes nothing."""

    def __init__(self, path: Path, *, allow_http: bool, poll_seconds: float = _POLL_SECONDS) -> None:
        self._path, self._allow_http, self._poll_seconds = path, allow_http, poll_seconds
        self._seen: tuple[int, int, int] | None = None

    def _mark(self) -> tuple[int, int, int]:
        """Changes when the file does; a Kubernetes volume swaps a link instead of writing."""
        status = self._path.stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    async def first(self) -> dict[str, Subscription]:
        """The subscriptions to begin with. Raises UsageError."""
        with contextlib.suppress(OSError):  # reading it reports the error
            self._seen = self._mark()
        return self._read()

    def _read(self) -> dict[str, Subscription]:
        return usable(*read_file(self._path), allow_http=self._allow_http)

    async def follow(self, use: Use) -> None:
        """Pass changes on, until cancelled. Raises what `use` raises."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                mark = self._mark()
                if mark == self._seen:
                    continue
                self._seen = mark
                subscriptions = await asyncio.to_thread(self._read)
            except (FlinkopsError, OSError) as error:
                log.warning("the subscriptions stay as they were: %s", error)
                continue
            await use(subscriptions)
            log.info("the subscriptions were read again")


class TopicSource:
    """A compacted topic: the key is the client, the value its subscription; an empty value ends it."""

    def __init__(self, settings: Mapping[str, str], topic: str, *, allow_http: bool) -> None:
        self._settings, self._topic, self._allow_http = dict(settings), topic, allow_http
        self._known: dict[str, Subscription] = {}
        self._consumer: Any = None
        self._read_once: set[int] = set()
        """Partitions that were read to their end."""
        self._ending = threading.Event()

    async def first(self) -> dict[str, Subscription]:
        """All that the topic holds now. Raises OperationFailed and Unreachable."""
        await asyncio.to_thread(self._read_to_the_end)
        return usable(list(self._known.values()), allow_http=self._allow_http)

    async def follow(self, use: Use) -> None:
        """Pass changes on, until cancelled. Raises what `use` raises."""
        try:
            while True:
                if await asyncio.to_thread(self._read_some, _POLL_SECONDS):
                    await use(usable(list(self._known.values()), allow_http=self._allow_http))
        finally:
            self._ending.set()

    def _read_to_the_end(self) -> None:
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

        reading: dict[str, Any] = {
            "group.id": "none",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
        }
        try:
            consumer = self._consumer = Consumer({**self._settings, **reading})
            topic = consumer.list_topics(timeout=_ANSWER_SECONDS).topics.get(self._topic)
            if topic is None:
                raise OperationFailed(f"no topic {self._topic}", next_step="create it, or give a file of subscriptions")
            consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in topic.partitions])
        except KafkaException as error:
            raise Unreachable(f"Kafka, topic {self._topic}: {error.args[0].str()}") from None
        deadline = time.monotonic() + _READ_SECONDS
        while not self._read_once.issuperset(topic.partitions):
            if time.monotonic() > deadline:
                raise Unreachable(f"the topic {self._topic} was not read to its end within {_READ_SECONDS:g} s")
            self._read_some(_GATHER_SECONDS)

    def _read_some(self, wait_seconds: float) -> bool:
        """Take in what comes within this time; whether anything changed."""
        from confluent_kafka import KafkaError, KafkaException

        if self._ending.is_set():
            return False
        try:
            messages = self._consumer.consume(_BATCH_MESSAGES, wait_seconds)
        except KafkaException as failed:
            raise OperationFailed(f"reading the topic {self._topic} failed: {failed.args[0].str()}") from None
        changed = False
        for message in messages:
            error = message.error()
            if error is None:
                changed = self._take(message.key() or b"", message.value()) or changed
            elif error.code() == KafkaError._PARTITION_EOF:
                self._read_once.add(message.partition())
        return changed

    def _take(self, key: bytes, value: bytes | None) -> bool:
        client = key.decode(errors="replace")
        if not value:
            return self._known.pop(client, None) is not None
        try:
            subscription = decode_one(value)
        except FlinkopsError as error:
            log.warning("the subscription of %r stays as it was: %s", client[:128], error)
            return False
        if subscription.client != client:
            log.warning("the subscription of %r names another client: it stays as it was", client[:128])
            return False
        self._known[client] = subscription
        return True
