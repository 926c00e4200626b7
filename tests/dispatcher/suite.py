"""What the dispatcher promises, whatever holds its alerts: run on a folder (here) and on Kafka (tests/local).

A subclass gives `topic`. Requests go over real HTTP to a real receiver on 127.0.0.1.
"""

import asyncio
import ipaddress
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.broker import AlertLog
from jobs.price_alerts.dispatcher.limits import Limits
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.receiver import Arrival, Behaviour, Receiver
from jobs.price_alerts.dispatcher.sending import Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription
from tests.dispatcher.alerts import SECRET, encoded, number_of
from tests.patience import PATIENT_SECONDS

QUICK = Limits(first_backoff_seconds=0.01, longest_backoff_seconds=0.05, drain_seconds=1.0)


POISON = (
    b"\x01" * 900_000,  # six times as long as JSON
    b"\xff" * 70_000,
    b"\x00",
    encoded(1, sku="s" * 70_000),
    encoded(1, sku="s" * 2000),
    encoded(1)[:-1] + b',"deep":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    encoded(1)[:-1] + b',"deep":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    encoded(1, change_ratio=None, old_price=1).replace(b'"old_price": 1', b'"old_price": ' + b"9" * 50_000),
    encoded(1).replace(b'"change_ratio": 0.1', b'"change_ratio": 1e99999999999'),
    encoded(1, scraped_at=10**40),
    encoded(1, scraped_at="9" * 1000),
    encoded(1, kind="\ud800"),
)
"""Records that are no alerts, each in a way of its own; all fit into a topic with Kafka's default limits."""


class Topic(Protocol):
    """The alerts of one test."""

    def append(self, partition: int, value: bytes) -> None: ...
    def committed(self) -> dict[int, int]: ...
    def ends(self) -> dict[int, int]: ...
    def dead_letters(self) -> list[dict[str, object]]: ...
    def limit_dead_letters(self, max_bytes: int) -> None: ...
    def log(self) -> AlertLog: ...


class Inbox:
    """A receiver and what came."""

    def __init__(self, receiver: Receiver, port: int) -> None:
        self.receiver, self.port = receiver, port
        self.arrivals: list[Arrival] = []
        receiver.on_arrival = self.arrivals.append

    def url(self, client: str) -> str:
        return f"http://127.0.0.1:{self.port}/{client}"

    def numbers(self, client: str) -> dict[str, list[int]]:
        """By SKU, the alerts that had an effect, as they came."""
        found = defaultdict(list)
        for each in self.arrivals:
            if each.path == f"/{client}" and each.effect:
                found[each.sku].append(number_of(each.body))
        return found

    def count(self, client: str) -> int:
        return sum(map(len, self.numbers(client).values()))


@asynccontextmanager
async def inbox(behaviour: Behaviour | None = None) -> AsyncIterator[Inbox]:
    receiver = Receiver(SECRET, behaviour)
    port = await receiver.start()
    try:
        yield Inbox(receiver, port)
    finally:
        await receiver.stop()


def subscription(client: str, url: str, **fields: Any) -> Subscription:
    return Subscription(client=client, url=url, secret=SECRET, **fields)


@asynccontextmanager
async def running(
    topic: Topic,
    state: Path,
    *subscriptions: Subscription,
    limits: Limits = QUICK,
    guard: Guard | None = None,
    timeout_seconds: float = PATIENT_SECONDS,
) -> AsyncIterator[Dispatcher]:
    """A dispatcher that runs, and ends well."""
    guard = guard or Guard([ipaddress.ip_network("127.0.0.0/8")])
    store = Store(state, window_seconds=0.002)
    dispatcher = Dispatcher(topic.log(), store, Sender(guard, timeout_seconds=timeout_seconds), Measures(), limits)
    await dispatcher.subscribe({each.client: each for each in subscriptions})
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        dispatcher.stop()
        await running


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT_SECONDS):
        while not what():
            await asyncio.sleep(0.005)


def all_committed(topic: Topic) -> bool:
    return topic.committed() == topic.ends()


def in_order(numbers: dict[str, list[int]]) -> bool:
    return all(each == sorted(each) for each in numbers.values())


