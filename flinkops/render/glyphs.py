"""Signs and small drawings, in Unicode and in plain ASCII. No colour: roles carry that."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from flinkops.render.lines import Line, Span


@dataclass(frozen=True)
class Glyphs:
    """One set of signs; each is one cell wide."""

    critical: str
    unknown: str
    warning: str
    ok: str
    cursor: str
    marked: str
    note: str
    ascending: str
    descending: str
    ellipsis: str
    dot: str
    rule: str
    busy: str
    pressed: str
    idle: str
    spark: str
    gap: str
    arrow: str
    pipe: str
    node: str
    dash: str

    def level(self, level: str) -> str:
        """The sign of a health level."""
        return {"critical": self.critical, "unknown": self.unknown, "warning": self.warning, "ok": self.ok}[level]


UNICODE = Glyphs(
    critical="✖", unknown="?", warning="▲", ok="✔", cursor="▌", marked="•", note="¶", ascending="▲", descending="▼",
    ellipsis="…", dot="·", rule="─", busy="█", pressed="▒", idle="·", spark="▁▂▃▄▅▆▇", gap=" ", arrow="→", pipe="│",
    node="●", dash="–",
)  # fmt: skip
ASCII = Glyphs(
    critical="X", unknown="?", warning="!", ok="+", cursor=">", marked="*", note="n", ascending="^", descending="v",
    ellipsis="~", dot="-", rule="-", busy="#", pressed="=", idle=".", spark="_.-=*#@", gap=" ", arrow=">", pipe="|",
    node="o", dash="-",
)  # fmt: skip


def sparkline(
    values: Sequence[float | None], cells: int, glyphs: Glyphs, *, floor: float = 0.0, top: float | None = None
) -> str:
    """The newest `cells` values on a scale from `floor` to `top` (default: the greatest); an unknown one is a gap.

    >>> sparkline([0, 4, None, 8], 6, UNICODE)
    '  ▁▄ ▇'
    """
    shown = list(values[-cells:])
    known = [value for value in shown if value is not None and math.isfinite(value)]
    ceiling = top if top is not None else max(known, default=0.0)
    steps = len(glyphs.spark) - 1

    def sign(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return glyphs.gap
        share = 0.0 if ceiling <= floor else min(1.0, max(0.0, (value - floor) / (ceiling - floor)))
        return glyphs.spark[math.ceil(share * steps)]

    return "".join(map(sign, shown)).rjust(cells)


def usage_bar(busy: float | None, pressed: float | None, cells: int, glyphs: Glyphs) -> Line:
    """Busy, backpressured and the rest idle, as shares of `cells`. Nothing known: blank, not idle.

    >>> usage_bar(0.5, 0.25, 8, UNICODE)
    (('████', 'busy'), ('▒▒', 'pressed'), ('··', 'idle'))
    """
    if busy is None and pressed is None:
        return ((" " * cells, "idle"),)
    busy_cells = _cells(busy, cells)
    pressed_cells = min(_cells(pressed, cells), cells - busy_cells)
    spans: list[Span] = [
        (glyphs.busy * busy_cells, "busy"),
        (glyphs.pressed * pressed_cells, "pressed"),
        (glyphs.idle * (cells - busy_cells - pressed_cells), "idle"),
    ]
    return tuple(span for span in spans if span[0])


def _cells(ratio: float | None, cells: int) -> int:
    if ratio is None or not math.isfinite(ratio):
        return 0
    exact = min(1.0, max(0.0, ratio)) * cells
    return 1 if 0.25 <= exact < 1 else round(exact)  # a little is shown as a little, not as nothing


def lanes(upstream: Sequence[tuple[str, Sequence[str]]], glyphs: Glyphs) -> list[str]:
    """The graph beside a list of vertices in topological order: one string a vertex, a node on its lane.

    Each element is a vertex id with the ids of its inputs. A lane is open from a vertex to the last of its readers.

    >>> lanes([("a", []), ("b", []), ("c", ["a", "b"])], UNICODE)
    ['●  ', '│ ●', '●─┘']
    """
    readers = {vertex: {v for v, inputs in upstream if vertex in inputs} for vertex, _ in upstream}
    open_lanes: list[str | None] = []
    drawn: list[tuple[list[str], set[int]]] = []
    for vertex, inputs in upstream:
        mine = [i for i, holder in enumerate(open_lanes) if holder is not None and holder in inputs]
        ending = [i for i in mine if readers[open_lanes[i] or ""] <= {vertex}]
        lane = ending[0] if ending else next((i for i, h in enumerate(open_lanes) if h is None), len(open_lanes))
        if lane == len(open_lanes):
            open_lanes.append(None)
        cells = [glyphs.pipe if holder is not None else " " for holder in open_lanes]
        runs = _connect(cells, lane, mine, ending, glyphs)
        for i in ending:
            open_lanes[i] = None
        for i in mine:
            if open_lanes[i] is not None:
                readers[open_lanes[i] or ""].discard(vertex)
        open_lanes[lane] = vertex if readers[vertex] else None
        drawn.append((cells, runs))
    wide = max((len(cells) for cells, _ in drawn), default=0)
    return [_spread(cells, runs, wide, glyphs) for cells, runs in drawn]


def _connect(cells: list[str], lane: int, mine: Sequence[int], ending: Sequence[int], glyphs: Glyphs) -> set[int]:
    """Draw the node and the edges that reach it along its row; after which lanes an edge runs to the next one."""
    runs: set[int] = set()
    corner_left, corner_right, tee = ("+", "+", "+") if glyphs is ASCII else ("┘", "└", "┤")
    for i in mine:
        if i == lane:
            continue
        runs.update(range(min(i, lane), max(i, lane)))
        for between in range(min(i, lane) + 1, max(i, lane)):
            if cells[between] == " ":
                cells[between] = glyphs.rule
        cells[i] = (corner_left if i > lane else corner_right) if i in ending else tee
        if i not in ending and i < lane:
            cells[i] = "+" if glyphs is ASCII else "├"
    cells[lane] = glyphs.node
    return runs


def _spread(cells: Sequence[str], runs: set[int], wide: int, glyphs: Glyphs) -> str:
    """Lanes two cells apart; the space between is drawn where an edge runs through it, below an open lane too."""
    padded = [*cells, *" " * (wide - len(cells))]
    gaps = (glyphs.rule if lane in runs else " " for lane in range(wide - 1))
    return "".join(itertools.chain.from_iterable(itertools.zip_longest(padded, gaps, fillvalue="")))
