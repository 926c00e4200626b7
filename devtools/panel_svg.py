"""One panel of a dashboard as SVG, near enough to Grafana to judge units, legends, limits and empty states by."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from math import floor, log10
from typing import Any, NamedTuple

from devtools.panel_values import shown

PALETTE = ("#3274d9", "#c4162a", "#37872d", "#e0b400", "#8f3bb8", "#fa6400", "#1f9c9c", "#7c2ea3", "#806600", "#ca3d8b")
NAMED = {"green": "#37872d", "yellow": "#e0b400", "orange": "#fa6400", "red": "#c4162a", "blue": "#3274d9",
    "purple": "#8f3bb8", "text": "#8e8e8e", "transparent": "#ffffff"}  # fmt: skip
_LEGEND_ROWS = 4
_ROW = 15
_TITLE = 26
_LEFT = 74
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_NICE_SECONDS = (1, 2, 4, 8, 20, 40, 60, 120, 240, 480, 1200, 2400, 3600, 7200, 14400, 28800, 43200, 86400, 172800)
_MISSED_STEPS = 2.5
_LETTER = 6.3
"""Pixels of one, on average."""


class Line(NamedTuple):
    """One series: its legend, and its points (seconds since the epoch, value)."""

    legend: str
    points: Sequence[tuple[float, float]]
    labels: Mapping[str, str]


class Note(NamedTuple):
    """An annotation of the dashboard at one time."""

    at: float
    color: str


class Box(NamedTuple):
    """A rectangle of the picture, in pixels."""

    x: float
    y: float
    width: float
    height: float


class Span(NamedTuple):
    """The time that the dashboard shows, in seconds since the epoch, and the step of its queries."""

    since: float
    until: float
    step: float


def draw(panel: Mapping[str, Any], lines: Sequence[Line], notes: Sequence[Note], box: Box, span: Span) -> str:
    """A panel with its frame and title; `No data` where there is none, as Grafana says."""
    title = f'<text class="title" x="{box.x + 10}" y="{box.y + 18}">{escape(panel["title"])}</text>'
    frame = f'<rect class="panel" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="3"/>'
    inner = Box(box.x + 10, box.y + _TITLE, box.width - 20, box.height - _TITLE - 8)
    if not lines:
        middle = f'x="{box.x + box.width / 2}" y="{box.y + box.height / 2}"'
        body = f'<text class="none" {middle} text-anchor="middle">{escape(_nothing(panel))}</text>'
    elif panel["type"] == "table":
        body = "".join(_table(panel, lines, inner))
    elif panel["type"] == "state-timeline":
        body = "".join(_states(panel, lines, inner, span))
    else:
        body = "".join(_timeseries(panel, lines, notes, inner, span))
    return f"<g>{frame}{title}{body}</g>"


def _nothing(panel: Mapping[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"].get("noValue") or "No data")


def _timeseries(
    panel: Mapping[str, Any], lines: Sequence[Line], notes: Sequence[Note], box: Box, span: Span
) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults["unit"]
    rows = min(len(lines), _LEGEND_ROWS)
    legend_height = (rows + 1) * _ROW + 6
    plot = Box(box.x + _LEFT, box.y + 4, box.width - _LEFT - 6, box.height - legend_height - 24)
    values = [value for line in lines for _, value in line.points]
    thresholds = _thresholds(defaults)
    low, high = _scale(values, defaults, unit)
    frame = _Frame(plot, span, low, high)
    yield from _axes(frame, unit)
    for note in notes:
        x = frame.x(note.at)
        yield _stroke("note", x, x, plot.y, plot.y + plot.height, note.color)
    for limit, color in thresholds:
        if low <= limit <= high:
            y = frame.y(limit)
            yield _stroke("threshold", plot.x, plot.x + plot.width, y, y, color)
    for place, line in enumerate(lines):
        yield from _polyline(frame, line, _line_color(panel, line, place), dashed=_dashed(panel, line))
    yield from _legend(panel, lines, Box(box.x, plot.y + plot.height + 24, box.width, legend_height), unit)


class _Frame(NamedTuple):
    plot: Box
    span: Span
    low: float
    high: float

    def x(self, at: float) -> float:
        share = (at - self.span.since) / (self.span.until - self.span.since)
        return round(self.plot.x + min(1.0, max(0.0, share)) * self.plot.width, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.plot.y + (1 - min(1.0, max(0.0, share))) * self.plot.height, 1)


def _scale(values: Sequence[float], defaults: Mapping[str, Any], unit: str) -> tuple[float, float]:
    low, high = min(values), max(values)
    soft = defaults.get("custom", {})
    low = defaults.get("min", min(low, soft.get("axisSoftMin", low)))
    high = defaults.get("max", max(high, soft.get("axisSoftMax", high)))
    if high <= low:
        high = low + (abs(low) or 1)
    if "max" in defaults:
        return low, high
    if unit == "s" and high > 1 and low == 0:
        return low, float(next((nice for nice in _NICE_SECONDS if nice >= high), high))
    power = 10.0 ** floor(log10(high - low))
    return low, low + next(nice * power for nice in _NICE if nice * power >= (high - low) * 0.999)


def _axes(frame: _Frame, unit: str) -> Iterator[str]:
    plot, span = frame.plot, frame.span
    for row in range(5):
        value = frame.low + (frame.high - frame.low) * row / 4
        y = frame.y(value)
        yield f'<line class="grid" x1="{plot.x}" x2="{plot.x + plot.width}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{plot.x - 6}" y="{y + 4}" text-anchor="end">{escape(shown(value, unit))}</text>'
    yield from _times(frame.x, plot.y, plot.height, span)


def _times(x_of: Any, top: float, height: float, span: Span) -> Iterator[str]:
    at = -(-span.since // 1800) * 1800
    while at <= span.until:
        x, text = x_of(at), datetime.fromtimestamp(at, UTC).strftime("%H:%M")
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{top + height}"/>'
        yield f'<text class="tick" x="{x}" y="{top + height + 14}" text-anchor="middle">{text}</text>'
        at += 1800


def _polyline(frame: _Frame, line: Line, color: str, *, dashed: bool) -> Iterator[str]:
    style = ' stroke-dasharray="6 4"' if dashed else ""
    for run in _runs(line.points, frame.span.step):
        places = _thinned([(frame.x(at), frame.y(value)) for at, value in run])
        if len(places) == 1:
            yield f'<circle fill="{color}" cx="{places[0][0]}" cy="{places[0][1]}" r="2"/>'
        else:
            joined = " ".join(f"{x:g},{y:g}" for x, y in places)
            yield f'<polyline class="line" stroke="{color}"{style} points="{joined}"/>'


def _runs(points: Sequence[tuple[float, float]], step: float) -> Iterator[list[tuple[float, float]]]:
    """Points without a gap: nothing is drawn where nothing was known."""
    run = [points[0]]
    for before, point in pairwise(points):
        if point[0] - before[0] > _MISSED_STEPS * step:
            yield run
            run = []
        run.append(point)
    yield run


def _thinned(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points that the line would pass through anyway."""
    kept: list[tuple[float, float]] = []
    for place in places:
        if len(kept) > 1 and kept[-1][1] == kept[-2][1] == place[1]:
            kept.pop()
        kept.append(place)
    return kept


