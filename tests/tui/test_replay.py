"""A recording on the same screens: step, jump, speed, and the same picture whichever way one came."""

import asyncio
from pathlib import Path

import pytest

from flinkops.config.policy import Policy
from flinkops.errors import UsageError
from flinkops.model.facts import FleetSnapshot
from flinkops.recording import Recorder, Replay
from flinkops.tui.replay import ReplayObserver
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import make_app, press, running, text_of, until

FRAMES = 20


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "incident.rec"
    with Recorder(path) as recorder:
        for poll in range(FRAMES):
            snapshot: FleetSnapshot = fleet(6, poll=poll).snapshot
            recorder.write(snapshot)
    return path


def test_keys_move_through_the_recording(recording: Path) -> None:
    async def scenario() -> None:
        replay = ReplayObserver(Replay(recording), Policy())
        app = make_app(observer=replay, polling=True)
        async with running(app=app, size=(120, 40)) as (_, pilot):
            await until(pilot, lambda: "1 of 20 x1" in text_of(app), what="the first moment")
            await press(pilot, ["right_curly_bracket"])
            await until(pilot, lambda: "13 of 20 x1 PAUSED" in text_of(app), what="twelve on, and held")
            await press(pilot, ["left_square_bracket"])
            await until(pilot, lambda: "12 of 20" in text_of(app), what="one back")
            await press(pilot, ["J", *"14:03", "enter"])
            await until(pilot, lambda: "6 of 20" in text_of(app), what="the last moment before 14:03:00")
            assert "14:02:56Z" in text_of(app)
            await press(pilot, ["J", *"noon", "enter"])
            assert "is no time" in text_of(app)
            await press(pilot, ["plus", "plus"])
            assert "x4" in text_of(app)
            await press(pilot, ["right_curly_bracket", "right_curly_bracket"])
            await until(pilot, lambda: "20 of 20 x4, end" in text_of(app), what="the end")

    asyncio.run(scenario())


@pytest.mark.thorough
def test_going_back_shows_what_was_shown(recording: Path) -> None:
    forward = ReplayObserver(Replay(recording), Policy())
    pictures = [forward.observe() for _ in range(FRAMES)]
    back = ReplayObserver(Replay(recording), Policy())
    for index in (15, 3, 19, 0, 7):
        seen = back.at(index)
        assert seen.assessment == pictures[index].assessment
        assert dict(seen.history) == dict(pictures[index].history)


def test_times_are_those_of_the_recording(recording: Path) -> None:
    replay = ReplayObserver(Replay(recording), Policy())
    assert replay.parse_time("14:02:31") == T0_MS
    assert replay.parse_time("2026-11-23T14:02:31Z") == T0_MS
    with pytest.raises(UsageError, match="is no time"):
        replay.parse_time("tomorrow")
