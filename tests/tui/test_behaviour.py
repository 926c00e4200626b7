"""How the screens behave: the cursor keeps its row, failures are said, and nothing ends the app."""

from pathlib import Path

import msgspec
import pytest
from textual.geometry import Region

from flinkops.clock import FixedClock
from flinkops.model.assessment import FleetAssessment, JobAssessment
from flinkops.model.facts import JobKey, SourceStatus
from flinkops.model.observation import Observation
from flinkops.recording import Recording
from flinkops.tui.app import FlinkopsApp
from flinkops.tui.fleet import FleetScreen
from flinkops.tui.job import JobScreen
from flinkops.tui.keys import KEYS
from flinkops.tui.notes import Notes
from flinkops.tui.window import Window
from tests.effort import variants
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import fleet_screen, make_app, press, run, running, text_of, until, view_of


def with_jobs(seen: Observation, jobs: tuple[JobAssessment, ...]) -> Observation:
    assessment = msgspec.structs.replace(seen.assessment, jobs=jobs)
    return Observation(seen.snapshot, assessment, seen.history)


def test_cursor_keeps_its_row_and_its_line_when_rows_move() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            await press(pilot, ["j"] * 5)
            grid = fleet_screen(app).grid
            key, line = grid.cursor_key, grid.cursor - grid.top
            seen = fleet(140, poll=1)
            jobs = seen.assessment.jobs
            app.poller.observed(view_of(with_jobs(seen, (*jobs[-30:], *jobs[:-30]))))
            await pilot.pause()
            assert grid.cursor == 35
            assert grid.cursor_key == key
            assert grid.cursor - grid.top == line
            assert app.view is not None
            gone = tuple(job for job in app.view.jobs if job.key != key)
            app.poller.observed(view_of(with_jobs(seen, gone)))
            await pilot.pause()
            assert grid.cursor_key is not None
            assert grid.cursor - grid.top == line

    run(scenario())


def test_untouched_cursor_stays_on_the_worst() -> None:
    async def scenario() -> None:
        async with running(fleet(140)) as (app, pilot):
            seen = fleet(140, poll=1)
            app.poller.observed(view_of(with_jobs(seen, tuple(reversed(seen.assessment.jobs)))))
            await pilot.pause()
            assert fleet_screen(app).grid.cursor == 0

    run(scenario())


def test_a_refresh_paints_only_lines_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            grid = fleet_screen(app).grid
            painted: list[Region] = []
            monkeypatch.setattr(grid, "refresh", lambda *regions, **_: painted.extend(regions))
            await pilot.pause(0.1)  # what the start still had to paint
            painted.clear()
            app.poller.observed(view_of(fleet(140)))
            await pilot.pause()
            assert painted == [], "the same again: nothing to paint"
            jobs = fleet(140).assessment.jobs
            changed = msgspec.structs.replace(jobs[3], records_in_per_second=77.0)
            app.poller.observed(view_of(with_jobs(fleet(140), (*jobs[:3], changed, *jobs[4:]))))
            await pilot.pause()
            assert [region.y for region in painted] == [4], "the fourth row, below the header"

    run(scenario())


@pytest.mark.thorough
def test_filter_follows_the_keys_and_escape_undoes_it() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            await press(pilot, ["slash", *"orders !ns:ads", "enter"])
            rows = fleet_screen(app).grid.rows
            assert rows
            assert all("orders" in job.name and job.namespace != "ads" for job in rows)
            text = text_of(app)
            assert f"{len(rows)} of 140" in text
            assert "/orders !ns:ads" in text
            app.poller.observed(view_of(fleet(140, poll=1)))
            await pilot.pause()
            assert len(fleet_screen(app).grid.rows) == len(rows), "kept on refresh"
            await press(pilot, ["escape"])
            assert len(fleet_screen(app).grid.rows) == 140

    run(scenario())