def _legend(panel: Mapping[str, Any], lines: Sequence[Line], box: Box, unit: str) -> Iterator[str]:
    """A table of name, last value and maximum; Grafana scrolls what does not fit."""
    last_x, max_x = box.x + box.width - 110, box.x + box.width - 6
    yield f'<text class="head" x="{last_x}" y="{box.y + 11}" text-anchor="end">Last *</text>'
    yield f'<text class="head" x="{max_x}" y="{box.y + 11}" text-anchor="end">Max</text>'
    if len(lines) > _LEGEND_ROWS:
        yield f'<text class="head" x="{box.x}" y="{box.y + 11}">{len(lines)} series; scroll for more</text>'
    for place, line in enumerate(lines[:_LEGEND_ROWS]):
        y = box.y + (place + 2) * _ROW - 4
        color = _line_color(panel, line, place)
        yield f'<rect fill="{color}" x="{box.x}" y="{y - 5}" width="12" height="3"/>'
        yield _text("legend", box.x + 18, y, line.legend, box.width - 240)
        last, most = line.points[-1][1], max(value for _, value in line.points)
        yield f'<text class="legend" x="{last_x}" y="{y}" text-anchor="end">{escape(shown(last, unit))}</text>'
        yield f'<text class="legend" x="{max_x}" y="{y}" text-anchor="end">{escape(shown(most, unit))}</text>'


def cut(text: str, width: float) -> str:
    """As much of a text as fits."""
    most = max(4, int(width))
    return text if len(text) <= most else text[: most - 1] + "…"


def _states(panel: Mapping[str, Any], lines: Sequence[Line], box: Box, span: Span) -> Iterator[str]:
    """A row for each series; its colour and word by the value's mapping."""
    defaults = panel["fieldConfig"]["defaults"]
    left = 210.0
    height = min(26.0, (box.height - 20) / len(lines))
    frame = _Frame(Box(box.x + left, box.y, box.width - left - 6, height * len(lines)), span, 0, 1)
    for place, line in enumerate(lines):
        y = box.y + place * height
        yield _text("legend", box.x + left - 8, y + height / 2 + 4, line.legend, left, anchor="end")
        for since, until, value in _held(line, span):
            word, color = _mapped(value, defaults)
            x, width = frame.x(since), frame.x(until) - frame.x(since)
            size = f'width="{max(1.0, width):g}" height="{height - 2:g}"'
            yield f'<rect fill="{color}" fill-opacity="0.75" x="{x}" y="{y + 1:g}" {size}/>'
            if width > _LETTER * len(word) + 12:
                yield _text("state", x + 5, y + height / 2 + 4, word, width)
    yield from _times(frame.x, box.y, height * len(lines), span)


