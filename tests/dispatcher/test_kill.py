"""The dispatcher killed (SIGKILL) at a known point: nothing lost, and only what was in flight comes again."""

import asyncio
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.dispatcher.alerts import encoded
from tests.dispatcher.file_log import FileLog
from tests.dispatcher.suite import Inbox, all_committed, in_order, inbox, until

REPOSITORY = Path(__file__).parents[2]
SKUS = 5
CONCURRENCY = 4


@asynccontextmanager
async def child(
    topic: FileLog, state: Path, url: str, window_seconds: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    command = ["-m", "tests.dispatcher.child", str(topic.folder), str(state), url, str(window_seconds)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=REPOSITORY)
    try:
        yield process
        assert process.returncode is None, "it died of itself"
    finally:
        if process.returncode is None:
            process.kill()
        assert await process.wait() == -signal.SIGKILL


def a_topic(tmp_path: Path) -> FileLog:
    folder = tmp_path / "topic"
    folder.mkdir()
    return FileLog(folder)


def feed(topic: FileLog, numbers: range, skus: int = SKUS) -> None:
    for number in numbers:
        topic.append(number % skus % 2, encoded(number, f"S{number % skus}"))


def recorded(state: Path) -> int:
    connection = sqlite3.connect(f"file:{state}/deliveries.db?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM delivered").fetchone()[0])
    finally:
        connection.close()


@contextmanager
def write_lock(state: Path) -> Iterator[None]:
    """No other process can write into the state meanwhile."""
    connection = sqlite3.connect(state / "deliveries.db", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


def requests_by_id(box: Inbox) -> Counter[str]:
    return Counter(each.alert_id for each in box.arrivals)


@pytest.mark.thorough
def test_only_what_was_in_flight_is_sent_again(tmp_path: Path) -> None:
    topic, state = a_topic(tmp_path), tmp_path / "state"

    async def scenario() -> None:
        async with inbox() as box:
            async with child(topic, state, box.url("a"), 0.002):
                feed(topic, range(20))
                await until(lambda: box.count("a") == 20 and recorded(state) == 20)
                box.receiver.behaviour.hang_ratio = 1.0
                feed(topic, range(20, 60))
                await until(lambda: box.receiver.requests == 24)  # four of them hang, the rest waits, on disk or not
            box.receiver.behaviour.hang_ratio = 0.0
            async with child(topic, state, box.url("a"), 0.002):
                feed(topic, range(60, 70))
                await until(lambda: box.count("a") == 70 and recorded(state) == 70)
                await until(lambda: all_committed(topic))
            assert set(requests_by_id(box).values()) == {1}
            assert box.receiver.requests == 70 + 4
            assert in_order(box.numbers("a"))

    asyncio.run(scenario())


@pytest.mark.thorough
def test_killed_again_and_again_in_full_flow_it_repeats_less_than_twice_its_concurrency(tmp_path: Path) -> None:
    topic, state = a_topic(tmp_path), tmp_path / "state"
    kills = (60, 150, 240)

    async def scenario() -> None:
        async with inbox() as box:
            feed(topic, range(300), skus=60)
            for kill_at in kills:
                async with child(topic, state, box.url("a"), 0.01):
                    await until(lambda: box.count("a") >= kill_at)  # noqa: B023 - awaited in this round
            async with child(topic, state, box.url("a"), 0.01):
                await until(lambda: box.count("a") == 300 and all_committed(topic))
            assert in_order(box.numbers("a"))
            assert box.receiver.repeats < len(kills) * 2 * CONCURRENCY

    asyncio.run(scenario())


@pytest.mark.thorough
def test_answered_but_not_yet_durable_comes_again_as_the_same_request(tmp_path: Path) -> None:
    topic, state = a_topic(tmp_path), tmp_path / "state"

    async def scenario() -> None:
        async with inbox() as box:
            with ExitStack() as until_it_is_dead:
                async with child(topic, state, box.url("a"), 0.002):
                    feed(topic, range(1))
                    await until(lambda: box.count("a") == 1 and recorded(state) == 1)
                    until_it_is_dead.enter_context(write_lock(state))  # nothing becomes durable from now on
                    feed(topic, range(1, 11))
                    await until(lambda: box.count("a") >= 1 + CONCURRENCY)
            assert recorded(state) == 1
            async with child(topic, state, box.url("a"), 0.002):
                feed(topic, range(11))  # what a restored job writes again: other bytes, the same ids
                feed(topic, range(11, 20))
                await until(lambda: box.count("a") == 20 and all_committed(topic))
            bodies = {(each.alert_id, each.body) for each in box.arrivals}
            assert len(bodies) == 20  # a repeat has the bytes of the first
            assert max(requests_by_id(box).values()) == 2
            assert CONCURRENCY <= box.receiver.repeats < 2 * CONCURRENCY
            assert in_order(box.numbers("a"))

    asyncio.run(scenario())
