"""Saved views, one source's jobs, links to pages elsewhere."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from flinkops.config.load import load_settings
from flinkops.errors import UsageError
from flinkops.model.assessment import Health, Reason
from flinkops.model.reasons import ReasonCode
from flinkops.tui.links import RUNBOOKS, UNKNOWN_RUNBOOK, Links, fill
from flinkops.tui.views import SavedView, SavedViews
from tests.tui.fleet import fleet
from tests.tui.screen import fleet_screen, press, running, text_of

RUNBOOK_FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"


@pytest.mark.thorough
def test_a_view_is_saved_taken_again_in_another_session_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state" / "views.json"

    async def save() -> None:
        async with running(fleet(140), views_path=path) as (app, pilot):
            await press(pilot, ["v"])
            assert "no saved view yet" in text_of(app)
            await press(pilot, ["slash", *"orders", "enter", "b", "w", "greater_than_sign"])
            await press(pilot, ["V"])
            assert "save this view (/orders, broken only, by health" in text_of(app)
            await press(pilot, [*"mine", "enter"])
            assert "saved mine" in text_of(app)

    async def take() -> None:
        async with running(fleet(140), views_path=path) as (app, pilot):
            before = fleet_screen(app).as_saved("x")
            await press(pilot, ["v"])
            assert "/orders, broken only" in text_of(app)
            await press(pilot, ["enter"])
            screen = fleet_screen(app)
            assert screen.as_saved("x") == SavedView("x", "orders", None, True, True, "health", screen.grid.sort_down)
            assert all("orders" in f"{job.name} {job.health}" for job in screen.grid.rows)
            await press(pilot, ["escape"])
            assert screen.as_saved("x").filter == before.filter == ""
            await press(pilot, ["V", *"!mine", "enter"])
            assert "deleted mine" in text_of(app)

    asyncio.run(save())
    asyncio.run(take())
    assert SavedViews(path).all() == []


def test_views_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    path.write_text("{broken")
    views = SavedViews(path)
    assert views.problem is not None
    views.save(SavedView("mine"))
    assert path.read_text() == "{broken"


def test_the_jobs_of_one_source_also_while_another_is_dead() -> None:
    async def scenario() -> None:
        async with running(fleet(140)) as (app, pilot):
            assert app.view is not None
            first = app.view.observation.assessment.sources[0].name
            await press(pilot, ["c"])
            assert "all sources" in text_of(app)
            await press(pilot, ["j", "enter"])
            rows = fleet_screen(app).grid.rows
            assert rows
            assert {job.cluster for job in rows} == {first}
            assert f"source {first}" in text_of(app)
            await press(pilot, ["c", "enter"])
            assert len(fleet_screen(app).grid.rows) == 140

    asyncio.run(scenario())


def test_links_are_filled_quoted_and_end_at_runbooks_that_exist() -> None:
    health = Health("critical", (Reason(ReasonCode.CHECKPOINT_FAILING, "3 in a row", level="critical"),))
    job = msgspec.structs.replace(fleet(140).assessment.jobs[0], name="a b&c/{x}", namespace="n s", health=health)
    links = dict(Links({"logs": "https://l/?q={job}:{namespace}"}, "https://r/", "https://g/").of(job))
    assert links["logs"] == "https://l/?q=a%20b%26c%2F%7Bx%7D:n%20s"
    assert links["Grafana"] == "https://g/d/flinkops-job?var-namespace=n%20s&var-job=a%20b%26c%2F%7Bx%7D"
    assert links["runbook: checkpoint-failing"] == "https://r/FlinkJobCheckpointsFailing.md"
    for page in {*RUNBOOKS.values(), UNKNOWN_RUNBOOK}:
        assert (RUNBOOK_FOLDER / f"{page}.md").exists()
    assert fill("{code}", job) == "checkpoint-failing"


def test_links_are_offered_for_copying() -> None:
    async def scenario() -> None:
        async with running(fleet(140), links=Links({"logs": "https://l/{job}"})) as (app, pilot):
            await press(pilot, ["u"])
            assert "https://l/" in text_of(app)
            await press(pilot, ["enter"])
            assert "copied logs" in text_of(app)

    asyncio.run(scenario())


@pytest.mark.parametrize("template", ["https://l/{nonsense}", "https://l/{job", "https://l/{}"])
def test_links_that_cannot_be_filled_are_refused_by_name(tmp_path: Path, template: str) -> None:
    file = tmp_path / "flinkops.toml"
    file.write_text(f'[links]\nlogs = "{template}"\n')
    with pytest.raises(UsageError, match='"logs" in \\[links\\]'):
        load_settings({}, config_file=str(file), environ={})
    file.write_text('[links]\nlogs = "https://l/{job_id}"\n')
    assert load_settings({}, config_file=str(file), environ={}).links == {"logs": "https://l/{job_id}"}
