"""The timeline as a screen: of the fleet and of one job, newest first, with what no source covers."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from flinkops.act.journal import Journal
from flinkops.clock import FixedClock
from flinkops.model.facts import ExceptionFacts
from flinkops.model.observation import Observation
from flinkops.model.plan import Plan, Target
from flinkops.tui.app import FlinkopsApp
from tests.tui.fleet import fleet
from tests.tui.screen import make_app, press, running, text_of, until, view_of

HOSTILE = "java.lang.RuntimeException: a\nCaused by: com.acme.PriceException: \x1b[31mprice\x1b[0m is -3"


def shown(tmp_path: Path, *keys: str) -> str:
    """The text after these keys, once the timeline has come."""

    async def scenario() -> str:
        app: FlinkopsApp = make_app(journal_folder=tmp_path)
        async with running(app=app, size=(140, 40)) as (_, pilot):
            seen = fleet(20)
            job = next(job for job in seen.assessment.jobs if job.facts and job.health.level == "ok")
            assert job.facts is not None
            failed = ExceptionFacts(seen.snapshot.taken_ms - 60_000, "x", HOSTILE, "work", "tm-1")
            facts = msgspec.structs.replace(job.facts, exceptions=(failed,))
            job = msgspec.structs.replace(job, facts=facts)
            target = Target(job.cluster, job.name, job.id, job.namespace)
            plan = Plan(id="p1", verb="restart", target=target, created_ms=1)
            Journal(tmp_path, FixedClock(seen.snapshot.taken_ms - 30_000)).append("planned", plan, "hash")
            snapshot = msgspec.structs.replace(seen.snapshot, jobs=(facts,))
            assessment = msgspec.structs.replace(seen.assessment, jobs=(job,))
            app.poller.observed(view_of(Observation(snapshot, assessment, seen.history)))
            await press(pilot, keys)
            await until(pilot, lambda: "restart p1" in text_of(app), what="the timeline")
            return text_of(app)

    return asyncio.run(scenario())


@pytest.mark.parametrize("keys", [("T",), ("enter", "T")], ids=["of the fleet", "of the job"])
@pytest.mark.thorough
def test_what_happened_stands_newest_first_with_its_source(tmp_path: Path, keys: tuple[str, ...]) -> None:
    screen = shown(tmp_path, *keys)
    action, failure = screen.index("restart p1"), screen.index("PriceException")
    assert action < failure
    assert "journal" in screen
    assert "? not covered by recording" in screen
    assert "\x1b" not in screen
    assert ("JOB" in screen) is (keys == ("T",))
