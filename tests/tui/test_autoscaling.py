"""The autoscaling screen: advice with its arithmetic, what-if, drift, and the way to a plan."""

import asyncio

import msgspec
import pytest

from flinkops.model.facts import JobFacts, RescaleFacts
from flinkops.model.observation import Observation
from flinkops.model.overrides import OVERRIDES
from flinkops.tui.autoscaling import AutoscalingScreen
from tests.effort import some
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import make_app, press, running, text_of, view_of
from tests.unit.autoscale_cases import source_and_work


def facts(poll: int, **changes: object) -> JobFacts:
    """A source that keeps up and an operator that is 98 % busy, 10 s a poll."""
    made = JobFacts(
        id="j",
        name="orders",
        cluster="c",
        seen_ms=T0_MS + poll * 10_000,
        state="RUNNING",
        running_since_ms=T0_MS - 3_600_000,
        vertices=source_and_work(poll),
        configuration={"job.autoscaler.utilization.max": "0.9"},
        rescales=(RescaleFacts(T0_MS - 60_000, state="COMPLETED", cause="UPDATE_REQUIREMENT"),),
    )
    return msgspec.structs.replace(made, **changes)


def shown(*polls: JobFacts, keys: tuple[str, ...] = (), size: tuple[int, int] = (120, 40)) -> str:
    """The screen after these polls and keys."""

    async def scenario() -> str:
        app = make_app()
        async with running(app=app, size=size) as (_, pilot):
            seen = fleet(3)
            row = seen.assessment.jobs[0]
            for number, each in enumerate(polls):
                job = msgspec.structs.replace(row, facts=each, name=each.name, cluster=each.cluster, namespace=None)
                assessment = msgspec.structs.replace(seen.assessment, jobs=(job,), taken_ms=each.seen_ms)
                snapshot = msgspec.structs.replace(seen.snapshot, taken_ms=each.seen_ms, jobs=(each,))
                app.poller.observed(view_of(Observation(snapshot, assessment, seen.history)))
                if number == 0:
                    app.push_screen(AutoscalingScreen(job.key))
                await pilot.pause()
            await press(pilot, keys)
            return text_of(app)

    return asyncio.run(scenario())


def test_the_advice_and_its_arithmetic() -> None:
    text = shown(*(facts(poll) for poll in range(4)))
    assert "scale enrich 1 -> 2" in text
    assert "enrich: 1 × " in text
    assert "UPDATE_REQUIREMENT" in text


def test_one_poll_is_not_enough() -> None:
    assert "rates need two polls; 1 so far" in shown(facts(0))


def test_what_is_missing_holds() -> None:
    broken = facts(3, vertices=(facts(3).vertices[0], msgspec.structs.replace(facts(3).vertices[1], records_in=None)))
    text = shown(facts(0), facts(1), facts(2), broken)
    assert "hold" in text
    assert "not known" in text


@pytest.mark.thorough
def test_what_if_it_had_more_room() -> None:
    text = shown(*(facts(poll) for poll in range(4)), keys=("minus",) * 8)
    assert "what if: target utilization 30%" in text
    assert "enrich 1 -> 4" in text
    assert "what if" not in shown(*(facts(poll) for poll in range(4)), keys=("minus", "0")).splitlines()[0]


def test_drift_of_an_override() -> None:
    settings = {OVERRIDES: "w:3"}
    text = shown(*(facts(poll, configuration=settings) for poll in range(3)))
    assert "drift: enrich runs with 1, its override says 3" in text


def test_without_a_source_that_acts_nothing_is_planned() -> None:
    assert "takes no actions" in shown(*(facts(poll) for poll in range(4)), keys=("a",))


def test_beside_the_operators_autoscaler_nothing_is_planned() -> None:
    settings = {**facts(0).configuration, "job.autoscaler.enabled": "true"}
    assert "two controllers" in shown(*(facts(poll, configuration=settings) for poll in range(4)), keys=("a",))


@pytest.mark.scaled
@pytest.mark.parametrize("size", some([(80, 24), (120, 40), (200, 60)], 2))
def test_every_size_shows_the_verdict(size: tuple[int, int]) -> None:
    assert "1 -> 2" in shown(*(facts(poll) for poll in range(4)), size=size)