def _held(line: Line, span: Span) -> Iterator[tuple[float, float, float]]:
    since, value = line.points[0]
    last = since
    for at, now in line.points[1:]:
        gap = at - last > _MISSED_STEPS * span.step
        if now != value or gap:
            yield since, last if gap else at, value
            since, value = at, now
        last = at
    yield since, last, value


def _mapped(value: float, defaults: Mapping[str, Any]) -> tuple[str, str]:
    for mapping in defaults.get("mappings", ()):
        found = mapping["options"].get(f"{value:g}")
        if mapping["type"] == "value" and found:
            return found.get("text", f"{value:g}"), _color(found.get("color", "text"))
    color = "green"
    for limit, name in _steps(defaults):
        if limit is None or value >= limit:
            color = name
    return shown(value, defaults["unit"]), _color(color)


def _steps(defaults: Mapping[str, Any]) -> list[tuple[float | None, str]]:
    steps = defaults.get("thresholds", {}).get("steps") or [
        {"value": None, "color": "green"},
        {"value": 80, "color": "red"},
    ]
    return [(step.get("value"), step["color"]) for step in steps]


def _thresholds(defaults: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Those that are drawn as lines."""
    if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode", "off") == "off":
        return []
    return [(limit, color) for limit, color in _steps(defaults) if limit is not None]


def _overrides(panel: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    for override in panel["fieldConfig"].get("overrides", ()):
        how, wanted = override["matcher"]["id"], override["matcher"].get("options", "")
        if name == wanted if how == "byName" else re.search(wanted.strip("/"), name):
            yield from ((each["id"], each.get("value")) for each in override["properties"])


def _line_color(panel: Mapping[str, Any], line: Line, place: int) -> str:
    for name, value in _overrides(panel, line.legend):
        if name == "color":
            return _color(value["fixedColor"])
    return PALETTE[place % len(PALETTE)]


def _dashed(panel: Mapping[str, Any], line: Line) -> bool:
    return any(name == "custom.lineStyle" for name, _ in _overrides(panel, line.legend))


def _color(name: str) -> str:
    return NAMED.get(name.removeprefix("dark-").removeprefix("semi-dark-").removeprefix("light-"), name)


def _table(panel: Mapping[str, Any], lines: Sequence[Line], box: Box) -> Iterator[str]:
    """Labels and the value as columns, arranged by the panel's transformation."""
    options: dict[str, Any] = {}
    for each in panel.get("transformations", ()):
        options |= each["options"] if each["id"] == "organize" else {}
    order, titles = options.get("indexByName", {}), options.get("renameByName", {})
    names = {"Time", "Value", *(name for line in lines for name in line.labels)} - {"__name__"}
    columns = sorted(
        (name for name in names if not options.get("excludeByName", {}).get(name)),
        key=lambda name: (order.get(name, 99), name),
    )
    if panel["options"].get("sortBy"):
        lines = sorted(lines, key=lambda line: -line.points[-1][1])
    width = box.width / max(1, len(columns))
    for place, name in enumerate(columns):
        yield _text("head", box.x + place * width, box.y + 12, titles.get(name, name), width)
    for row, line in enumerate(lines[: int((box.height - 20) / 18)]):
        for place, name in enumerate(columns):
            text, color = _cell(panel, line, name, titles.get(name, name))
            yield _text("legend", box.x + place * width, box.y + 32 + row * 18, text, width, color)


def _cell(panel: Mapping[str, Any], line: Line, name: str, title: str) -> tuple[str, str | None]:
    at, value = line.points[-1]
    if name == "Time":
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S"), None
    if name != "Value":
        return line.labels.get(name, ""), None
    word, color = _mapped(value, panel["fieldConfig"]["defaults"])
    return word, color if any(each == "custom.cellOptions" for each, _ in _overrides(panel, title)) else None


def _text(
    style: str, x: float, y: float, text: str, width: float, color: str | None = None, anchor: str = "start"
) -> str:
    """As much of it as fits into a width in pixels."""
    fill = f' style="fill: {color}"' if color else ""
    where = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text class="{style}" {where}{fill}>{escape(cut(text, width / _LETTER))}</text>'


def _stroke(style: str, x1: float, x2: float, y1: float, y2: float, color: str) -> str:
    return f'<line class="{style}" stroke="{_color(color)}" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'
