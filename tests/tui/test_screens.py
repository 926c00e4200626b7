"""What the screens show, as golden files at three sizes; and that hostile names cannot move a column."""

import asyncio
import unicodedata
from typing import Any

import pytest
from rich.cells import cell_len

from tests.effort import some
from tests.tui.details import FakeSource
from tests.tui.fleet import fleet
from tests.tui.screen import SIZES, Picture, check_picture, picture_of, press, running, text_of

SCREENS: dict[str, tuple[str, ...]] = {
    "fleet": (),
    "job": ("enter",),
    "checkpoints": ("enter", "2"),
    "exceptions": ("enter", "3"),
    "configuration": ("enter", "5"),
    "help": ("question_mark",),
    "sources": ("S",),
    "copy": ("y",),
}


def shown(keys: tuple[str, ...], size: tuple[int, int], **options: Any) -> Picture:
    async def run() -> Picture:
        async with running(fleet(140), size=size, **options) as (app, pilot):
            await press(pilot, keys)
            return picture_of(app)

    return asyncio.run(run())


@pytest.mark.scaled
@pytest.mark.parametrize("name", ["fleet", "job"])
@pytest.mark.parametrize("size", some(SIZES, 2), ids=lambda size: f"{size[0]}x{size[1]}")
def test_main_screens(name: str, size: tuple[int, int]) -> None:
    check_picture(f"{name}-{size[0]}x{size[1]}", shown(SCREENS[name], size))


@pytest.mark.scaled
@pytest.mark.parametrize("name", some([name for name in SCREENS if name not in ("fleet", "job")], 3))
def test_further_screens(name: str) -> None:
    check_picture(f"{name}-80x24", shown(SCREENS[name], (80, 24)))


@pytest.mark.thorough
def test_ascii_screens_are_ascii() -> None:
    for name in ("fleet", "job", "help"):
        picture = shown(SCREENS[name], (120, 40), ascii_only=True)
        assert picture.text.isascii(), [char for char in picture.text if not char.isascii()]
        check_picture(f"{name}-ascii-120x40", picture)


@pytest.mark.scaled
@pytest.mark.parametrize("size", some(SIZES, 2), ids=lambda size: f"{size[0]}x{size[1]}")
def test_hostile_names(size: tuple[int, int]) -> None:
    async def run() -> Picture:
        async with running(fleet(12, hostile=True), size=size) as (app, _):
            return picture_of(app)

    picture = asyncio.run(run())
    text = picture.text
    check_picture(f"hostile-{size[0]}x{size[1]}", picture)
    forbidden = [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf")]
    assert not forbidden
    assert "[bold red]" in text, "markup is shown, not obeyed"
    lines = text.splitlines()
    header = next(line for line in lines if "HEALTH" in line)
    right_edge = cell_len(header[: header.index("P99") + 3])
    rows = [line for line in lines if " ✔ ok " in line and line[2:].lstrip().startswith("✔")]
    assert len(rows) >= 8
    for row in rows:  # the P99 of every row ends under the title's last letter
        cells = "".join(char + "\0" * (cell_len(char) - 1) for char in row)
        assert cells[right_edge - 2 : right_edge] in ("ms", " s"), row


@pytest.mark.thorough
def test_deep_screens() -> None:
    async def run() -> None:
        async with running(fleet(140), size=(120, 40), sources=[FakeSource("flink-00")]) as (app, pilot):
            from tests.tui.screen import until

            await press(pilot, ["enter", "2"])
            await until(pilot, lambda: "slowest: " in text_of(app), what="the phases came")
            check_picture("phases-120x40", picture_of(app))
            await press(pilot, ["1", "enter"])
            await until(pilot, lambda: "tm-1" in text_of(app), what="the subtasks came")
            check_picture("vertex-120x40", picture_of(app))
            await press(pilot, ["f"])
            await until(pilot, lambda: "stacks of" in text_of(app), what="the flame graph came")
            check_picture("flame-120x40", picture_of(app))
            await press(pilot, ["escape", "L"])
            await until(pilot, lambda: "taskmanager.log" in text_of(app), what="the list of logs came")
            await press(pilot, ["j", "enter"])
            await until(pilot, lambda: "last 3 lines" in text_of(app), what="the log came")
            check_picture("log-120x40", picture_of(app))
            await press(pilot, ["slash", *"warn", "enter"])
            assert "Checkpoint 12 expired" in text_of(app)
            assert "starting" not in text_of(app)
            await press(pilot, ["escape"] * 6)
            assert "worst first" in text_of(app)

    asyncio.run(run())


@pytest.mark.thorough
def test_detail_that_fails_is_said_and_retried() -> None:
    async def run() -> None:
        source = FakeSource("flink-00", failing=True)
        async with running(fleet(140), size=(120, 40), sources=[source]) as (app, pilot):
            from tests.tui.screen import until, view_of

            await press(pilot, ["enter", "enter"])
            await until(pilot, lambda: "no answer within 10 s" in text_of(app), what="the failure is shown")
            source.failing = False
            app.poller.observed(view_of(fleet(140, poll=1)))
            await until(pilot, lambda: "tm-1" in text_of(app), what="the next poll asks again")

    asyncio.run(run())
