"""Actions: offered only where allowed, and refused by the executor whatever the screen offers."""

import asyncio
from pathlib import Path

import pytest

from flinkops.clock import FixedClock
from flinkops.errors import Refused
from flinkops.tui.actions import Running, carry_out, plan_savepoint
from tests.tui.details import FakeSource
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import make_app, press, running, text_of, until

CLOCK = FixedClock(T0_MS)


def test_read_only_greys_the_key_and_says_so() -> None:
    async def scenario() -> None:
        sources = [FakeSource("flink-00")]
        async with running(fleet(140), size=(120, 40), sources=sources, read_only=True) as (app, pilot):
            assert "READ-ONLY" in text_of(app)
            before = len(app.screen_stack)
            await press(pilot, ["s"])
            assert len(app.screen_stack) == before, "the key does nothing"
            assert app.screen.check_action("savepoint", ()) is None, "greyed"

    asyncio.run(scenario())


def test_read_only_is_refused_by_the_executor_too(tmp_path: Path) -> None:
    job = fleet(140).assessment.jobs[0]
    source = FakeSource("flink-00")
    plan = plan_savepoint(job, source, CLOCK)
    assert plan is not None
    with pytest.raises(Refused, match="read-only"):
        carry_out(Running(plan, source), clock=CLOCK, read_only=True, journal_folder=tmp_path, progress=lambda _: None)


def test_a_savepoint_shows_its_plan_and_no_is_no(tmp_path: Path) -> None:
    async def scenario() -> None:
        sources = [FakeSource("flink-00")]
        async with running(fleet(140), size=(120, 40), sources=sources, journal_folder=tmp_path) as (app, pilot):
            await press(pilot, ["s"])
            text = text_of(app)
            assert "savepoint-create" in text
            assert "flinkops savepoint create ads/ads-enrich-120" in text
            assert "refused" in text, "no directory is known for this job"
            await press(pilot, ["y"])
            assert "refused; esc: back" in text_of(app), "yes does not carry out what is refused"
            await press(pilot, ["escape", "A"])
            assert "no action yet" in text_of(app)
            assert list(tmp_path.iterdir()) == []

    asyncio.run(scenario())


def test_an_action_that_fails_says_why_and_can_be_looked_at_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        import msgspec

        from tests.tui.fleet import Seen
        from tests.tui.screen import view_of

        sources = [FakeSource("flink-00", url="http://127.0.0.1:9")]
        app = make_app(sources=sources, journal_folder=tmp_path)
        async with running(app=app, size=(120, 40)) as (_, pilot):
            seen = fleet(140)
            first = next(job for job in seen.assessment.jobs if job.cluster == "flink-00" and job.health.level == "ok")
            assert first.facts is not None
            settings = {"execution.checkpointing.savepoint-dir": "file:///tmp/savepoints"}
            facts = msgspec.structs.replace(first.facts, configuration=settings)
            jobs = (msgspec.structs.replace(first, facts=facts),)
            assessment = msgspec.structs.replace(seen.assessment, jobs=jobs)
            app.observed(view_of(Seen(seen.snapshot, assessment, seen.history)))
            await press(pilot, ["s"])
            assert "y go on" in text_of(app)
            await press(pilot, ["y"])
            await until(pilot, lambda: "refused" in text_of(app), what="nothing listens on port 9")
            await press(pilot, ["escape"])
            assert "savepoint-create of" in text_of(app)
            await press(pilot, ["A"])
            assert "savepoint-create" in text_of(app)

    asyncio.run(scenario())
