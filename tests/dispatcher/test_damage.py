"""A state that is damaged: the dispatcher ends with one line and a documented exit code, or delivers."""

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flinkops.errors import ExitCode, FlinkopsError
from jobs.price_alerts.dispatcher.alert import Alert
from jobs.price_alerts.dispatcher.limits import Limits
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.sending import Outcome, Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Subscription
from tests.dispatcher.alerts import SECRET, encoded
from tests.dispatcher.file_log import FileLog
from tests.effort import is_thorough
from tests.patience import PATIENT_SECONDS

REPOSITORY = Path(__file__).parents[2]
CLIENT = Subscription(client="a", url="https://a.example", secret=SECRET)
SMALL = Limits(concurrency=2, tidy_seconds=0.01, in_memory_per_client=4, drain_seconds=0.01)
RECORDS = 200
DAMAGES = 60 if is_thorough() else 10


class Fake(Sender):
    """Instead of the network: every request is answered, or none is."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    async def send(self, subscription: Subscription, alert: Alert) -> Outcome:
        if not self.answers:
            await asyncio.Event().wait()
        return Outcome("delivered", "delivered", 200)

    async def close(self) -> None: ...


async def live(log: FileLog, state: Path, *, answers: bool, patience_seconds: float = 3.0) -> None:
    """Run until all records are delivered, or parked when nothing is answered. Raises what the dispatcher raises."""
    caught: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: caught.append(context))
    store = Store(state, window_seconds=0.001)
    dispatcher = Dispatcher(log, store, Fake(answers=answers), Measures(), SMALL)
    try:
        await dispatcher.subscribe({"a": CLIENT})
    except FlinkopsError:
        store.close()
        raise
    running = asyncio.create_task(dispatcher.run())
    client = dispatcher._clients["a"]

    def done() -> bool:
        read = log.committed() == log.ends()
        settled = client.backlog == 0 and not client.pending
        parked = client.parking == 0 and dispatcher._partitions.positions() == log.ends() != {}
        return running.done() or (settled and read if answers else parked)

    with contextlib.suppress(TimeoutError):  # rows that the damage hides are not delivered
        async with asyncio.timeout(patience_seconds):
            while not done():
                await asyncio.sleep(0.005)
    dispatcher.stop()
    await running
    assert caught == []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A topic, and a state with delivered ids and parked alerts."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "topic").mkdir()
    log = FileLog(folder / "topic")
    for number in range(RECORDS):
        log.append(number % 2, encoded(number, f"S{number % 9}"))
    asyncio.run(live(FileLog(folder / "topic"), folder / "state", answers=False, patience_seconds=PATIENT_SECONDS))
    with contextlib.closing(sqlite3.connect(folder / "state" / "deliveries.db")) as connection, connection:
        rows = [(number, 1, random.Random(number).randbytes(32), 1) for number in range(500)]
        connection.executemany("INSERT INTO delivered VALUES (?, ?, ?, ?)", rows)
        assert connection.execute("SELECT count(*) FROM parked").fetchone()[0] > 100
    return folder


def damaged(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(chance.choice((1, 3, 30))):
        start = chance.randrange(len(content))
        size = chance.choice((1, 1, 16, 512))
        content[start : start + size] = chance.randbytes(min(size, len(content) - start))
    if chance.random() < 0.2:
        del content[chance.randrange(len(content)) :]
    file.write_bytes(content)


@pytest.mark.scaled
@pytest.mark.thorough
def test_whatever_is_damaged_it_is_one_line_or_nothing(world: Path, tmp_path: Path) -> None:
    errors: list[FlinkopsError] = []
    for seed in range(DAMAGES):
        folder = tmp_path / str(seed)
        shutil.copytree(world, folder)
        damaged(folder / "state" / "deliveries.db", random.Random(seed))
        try:
            asyncio.run(live(FileLog(folder / "topic"), folder / "state", answers=True))
        except FlinkopsError as error:
            errors.append(error)
        shutil.rmtree(folder)
    assert len(errors) > DAMAGES // 10
    assert {error.exit_code for error in errors} <= {ExitCode.FAILED, ExitCode.REFUSED}
    assert all(str(tmp_path) in error.line() and error.next_step for error in errors)


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 5000])
@pytest.mark.thorough
def test_the_command_says_it_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "deliveries.db").write_bytes(content)
    (tmp_path / "clients.json").write_text(json.dumps([{"client": "a", "url": "https://a.example", "secret": SECRET}]))
    options = ["--bootstrap", "127.0.0.1:1", "--subscriptions", str(tmp_path / "clients.json")]
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.price_alerts.dispatcher", *options, "--state", str(tmp_path / "state")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"price-alerts dispatcher: {tmp_path}/state/deliveries.db cannot be used: ")
    assert "move the folder away" in line
