"""What happened to a job or to the fleet in the last hours, newest first, and what no source covers."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual.widget import Widget

from flinkops.model.assessment import JobAssessment
from flinkops.model.timeline import CHANGES, Entry, Timeline
from flinkops.render.cells import moment_text, short_age, tidy
from flinkops.render.lines import Line, Role, join, line
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where
from flinkops.tui.lineview import Pane
from flinkops.tui.rows_screen import RowsScreen
from flinkops.tui.view import View

SINCE_SECONDS = 7_200.0
GAPS_SHOWN = 3
_ROLES: dict[str, Role] = {"failure": "critical", "checkpoint": "warning", "finding": "warning", "health": "warning"}


class TimelineScreen(RowsScreen[Timeline, Entry]):
    """Asked again with each poll. `job` None: the whole fleet."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)

    def __init__(self, sources: Mapping[str, object], journal_folder: Path | None, job: JobAssessment | None) -> None:
        super().__init__()
        self._sources = sources
        self._journal_folder = journal_folder
        self._job = job

    def body(self) -> Iterable[Widget]:
        """What is not covered, the entries."""
        context = self.host.context
        yield Pane(context, grow=True, id="gaps")
        columns = timeline_columns(context, self, whole_fleet=self._job is None)
        yield Grid(context, columns, _key, empty="nothing is known to have happened", id="entries")

    def title_line(self, view: View | None, cells: int) -> Line:
        """Whose timeline."""
        name = "the fleet" if self._job is None else tidy(self._job.name)
        hours = f"the last {SINCE_SECONDS / 3600:.0f} hours"
        return join([line(name, "strong"), line("timeline"), line(hours, "dim")], f" {self.host.context.glyphs.dot} ")

    def show_view(self, view: View | None) -> None:
        """What is known, and ask for what is newer."""
        self.fetch_each_poll(view, self._collected)
        found = self.content
        waiting = self.fetch_line(waiting="asking the sources") if found is None or self.problem else []
        self.query_one("#gaps", Pane).show([*waiting, *(gap_lines(found) if found else ())])
        self.grid.show(tuple(reversed(found.entries)) if found else ())

    def _collected(self, view: View) -> Timeline:
        from flinkops.act.journal import Journal, default_folder  # the first paint does not wait for it
        from flinkops.act.timeline import live_timeline
        from flinkops.clock import SystemClock

        journal = Journal(self._journal_folder or default_folder(), SystemClock())
        key = None if self._job is None else self._job.key
        return live_timeline(
            view.observation, self._sources, journal, SINCE_SECONDS, lambda job: key is None or job.key == key
        )

    def copies(self) -> Sequence[Choice]:
        """The text of the entry."""
        row = self.grid.cursor_row
        return [Choice("text", row.text), Choice("time", moment_text(row.at_ms))] if row else ()


def gap_lines(found: Timeline) -> list[Line]:
    """What no source covers, the first few of it."""
    shown = found.not_covered[:GAPS_SHOWN]
    lines: list[Line] = [
        ((f"  ? not covered by {each.source}: ", "unknown"), (tidy(each.why), "text")) for each in shown
    ]
    if more := len(found.not_covered) - len(shown):
        lines.append(line(f"    and {more} more: flinkops timeline lists them", "dim"))
    return lines


def timeline_columns(context: Context, screen: TimelineScreen, *, whole_fleet: bool) -> list[Column[Entry]]:
    """Changes stand out by weight, failures by colour."""

    def kind(row: Entry) -> Line:
        return line(row.kind, _ROLES.get(row.kind, "strong" if row.kind in CHANGES else "text"))

    def job(row: Entry) -> Line:
        return line(tidy(f"{row.namespace}/{row.job}" if row.namespace else row.job))

    c = Column[Entry]
    columns = [
        c("at", "AT", lambda r: line(moment_text(r.at_ms)[11:], "dim"), 9),
        c("ago", "AGO", lambda r: line(short_age((screen.now_ms - r.at_ms) / 1000)), 5, "right", priority=2),
        c("kind", "KIND", kind, 10),
        c("source", "SOURCE", lambda r: line(r.source, "dim"), 10, priority=1),
        c("text", "TEXT", lambda r: line(tidy(r.text)), 24, comfortable=60, grow_to=200),
    ]
    return [*columns[:3], c("job", "JOB", job, 17, grow_to=30), *columns[3:]] if whole_fleet else columns


def _key(row: Entry) -> tuple[object, ...]:
    return (row.at_ms, row.kind, row.job, row.text)
