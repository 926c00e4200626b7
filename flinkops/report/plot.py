"""A signal over the time as one SVG: its line, the span within a slice, its limit, what happened, how the job was.

Colours are classes of the page's style sheet, so that it can be read light, dark and printed. All text is escaped here.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import floor, log10
from typing import NamedTuple

from flinkops.clock import iso_utc
from flinkops.model.quantities import human_value
from flinkops.report.values import Period, Point, Signal

WIDTH, HEIGHT = 760, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 18, 22
_ROWS = 4
_TICKS = 6
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_TOP_SECONDS = (2, 4, 8, 20, 40, 60, 120, 240, 480, 1200, 2400, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600,
    864000, 1728000, 3456000, 31536000, 315360000)  # fmt: skip
"""Each has a quarter that people read with ease."""
_HEADROOM = 1.05


class Mark(NamedTuple):
    """Something that happened, by the number that the page's list gives it."""

    at_ms: int
    number: int
    kind: str


class _Frame(NamedTuple):
    """From times and values to places in the picture."""

    since_ms: int
    until_ms: int
    top: float

    def x(self, at_ms: float) -> float:
        span = max(1, self.until_ms - self.since_ms)
        share = min(1.0, max(0.0, (at_ms - self.since_ms) / span))
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.top))
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def plot(
    signal: Signal, since_ms: int, until_ms: int, *, periods: Sequence[Period] = (), marks: Sequence[Mark] = ()
) -> str:
    """The picture, for a page that has the style sheet; a sentence in it says what a reader who cannot see it needs."""
    frame = _Frame(since_ms, until_ms, _top(signal))
    parts = [
        *_bands(frame, periods),
        *_rows(frame, signal.unit),
        *_columns(frame),
        *_span(frame, signal.points),
        *_line(frame, signal.points),
        *_limit(frame, signal),
        *_marks(frame, marks),
    ]
    label = escape(describe(signal))
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def describe(signal: Signal) -> str:
    """The signal in one sentence: least and greatest value, the last one, the limit.

    >>> describe(Signal("Skew", "seconds", (Point(0, 1.0, 1.0, 1.0),), limit=60.0))
    'Skew: from 1.0 s to 1.0 s, last 1.0 s, limit 1m'
    """
    known = [point for point in signal.points if point.mean is not None]
    limit = f", limit {human_value(signal.limit, signal.unit)}" if signal.limit is not None else ""
    if not known:
        return f"{signal.title}: {signal.absent or 'not known in any snapshot'}{limit}"
    low, high = _least(known), _greatest(known)
    low_text, high_text = human_value(low, signal.unit), human_value(high, signal.unit)
    return f"{signal.title}: from {low_text} to {high_text}, last {human_value(known[-1].mean, signal.unit)}{limit}"


def _least(known: Iterable[Point]) -> float:
    return min(point.low for point in known if point.low is not None)


def _greatest(known: Iterable[Point]) -> float:
    return max(point.high for point in known if point.high is not None)


def _top(signal: Signal) -> float:
    """The value at the upper edge: round, above all points, and above the limit where that is near them."""
    highest = max((point.high for point in signal.points if point.high is not None), default=0.0)
    if signal.limit is not None and (highest == 0 or signal.limit <= 4 * highest):
        highest = max(highest, signal.limit * _HEADROOM)
    if highest <= 0:
        return 1.0
    if signal.unit == "seconds" and highest > 1:
        highest = min(highest, _TOP_SECONDS[-1])
        return float(next(top for top in _TOP_SECONDS if top >= highest))
    power = 10.0 ** floor(log10(highest))
    return next(nice * power for nice in _NICE if nice * power >= highest * 0.999)


def _bands(frame: _Frame, periods: Iterable[Period]) -> Iterator[str]:
    for period in periods:
        if period.level != "ok":
            left, right = frame.x(period.since_ms), frame.x(period.until_ms)
            yield (
                f'<rect class="band {period.level}" x="{left}" y="{_TOP}" '
                f'width="{max(1.0, round(right - left, 1))}" height="{HEIGHT - _TOP - _BOTTOM}"/>'
            )


def _rows(frame: _Frame, unit: str) -> Iterator[str]:
    for row in range(_ROWS + 1):
        value = frame.top * row / _ROWS
        y, text = frame.y(value), escape(human_value(value, unit))
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>'


def _columns(frame: _Frame) -> Iterator[str]:
    seconds = max(1.0, (frame.until_ms - frame.since_ms) / 1000)
    step = next((one for one in _STEPS_SECONDS if seconds / one <= _TICKS), _STEPS_SECONDS[-1]) * 1000
    while (frame.until_ms - frame.since_ms) / step > _TICKS:
        step *= 2
    at = -(-frame.since_ms // step) * step
    while at <= frame.until_ms:
        x, text = frame.x(at), iso_utc(at) or ""
        shown = text[5:10] if step >= 86_400_000 else text[11:19] if step < 60_000 else text[11:16]
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        anchor = "end" if x > WIDTH - 2 * _RIGHT else "middle"
        yield f'<text class="tick" x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{shown}</text>'
        at += step


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Points without a gap: unknown is no value to draw a line through."""
    run: list[Point] = []
    for point in points:
        if point.mean is None:
            if run:
                yield run
            run = []
        else:
            run.append(point)
    if run:
        yield run


def _span(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    for run in _runs(points):
        if any(point.low != point.high for point in run):
            upper = [f"{frame.x(point.at_ms)},{frame.y(point.high or 0.0)}" for point in run]
            lower = [f"{frame.x(point.at_ms)},{frame.y(point.low or 0.0)}" for point in reversed(run)]
            yield f'<polygon class="span" points="{" ".join([*upper, *lower])}"/>'


def _line(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    for run in _runs(points):
        places = [(frame.x(point.at_ms), frame.y(point.mean or 0.0)) for point in run]
        if len(places) == 1:
            yield f'<circle class="dot" cx="{places[0][0]}" cy="{places[0][1]}" r="2"/>'
        else:
            yield f'<polyline class="line" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'


def _limit(frame: _Frame, signal: Signal) -> Iterator[str]:
    if signal.limit is None:
        return
    text = f"limit {human_value(signal.limit, signal.unit)}"
    if signal.limit > frame.top:
        yield f'<text class="limit" x="{WIDTH - _RIGHT}" y="{_TOP - 5}" text-anchor="end">{escape(text)} (above)</text>'
        return
    y = frame.y(signal.limit)
    yield f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    yield f'<text class="limit" x="{WIDTH - _RIGHT}" y="{max(_TOP - 5, y - 4)}" text-anchor="end">{escape(text)}</text>'


def _marks(frame: _Frame, marks: Iterable[Mark]) -> Iterator[str]:
    """A line where something happened; its number where the one before leaves room."""
    last = -100.0
    for mark in marks:
        x = frame.x(mark.at_ms)
        yield f'<line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        if x - last >= 18:
            yield f'<text class="mark" x="{x}" y="{_TOP - 5}" text-anchor="middle">{mark.number}</text>'
            last = x
