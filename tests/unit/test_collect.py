"""One source's trouble is its own."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flinkops.clock import FixedClock, SystemClock
from flinkops.collect import Collector
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import FleetSnapshot, JobFacts, SourceKind, SourceState, SourceStatus
from flinkops.sources.flink.source import FlinkRestSource
from flinkops.sources.protocol import SourceSnapshot
from tests.fake_flink import HANGS_SECONDS, FakeFlink, Fault, Recording, serving
from tests.patience import PATIENT_SECONDS, until

START_MS = 1_795_000_000_000


class ScriptedSource:
    """Answers what the test says."""

    kind: SourceKind = "rest"

    def __init__(self, name: str, clock: FixedClock) -> None:
        self.name = name
        self.state: SourceState = "ok"
        self.problem: Exception | None = None
        self.released = threading.Event()
        self.released.set()
        self.closed = False
        self.polls = 0
        self._clock = clock

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        self.polls += 1
        self.released.wait(2 * HANGS_SECONDS)
        if self.problem is not None:
            raise self.problem
        status = SourceStatus(name=self.name, kind="rest", state=self.state, error=None if self.state == "ok" else "no")
        if self.state != "ok":
            return SourceSnapshot(status)
        job = JobFacts(id="1", name="job", cluster=self.name, seen_ms=self._clock.now_ms(), state="RUNNING")
        return SourceSnapshot(status, (), (job,))

    def close(self) -> None:
        self.closed = True
        self.released.set()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START_MS)


@pytest.fixture
def sources(clock: FixedClock) -> list[ScriptedSource]:
    return [ScriptedSource("a", clock), ScriptedSource("b", clock)]


@pytest.fixture
def collector(sources: list[ScriptedSource], clock: FixedClock) -> Iterator[Collector]:
    """Patient: each source that answers does so within its deadline, on a busy machine too."""
    yield from collecting(sources, clock, PATIENT_SECONDS)


@pytest.fixture
def impatient(sources: list[ScriptedSource], clock: FixedClock) -> Iterator[Collector]:
    """For a source that hangs. On a busy machine those that do not hang may be late at some poll too."""
    yield from collecting(sources, clock, 0.2)


def collecting(sources: list[ScriptedSource], clock: FixedClock, deadline_seconds: float) -> Iterator[Collector]:
    collector = Collector(sources, clock, deadline_seconds=deadline_seconds)
    yield collector
    for source in sources:
        source.released.set()
    collector.close()


def collected_when(collector: Collector, holds: Callable[[FleetSnapshot], bool]) -> FleetSnapshot:
    """Polls until something holds of the snapshot. No poll waits for a source that hangs."""
    seen: list[FleetSnapshot] = []

    def reached() -> bool:
        begun = time.monotonic()
        seen.append(collector.collect())
        assert time.monotonic() - begun < HANGS_SECONDS
        return holds(seen[-1])

    until(reached)
    return seen[-1]


def all_ok(snapshot: FleetSnapshot) -> bool:
    return {each.state for each in snapshot.sources} == {"ok"}


def status(snapshot: FleetSnapshot, name: str) -> SourceStatus:
    return next(each for each in snapshot.sources if each.name == name)


@pytest.mark.parametrize("state", ["unreachable", "denied"])
def test_a_failing_source_keeps_its_rows_with_their_age(
    collector: Collector, sources: list[ScriptedSource], clock: FixedClock, state: SourceState
) -> None:
    collector.collect()
    sources[0].state = state
    clock.advance(seconds=90)
    snapshot = collector.collect()
    assert (status(snapshot, "a").state, status(snapshot, "a").age_seconds) == (state, 90.0)
    assert status(snapshot, "a").error == "no"
    assert status(snapshot, "b").state == "ok"
    assert {(job.cluster, job.seen_ms) for job in snapshot.jobs} == {("a", START_MS), ("b", START_MS + 90_000)}
    sources[0].state = "ok"
    assert status(collected_when(collector, all_ok), "a").error is None


def test_a_source_that_never_answered_has_no_rows_and_no_age(
    collector: Collector, sources: list[ScriptedSource]
) -> None:
    sources[0].state = "unreachable"
    snapshot = collector.collect()
    assert status(snapshot, "a").age_seconds is None
    assert [job.cluster for job in snapshot.jobs] == ["b"]


def test_a_source_that_hangs_holds_up_nobody(
    impatient: Collector, sources: list[ScriptedSource], clock: FixedClock
) -> None:
    collected_when(impatient, all_ok)
    sources[0].released.clear()
    clock.advance(seconds=10)
    snapshot = collected_when(impatient, lambda taken: status(taken, "b").state == "ok")
    assert status(snapshot, "a").state == "stale"
    assert status(snapshot, "a").age_seconds == 10.0
    assert [job.seen_ms for job in snapshot.jobs] == [START_MS, START_MS + 10_000]
    sources[0].released.set()
    collected_when(impatient, all_ok)


@pytest.mark.thorough
def test_a_source_that_goes_on_failing_holds_up_the_others_for_a_second_only(
    collector: Collector, sources: list[ScriptedSource], clock: FixedClock
) -> None:
    """A deadline of two minutes is not waited for."""
    sources[0].state = "unreachable"
    collector.collect()
    sources[0].state = "ok"
    sources[0].released.clear()  # it hangs now
    begun = time.monotonic()
    snapshot = collector.collect()
    assert time.monotonic() - begun < HANGS_SECONDS
    assert status(snapshot, "a").state == "unreachable"
    assert status(snapshot, "a").error == "no"
    assert status(snapshot, "b").state == "ok"
    sources[0].released.set()
    clock.advance(seconds=5)
    assert status(collected_when(collector, all_ok), "a").age_seconds is not None


def test_a_first_poll_shows_early_what_has_answered_and_asks_nobody_twice(
    collector: Collector, sources: list[ScriptedSource]
) -> None:
    sources[0].released.clear()
    begun = time.monotonic()
    pictures = collector.partial_snapshots()
    first = next(pictures)
    assert time.monotonic() - begun < HANGS_SECONDS
    assert [job.cluster for job in first.jobs] == ["b"]
    assert (status(first, "a").pending, status(first, "a").age_seconds) == (True, None)
    assert (status(first, "b").state, status(first, "b").pending) == ("ok", False)
    sources[0].released.set()
    assert list(pictures) == []
    whole = collector.collect()
    assert [(each.state, each.pending) for each in whole.sources] == [("ok", False)] * 2
    assert {job.cluster for job in whole.jobs} == {"a", "b"}
    assert [source.polls for source in sources] == [1, 1]
    assert list(collector.partial_snapshots()) == []


def test_no_early_picture_outlasts_the_deadline(impatient: Collector, sources: list[ScriptedSource]) -> None:
    sources[0].released.clear()
    begun = time.monotonic()
    assert len(list(impatient.partial_snapshots())) <= 1
    assert status(impatient.collect(), "a").state == "unreachable"
    assert time.monotonic() - begun < HANGS_SECONDS


def test_a_mistake_in_one_source_is_its_status(collector: Collector, sources: list[ScriptedSource]) -> None:
    sources[0].problem = ZeroDivisionError("oops")
    snapshot = collector.collect()
    assert status(snapshot, "a").error == "a could not be read (ZeroDivisionError: oops)"
    assert status(snapshot, "a").state == "unreachable"
    assert status(snapshot, "b").state == "ok"


def test_two_sources_of_one_name_are_refused(clock: FixedClock) -> None:
    with pytest.raises(ValueError, match="two sources are named 'a'"):
        Collector([ScriptedSource("a", clock), ScriptedSource("a", clock)], clock)


def test_closing_closes_all(collector: Collector, sources: list[ScriptedSource]) -> None:
    collector.close()
    assert all(source.closed for source in sources)


FAULTS = ["401", "500", "302", "html", "not-json", "wrong-types", "truncated", "hang-up", "slow", "trickle", "headers"]


class Impatient(FlinkRestSource):
    """Its own deadline may be another than the collector's: the one that hangs runs out of time, and no other."""

    own_deadline_seconds = PATIENT_SECONDS

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        return super().poll(min(deadline_seconds, self.own_deadline_seconds))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.thorough
def test_one_lying_endpoint_leaves_the_others_correct(kind: str) -> None:
    good, bad = FakeFlink(Recording.load("flink-2.3-count")), FakeFlink(Recording.load("flink-2.3-count"))
    with serving(good, bad):
        asked = [Impatient(parse_endpoint(each.url)) for each in (good, bad)]
        collector = Collector(asked, SystemClock(), deadline_seconds=PATIENT_SECONDS)
        try:
            before = collector.collect()
            bad.faults, asked[1].own_deadline_seconds = [Fault(kind)], 1.0
            begun = time.monotonic()
            after = collector.collect()
            assert time.monotonic() - begun < HANGS_SECONDS
        finally:
            collector.close()
    assert [each.state for each in before.sources] == ["ok", "ok"]
    assert after.sources[0].state == "ok"
    assert after.sources[1].state in ("unreachable", "denied")
    assert after.sources[1].age_seconds is not None
    rows = {job.cluster: job for job in after.jobs}
    assert rows[after.sources[0].name].seen_ms > rows[after.sources[1].name].seen_ms
    assert rows[after.sources[1].name].seen_ms == max(
        job.seen_ms for job in before.jobs if job.cluster == bad_name(bad)
    )


def bad_name(flink: FakeFlink) -> str:
    return f"127.0.0.1:{flink.port}"


def test_what_a_source_took_from_memory_is_as_old_as_it_says(clock: FixedClock) -> None:
    class Partly(ScriptedSource):
        def poll(self, deadline_seconds: float) -> SourceSnapshot:
            status = SourceStatus(name=self.name, kind="kubernetes", state="stale", age_seconds=40.0, error="no answer")
            return SourceSnapshot(status)

    collector = Collector([Partly("a", clock)], clock)
    try:
        assert status(collector.collect(), "a").age_seconds == 40.0
    finally:
        collector.close()
