"""Whatever comes, however receivers answer, and wherever the process dies: all arrive, in order, and once.

A death is a copy of what lay on the disk at that moment, on which a second life begins.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.price_alerts.dispatcher.alert import Alert
from jobs.price_alerts.dispatcher.limits import Limits
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.sending import Outcome, Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription
from tests.dispatcher.alerts import SECRET, encoded, number_of
from tests.dispatcher.file_log import FileLog
from tests.dispatcher.suite import until
from tests.effort import examples

CLIENTS = {
    "all": Subscription(client="all", url="https://a.example", secret=SECRET),
    "some": Subscription(client="some", url="https://b.example", secret=SECRET, filters=(Filter(sku="S[01]"),)),
}
TINY = Limits(
    concurrency=2,
    tidy_seconds=0.01,
    in_memory_per_client=3,
    first_backoff_seconds=0.001,
    longest_backoff_seconds=0.003,
    drain_seconds=0.05,
)


class World:
    """What the receivers saw, and the moment at which the process dies."""

    def __init__(self, folder: Path, chance: random.Random, dies_at: int) -> None:
        self.folder, self.chance, self.dies_at = folder, chance, dies_at
        self.requests: list[tuple[str, str, str, int]] = []
        """Client, alert, SKU, number: of each request that had an answer of 200."""
        self.settled_at_death: set[bytes] = set()

    def died(self) -> bool:
        return (self.folder / "after").exists()

    def die(self) -> None:
        """Keep what is on the disk now: first the offsets, then what must be at least as new."""
        (self.folder / "after").mkdir()
        for name in ("alerts", "committed"):
            if (self.folder / "topic" / name).exists():
                shutil.copy(self.folder / "topic" / name, self.folder / "after" / name)
        (self.folder / "state after").mkdir()
        source = sqlite3.connect(self.folder / "state" / "deliveries.db")
        target = sqlite3.connect(self.folder / "state after" / "deliveries.db")
        source.backup(target)
        self.settled_at_death = {row[0] for row in target.execute("SELECT alert FROM delivered")}
        target.execute("UPDATE meta SET value = 'file after'")
        target.commit()
        source.close()
        target.close()

    def effects(self) -> dict[tuple[str, str], list[int]]:
        """By client and SKU, the alerts in the order in which they first had an effect."""
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for client, alert_id, sku, number in dict.fromkeys(self.requests):
            assert alert_id
            found[client, sku].append(number)
        return found


class Scripted(Sender):
    """Instead of the network: an answer by chance."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, subscription: Subscription, alert: Alert) -> Outcome:
        world = self._world
        await asyncio.sleep(world.chance.choice((0, 0, 0.001)))
        if world.chance.random() < 0.2:
            return Outcome("retry", "http_503", 503)
        world.requests.append((subscription.client, alert.alert_id, alert.sku, number_of(alert.body)))
        if len(world.requests) == world.dies_at:
            world.die()
        await asyncio.sleep(0)
        return Outcome("delivered", "delivered", 200)

    async def close(self) -> None: ...


async def live(world: World, topic: str, state: str) -> None:
    """Deliver all that is in the topic, or until the moment of death."""
    store = Store(world.folder / state, window_seconds=0.001)
    log = FileLog(world.folder / topic)
    dispatcher = Dispatcher(log, store, Scripted(world), Measures(), TINY, chance=world.chance.random)
    await dispatcher.subscribe(CLIENTS)
    running = asyncio.create_task(dispatcher.run())
    second_life = world.died()

    def idle() -> bool:
        busy = any(each.backlog or each.pending for each in dispatcher._clients.values())
        return not busy and log.committed() == log.ends()

    try:
        await until(lambda: idle() or (world.died() and not second_life))
    finally:
        dispatcher.stop()
        await running


@settings(max_examples=examples(1), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 2**32),
    st.integers(1, 40),
)
def test_all_arrive_in_order_and_once(records: list[tuple[int, bool]], seed: int, dies_at: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "topic").mkdir()
        log = FileLog(folder / "topic")
        numbers: dict[str, int] = defaultdict(int)
        for index, again in records:
            sku = f"S{index}"
            number = max(0, numbers[sku] - 1) if again else numbers[sku]
            numbers[sku] = max(numbers[sku], number + 1)
            log.append(index % 2, encoded(number, sku, detected_at=str(len(numbers))))
        world = World(folder, random.Random(seed), dies_at)
        asyncio.run(live(world, "topic", "state"))
        before = len(world.requests)
        if world.died():
            before = dies_at
            del world.requests[dies_at:]  # what a dead process would not have done
            asyncio.run(live(world, "after", "state after"))
        wanted = {("all", sku): list(range(count)) for sku, count in numbers.items()}
        wanted |= {("some", sku): list(range(count)) for sku, count in numbers.items() if sku in ("S0", "S1")}
        assert world.effects() == wanted
        first, second = world.requests[:before], world.requests[before:]
        assert len(first) == len(set(first))
        assert len(second) == len(set(second))
        for client in CLIENTS:
            repeated = {request for request in set(first) & set(second) if request[0] == client}
            assert len(repeated) < 2 * TINY.concurrency