def test_sorting_shows_its_direction_and_puts_unknown_last() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            grid = fleet_screen(app).grid
            for _ in range(20):
                if grid.sort_id == "in":
                    break
                await press(pilot, ["greater_than_sign"])
            assert "▼IN/S" in text_of(app)
            for expected in (True, False):
                rates = [job.records_in_per_second for job in grid.rows]
                known = [rate for rate in rates if rate is not None]
                assert known == sorted(known, reverse=expected)
                assert rates[len(known) :] == [None] * (len(rates) - len(known))
                await press(pilot, ["o"])
            assert "by in" in text_of(app)

    run(scenario())


def test_a_job_is_followed_over_restarts_and_said_to_be_gone() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            await press(pilot, ["enter"])
            assert isinstance(app.screen, JobScreen)
            key = app.screen.key
            seen = fleet(140, poll=1)
            jobs = tuple(msgspec.structs.replace(j, id="f" * 32) if j.key == key else j for j in seen.assessment.jobs)
            app.poller.observed(view_of(with_jobs(seen, jobs)))
            await pilot.pause()
            assert "f" * 32 in text_of(app)
            app.poller.observed(view_of(with_jobs(seen, tuple(job for job in jobs if job.key != key))))
            await pilot.pause()
            assert "gone" in text_of(app)
            await press(pilot, ["escape"])
            assert isinstance(app.screen, FleetScreen)

    run(scenario())


@pytest.mark.thorough
def test_copy_offers_ids_paths_and_commands() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40)) as (app, pilot):
            await press(pilot, ["y"])
            text = text_of(app)
            assert "savepoint path" in text
            assert "flinkops savepoint create ads/ads-enrich-120 --rest http://flink-00.example:8081" in text
            await press(pilot, ["j", "j", "enter"])
            assert app.clipboard == "000000000000000000000000000e8009"
            assert "copied id" in text_of(app)
            await press(pilot, ["u", "j", "j", "j"])  # cut in the table, in full below it
            assert "http://flink-00.example:8081/#/job/running/000000000000000000000000000e8009" in text_of(app)

    run(scenario())


@pytest.mark.thorough
def test_marked_rows_are_copied_together_and_noted_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "state" / "notes.json"
        async with running(fleet(140), size=(120, 40), notes_path=path) as (app, pilot):
            await press(pilot, ["space", "space", "n", *"looking", "enter"])
            assert text_of(app).count("¶ ") >= 2
            assert "2 marked" in text_of(app)
            await press(pilot, ["y", "j", "enter"])
            assert len(app.clipboard.splitlines()) == 2
        assert len(Notes(path, FixedClock(T0_MS)).keys()) == 2

    run(scenario())


def test_notes_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{not json")
    notes = Notes(path, FixedClock(T0_MS))
    assert notes.problem is not None
    notes.write([JobKey("c", "n", "j")], "mine")
    assert notes.of(JobKey("c", "n", "j")) is not None
    assert path.read_text() == "{not json"


def test_export_writes_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.chdir(tmp_path)
        async with running(fleet(140), size=(80, 24)) as (_, pilot):
            await press(pilot, ["e", "enter"])
            await press(pilot, ["e", "j", "enter"])
        [text] = tmp_path.glob("*.txt")
        titles, *rows = text.read_text().splitlines()
        assert titles.startswith("HEALTH\tFOR\tJOB\t")
        assert len(rows) == 140
        [document] = tmp_path.glob("*.json")
        decoded = msgspec.json.decode(document.read_bytes())
        assert decoded["schema_version"] == 1
        assert len(decoded["jobs"]) == 140

    run(scenario())


def test_every_key_has_its_action_and_its_line_of_help() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(200, 120)) as (app, pilot):
            await press(pilot, ["question_mark"])
            text = text_of(app)
            for key in KEYS:
                if key.where in ("fleet", "rows", "everywhere"):
                    assert key.help in text, key
                owner = {"app": app, "screen": fleet_screen_below(app)}.get(key.action.split(".")[0])
                if owner is not None:
                    name = key.action.split("(")[0].split(".")[1]
                    assert hasattr(owner, f"action_{name}"), key

    run(scenario())


def fleet_screen_below(app: FlinkopsApp) -> FleetScreen:
    return next(screen for screen in app.screen_stack if isinstance(screen, FleetScreen))


