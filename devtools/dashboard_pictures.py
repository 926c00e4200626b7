"""Draws the committed dashboards from what a real Prometheus answers: one picture each."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from devtools.backfill import Backfilled, backfilled
from devtools.bootstrap import REPOSITORY
from devtools.panel_svg import Box, Line, Note, Span, draw

DASHBOARDS = REPOSITORY / "dashboards"
STEP_SECONDS = 60
_WIDTH, _ROW, _GAP, _TOP = 1320.0, 38.0, 8.0, 64.0
_STYLE = """
text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #555; } .page { fill: #f4f5f5; }
.panel { fill: #fff; stroke: #dcdcde; } .title { font-size: 13px; font-weight: 600; fill: #222; }
.name { font-size: 19px; font-weight: 600; fill: #222; } .legend { fill: #333; } .head { fill: #3274d9; }
.grid { stroke: #ececec; } .line { fill: none; stroke-width: 1.4; } .note { stroke-dasharray: 3 3; stroke-width: 1; }
.threshold { stroke-dasharray: 8 4; stroke-width: 1.2; } .none { font-size: 14px; fill: #888; } .state { fill: #fff; }
"""


def boards() -> list[dict[str, Any]]:
    """The committed dashboards."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def filled(expr: str, variables: Mapping[str, str]) -> str:
    """A query as Grafana sends it."""
    for name, value in {**variables, "__rate_interval": f"{4 * STEP_SECONDS}s"}.items():
        expr = expr.replace(f"${name}", value)
    return expr


def panel_lines(prometheus: Backfilled, panel: Mapping[str, Any], variables: Mapping[str, str]) -> list[Line]:
    """The series of a panel's queries; a table has those of the end."""
    found = []
    for target in panel["targets"]:
        expr = filled(target["expr"], variables)
        if target.get("instant"):
            answer = [{**each, "values": [each["value"]]} for each in prometheus.instant(expr)]
        else:
            answer = prometheus.range(expr, prometheus.begin_seconds, prometheus.end_seconds, STEP_SECONDS)
        for series in answer:
            points = [(float(at), float(value)) for at, value in series["values"]]
            found.append(Line(_legend(target.get("legendFormat", ""), series["metric"]), points, series["metric"]))
    return found


def _legend(pattern: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), pattern).strip()


def board_notes(prometheus: Backfilled, board: Mapping[str, Any], variables: Mapping[str, str]) -> list[Note]:
    """The annotations: where a series has a value, or at the time that its value is."""
    found: set[Note] = set()
    for each in board["annotations"]["list"]:
        expr = filled(each["expr"], variables)
        for series in prometheus.range(expr, prometheus.begin_seconds, prometheus.end_seconds, STEP_SECONDS):
            values = [(float(at), float(value)) for at, value in series["values"]]
            if each.get("useValueForTime"):
                found |= {Note(value / 1000, each["iconColor"]) for _, value in values}
            else:
                found |= {Note(at, each["iconColor"]) for at in _begins([at for at, _ in values])}
    return sorted(note for note in found if prometheus.begin_seconds <= note.at <= prometheus.end_seconds)


def _begins(times: Sequence[float]) -> Iterator[float]:
    """Grafana makes one region of what follows without a gap; its left edge."""
    for place, at in enumerate(times):
        if place == 0 or at - times[place - 1] > STEP_SECONDS:
            yield at


def picture(prometheus: Backfilled, board: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """One dashboard as SVG."""
    span = Span(prometheus.begin_seconds, prometheus.end_seconds, STEP_SECONDS)
    notes = board_notes(prometheus, board, variables)
    parts = [
        draw(panel, panel_lines(prometheus, panel, variables), notes, _box(panel["gridPos"]), span)
        for panel in board["panels"]
    ]
    height = max(_box(panel["gridPos"]).y + panel["gridPos"]["h"] * _ROW for panel in board["panels"]) + _GAP
    chosen = "   ".join(f"{name}: {'All' if value == '.*' else value}" for name, value in variables.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}">\n'
        f'<style>{_STYLE}</style>\n<rect class="page" width="100%" height="100%"/>\n'
        f'<text class="name" x="{_GAP + 4}" y="28">{escape(board["title"])}</text>\n'
        f'<text x="{_GAP + 4}" y="50">{escape(chosen)}   {escape(board["description"])}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _box(grid: Mapping[str, int]) -> Box:
    column = (_WIDTH - _GAP) / 24
    return Box(_GAP + grid["x"] * column, _TOP + grid["y"] * _ROW, grid["w"] * column - _GAP, grid["h"] * _ROW - _GAP)


def variables_of(board: Mapping[str, Any]) -> dict[str, str]:
    """All of the fleet, but one job where a dashboard is about one job."""
    return {"namespace": ".*", "job": "orders" if board["uid"] == "flinkops-job" else ".*"}


def draw_all(folder: Path) -> list[Path]:
    """The pictures of all dashboards, from the story of the tests."""
    from tests.dashboards.story import snapshots

    made = []
    with (
        tempfile.TemporaryDirectory(prefix="flinkops-") as home,
        backfilled(Path(home) / "prometheus", snapshots()) as prometheus,
    ):
        for board in boards():
            made.append(folder / f"dashboard-{board['uid'].removeprefix('flinkops-')}.svg")
            made[-1].write_text(picture(prometheus, board, variables_of(board)), encoding="utf-8")
    return made
