"""The dispatcher on a folder instead of a broker."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from flinkops.errors import OperationFailed
from tests.dispatcher.alerts import encoded
from tests.dispatcher.file_log import FileLog
from tests.dispatcher.suite import DispatcherSuite, Topic, inbox, running, subscription, until


class TestOnAFolder(DispatcherSuite):
    @pytest.fixture
    def topic(self, tmp_path: Path) -> Topic:
        folder = tmp_path / "topic"
        folder.mkdir()
        return FileLog(folder)


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
