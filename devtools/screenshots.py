"""Make docs/screenshots again: the screens on generated fleets, dashboards, a report; all, or those named."""

import asyncio
import os
import re
from pathlib import Path

from devtools.bootstrap import REPOSITORY
from devtools.dashboard_pictures import draw_all
from devtools.report_picture import draw_report
from flinkops.errors import UsageError

SHOTS: dict[str, tuple[tuple[int, int], int, tuple[str, ...], dict[str, object]]] = {
    "fleet": ((120, 32), 140, (), {}),
    "fleet-200x50": ((200, 50), 140, ("j", "j"), {}),
    "fleet-80x24": ((80, 24), 140, (), {}),
    "job": ((120, 36), 140, ("enter",), {}),
    "job-200x60": ((200, 60), 140, ("enter",), {}),
    "checkpoints": ((120, 32), 140, ("enter", "2"), {}),
    "vertex": ((120, 20), 140, ("enter", "enter"), {"details": True}),
    "flame": ((120, 20), 140, ("enter", "f"), {"details": True}),
    "filter": ((120, 24), 140, ("slash", *"state:restarting", "enter"), {}),
    "help": ((120, 44), 140, ("question_mark",), {}),
    "light": ((120, 24), 140, (), {"theme": "flinkops-light"}),
    "colour-blind": ((120, 24), 140, (), {"theme": "flinkops-colour-blind"}),
    "high-contrast": ((120, 24), 140, (), {"theme": "flinkops-high-contrast"}),
    "ascii": ((80, 24), 140, (), {"ascii_only": True}),
}
"""Name: size, jobs, keys, options of the app."""
DASHBOARDS = "dashboards"
"""All of them at once: from a real Prometheus."""
REPORT = "report"
"""A page, by a Chromium that is installed."""


async def shoot(name: str, folder: Path) -> Path:
    """One screenshot."""
    from tests.tui.details import FakeSource
    from tests.tui.fleet import fleet
    from tests.tui.screen import press, running

    size, jobs, keys, options = SHOTS[name]
    chosen = dict(options)
    if chosen.pop("details", False):
        chosen["sources"] = [FakeSource(f"flink-{number:02d}") for number in range(12)]
    async with running(fleet(jobs), size=size, **chosen) as (app, pilot):  # type: ignore[arg-type]
        await press(pilot, keys)
        await pilot.pause(0.3)
        svg = app.export_screenshot(title=f"flinkops status: {name}")
    # the random id that rich puts in would make every run another file
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)  # nothing is fetched from elsewhere
    path = folder / f"{name}.svg"
    path.write_text("\n".join(text.rstrip() for text in svg.splitlines()) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str]) -> int:
    """All of them, or those named."""
    os.environ.pop("NO_COLOR", None)
    folder = REPOSITORY / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    names = (*SHOTS, DASHBOARDS, REPORT)
    for name in arguments or names:
        if name not in names:
            raise UsageError(f"no screenshot {name!r}", next_step=f"there are: {', '.join(names)}")
        for path in _made(name, folder):
            print(path.relative_to(REPOSITORY))
    return 0


def _made(name: str, folder: Path) -> list[Path]:
    if name == DASHBOARDS:
        return draw_all(folder)
    if name == REPORT:
        draw_report(folder / "report.png")
        return [folder / "report.png"]
    return [asyncio.run(shoot(name, folder))]
