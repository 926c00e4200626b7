"""One poll at a time, shared, with a deadline; nothing too old is given out."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flinkops.clock import FixedClock
from flinkops.errors import Unreachable
from flinkops.exporter.poller import SharedPoller
from flinkops.model.facts import FleetSnapshot
from flinkops.model.observation import Observation
from tests.patience import PATIENT_SECONDS
from tests.unit.assessments import NOW_MS, fleet


class Fleet:
    """A fleet whose answer can be held back."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.polls = 0
        self.error: Exception | None = None

    def observe(self) -> Observation:
        self.polls += 1
        self.entered.release()
        taken_ms = self.clock.now_ms()
        assert self.gate.wait(PATIENT_SECONDS)
        if self.error:
            raise self.error
        return Observation(FleetSnapshot(taken_ms), fleet(taken_ms=taken_ms))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW_MS)


@pytest.fixture
def seen(clock: FixedClock) -> Iterator[Fleet]:
    made = Fleet(clock)
    yield made
    made.gate.set()


def poller(seen: Fleet, **options: float) -> SharedPoller:
    return SharedPoller(seen.observe, seen.clock, **options)


def test_concurrent_scrapes_share_one_poll(seen: Fleet) -> None:
    seen.gate.clear()
    polls = poller(seen)
    with ThreadPoolExecutor(8) as pool:
        scrapes = [pool.submit(polls.newest, PATIENT_SECONDS) for _ in range(8)]
        assert seen.entered.acquire(timeout=PATIENT_SECONDS)
        seen.gate.set()
        answers = [scrape.result() for scrape in scrapes]
    assert seen.polls == 1
    assert len({id(answer) for answer in answers}) == 1


def test_a_fresh_poll_is_reused_and_an_older_one_is_not(seen: Fleet, clock: FixedClock) -> None:
    polls = poller(seen, reuse_seconds=2)
    polls.newest(PATIENT_SECONDS)
    clock.advance(seconds=2)
    polls.newest(PATIENT_SECONDS)
    assert seen.polls == 1
    clock.advance(seconds=0.1)
    polls.newest(PATIENT_SECONDS)
    assert seen.polls == 2


def test_an_overdue_poll_gives_the_last_one_and_serves_the_next_scrape(seen: Fleet, clock: FixedClock) -> None:
    polls = poller(seen)
    first = polls.newest(PATIENT_SECONDS)
    clock.advance(seconds=15)
    seen.gate.clear()
    assert polls.newest(0.01) is first
    assert polls.overdue_scrapes == 1
    seen.gate.set()
    later = polls.newest(PATIENT_SECONDS)
    assert later is not first
    assert seen.polls == 2


def test_what_is_too_old_is_dropped(seen: Fleet, clock: FixedClock) -> None:
    polls = poller(seen, max_age_seconds=60)
    polls.newest(PATIENT_SECONDS)
    seen.gate.clear()
    clock.advance(seconds=60)
    assert polls.newest(0.01) is not None
    clock.advance(seconds=0.1)
    assert polls.newest(0.01) is None


@pytest.mark.parametrize("error", [Unreachable("no route"), RuntimeError("a bug")])
def test_a_failed_poll_is_counted_and_the_next_scrape_tries_again(
    seen: Fleet, clock: FixedClock, error: Exception
) -> None:
    polls = poller(seen)
    seen.error = error
    assert polls.newest(PATIENT_SECONDS) is None
    assert (polls.polls, polls.failed_polls) == (1, 1)
    seen.error = None
    assert polls.newest(PATIENT_SECONDS) is not None


def test_how_long_a_poll_has_been_running(seen: Fleet, clock: FixedClock) -> None:
    seen.gate.clear()
    polls = poller(seen)
    assert polls.running_for_seconds == 0
    polls.newest(0.01)
    clock.advance(seconds=3)
    assert polls.running_for_seconds == 3
    seen.gate.set()
    polls.newest(PATIENT_SECONDS)
    assert polls.running_for_seconds == 0
