"""The clock of this machine is set back by an hour: nothing goes blind, and nothing old polls new."""

import copy
import json
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.autoscale.controller import Controller
from flinkops.autoscale.window import PolledJob
from flinkops.cli.complete import _cache_file, complete_job
from flinkops.clock import FixedClock, SystemClock, iso_utc
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.config.settings import Settings
from flinkops.errors import Refused
from flinkops.exporter.poller import SharedPoller
from flinkops.history import History
from flinkops.model.facts import FleetSnapshot, JobKey, SourceStatus
from flinkops.model.history import JobSample
from flinkops.model.observation import Observation
from flinkops.observer import Observer
from tests.patience import PATIENT_SECONDS
from tests.tui.fleet import fleet as fleet_of
from tests.tui.screen import make_app, view_of
from tests.unit.assessments import fleet
from tests.unit.autoscale_cases import AT_ONCE, Part, chain
from tests.unit.builders import NOW_MS, job
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import Bench
from tests.unit.test_collect import START_MS, ScriptedSource, status

HOUR_MS = 3_600_000
KEY = JobKey("a", "", "prices")


def test_the_exporter_polls_again_and_drops_what_is_too_old() -> None:
    clock = FixedClock(NOW_MS)
    polls = 0

    def poll() -> Observation:
        nonlocal polls
        polls += 1
        if polls > 2:
            raise RuntimeError("no more")
        return Observation(FleetSnapshot(clock.now_ms()), fleet(taken_ms=clock.now_ms()))

    poller = SharedPoller(poll, clock, max_age_seconds=60, reuse_seconds=2)
    assert poller.newest(30) is not None
    clock.set_to(NOW_MS - HOUR_MS)
    clock.advance(seconds=10)
    second = poller.newest(30)
    assert second is not None
    assert (polls, second.snapshot.taken_ms) == (2, NOW_MS - HOUR_MS + 10_000)
    clock.advance(seconds=61)
    assert poller.newest(30) is None
    clock.set_to(NOW_MS + HOUR_MS)
    clock.set_to(NOW_MS - HOUR_MS)
    assert poller.newest(30) is None


def test_a_failing_source_keeps_growing_older() -> None:
    clock = FixedClock(START_MS)
    source = ScriptedSource("a", clock)
    collector = Collector([source], clock, deadline_seconds=PATIENT_SECONDS)
    try:
        collector.collect()
        source.state = "unreachable"
        clock.set_to(START_MS - HOUR_MS)
        clock.advance(seconds=90)
        snapshot = collector.collect()
    finally:
        collector.close()
    assert status(snapshot, "a").age_seconds == 90.0
    (row,) = snapshot.jobs
    assert row.seen_ms == START_MS  # an hour ahead of the snapshot
    (assessed,) = assess(snapshot, {}, Policy()).jobs
    assert assessed.health.level == "unknown"
    assert assessed.state == "UNKNOWN"


@pytest.mark.parametrize("state", ["ok", "stale"])
def test_facts_from_a_time_that_is_still_to_come_are_not_fresh(state: str) -> None:
    seen = job(seen_ms=NOW_MS)
    source = SourceStatus(name=seen.cluster, kind="rest", state=state, age_seconds=30.0)  # type: ignore[arg-type]
    later = FleetSnapshot(taken_ms=NOW_MS - HOUR_MS, poll_seconds=0.1, sources=(source,), jobs=(seen,))
    (assessed,) = assess(later, {}, Policy()).jobs
    assert assessed.health.level == "unknown"
    assert "before a clock was set back" in assessed.health.reasons[0].text
    within = msgspec.structs.replace(
        later, taken_ms=NOW_MS - 900, sources=(msgspec.structs.replace(source, state="ok"),)
    )
    (assessed,) = assess(within, {}, Policy()).jobs
    assert assessed.state == seen.state


def sample(at_ms: int) -> JobSample:
    return JobSample(at_ms=at_ms, job_id="x", state="RUNNING")


def test_the_memory_of_trends_begins_again_and_does_not_stand_still() -> None:
    history = History()
    for at_ms in (1_000_000, 1_010_000, 1_020_000):
        history.add([(KEY, sample(at_ms + HOUR_MS))], at_ms + HOUR_MS)
    history.add([(KEY, sample(1_030_000))], 1_030_000)
    history.add([(KEY, sample(1_040_000))], 1_040_000)
    assert [one.at_ms for one in history.samples[KEY]] == [1_030_000, 1_040_000]
    history.add([(KEY, sample(1_040_000))], 1_050_000)  # old data shown again
    history.add([(KEY, sample(1_040_000 + HOUR_MS))], 1_060_000)  # a row from before, of a source that fails now
    assert [one.at_ms for one in history.samples[KEY]] == [1_030_000, 1_040_000]