def test_palette_opens_jobs_and_hostile_names_are_not_obeyed() -> None:
    async def scenario() -> None:
        async with running(fleet(12, hostile=True), size=(120, 40)) as (app, pilot):
            await press(pilot, ["colon", *"open bold"])
            assert "flink-00/ads/[bold red]not markup[/] [@click=app.quit]x[/]" in text_of(app)
            await press(pilot, ["enter"])
            assert isinstance(app.screen, JobScreen)
            await press(pilot, ["escape"])

    run(scenario())


def test_resize_keeps_everything_on_the_screen() -> None:
    async def scenario() -> None:
        async with running(fleet(140), size=(200, 60)) as (app, pilot):
            await press(pilot, ["G"])
            for size in ((80, 24), (40, 10), (200, 60), (120, 40)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
                assert all(len(line) <= size[0] for line in text_of(app).splitlines())
            assert fleet_screen(app).grid.cursor == 139

    run(scenario())


def test_a_fleet_that_never_answered_is_not_an_empty_one() -> None:
    async def scenario() -> None:
        sources = tuple(
            SourceStatus(name=name, kind="rest", state="unreachable", error=f"{name} refuses") for name in ("a", "b")
        )
        seen = Observation(fleet(1).snapshot, FleetAssessment(T0_MS, 0.1, sources, ()))
        async with running(seen) as (app, _):
            text = text_of(app)
            assert "no source answers: a refuses" in text
            assert "DISCONNECTED · no data yet" in text
            assert "no source answered" in text
            assert "no jobs" not in text
            assert "0s old" not in text

    run(scenario())


def test_empty_fleet_says_what_is_missing() -> None:
    async def scenario() -> None:
        seen = Observation(fleet(1).snapshot, FleetAssessment(T0_MS, 0.1, fleet(1).assessment.sources, ()))
        async with running(seen) as (app, _):
            assert "no jobs" in text_of(app)
            assert "the sources answered: no jobs" in text_of(app)

    run(scenario())


class Steady:
    """Always works."""

    def __init__(self) -> None:
        self.polls = 0

    def observe(self) -> Observation:
        self.polls += 1
        return fleet(4, poll=self.polls)


def test_what_is_seen_can_be_recorded_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.chdir(tmp_path)
        observer = Steady()
        app = make_app(observer=observer, polling=True)
        async with running(app=app, size=(120, 40)) as (_, pilot):
            await until(pilot, lambda: observer.polls == 1 and app.view is not None, what="the first poll")
            await press(pilot, ["R"])
            assert "recording" in text_of(app)
            for number in (2, 3):
                await press(pilot, ["r"])
                await until(pilot, lambda n=number: observer.polls == n, what="another poll")  # type: ignore[misc]
                await until(pilot, lambda: not app.poller.in_flight, what="its end")
            await press(pilot, ["R"])
        [path] = tmp_path.glob("*.rec")
        recording = Recording(path)
        assert [recording.snapshot(i) for i in range(len(recording))] == [fleet(4, poll=n).snapshot for n in (2, 3)]
        recording.close()

    run(scenario())


def test_it_leaves_by_itself_when_its_time_is_limited() -> None:
    async def scenario() -> None:
        async with running(fleet(4), seconds=0.05) as (app, pilot):
            await until(pilot, lambda: not app.is_running or app._exit, what="it has left")

    run(scenario())


@pytest.mark.parametrize("key", variants(":", "n", "?"))
def test_a_second_key_behind_the_one_that_ended_a_window_does_nothing(key: str) -> None:
    """On a busy machine two enters wait in one queue: the second broke the screen with InvalidStateError."""

    async def scenario() -> None:
        async with running(fleet(3)) as (app, pilot):
            await press(pilot, [key])
            await until(pilot, lambda: isinstance(app.screen, Window), what="a window")
            window = app.screen
            assert isinstance(window, Window)
            window.dismiss(None)
            window.dismiss(None)
            await pilot.pause()
            assert isinstance(app.screen, FleetScreen)

    run(scenario())
