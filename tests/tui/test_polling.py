"""How polls reach the screens: stale, slow, hanging and failed ones, and pause."""

import threading
from collections.abc import Iterator

import msgspec
import pytest

from flinkops.errors import Unreachable
from flinkops.model.facts import SourceStatus
from flinkops.model.observation import Observation
from flinkops.tui.job import JobScreen
from tests.patience import PATIENT_SECONDS
from tests.tui.fleet import fleet
from tests.tui.screen import fleet_screen, make_app, press, run, running, text_of, until, view_of


@pytest.mark.thorough
def test_stale_rows_say_so_and_are_dim() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            await press(pilot, ["slash", *"cluster:flink-05", "enter"])
            text = text_of(app)
            assert "not sure: data 4m old" in text
            grid = fleet_screen(app).grid
            dim = app.context.palette.stale["text"]
            assert all(segment.style is None or segment.style.color == dim.color for segment in grid._strip(2))

    run(scenario())


def test_a_source_that_answers_in_part_is_slow_and_not_disconnected() -> None:
    async def scenario() -> None:
        seen = fleet(10)
        for age, expected, other in ((2.0, "slow: not all was read", "DISCONNECTED"), (60.0, "DISCONNECTED", "slow:")):
            source = SourceStatus(seen.assessment.jobs[0].cluster, "rest", "stale", age, "not all was read within 8 s")
            jobs = tuple(
                msgspec.structs.replace(job, cluster=source.name, data_age_seconds=age) for job in seen.assessment.jobs
            )
            assessment = msgspec.structs.replace(seen.assessment, sources=(source,), jobs=jobs)
            async with running(Observation(seen.snapshot, assessment, seen.history), size=(120, 40)) as (app, _):
                text = text_of(app)
                assert expected in text
                assert other not in text
                assert ("not sure" in text) == (age > 15)

    run(scenario())


def test_pause_holds_the_picture_and_is_not_disconnection() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            before = app.view
            await press(pilot, ["p"])
            app.poller.observed(view_of(fleet(140, poll=1)))
            await pilot.pause()
            assert app.view is before
            assert "PAUSED, 1 newer snapshot waiting" in text_of(app)
            assert "DISCONNECTED" not in text_of(app)
            await press(pilot, ["p"])
            assert app.view is not before
            lost = SourceStatus(name="flink-00", kind="rest", state="unreachable", age_seconds=9.0, error="refused")
            assessment = msgspec.structs.replace(fleet(3).assessment, sources=(lost,))
            app.poller.observed(view_of(Observation(fleet(3).snapshot, assessment)))
            await pilot.pause()
            assert "DISCONNECTED" in text_of(app)
            assert "refused" in text_of(app)

    run(scenario())


class Flaky:
    """Fails twice, then works; remembers on which threads it was asked."""

    def __init__(self) -> None:
        self.polls = 0
        self.threads: set[int] = set()

    def observe(self) -> Observation:
        self.polls += 1
        self.threads.add(threading.get_ident())
        if self.polls == 1:
            raise Unreachable("the token has expired", next_step="log in again")
        if self.polls == 2:
            raise ZeroDivisionError("a bug")
        return fleet(20, poll=self.polls)


def test_polls_happen_off_the_screen_thread_and_failures_are_retried() -> None:
    async def scenario() -> None:
        observer = Flaky()
        app = make_app(observer=observer, polling=True)
        async with running(app=app) as (_, pilot):
            await until(pilot, lambda: "the token has expired; log in again" in text_of(app), what="the error is said")
            assert "retry 1 in" in text_of(app)
            await press(pilot, ["r"])
            await until(pilot, lambda: "ZeroDivisionError: a bug" in text_of(app), what="a bug is said too")
            await press(pilot, ["r"])
            await until(pilot, lambda: "worst first" in text_of(app) and app.view is not None, what="it comes back")
            assert app.poll_state.error is None
            assert threading.get_ident() not in observer.threads

    run(scenario())


def test_a_poll_that_hangs_does_not_hang_the_keys() -> None:
    async def scenario() -> None:
        release = threading.Event()

        class Hanging:
            def observe(self) -> Observation:
                release.wait(PATIENT_SECONDS)
                return fleet(3)

        app = make_app(observer=Hanging(), polling=True)
        async with running(app=app) as (_, pilot):
            try:
                await press(pilot, ["question_mark"])
                assert "In a table" in text_of(app)
                assert app.view is None, "the poll hangs"
            finally:
                release.set()
            await until(pilot, lambda: app.view is not None, what="the poll's end, before the app is left")

    run(scenario())


class Slow:
    """An observer with a source that is late at the first poll."""

    def __init__(self, early: Observation, whole: Observation) -> None:
        self._early, self._whole = early, whole
        self.released = threading.Event()

    def partial_observations(self) -> Iterator[Observation]:
        yield self._early
        self.released.wait(PATIENT_SECONDS)

    def observe(self) -> Observation:
        return self._whole


def test_the_first_picture_does_not_wait_for_a_source_that_hangs() -> None:
    async def scenario() -> None:
        whole = fleet(10)
        late = whole.assessment.sources[-1].name
        sources = tuple(
            msgspec.structs.replace(each, state="unreachable", age_seconds=None, error="not yet", pending=True)
            if each.name == late
            else each
            for each in whole.assessment.sources
        )
        jobs = tuple(job for job in whole.assessment.jobs if job.cluster != late)
        wanted = next(job for job in whole.assessment.jobs if job.cluster == late)
        assessment = msgspec.structs.replace(whole.assessment, sources=sources, jobs=jobs)
        observer = Slow(Observation(whole.snapshot, assessment, whole.history), whole)
        app = make_app(observer=observer, polling=True, job=wanted.id)
        try:
            async with app.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda: app.view is not None, what="an early picture")
                assert "1 still being asked" in text_of(app)
                await press(pilot, ["S"])
                assert "asking" in text_of(app)
                await press(pilot, ["escape"])
                observer.released.set()
                await until(pilot, lambda: isinstance(app.screen, JobScreen), what="the job that was asked for")
                assert "still being asked" not in text_of(app)
        finally:
            observer.released.set()

    run(scenario())
