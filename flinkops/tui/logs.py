"""Logs of a cluster's processes: which files there are, and the end of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from flinkops.clock import iso_utc
from flinkops.model.assessment import JobAssessment
from flinkops.model.detail import LogFile, TaskManagerDetail
from flinkops.outside.text import clean_lines
from flinkops.render.cells import percent_cell, size_cell, tidy, value_cell
from flinkops.render.lines import Line, Role, join, line
from flinkops.render.text import human_bytes
from flinkops.sources.protocol import HasJobDetails
from flinkops.tui.choice import Choice
from flinkops.tui.entry import Entry
from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import Pane
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View

JOBMANAGER = "JobManager"
GC_WARNING_RATIO = 0.1
MAX_LINES = 5_000
"""Of a log on the screen: the newest."""


@dataclass(frozen=True)
class LogRow:
    """One file of one process."""

    process: str
    file: LogFile | None  # None: the JobManager's own log


@dataclass(frozen=True)
class LogFiles:
    """The log files of a cluster's TaskManagers, the newest first."""

    files: tuple[LogRow, ...]
    taskmanagers: tuple[TaskManagerDetail, ...]


class LogsScreen(TableScreen[LogRow], FetchingScreen[LogFiles]):
    """Enter reads a file."""

    PLACES: ClassVar[tuple[Where, ...]] = ("rows",)

    def __init__(self, source: HasJobDetails, job: JobAssessment, taskmanager: str | None) -> None:
        super().__init__()
        self._source = source
        self._job = job
        self._taskmanager = taskmanager

    def body(self) -> Iterable[Widget]:
        """A line of progress, a table."""
        context = self.host.context
        c = Column[LogRow]
        columns = [
            c("process", "PROCESS", lambda r: line(tidy(r.process)), 22, grow_to=50),
            c("file", "FILE", lambda r: line(tidy(r.file.name) if r.file else "log"), 30, grow_to=90),
            c("size", "SIZE", lambda r: size_cell(r.file.size_bytes if r.file else None), 8, "right"),
            c("at", "CHANGED", lambda r: value_cell(_time(r), "dim"), 20, priority=1),
        ]
        yield Pane(context, grow=True, id="about")
        yield Grid(context, columns, lambda r: (r.process, r.file.name if r.file else ""), id="files")

    def on_mount(self) -> None:
        """Ask for the list."""
        source, job_id, only = self._source, self._job.id, self._taskmanager

        def work() -> LogFiles:
            managers = tuple(tm for tm in source.detail(job_id).taskmanagers if only in (None, tm.id))
            files = [LogRow(tm.id, file) for tm in managers for file in source.taskmanager_logs(tm.id)]
            files.sort(key=lambda row: -(row.file.modified_ms or 0) if row.file else 0)
            return LogFiles(tuple(files), managers)

        self.fetch(work)

    def title_line(self, view: View | None, cells: int) -> Line:
        """Whose logs."""
        return join([line(tidy(self._job.cluster), "strong"), line("logs")], f" {self.host.context.glyphs.dot} ")

    def show_view(self, view: View | None) -> None:
        """The JobManager's first, then by time of change."""
        about = self.fetch_line(waiting="asking for the TaskManagers and their log files")
        managers = self.content.taskmanagers if self.content else ()
        self.query_one("#about", Pane).show(about or [taskmanager_line(tm) for tm in managers[:8]])
        self.grid.show([LogRow(JOBMANAGER, None), *(self.content.files if self.content else ())])

    @on(Grid.Chosen)
    def _on_chosen(self, event: Grid.Chosen) -> None:
        row = cast("LogRow | None", event.grid.cursor_row)
        if row is not None:
            self.app.push_screen(LogScreen(self._source, row))


def taskmanager_line(of: TaskManagerDetail) -> Line:
    """Memory, CPU and garbage collection of one TaskManager."""

    def memory(name: str, used: int | None, most: int | None) -> Line:
        return (*value_cell(f"{name} {human_bytes(used)} of {human_bytes(most)}"),) if used is not None else ()

    collecting = of.gc_ratio is not None and of.gc_ratio > GC_WARNING_RATIO
    return join(
        [
            ((f"  {tidy(of.id)}", "strong"),),
            memory("heap", of.heap_used_bytes, of.heap_max_bytes),
            memory("managed", of.managed_used_bytes, of.managed_total_bytes),
            memory("network", of.network_used_bytes, of.network_total_bytes),
            (("cpu ", "text"), *percent_cell(of.cpu_ratio)),
            (("gc ", "text"), *percent_cell(of.gc_ratio, "warning" if collecting else "text")),
            line(f"{of.free_slots} of {of.slots} slots free", "dim") if of.slots is not None else (),
        ]
    )


class LogScreen(FetchingScreen[list[str]]):
    """The end of one file; / keeps only some lines."""

    PLACES: ClassVar[tuple[Where, ...]] = ("logs", "lines")
    BINDINGS: ClassVar[list[BindingType]] = bindings("logs")

    def __init__(self, source: HasJobDetails, row: LogRow) -> None:
        super().__init__()
        self._source = source
        self._row = row
        self._word = ""
        self._shown_for: object = None

    def body(self) -> Iterable[Widget]:
        """The text and a filter."""
        yield Pane(self.host.context, id="log")
        yield Entry("only lines with this; !word: without it", "filter", hidden=True)

    def on_mount(self) -> None:
        """Read it."""
        source, row = self._source, self._row

        def work() -> list[str]:
            text = source.taskmanager_log(row.process, row.file.name) if row.file else source.jobmanager_log()
            return clean_lines(text)[-MAX_LINES:]  # masked as one text, since a key may take many lines

        self.fetch(work)
        self.query_one("#log", Pane).focus()

    def title_line(self, view: View | None, cells: int) -> Line:
        """Process, file, and what of it is shown."""
        name = self._row.file.name if self._row.file else "log"
        shown = line(f"last {len(self.content)} lines", "dim") if self.content is not None else ()
        only = line(f"/{self._word}", "accent") if self._word else ()
        dot = f" {self.host.context.glyphs.dot} "
        return join([line(tidy(self._row.process), "strong"), line(tidy(name)), shown, only], dot)

    def show_view(self, view: View | None) -> None:
        """The text, from its end; a refresh of the fleet does not move it."""
        pane = self.query_one("#log", Pane)
        if self.content is None:
            pane.show(self.fetch_line(waiting="reading the log"))
        elif self._shown_for != (id(self.content), self._word):
            self._shown_for = (id(self.content), self._word)
            pane.show([line(tidy(text), _role(text)) for text in self.content if _wanted(text, self._word)])
            pane.action_move("end")

    def action_filter(self) -> None:
        """Type a word."""
        self.query_one("#filter", Entry).open()

    @on(Input.Submitted, "#filter")
    def _on_filter(self, event: Input.Submitted) -> None:
        self._word = event.value.strip()
        self.query_one("#filter", Entry).display = False
        self.query_one("#log", Pane).focus()
        self.redraw()

    def copies(self) -> Sequence[Choice]:
        """The lines that are shown."""
        return [Choice("the lines shown", self.export_text())]


def _wanted(text: str, word: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return word[1:].casefold() not in text.casefold()
    return word.casefold() in text.casefold()


def _role(text: str) -> Role:
    head = text[:60]
    return "critical" if " ERROR " in head else "warning" if " WARN " in head else "text"


def _time(row: LogRow) -> str | None:
    at = iso_utc(row.file.modified_ms) if row.file else None
    return at[:19].replace("T", " ") + "Z" if at else None
