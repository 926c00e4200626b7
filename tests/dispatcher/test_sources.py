"""Subscriptions in a file: what changes while the dispatcher runs counts, what cannot be read changes nothing."""

import asyncio
import json
from pathlib import Path

from jobs.price_alerts.dispatcher.sources import FileSource
from jobs.price_alerts.dispatcher.subscriptions import Subscription
from tests.dispatcher.alerts import SECRET
from tests.patience import PATIENT_SECONDS


def written(file: Path, *clients: str) -> None:
    documents = [{"client": client, "url": "https://hooks.example/x", "secret": SECRET} for client in clients]
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(documents))
    fresh.replace(file)


def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    received: asyncio.Queue[list[str]] = asyncio.Queue()

    async def use(subscriptions: dict[str, Subscription]) -> None:
        received.put_nowait(list(subscriptions))

    async def change() -> None:
        source = FileSource(file, allow_http=False, poll_seconds=0.01)
        assert list(await source.first()) == ["a"]
        following = asyncio.create_task(source.follow(use))
        try:
            async with asyncio.timeout(PATIENT_SECONDS):
                written(file, "a", "b")
                assert await received.get() == ["a", "b"]
                file.write_text("[{")
                file.unlink()
                written(file, "b")
                assert await received.get() == ["b"]
        finally:
            following.cancel()
        assert received.empty()

    written(file, "a")
    asyncio.run(change())
