"""The dispatcher's parts, each alone."""

import asyncio
import fnmatch
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import OperationFailed, Refused
from jobs.price_alerts.dispatcher.alert import Record, read_alert
from jobs.price_alerts.dispatcher.backoff import backoff_seconds, retry_after_seconds
from jobs.price_alerts.dispatcher.lanes import TROUBLE_AFTER, Lanes
from jobs.price_alerts.dispatcher.matching import Matcher
from jobs.price_alerts.dispatcher.measures import LastMinute
from jobs.price_alerts.dispatcher.progress import Progress
from jobs.price_alerts.dispatcher.sending import judge
from jobs.price_alerts.dispatcher.store import Settled, Store
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription
from tests.dispatcher.alerts import SECRET, encoded

# Matching ------------------------------------------------------------------------------------------------------------

PATTERNS = st.text("AB1*?[]!-", max_size=5)
FILTERS = st.builds(
    Filter,
    sku=PATTERNS,
    retailer=PATTERNS,
    direction=st.sampled_from(["any", "up", "down"]),
    min_change_ratio=st.sampled_from([0.0, 0.1, 0.5]),
)


@given(
    st.lists(st.lists(FILTERS, max_size=3), max_size=8),
    st.lists(st.tuples(st.text("AB1-", min_size=1, max_size=4), st.text("AB1", max_size=3), st.integers(-9, 9))),
)
def test_the_index_finds_what_asking_everybody_finds(
    filters: list[list[Filter]], asked: list[tuple[str, str, int]]
) -> None:
    clients = [
        Subscription(client=f"c{number}", url="https://a.example", secret=SECRET, filters=tuple(each))
        for number, each in enumerate(filters)
    ]
    matcher = Matcher(clients)
    for sku, retailer, change in asked * 2:  # the second time from what it remembers
        alert = read_alert(Record(0, 0, 0, encoded(change, sku, retailer=retailer)))
        wanted = {
            client.client
            for client in clients
            for each in client.filters
            if fnmatch.fnmatchcase(sku, each.sku)
            and fnmatch.fnmatchcase(retailer, each.retailer)
            and (each.direction == "any" or (change > 0) - (change < 0) == {"up": 1, "down": -1}[each.direction])
            and abs(change / 10) >= each.min_change_ratio
        }
        found = matcher.clients(alert)
        assert set(found) == wanted
        assert len(found) == len(wanted)


def test_availability_has_no_direction() -> None:
    alert = read_alert(Record(0, 0, 0, encoded(0, kind="availability", change_ratio=None)))
    assert Filter(direction="up", min_change_ratio=0.5).wants(alert)
    assert not Filter(kinds=("price",)).wants(alert)


# Order ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    sku: str
    number: int


class Flow:
    """Lanes, and what has to be true of them after every step."""

    def __init__(self, concurrency: int) -> None:
        self.lanes: Lanes[Item] = Lanes(concurrency)
        self.flying: list[Item] = []
        self.unconfirmed = 0
        self.settled: dict[str, list[int]] = defaultdict(list)
        self.added: dict[str, int] = defaultdict(int)
        self.now = 0.0

    def add(self, sku: str) -> None:
        self.lanes.add(Item(sku, self.added[sku]))
        self.added[sku] += 1

    def take(self) -> bool:
        taken = self.lanes.take(self.now)
        if taken is not None:
            assert taken.sku not in {each.sku for each in self.flying}
            assert taken.number == len(self.settled[taken.sku])
            self.flying.append(taken)
        return taken is not None

    def settle(self, item: Item) -> None:
        self.flying.remove(item)
        self.lanes.settle(item, well=True)
        self.settled[item.sku].append(item.number)
        self.unconfirmed += 1

    def fail(self, item: Item, *, hold: bool) -> None:
        self.flying.remove(item)
        self.lanes.put_back(item, self.now, 1.5, hold_client=hold)

    def confirm(self) -> None:
        if self.unconfirmed:
            self.lanes.confirm()
            self.unconfirmed -= 1

    def check(self) -> None:
        assert self.lanes.in_flight == len(self.flying) <= self.lanes.concurrency
        assert self.lanes.unconfirmed == self.unconfirmed
        assert len(self.flying) + self.unconfirmed < 2 * self.lanes.concurrency
        assert len(self.lanes) == sum(self.added.values()) - sum(map(len, self.settled.values()))


@given(st.data(), st.integers(1, 4))
def test_lanes_keep_the_order_of_a_sku_and_their_bounds(data: st.DataObject, concurrency: int) -> None:
    flow = Flow(concurrency)
    steps = st.sampled_from(["add", "take", "settle", "fail", "hold", "wait", "confirm"])
    for step in data.draw(st.lists(steps, max_size=60)):
        if step == "add":
            flow.add(data.draw(st.sampled_from("ABCDEFGH")))
        elif step == "take":
            flow.take()
        elif step == "confirm":
            flow.confirm()
        elif step == "wait":
            flow.now += 1.0
        elif flow.flying:
            item = data.draw(st.sampled_from(flow.flying))
            if step == "settle":
                flow.settle(item)
            else:
                flow.fail(item, hold=step == "hold")
        flow.check()
    finish(flow)


