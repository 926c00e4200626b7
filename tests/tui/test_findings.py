"""The findings of a job: at once by the snapshot, then by what was asked for; enter shows one and plans its move."""

import asyncio
from typing import Any

import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.model.detail import FlameGraph, FlameGraphNode, JobDetail
from flinkops.model.findings import EvidenceLine, Finding, FirstMove, Remedy
from flinkops.model.observation import Observation
from flinkops.render.lines import plain
from flinkops.tui.app import FlinkopsApp
from flinkops.tui.findings import FindingsScreen, brief_lines, finding_lines, move_of
from tests.tui.details import FakeSource
from tests.tui.screen import make_app, press, running, text_of, until, view_of
from tests.unit.builders import NOW_MS, snapshot, spread, with_vertex
from tests.unit.doctor_cases import detail, job, manager


class Detailed(FakeSource):
    """With a TaskManager that collects garbage, and stacks full of JSON."""

    def detail(self, job_id: str, **_options: Any) -> JobDetail:
        return detail(taskmanagers=(manager(0.25),))

    def flame_graph(self, job_id: str, vertex_id: str, kind: Any = "on_cpu", **_options: Any) -> FlameGraph:
        parse = FlameGraphNode("com.fasterxml.jackson.core.JsonFactory.createParser:1", 100)
        return FlameGraph(at_ms=NOW_MS, root=FlameGraphNode("root", 100, (parse,)))


def ill() -> Observation:
    """One job that is held up by the vertex `work`."""
    facts = with_vertex(job(), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    facts = with_vertex(facts, "work", busy_ratio=spread(0.98))
    taken = snapshot(facts)
    assessment = assess(taken, {}, Policy())
    samples = [each.sample for each in assessment.jobs if each.sample is not None]
    return Observation(snapshot=taken, assessment=assessment, history={facts.key: tuple(samples)})


def findings_of(app: FlinkopsApp) -> list[str]:
    screen = app.screen
    if not isinstance(screen, FindingsScreen) or not screen.query("#findings"):
        return []
    return [each.code for each in screen.grid.rows]


def test_more_is_found_once_its_source_was_asked_and_enter_plans_the_move() -> None:
    asked: list[tuple[str, str]] = []

    async def whole() -> None:
        app = make_app(sources=[Detailed("prod")])
        async with running(app=app, size=(120, 40)) as (_, pilot):
            app.poller.observed(view_of(ill()))
            app.actions.ask = lambda kind, jobs, text="": asked.append((kind.verb, text))  # type: ignore[method-assign]
            app.push_screen(FindingsScreen(job().key))
            await until(pilot, lambda: "gc-pressure" in findings_of(app), what="what the source says")
            assert findings_of(app) == ["gc-pressure", "serialization", "backpressure"]
            await press(pilot, ["G", "enter"])
            shown = text_of(app)
            assert "follows from" in shown
            assert "plan it: rescale work=4" in shown
            await press(pilot, ["enter"])
            await until(pilot, lambda: bool(asked), what="the plan")

    asyncio.run(whole())
    assert asked == [("rescale", "work=4")]


def test_d_opens_them_from_the_fleet_and_from_the_job() -> None:
    async def whole() -> None:
        app = make_app()
        async with running(app=app, size=(120, 40)) as (_, pilot):
            app.poller.observed(view_of(ill()))
            await press(pilot, ["d"])
            await until(pilot, lambda: findings_of(app) == ["backpressure"], what="from the fleet")
            await press(pilot, ["escape", "enter", "d"])
            await until(pilot, lambda: findings_of(app) == ["backpressure"], what="from the job")

    asyncio.run(whole())


def test_without_sources_the_poll_itself_is_diagnosed_and_the_rest_not_assessed() -> None:
    async def whole() -> None:
        app = make_app()
        async with running(app=app, size=(120, 40)) as (_, pilot):
            app.poller.observed(view_of(ill()))
            app.push_screen(FindingsScreen(job().key))
            await until(pilot, lambda: findings_of(app) == ["backpressure"], what="the finding")
            assert "not assessed" in text_of(app)
            assert "gc-pressure" in text_of(app)

    asyncio.run(whole())


def test_the_jobs_own_screen_has_a_line_a_finding_above_info() -> None:
    app, seen = make_app(), ill()
    lines = brief_lines(view_of(seen), seen.assessment.jobs[0], app.context)
    assert ["backpressure" in plain(each) for each in lines] == [True]


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (FirstMove("rescale", "x=4"), "rescale x=4"),
        (FirstMove("upgrade", "k=24 h"), "upgrade --set 'k=24 h'"),
        (FirstMove("rollback"), "rollback"),
        (None, None),
    ],
)
def test_the_first_move_is_an_action_of_the_screen_whatever_the_command_says(
    first: FirstMove | None, says: str | None
) -> None:
    move = move_of(Finding("backpressure", "warning", 0.9, "t", next="flinkops rollback orders --plan", move=first))
    assert (move.says if move else None) == says


def test_hostile_text_is_drawn_as_text() -> None:
    wild = "\x1b[31m\u202eevil\n"
    finding = Finding(
        "backpressure", "critical", 1.0, wild, wild, (EvidenceLine(wild, 1.0),), (Remedy(wild),), wild, wild
    )
    text = "\n".join(plain(each) for each in finding_lines(finding, 80))
    assert "\x1b" not in text
    assert "\u202e" not in text