def test_rates_go_on_after_a_few_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FixedClock(START_MS)
    observer = Observer(Collector([ScriptedSource("a", clock)], clock, deadline_seconds=PATIENT_SECONDS), Policy())
    try:
        for _ in range(3):
            clock.advance(seconds=10)
            observer.observe()
        clock.set_to(START_MS - HOUR_MS)
        for _ in range(3):
            clock.advance(seconds=10)
            seen = observer.observe()
    finally:
        observer.close()
    (samples,) = seen.history.values()
    assert [one.at_ms for one in samples] == [START_MS - HOUR_MS + at for at in (10_000, 20_000, 30_000)]


def test_the_screen_shows_the_age_of_its_data() -> None:
    clock = FixedClock(0)
    seen = fleet_of(140)
    clock.set_to(seen.snapshot.taken_ms)
    app = make_app(clock=clock)
    app.poller._latest, app.poller._latest_at = view_of(seen), clock.monotonic()
    clock.set_to(clock.now_ms() - HOUR_MS)
    clock.advance(seconds=25)
    assert app.now_ms() - seen.snapshot.taken_ms == 25_000


def polls(first_ms: int, count: int, load: float) -> list[PolledJob]:
    window = chain(load, Part("source", 1000.0, parallelism=2), polls=count)
    return [
        PolledJob(
            job="job",
            state="RUNNING",
            attempt=("x",),
            vertices=window.vertices,
            sample=msgspec.structs.replace(window.samples[number], at_ms=first_ms + 10_000 * number),
            running_since_ms=1,
        )
        for number in range(count)
    ]


def test_the_control_loop_decides_again_after_one_window() -> None:
    controller = Controller(msgspec.structs.replace(AT_ONCE, cool_down_seconds=120.0))
    for polled in polls(NOW_MS, 8, 500.0):
        decision = controller.observe(polled)
    assert decision.verdict == "scale"
    controller.tried(NOW_MS + 80_000)
    for polled in polls(NOW_MS - HOUR_MS, 30, 500.0):
        decision = controller.observe(polled)
    assert decision.verdict == "scale", decision.blocked_by


def test_the_same_poll_once_more_loses_nothing() -> None:
    controller = Controller(AT_ONCE)
    seen = polls(NOW_MS, 8, 500.0)
    for polled in (*seen, seen[-1]):
        decision = controller.observe(polled)
    assert decision.verdict == "scale"


def test_completion_does_not_take_names_of_an_hour_to_come_for_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "FLINKOPS_LOCAL_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flinkops.cli.complete._ask", lambda _settings: ["new"])
    cache = _cache_file(Settings())
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps([SystemClock().now_ms() + HOUR_MS, ["old"]]))
    assert complete_job("") == ["new"]


@pytest.mark.parametrize(
    ("renewed_seconds_ago", "by_server", "refused"),
    [
        (10, None, True),
        (100, None, False),
        (-3600, None, True),  # one of the clocks is wrong: nobody knows
        (3600, 10, True),  # its holder's clock is behind, or ours ahead: the server saw it just now
        (-3600, 100, False),  # the holder is gone, whatever its clock said
    ],
)
def test_a_lease_is_as_old_as_the_server_says(
    tmp_path: Path, renewed_seconds_ago: int, by_server: int | None, refused: bool
) -> None:
    fake = FakeOperator()
    now_ms = SystemClock().now_ms()
    with operating(fake) as url:
        bench = Bench(fake, url, tmp_path)
        plan, other = bench.upgrade(image="count:2"), bench.upgrade("p2", image="count:3")
        with bench.control.lock(other):
            left = copy.deepcopy(fake.leases)
        (found,) = left.values()
        found["spec"]["renewTime"] = iso_utc(now_ms - renewed_seconds_ago * 1000)
        if by_server is not None:
            found["metadata"]["managedFields"] = [{"time": iso_utc(now_ms - 7_200_000 - by_server * 1000)}]
            fake.date = formatdate(now_ms / 1000 - 7_200, usegmt=True)  # the server's clock is two hours behind ours
        fake.leases = left
        try:
            if refused:
                with pytest.raises(Refused, match="another action") as raised, bench.control.lock(plan):
                    pass
                assert ("renewed at an unknown time" in raised.value.what) == (renewed_seconds_ago < 0)
            else:
                with bench.control.lock(plan):
                    pass
        finally:
            bench.control.close()
