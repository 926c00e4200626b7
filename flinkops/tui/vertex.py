"""One vertex: its subtasks side by side, so that skew and stragglers show."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from textual.binding import BindingType
from textual.widget import Widget

from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.model.detail import SubtaskDetail, TaskManagerDetail, VertexDetail
from flinkops.model.facts import FINISHED_WATERMARK_MS, NO_WATERMARK_MS
from flinkops.render.cells import count_cell, percent_cell, seconds_cell, size_cell, state_cell, tidy, value_cell
from flinkops.render.glyphs import usage_bar
from flinkops.render.lines import Line, join, line
from flinkops.render.text import human_count, human_seconds
from flinkops.sources.protocol import HasJobDetails
from flinkops.tui.choice import Choice
from flinkops.tui.context import Context
from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.grid import Column, Grid
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import Pane
from flinkops.tui.logs import GC_WARNING_RATIO
from flinkops.tui.messages import OpenFlameGraph, OpenLogs
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View

TASKMANAGERS_EVERY_MS = 20_000


class VertexContent(NamedTuple):
    """What is fetched of a vertex: its subtasks, and the TaskManagers by id with the poll they were asked at."""

    detail: VertexDetail
    taskmanagers: Mapping[str, TaskManagerDetail] = {}
    taskmanagers_ms: int = 0


class VertexScreen(TableScreen[SubtaskDetail], FetchingScreen[VertexContent]):
    """Fetched again with each poll of the fleet."""

    PLACES: ClassVar[tuple[Where, ...]] = ("vertex", "rows")
    BINDINGS: ClassVar[list[BindingType]] = bindings("vertex")

    def __init__(self, source: HasJobDetails, job: JobAssessment, vertex: VertexAssessment) -> None:
        super().__init__()
        self._source = source
        self._job = job
        self._vertex = vertex

    def body(self) -> Iterable[Widget]:
        """A few lines about the whole, a table of the parts."""
        context = self.host.context
        yield Pane(context, grow=True, id="about")
        yield Grid(context, subtask_columns(context, self), lambda row: row.index, id="subtasks")

    def title_line(self, view: View | None, cells: int) -> Line:
        """Job and vertex."""
        dot = f" {self.host.context.glyphs.dot} "
        parallelism = line(f"parallelism {self._vertex.parallelism or 'not decided yet'}", "dim")
        return join([line(tidy(self._job.name), "strong"), line(tidy(self._vertex.name)), parallelism], dot)

    def show_view(self, view: View | None) -> None:
        """What is known, and ask for what is newer."""
        self.fetch_each_poll(view, self._request())
        content = self.content
        self.query_one("#about", Pane).show(
            self._about(content.detail) if content else self.fetch_line(waiting="asking Flink for the subtasks")
        )
        self.grid.show(content.detail.subtasks if content else ())

    def _request(self) -> Callable[[View], VertexContent]:
        """The subtasks; the TaskManagers, which are more to ask for, only now and then."""
        source, job_id, vertex_id = self._source, self._job.id, self._vertex.id
        before = self.content

        def request(view: View) -> VertexContent:
            subtasks = source.subtasks(job_id, vertex_id)
            if before is not None and abs(view.taken_ms - before.taskmanagers_ms) < TASKMANAGERS_EVERY_MS:
                return before._replace(detail=subtasks)
            taskmanagers = {tm.id: tm for tm in source.detail(job_id).taskmanagers}
            return VertexContent(subtasks, taskmanagers, view.taken_ms)

        return request

    def taskmanager(self, row: SubtaskDetail) -> TaskManagerDetail | None:
        """Where the subtask runs."""
        return self.content.taskmanagers.get(row.taskmanager or "") if self.content else None

    def _about(self, detail: VertexDetail) -> list[Line]:
        lines = [
            spread_line("busy", [s.busy_ratio for s in detail.subtasks], percent_cell),
            spread_line("backpressured", [s.backpressured_ratio for s in detail.subtasks], percent_cell),
            spread_line("records in", [s.records_in for s in detail.subtasks], count_cell),
        ]
        lines += [line(f"  {tidy(path)}: {tidy(why)}", "dim") for path, why in detail.unknown.items()]
        return lines + (self.fetch_line(waiting="") if self.problem else [])

    def action_flame(self) -> None:
        """Flame graph of this vertex."""
        self.post_message(OpenFlameGraph(self._job, self._vertex))

    def action_logs(self) -> None:
        """Logs of the TaskManager under the cursor."""
        row = self.grid.cursor_row
        self.post_message(OpenLogs(self._job, taskmanager=row.taskmanager if row else None))

    def copies(self) -> Sequence[Choice]:
        """Ids and places of the subtask."""
        row = self.grid.cursor_row
        choices = [Choice("vertex id", self._vertex.id), Choice("vertex", self._vertex.name)]
        if row is not None and row.taskmanager:
            choices += [Choice("TaskManager", row.taskmanager), Choice("endpoint", row.endpoint or "")]
        return choices


def spread_line(name: str, values: Sequence[float | None], form: Any) -> Line:
    """Minimum, average and maximum over the subtasks, and their ratio: skew at a glance."""
    known = [value for value in values if value is not None]
    if not known:
        return ((f"  {name:<14}", "dim"), *value_cell(None))
    average = sum(known) / len(known)
    skew = f"  max is {max(known) / average:.1f} x avg" if average > 0 and len(known) > 1 else ""
    parts = [(("min ", "dim"), *form(min(known))), (("avg ", "dim"), *form(average))]
    parts.append((("max ", "dim"), *form(max(known))))
    return (
        (f"  {name:<14}", "dim"),
        *join(parts),
        (skew, "warning" if average and max(known) > 1.5 * average else "dim"),
    )


def subtask_columns(context: Context, screen: VertexScreen) -> list[Column[SubtaskDetail]]:
    """Accumulated counts are since the attempt began."""
    c = Column[SubtaskDetail]

    def delay(row: SubtaskDetail) -> Line:
        if row.watermark_ms == NO_WATERMARK_MS:
            return line("none yet", "warning")
        if row.watermark_ms == FINISHED_WATERMARK_MS:
            return line("ended", "dim")
        return seconds_cell(None if row.watermark_ms is None else (screen.now_ms - row.watermark_ms) / 1000)

    return [
        c("index", "SUBTASK", lambda r: line(str(r.index)), 7, "right", sort=lambda r: r.index),
        c("status", "STATUS", lambda r: state_cell(r.status), 12),
        c("bar", "BUSY, BP", lambda r: usage_bar(r.busy_ratio, r.backpressured_ratio, 14, context.glyphs), 14),
        c("busy", "BUSY", lambda r: percent_cell(r.busy_ratio), 5, "right", sort=lambda r: r.busy_ratio),
        c("bp", "BP", lambda r: percent_cell(r.backpressured_ratio), 5, "right"),
        c("in", "RECORDS IN", lambda r: count_cell(r.records_in), 11, "right", sort=lambda r: r.records_in),
        c("out", "OUT", lambda r: count_cell(r.records_out), 11, "right", priority=1),
        c("bytes", "BYTES IN", lambda r: size_cell(r.bytes_in), 9, "right", priority=3),
        c("delay", "SKEW", delay, 9, "right", priority=1),
        c("gc", "TM GC", lambda r: gc_cell(screen.taskmanager(r)), 6, "right", priority=2),
        c("heap", "TM HEAP", lambda r: heap_cell(screen.taskmanager(r)), 7, "right", priority=3),
        c("attempt", "ATTEMPT", lambda r: line(human_count(r.attempt), "dim"), 7, "right", priority=3),
        c("since", "UP", lambda r: _up(r, screen.now_ms), 8, "right", priority=4),
        c("tm", "TASKMANAGER", lambda r: value_cell(tidy(r.taskmanager) if r.taskmanager else None, "dim"), 16,
          priority=2, grow_to=60),
    ]  # fmt: skip


def gc_cell(of: TaskManagerDetail | None) -> Line:
    """The share of time that the TaskManager spends collecting garbage."""
    ratio = of.gc_ratio if of else None
    return percent_cell(ratio, "warning" if ratio is not None and ratio > GC_WARNING_RATIO else "text")


def heap_cell(of: TaskManagerDetail | None) -> Line:
    """How full its heap is."""
    if of is None or of.heap_used_bytes is None or not of.heap_max_bytes:
        return value_cell(None)
    return percent_cell(of.heap_used_bytes / of.heap_max_bytes)


def _up(row: SubtaskDetail, now_ms: int) -> Line:
    return value_cell(human_seconds((now_ms - row.started_ms) / 1000) if row.started_ms else None, "dim")
