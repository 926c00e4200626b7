"""The dispatcher on a folder instead of a broker."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from flinkops.errors import OperationFailed
from jobs.price_alerts.dispatcher.limits import Limits
from jobs.price_alerts.dispatcher.store import Store
from tests.dispatcher.alerts import encoded
from tests.dispatcher.file_log import FileLog
from tests.dispatcher.suite import DispatcherSuite, Topic, inbox, running, subscription, until


class TestOnAFolder(DispatcherSuite):
    @pytest.fixture
    def topic(self, tmp_path: Path) -> Topic:
        folder = tmp_path / "topic"
        folder.mkdir()
        return FileLog(folder)


def test_what_a_death_would_repeat_is_bounded_however_slow_the_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing becomes durable: all that was sent would be sent again."""
    disk = threading.Event()
    write_batch = Store._write_batch

    def stuck(store: Store, connection: sqlite3.Connection) -> None:
        disk.wait()
        write_batch(store, connection)

    monkeypatch.setattr(Store, "_write_batch", stuck)
    topic = FileLog(tmp_path)
    limits = Limits(concurrency=4)

    async def scenario() -> None:
        async with inbox() as box:
            clients = [subscription(name, box.url(name)) for name in "abc"]
            async with running(topic, tmp_path / "state", *clients, limits=limits) as dispatcher:
                for number in range(60):
                    topic.append(0, encoded(1, f"S{number}"))
                try:
                    await until(lambda: dispatcher._partitions.positions().get(0) == 60 and not dispatcher._tasks)
                    assert all(4 <= box.count(name) < 8 for name in "abc")
                finally:
                    disk.set()
                await until(lambda: all(box.count(name) == 60 for name in "abc"))
                assert box.receiver.repeats == 0

    asyncio.run(scenario())


def test_a_state_that_breaks_ends_it_and_commits_nothing(tmp_path: Path) -> None:
    topic = FileLog(tmp_path)

    async def scenario() -> None:
        async with inbox() as box, running(topic, tmp_path / "state", subscription("a", box.url("a"))) as dispatcher:
            topic.append(0, encoded(1))
            await until(lambda: topic.committed()[0] == 1)
            with sqlite3.connect(tmp_path / "state" / "deliveries.db") as connection:
                connection.execute("DROP TABLE delivered")
            connection.close()
            topic.append(0, encoded(2))
            await until(lambda: not dispatcher.healthy)

    with pytest.raises(OperationFailed, match=r"deliveries\.db cannot be used: no such table"):
        asyncio.run(scenario())
    assert topic.committed()[0] == 1