def finish(flow: Flow) -> None:
    """Whatever happened, all get their turn when the time comes."""
    while len(flow.lanes):
        while flow.unconfirmed:
            flow.confirm()
        if not flow.take() and not flow.flying:
            due = flow.lanes.next_due(flow.now)
            assert due is not None
            assert due >= flow.now
            flow.now = due
        for item in list(flow.flying):
            flow.settle(item)
        flow.check()
    assert all(numbers == list(range(flow.added[sku])) for sku, numbers in flow.settled.items())


def test_an_unwell_client_is_only_probed_until_it_answers() -> None:
    lanes: Lanes[Item] = Lanes(8)
    for number in range(TROUBLE_AFTER + 4):
        lanes.add(Item(str(number), 0))
    flying = [item for _ in range(TROUBLE_AFTER) if (item := lanes.take(0.0)) is not None]
    for item in flying:
        lanes.put_back(item, 0.0, 2.0)
    assert lanes.unwell
    assert lanes.take(1.9) is None
    assert lanes.next_due(1.9) == 2.0
    probe = lanes.take(2.0)
    assert probe is not None
    assert lanes.take(2.0) is None
    lanes.settle(probe, well=True)
    lanes.confirm()
    assert len([1 for _ in range(8) if lanes.take(2.0)]) == 8


@given(st.lists(st.integers(0, 3), max_size=30), st.randoms())
def test_nothing_is_committed_before_what_stands_before_it(opened: list[int], chance: object) -> None:
    progress = Progress(100)
    entries = []
    for offset, count in enumerate(opened, start=100):
        entry = progress.read(offset)
        entry.open = count
        entries.append(entry)
    left = [entry for entry in entries for _ in range(entry.open)]
    chance.shuffle(left)  # type: ignore[attr-defined]
    for entry in left:
        entry.open -= 1
        first_open = next((each.offset for each in entries if each.open), 100 + len(opened))
        assert progress.settled() == first_open
    assert progress.settled() == 100 + len(opened)
    assert len(progress) == 0


# Answers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "final"),
        (307, "final"),
        (400, "final"),
        (404, "final"),
        (408, "retry"),
        (410, "final"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (503, "retry"),
    ],
)
def test_what_an_answer_means(status: int, kind: str) -> None:
    assert judge(status, None).kind == kind


@given(st.integers(1, 2000), st.floats(0, 1))
def test_backoff_grows_to_its_limit(failures: int, chance: float) -> None:
    wait = backoff_seconds(failures, chance, first_seconds=0.5, longest_seconds=60.0)
    whole = 60.0 if failures > 7 else 0.5 * 2 ** (failures - 1)
    assert whole / 2 <= wait <= whole


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 0 ", 0.0),
        ("-1", None),
        ("soon", None),
        ("99999999999", 3600.0),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, 10_000) == seconds


# What lasts ----------------------------------------------------------------------------------------------------------


def test_two_dispatchers_do_not_share_a_state(tmp_path: Path) -> None:
    store = Store(tmp_path, window_seconds=0.001)
    with pytest.raises(Refused, match="another dispatcher"):
        Store(tmp_path, window_seconds=0.001)
    store.bind("topic", "a")
    store.close()
    again = Store(tmp_path, window_seconds=0.001)
    again.bind("topic", "a")
    with pytest.raises(Refused, match="belongs to topic a, not b"):
        again.bind("topic", "b")
    again.close()


def test_a_state_of_another_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path, window_seconds=0.001).close()
    connection = sqlite3.connect(tmp_path / "deliveries.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(OperationFailed, match="another version"):
        Store(tmp_path, window_seconds=0.001)


def test_what_is_settled_is_known_after_a_restart_whatever_its_time(tmp_path: Path) -> None:
    async def settle(scraped_ms: Sequence[int]) -> list[bool]:
        store = Store(tmp_path, window_seconds=0.001)
        try:
            store.start()
            known = [store.is_settled(each, 1, b"alert") for each in range(-2, 12)]
            written: asyncio.Queue[None] = asyncio.Queue()
            for each in scraped_ms:
                store.submit(Settled(1, each, b"alert", True, None), lambda: written.put_nowait(None))
            for _ in scraped_ms:
                await written.get()
            assert all(store.is_settled(each, 1, b"alert") for each in scraped_ms)
            assert not store.is_settled(max(scraped_ms, default=0) + 1, 1, b"alert")
            return known
        finally:
            store.close()

    assert not any(asyncio.run(settle([3, 9, -1])))  # of an empty file nothing is known
    known = asyncio.run(settle([]))
    assert [number for number, each in enumerate(known, -2) if each] == [-1, 3, 9]


@given(st.lists(st.floats(0.0002, 100.0), min_size=1, max_size=200))
def test_quantiles_are_within_two_percent(values: list[float]) -> None:
    minute = LastMinute(clock=lambda: 5.0)
    for value in values:
        minute.add(value)
    found = minute.quantiles(0.5, 0.99)
    assert found is not None
    for quantile, value in zip((0.5, 0.99), found, strict=True):
        rank = next(index for index in range(len(values)) if index + 1 >= quantile * len(values))
        assert value == pytest.approx(sorted(values)[rank], rel=0.021)


def test_what_is_older_than_a_minute_does_not_count() -> None:
    now = 0.0
    minute = LastMinute(clock=lambda: now)
    minute.add(5.0)
    now = 61.0
    assert minute.quantiles(0.5) is None
