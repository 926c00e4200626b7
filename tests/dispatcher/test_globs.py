"""Patterns: the results are those of fnmatch, each character is one step, and the event loop is not blocked."""

import asyncio
import fnmatch
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.price_alerts.dispatcher import globs, service
from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.alert import Record, read_alert
from jobs.price_alerts.dispatcher.globs import Globs
from jobs.price_alerts.dispatcher.matching import Matcher
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.sending import Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription
from tests.dispatcher.alerts import SECRET, encoded
from tests.dispatcher.file_log import FileLog

ALPHABET = "aB1*?[]!-^\\\n🛒"
HOSTILE = ["*" + "a*" * 100 + "a" * 54 + f"b{number}" for number in range(1000)]


@given(st.lists(st.text(ALPHABET, max_size=9), max_size=12), st.lists(st.text(ALPHABET + "b", max_size=9), max_size=5))
def test_the_results_are_those_of_fnmatch(patterns: list[str], texts: list[str]) -> None:
    several = Globs(patterns)
    for text in texts:
        found = list(several.matching(text))
        assert len(found) == len(set(found))
        assert set(found) == {each for each in patterns if fnmatch.fnmatchcase(text, each)}


@given(st.lists(st.text(ALPHABET, min_size=1, max_size=9), min_size=1, max_size=12), st.text(ALPHABET, max_size=9))
def test_it_makes_no_difference_how_they_are_split_up(patterns: list[str], text: str) -> None:
    whole = set(Globs(patterns).matching(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(globs, "_CHUNK_PLACES", 8)
        patch.setattr(globs, "_MAX_MASKS", 1)
        assert set(Globs(patterns).matching(text)) == whole


class Counting(str):
    """A text that counts how often one of its characters is taken."""

    taken = 0

    def __iter__(self) -> Iterator[str]:
        for character in super().__iter__():
            self.taken += 1
            yield character


@pytest.mark.parametrize("pattern", [HOSTILE[0], "*a" * 128, "?*" * 128, "[a-b]*" * 42, "a" * 256])
def test_each_character_is_one_step_whatever_the_pattern(pattern: str) -> None:
    text = Counting("a" * 512)
    assert set(Globs([pattern]).matching(text)) == {pattern for _ in "x" if fnmatch.fnmatchcase(str(text), pattern)}
    assert text.taken <= len(text)


def test_of_many_patterns_no_number_grows_beyond_its_chunk() -> None:
    several = Globs(HOSTILE)
    assert len(several._chunks) == -(-sum(len(each) + 1 for each in HOSTILE) // globs._CHUNK_PLACES)
    assert list(several.matching("a" * 512)) == []
    assert list(several.matching("a" * 512 + "b7")) == [HOSTILE[7]]
    assert all(chunk._starts.bit_length() <= globs._CHUNK_PLACES for chunk in several._chunks)
    assert all(len(chunk._masks) <= globs._MAX_MASKS for chunk in several._chunks)


def test_what_is_remembered_is_bounded_however_many_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.price_alerts.dispatcher.matching._MAX_REMEMBERED", 50)
    everybody = [Subscription(client=f"c{number}", url="https://a.example", secret=SECRET) for number in range(20)]
    matcher = Matcher(everybody)
    for number in range(30):
        alert = read_alert(Record(0, 0, 0, encoded(1, f"S{number}", retailer=f"r{number}")))
        assert len(matcher.clients(alert)) == 20
        assert sum(len(each) + 1 for each in matcher._remembered.values()) == matcher._remembered_entries <= 50


def test_patterns_are_compiled_off_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = threading.Event()
    released = threading.Event()

    class Slow(Matcher):
        """Whose patterns take as long as the test wants."""

        def __init__(self, subscriptions: list[Subscription]) -> None:
            if subscriptions:
                built.set()
                assert released.wait(60)
            super().__init__(subscriptions)

    monkeypatch.setattr(service, "Matcher", Slow)
    (tmp_path / "topic").mkdir()
    filters = (Filter(sku="*x*"),)

    async def scenario() -> None:
        store = Store(tmp_path / "state", window_seconds=0.001)
        dispatcher = Dispatcher(FileLog(tmp_path / "topic"), store, Sender(Guard(), timeout_seconds=1), Measures())
        running = asyncio.create_task(dispatcher.run())
        client = Subscription(client="a", url="https://a.example", secret=SECRET, filters=filters)
        subscribing = asyncio.create_task(dispatcher.subscribe({"a": client}))
        while not built.is_set():
            await asyncio.sleep(0.001)
        for _ in range(100):  # the loop turns while the patterns are compiled
            await asyncio.sleep(0)
        assert not subscribing.done()
        released.set()
        await subscribing
        assert list(dispatcher._clients) == ["a"]
        dispatcher.stop()
        await running

    asyncio.run(scenario())
