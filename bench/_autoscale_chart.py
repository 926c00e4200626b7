"""A run of bench.autoscale as a chart: offered load, parallelism and lag over time."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 100, 8
_FONTS = re.compile(r"@font-face\s*{.*?}\s*", re.DOTALL)
BLOCKS = " ▁▂▃▄▅▆▇█"


class Second(Protocol):
    """What is drawn."""

    @property
    def seconds(self) -> float: ...
    @property
    def offered(self) -> float: ...
    @property
    def parallelism(self) -> int | None: ...
    @property
    def lag(self) -> float | None: ...


def draw(path: Path, title: str, seen: Sequence[Second]) -> None:
    """An SVG of three bands, each scaled to its greatest value; a gap is a second in which nothing was known."""
    console = Console(record=True, width=COLUMNS + 14, file=io.StringIO())
    bands: list[tuple[str, str, list[float | None]]] = [
        ("records/s offered", "cyan", [each.offered for each in seen]),
        ("parallelism", "green", [each.parallelism for each in seen]),
        ("lag, records", "yellow", [each.lag for each in seen]),
    ]
    for name, colour, values in bands:
        _band(console, name, colour, values)
    end = f"{seen[-1].seconds:.0f} s"
    console.print(Text(" " * 12 + "0" + end.rjust(COLUMNS - 1), style="dim"))
    plain = _FONTS.sub("", console.export_svg(title=title))  # nothing is fetched to look at it
    path.write_text(plain, encoding="utf-8")


def _band(console: Console, name: str, colour: str, values: Sequence[float | None]) -> None:
    columns = [_greatest(values[_part(index, len(values)) : _part(index + 1, len(values))]) for index in range(COLUMNS)]
    top = _greatest(columns) or 1.0
    console.print(Text(name, style="bold"))
    for row in range(ROWS - 1, -1, -1):
        label = f"{top:,.0f}" if row == ROWS - 1 else "0" if row == 0 else ""
        line = "".join(_cell(value, top, row) for value in columns)
        console.print(Text(label.rjust(10) + "  ", style="dim") + Text(line, style=colour))


def _part(index: int, length: int) -> int:
    return index * length // COLUMNS


def _greatest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _cell(value: float | None, top: float, row: int) -> str:
    if value is None:
        return " "
    eighths = round(value / top * ROWS * 8) - row * 8
    return BLOCKS[min(8, max(0, eighths))]
