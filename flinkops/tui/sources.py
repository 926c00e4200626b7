"""The sources: how each answered, how old what it gave is, and what is wrong with it."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.widget import Widget

from flinkops.model.facts import SourceStatus
from flinkops.render.cells import count_cell, seconds_cell, short_age, tidy, value_cell
from flinkops.render.glyphs import Glyphs
from flinkops.render.lines import Line, Role, line
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where
from flinkops.tui.lineview import Pane
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View

STATE_ROLE: dict[str, Role] = {"ok": "ok", "stale": "warning", "unreachable": "critical", "denied": "critical"}
ORDER = {"denied": 0, "unreachable": 1, "stale": 2, "ok": 3}
NEXT = {"denied": "log in again or check the credentials of this source", "unreachable": "r asks again at once"}


class SourcesScreen(TableScreen[SourceStatus]):
    """The worst first."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)

    def body(self) -> Iterable[Widget]:
        """One table."""
        context = self.host.context
        yield Grid(context, source_columns(context), lambda source: (source.kind, source.name), id="sources")
        yield Pane(context, grow=True, id="preview")

    def title_line(self, view: View | None, cells: int) -> Line:
        """How many answer."""
        sources = view.observation.assessment.sources if view else ()
        good = sum(source.state == "ok" for source in sources)
        return line(f"sources: {good} of {len(sources)} ok", "strong" if good == len(sources) else "critical")

    def show_view(self, view: View | None) -> None:
        """As of this poll."""
        sources = view.observation.assessment.sources if view else ()
        self.grid.show(sorted(sources, key=lambda source: (ORDER[source.state], source.name)))
        self._show_preview()

    @on(Grid.Moved)
    def _show_preview(self) -> None:
        """The whole sentence of the source under the cursor, and what can be done."""
        row = self.grid.cursor_row
        lines: list[Line] = []
        if row is not None and row.error:
            cells = self.app.size.width
            text = textwrap.wrap(tidy(row.error), max(20, cells - 2))
            lines = [line(self.host.context.glyphs.rule * cells, "idle"), line(tidy(row.name), "strong")]
            lines += [line(f"  {part}") for part in text]
            if (hint := NEXT.get(row.state)) and not row.pending and self.host.poll_state.replay is None:
                lines.append(line(f"  {hint}", "accent"))
        self.query_one("#preview", Pane).show(lines)

    def copies(self) -> Sequence[Choice]:
        """Name and error."""
        row = self.grid.cursor_row
        return [Choice("name", row.name), Choice("error", row.error or "none")] if row else ()


def source_columns(context: Context) -> list[Column[SourceStatus]]:
    """State as sign, word and colour; the error as a sentence."""
    glyphs = context.glyphs
    signs = {"ok": glyphs.ok, "stale": glyphs.warning, "unreachable": glyphs.critical, "denied": glyphs.critical}
    c = Column[SourceStatus]
    return [
        c("state", "STATE", lambda s: _state(s, signs, glyphs), 13),
        c("name", "SOURCE", lambda s: line(tidy(s.name)), 20, grow_to=50),
        c("kind", "KIND", lambda s: line(s.kind, "dim"), 10, priority=1),
        c(
            "age",
            "DATA AGE",
            lambda s: value_cell(None if s.age_seconds is None else short_age(s.age_seconds)),
            9,
            "right",
        ),
        c("took", "TOOK", lambda s: seconds_cell(s.seconds), 8, "right", priority=1),
        c("requests", "REQUESTS", lambda s: count_cell(s.requests), 8, "right", priority=2),
        c("error", "ERROR", lambda s: line(tidy(s.error or ""), "critical"), 20, comfortable=60, grow_to=120),
    ]


def _state(source: SourceStatus, signs: Mapping[str, str], glyphs: Glyphs) -> Line:
    if source.pending:
        return line(f"{glyphs.dot} asking{glyphs.ellipsis}", "accent")
    return line(f"{signs[source.state]} {source.state}", STATE_ROLE[source.state])
