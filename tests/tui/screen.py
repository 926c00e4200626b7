"""The app under Textual's pilot: polling is off, observations are handed in, the clock stands still."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textual.pilot import Pilot

from flinkops.clock import FixedClock
from flinkops.model.observation import Observation
from flinkops.render.lines import Role, fit, line, width
from flinkops.tui.app import FlinkopsApp
from flinkops.tui.fleet import FleetScreen
from flinkops.tui.lineview import LineView
from flinkops.tui.options import Options
from flinkops.tui.view import View
from tests.patience import PATIENT_SECONDS
from tests.tui.fleet import INTERVAL_SECONDS, T0_MS, fleet

GOLDEN = Path(__file__).parent.parent / "golden" / "tui"
SIZES = ((80, 24), (120, 40), (200, 60))


class Unasked:
    """An observer that must not be asked."""

    def observe(self) -> Observation:
        raise AssertionError("the test posts observations itself")


def view_of(seen: Observation) -> View:
    """As the app makes it."""
    return View.of(seen, interval_seconds=INTERVAL_SECONDS)


def make_app(**options: Any) -> FlinkopsApp:
    """An app that does not poll by itself, three seconds after the first observation."""
    observer = options.pop("observer", Unasked())
    others = {name: options.pop(name) for name in ("sources", "links") if name in options}
    clock = options.pop("clock", FixedClock(T0_MS + 3_000))
    options.setdefault("polling", False)
    return FlinkopsApp(observer, Options(interval_seconds=INTERVAL_SECONDS, **options), clock=clock, **others)


@asynccontextmanager
async def running(
    seen: Observation | None = None,
    *,
    size: tuple[int, int] = (120, 40),
    app: FlinkopsApp | None = None,
    **options: Any,
) -> AsyncIterator[tuple[FlinkopsApp, Pilot[None]]]:
    """The app on a screen of that size, with one observation in it."""
    made = app or make_app(**options)
    async with made.run_test(size=size) as pilot:
        if made.view is None and app is None:
            made.poller.observed(view_of(seen or fleet(140)))
        await pilot.pause()
        yield made, pilot


def text_of(app: FlinkopsApp) -> str:
    """The screen as plain text, as a person sees it."""
    strips = app.screen._compositor.render_strips()
    if len(app.screen_stack) > 1 and app.screen.is_modal:
        update: Any = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
        strips = update.strips
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


ROLE_LETTERS: dict[Role, str] = {
    "text": " ", "dim": ".", "strong": "S", "heading": "H", "accent": "A", "ok": "o", "warning": "w", "critical": "C",
    "unknown": "u", "busy": "b", "pressed": "p", "idle": "i", "banner": "B", "spark": "k",
}  # fmt: skip


def roles_of(app: FlinkopsApp) -> str:
    """What each cell of the screen means: a letter a cell; before each line, `>` for the cursor's and `s` for stale."""
    size = app.screen.size
    rows = [[" "] * size.width for _ in range(size.height)]
    marks = [[" ", " "] for _ in range(size.height)]
    for view in app.screen.query(LineView):
        if not view.display:
            continue
        left, top = view.region.x, view.region.y
        for y in range(min(view.region.height, size.height - top)):
            shown, on_cursor, stale = view.line_at(y)
            fitted = fit(shown, view.region.width, ellipsis=app.context.glyphs.ellipsis)
            letters = "".join(ROLE_LETTERS[role] * width(line(text)) for text, role in fitted)
            rows[top + y][left : left + len(letters)] = letters
            marks[top + y] = [">" if on_cursor else " ", "s" if stale else " "]
    return "\n".join("".join([*mark, *row]).rstrip() for mark, row in zip(marks, rows, strict=True)) + "\n"


class Picture(NamedTuple):
    """What a screen shows at a moment."""

    text: str
    roles: str


def picture_of(app: FlinkopsApp) -> Picture:
    """As it is now."""
    return Picture(text_of(app), roles_of(app))


def check_picture(name: str, picture: Picture) -> None:
    """The text of the screen, and the role of each of its cells."""
    check_golden(name, picture.text)
    check_golden(f"{name}.roles", picture.roles)


def check_golden(name: str, text: str) -> None:
    """Compare with the file of that name; FLINKOPS_UPDATE_GOLDEN=1 writes it instead."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("FLINKOPS_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no golden file {path.name}: run with FLINKOPS_UPDATE_GOLDEN=1 and read it"
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; read it, then FLINKOPS_UPDATE_GOLDEN=1"


async def until(pilot: Pilot[None], holds: Callable[[], bool], *, what: str) -> None:
    """Let the app work until something holds."""
    ends = time.monotonic() + PATIENT_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"never: {what}"
        await pilot.pause(0.01)


async def press(pilot: Pilot[None], keys: Sequence[str]) -> None:
    """Keys one after another, each taken in."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


def run(scenario: Awaitable[None]) -> None:
    """A scenario from start to end."""

    async def whole() -> None:
        await scenario

    asyncio.run(whole())


def fleet_screen(app: FlinkopsApp) -> FleetScreen:
    """The fleet, which has to be on top."""
    screen = app.screen
    assert isinstance(screen, FleetScreen)
    return screen