class DispatcherSuite:
    @pytest.fixture
    def topic(self) -> Topic:
        raise NotImplementedError

    def test_an_alert_goes_out_as_it_came_signed_and_with_its_id(self, topic: Topic, tmp_path: Path) -> None:
        body = encoded(1)

        async def scenario() -> None:
            async with (
                inbox() as box,
                running(topic, tmp_path / "state", subscription("a", box.url("a"))) as dispatcher,
            ):
                topic.append(0, body)
                await until(lambda: box.count("a") == 1)
                (arrival,) = box.arrivals
                assert arrival.body == body
                assert f'"alert_id": "{arrival.alert_id}"'.encode() in body
                assert box.receiver.forged == 0
                await until(lambda: all_committed(topic))
                assert dispatcher.measures.last_minute.quantiles(0.5) is not None
                assert dispatcher._queues.in_memory == 0

        asyncio.run(scenario())

    def test_an_alert_that_comes_again_is_not_sent_again(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            first, again = encoded(1, detected_at="then"), encoded(1, detected_at="later")
            async with inbox() as box:
                client = subscription("a", box.url("a"))
                async with running(topic, tmp_path / "state", client):
                    topic.append(0, first)
                    topic.append(0, again)
                    topic.append(0, encoded(2))
                    await until(lambda: box.count("a") == 2)
                    topic.append(0, again)
                    await until(lambda: all_committed(topic))
                async with running(topic, tmp_path / "state", client):
                    topic.append(0, again)
                    topic.append(0, encoded(3))
                    await until(lambda: box.count("a") == 3)
                assert box.receiver.requests == 3
                assert box.arrivals[0].body == first

        asyncio.run(scenario())

    def test_each_sku_keeps_its_order_through_failures(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with (
                inbox(Behaviour(fail_ratio=0.2)) as box,
                running(topic, tmp_path / "state", subscription("a", box.url("a"))),
            ):
                for number in range(40):
                    for sku in ("A1", "B2", "C3"):
                        topic.append(sku == "C3", encoded(number, sku))
                await until(lambda: box.count("a") == 120)
                assert box.numbers("a") == {sku: list(range(40)) for sku in ("A1", "B2", "C3")}
                assert box.receiver.repeats == 0
                await until(lambda: all_committed(topic))

        asyncio.run(scenario())

    def test_a_client_that_hangs_delays_no_other_and_fills_no_memory(self, topic: Topic, tmp_path: Path) -> None:
        limits = Limits(in_memory_per_client=8, concurrency=4, first_backoff_seconds=0.01, longest_backoff_seconds=0.05)

        async def scenario() -> None:
            async with inbox() as box, inbox(Behaviour(hang_ratio=1.0)) as stuck:
                clients = subscription("fast", box.url("fast")), subscription("stuck", stuck.url("stuck"))
                async with running(
                    topic, tmp_path / "state", *clients, limits=limits, timeout_seconds=0.2
                ) as dispatcher:
                    for number in range(100):
                        topic.append(number % 2, encoded(number, f"S{number % 2}"))
                    await until(lambda: box.count("fast") == 100)
                    assert stuck.count("stuck") == 0
                    assert len(dispatcher._clients["stuck"].pending) <= 8
                    stuck.receiver.behaviour.hang_ratio = 0.0
                    await until(lambda: stuck.count("stuck") == 100)
                    assert in_order(stuck.numbers("stuck"))
                    await until(lambda: all_committed(topic))

        asyncio.run(scenario())

    def test_what_is_parked_survives_a_restart_in_its_order(self, topic: Topic, tmp_path: Path) -> None:
        limits = Limits(in_memory_per_client=4, concurrency=2, first_backoff_seconds=0.01, drain_seconds=0.1)

        async def scenario() -> None:
            async with inbox(Behaviour(hang_ratio=1.0)) as box:
                client = subscription("a", box.url("a"))
                async with running(topic, tmp_path / "state", client, limits=limits) as dispatcher:
                    for number in range(60):
                        topic.append(number % 2, encoded(number, f"S{number % 2}"))
                    # Four are in memory, and the first of each SKU among them hangs; the rest is on the disk. Where
                    # four of one partition came first they are of one SKU, and one hangs.
                    await until(lambda: dispatcher._clients["a"].backlog == 56)
                    await until(
                        lambda: box.receiver.requests == len({one.sku for one in dispatcher._clients["a"].lanes})
                    )
                    await until(lambda: dispatcher._clients["a"].parking == 0)
                    hanging = box.receiver.requests
                box.receiver.behaviour.hang_ratio = 0.0
                async with running(topic, tmp_path / "state", client, limits=limits):
                    topic.append(0, encoded(60, "S0"))
                    await until(lambda: box.count("a") == 61)
                    await until(lambda: all_committed(topic))
                assert in_order(box.numbers("a"))
                assert box.receiver.repeats == 0
                assert box.receiver.requests == 61 + hanging  # those that hung were in flight

        asyncio.run(scenario())

    def test_a_final_answer_makes_a_dead_letter(self, topic: Topic, tmp_path: Path) -> None:
        body = encoded(1)

        async def scenario() -> None:
            async with inbox(Behaviour(fail_ratio=1.0, fail_status=410)) as box:
                async with running(topic, tmp_path / "state", subscription("a", box.url("a"))):
                    topic.append(1, body)
                    await until(lambda: len(topic.dead_letters()) == 1)
                    await until(lambda: all_committed(topic))
                    assert box.receiver.requests == 1
                (letter,) = topic.dead_letters()
                assert (letter["client"], letter["reason"], letter["status"], letter["attempts"]) == (
                    "a",
                    "http_410",
                    410,
                    1,
                )
                assert letter["alert"] == body.decode()

        asyncio.run(scenario())

    def test_after_all_attempts_it_is_given_up(self, topic: Topic, tmp_path: Path) -> None:
        limits = Limits(attempts=3, first_backoff_seconds=0.01, longest_backoff_seconds=0.02)

        async def scenario() -> None:
            async with inbox(Behaviour(fail_ratio=1.0)) as box:
                async with running(topic, tmp_path / "state", subscription("a", box.url("a")), limits=limits):
                    topic.append(0, encoded(1))
                    await until(lambda: len(topic.dead_letters()) == 1)
                assert box.receiver.requests == 3
                assert topic.dead_letters()[0]["reason"] == "attempts_spent_http_503"

        asyncio.run(scenario())

    def test_what_is_no_alert_is_a_dead_letter_and_stops_nothing(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with inbox() as box, running(topic, tmp_path / "state", subscription("a", box.url("a"))):
                for value in (b"", b"{", b'{"alert_id":"x\\r\\ny","sku":"A","scraped_at":0}', encoded(1)):
                    topic.append(0, value)
                await until(lambda: box.count("a") == 1 and all_committed(topic))
                await until(lambda: [letter["reason"] for letter in topic.dead_letters()] == ["malformed"] * 3)

        asyncio.run(scenario())

    def test_a_poison_record_leaves_a_pointer_and_stops_nothing(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with inbox() as box, running(topic, tmp_path / "state", subscription("a", box.url("a"))) as service:
                for number, value in enumerate(POISON):
                    topic.append(0, value)
                    topic.append(0, encoded(number + 1))
                await until(lambda: len(topic.dead_letters()) == len(POISON))
                await until(lambda: box.count("a") == len(POISON) and all_committed(topic))
                assert service.healthy

        asyncio.run(scenario())
        letters = {letter["offset"]: letter for letter in topic.dead_letters()}
        assert {letter["reason"] for letter in letters.values()} == {"malformed"}
        assert {letter["partition"] for letter in letters.values()} == {0}
        assert [letters[2 * number]["alert_bytes"] for number in range(len(POISON))] == [len(each) for each in POISON]

    def test_a_dead_letter_that_its_topic_is_too_small_for_is_a_pointer(self, topic: Topic, tmp_path: Path) -> None:
        topic.limit_dead_letters(1000)
        body, small = encoded(1, retailer="r" * 900), encoded(2)

        async def scenario() -> None:
            async with (
                inbox(Behaviour(fail_ratio=1.0, fail_status=410)) as box,
                running(topic, tmp_path / "state", subscription("a", box.url("a"))),
            ):
                topic.append(0, body)
                topic.append(0, b"x" * 2000)
                topic.append(0, small)
                await until(lambda: len(topic.dead_letters()) == 3 and all_committed(topic))

        asyncio.run(scenario())
        shown = {letter["offset"]: (letter["alert"], letter["alert_bytes"]) for letter in topic.dead_letters()}
        assert shown == {0: ("", len(body)), 1: ("", 2000), 2: (small.decode(), len(small))}

    def test_a_topic_too_small_for_any_dead_letter_stops_nothing(
        self, topic: Topic, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        topic.limit_dead_letters(100)

        async def scenario() -> None:
            async with inbox() as box, running(topic, tmp_path / "state", subscription("a", box.url("a"))):
                topic.append(1, b"{")
                topic.append(1, encoded(1))
                await until(lambda: box.count("a") == 1 and all_committed(topic))

        asyncio.run(scenario())
        assert topic.dead_letters() == []
        assert "record 0 of partition 1" in caplog.text

    def test_retry_after_holds_the_whole_client(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            behaviour = Behaviour(fail_ratio=1.0, fail_status=429, retry_after="1")
            async with inbox(behaviour) as box, running(topic, tmp_path / "state", subscription("a", box.url("a"))):
                started = asyncio.get_running_loop().time()
                topic.append(0, encoded(1, "A1"))
                await until(lambda: box.receiver.requests == 1)
                behaviour.fail_ratio = 0.0
                await asyncio.sleep(0.05)
                topic.append(1, encoded(1, "B2"))
                await until(lambda: box.count("a") == 2)
                assert asyncio.get_running_loop().time() - started >= 0.9

        asyncio.run(scenario())

    def test_a_client_receives_only_what_its_filters_select(self, topic: Topic, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with inbox() as box:
                down = subscription("down", box.url("down"), filters=(Filter(sku="A*", direction="down"),))
                everything = subscription("all", box.url("all"))
                async with running(topic, tmp_path / "state", down, everything) as dispatcher:
                    topic.append(0, encoded(1, "A1"))
                    topic.append(0, encoded(-1, "A1"))
                    topic.append(0, encoded(-1, "B1"))
                    await until(lambda: box.count("all") == 3 and box.count("down") == 1)
                    await dispatcher.subscribe({"down": down})
                    topic.append(0, encoded(-2, "A1"))
                    await until(lambda: box.count("down") == 2)
                    await until(lambda: all_committed(topic))
                assert box.numbers("all") == {"A1": [1, -1], "B1": [-1]}
                assert box.numbers("down") == {"A1": [-1, -2]}

        asyncio.run(scenario())
