"""One job: why it is not healthy, its trace card, the five signals over time, and its tables."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import msgspec
from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from flinkops.model.assessment import JobAssessment
from flinkops.model.detail import JobDetail
from flinkops.model.facts import JobKey
from flinkops.outside.export import Export
from flinkops.render.cells import level_cell, since_text, tidy
from flinkops.render.lines import Line, Span, join, line, width
from flinkops.tui.actions.catalog import SAVEPOINT
from flinkops.tui.actions.messages import AskAction, ChooseAction
from flinkops.tui.choice import Choice
from flinkops.tui.fetching import FetchingScreen
from flinkops.tui.findings import brief_lines
from flinkops.tui.grid import Grid
from flinkops.tui.job_tables import TABS, VertexRow, checkpoint_rows, phase_lines
from flinkops.tui.job_view import card, certainty, chain_lines, job_copies, job_links, reason_lines, signal_lines
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import Pane
from flinkops.tui.messages import (
    AskNote,
    OpenAutoscaling,
    OpenEvents,
    OpenFindings,
    OpenFlameGraph,
    OpenLogs,
    OpenTimeline,
    OpenVertex,
    WriteIncident,
)
from flinkops.tui.row_reader import RowReader
from flinkops.tui.view import View

TALL_ROWS = 45
"""From this height on, checkpoints and exceptions stand below the vertices."""


class JobScreen(FetchingScreen[JobDetail]):
    """Follows a job by its key, also over restarts and upgrades."""

    PLACES: ClassVar[tuple[Where, ...]] = ("job", "rows")
    BINDINGS: ClassVar[list[BindingType]] = bindings("job")

    def __init__(self, key: JobKey) -> None:
        super().__init__()
        self.key = key
        self._tab = 0
        self._last: JobAssessment | None = None
        self._fetched_for: object = None  # the job and the newest of its checkpoints, when it was asked for

    def body(self) -> Iterable[Widget]:
        """Card and signals, names of the tabs, one table a tab."""
        context = self.host.context
        yield Pane(context, grow=True, id="card")
        yield Pane(context, grow=True, id="tabs")
        for tab in TABS:
            yield Pane(context, grow=True, id=f"intro-{tab.name}")
            yield Grid(context, tab.columns(context), tab.key, empty=tab.empty, id=f"tab-{tab.name}")

    def on_mount(self) -> None:
        """Keys go to the table."""
        self._grid().focus()

    def _grid(self, number: int | None = None) -> Grid[Any]:
        return self.query_one(f"#tab-{TABS[self._tab if number is None else number].name}", Grid)

    def job(self, view: View | None) -> JobAssessment | None:
        """The job now, or as it was when it was last seen."""
        found = view.by_key.get(self.key) if view else None
        self._last = found or self._last
        return found or self._last

    # ---- drawing

    def title_line(self, view: View | None, cells: int) -> Line:
        """Name, health, since, how sure."""
        job = self.job(view)
        if job is None or view is None:
            return line(tidy(self.key[2]), "strong")
        gone = line("gone: no source lists it any more", "unknown") if self.key not in view.by_key else ()
        since = since_text(job.health.since_ms, view.taken_ms)
        where = "/".join(tidy(part) for part in (job.cluster, job.namespace or "") if part)
        version = f"Flink {tidy(job.flink_version)}" if job.flink_version else ""
        return join(
            [
                ((tidy(job.name), "strong"),),
                level_cell(job.health.level, self.host.context.glyphs),
                gone,
                line(since, "dim") if since else (),
                certainty(job, view),
                line(where, "dim"),
                line(version, "dim"),
            ],
            f" {self.host.context.glyphs.dot} ",
        )

    def extra_head(self, view: View | None, cells: int) -> Sequence[Line]:
        """The reasons and the note."""
        job = self.job(view)
        if job is None or view is None:
            return ()
        roomy = self.app.size.height >= 30
        lines = reason_lines(job, view, self.host.context, limit=5 if roomy else 1)
        lines += chain_lines(job, limit=4) if roomy else []
        note = self.host.notes.of(job.key)
        if note:
            lines.append(((f"  {self.host.context.glyphs.note} ", "accent"), (tidy(note), "text")))
        return lines

    def show_view(self, view: View | None) -> None:
        """Card, signals, tables."""
        job = self.job(view)
        if job is None or view is None:
            return
        stale = view.is_stale(job) or self.key not in view.by_key
        self.query_one("#card", Pane).show(self._card(job, view), stale=stale)
        self.query_one("#tabs", Pane).show([self._tab_names(job)])
        shown = self._tabs_shown()
        for number, tab in enumerate(TABS):
            grid, intro = self._grid(number), self.query_one(f"#intro-{tab.name}", Pane)
            grid.display = number in shown
            intro_lines = self._intro(number, job) if number in shown else []
            intro.display = bool(intro_lines)
            if number in shown:
                intro.show(intro_lines, stale=stale)
                rows = tab.rows(job, self.host.context)
                stacked = len(shown) > 1 and number != shown[-1]
                grid.styles.height = min(len(rows) + 2, self.app.size.height // 3) if stacked else "1fr"
                grid.show(rows)

    def _intro(self, number: int, job: JobAssessment) -> list[Line]:
        """What stands above a table; for the checkpoints also what has to be asked for, once for each of them."""
        lines = TABS[number].intro(job)
        if TABS[number].name != "checkpoints":
            return lines
        newest = next((one.id for one in checkpoint_rows(job, self.host.context) if one.status != "IN_PROGRESS"), None)
        source = self.host.details_of(job)
        if source is not None and newest is not None and not self.fetching and self._fetched_for != (job.id, newest):
            self._fetched_for = (job.id, newest)
            self.fetch(lambda: source.detail(job.id))
        if self.content is None or self.content.id != job.id:
            return [*lines, *self.fetch_line(waiting="asking where the time of the newest one went")]
        return [*lines, *phase_lines(self.content, 1 if self.app.size.height < 30 else 4)]

    def _card(self, job: JobAssessment, view: View) -> list[Line]:
        context, cells = self.host.context, self.app.size.width
        samples = view.observation.history.get(job.key, ())
        rule = line(context.glyphs.rule * cells, "idle")
        above = [rule] if self.app.size.height >= 30 else []
        signals = signal_lines(job, samples, context, cells=min(cells, 150))
        findings = brief_lines(view, job, context) if self.app.size.height >= 30 else []
        return [*above, *card(job, context, cells=cells), rule, *signals, *findings]

    def _tabs_shown(self) -> list[int]:
        tall = self.app.size.height >= TALL_ROWS and self._tab == 0
        return [0, 1, 2] if tall else [self._tab]

    def _tab_names(self, job: JobAssessment) -> Line:
        shown = self._tabs_shown()
        spans: list[Span] = []
        for number, tab in enumerate(TABS):
            count = len(tab.rows(job, self.host.context))
            here = number in shown
            spans += [
                (f" {number + 1} ", "accent" if here else "dim"),
                (tab.title, "strong" if here else "dim"),
                (f" {count} " if self.app.size.width >= 100 else " ", "dim"),
            ]
        rule = self.host.context.glyphs.rule
        rest = max(0, self.app.size.width - 1 - width(tuple(spans)))
        return ((rule, "idle"), *spans, (rule * rest, "idle"))

    # ---- tabs and rows

    def action_tab(self, step: str) -> None:
        """The next tab."""
        self._open_tab((self._tab + int(step)) % len(TABS))

    def action_goto_tab(self, number: int) -> None:
        """That tab."""
        if number <= len(TABS):
            self._open_tab(number - 1)

    def _open_tab(self, number: int) -> None:
        self._tab = number
        self.redraw()
        self._grid().focus()

    @on(Grid.Chosen)
    def _on_chosen(self, event: Grid.Chosen) -> None:
        job = self.job(self.host.view)
        row: object = event.grid.cursor_row
        if job is None:
            return
        if isinstance(row, VertexRow):
            self.post_message(OpenVertex(job, row.of))
        elif isinstance(row, (msgspec.Struct, tuple)):
            self.app.push_screen(RowReader(self.host.context, row, self.app.size.width))

    # ---- actions

    def action_note(self) -> None:
        """Acknowledge this job."""
        self.post_message(AskNote([self.key]))

    def action_savepoint(self) -> None:
        """A savepoint of this job."""
        self.post_message(AskAction(SAVEPOINT, self.chosen_jobs()))

    def action_act(self) -> None:
        """Everything that can be done to this job."""
        self.post_message(ChooseAction(self.chosen_jobs()))

    def chosen_jobs(self) -> list[JobAssessment]:
        """What actions are about: this job, once it was seen."""
        job = self.job(self.host.view)
        return [] if job is None else [job]

    def action_bundle(self) -> None:
        """Evidence, findings and logs in one file."""
        self.post_message(WriteIncident(self.chosen_jobs()))

    def action_findings(self) -> None:
        """What is wrong, and what to do first."""
        self.post_message(OpenFindings(self.key))

    def action_flame(self) -> None:
        """Flame graph of the vertex under the cursor."""
        job, row = self.job(self.host.view), self._grid(0).cursor_row
        if job is not None and row is not None:
            self.post_message(OpenFlameGraph(job, row.of))

    def action_logs(self) -> None:
        """Logs of the cluster's TaskManagers."""
        job = self.job(self.host.view)
        if job is not None:
            self.post_message(OpenLogs(job))

    def action_autoscaling(self) -> None:
        """The parallelism it needs."""
        self.post_message(OpenAutoscaling(self.key))

    def action_timeline(self) -> None:
        """What happened to it."""
        job = self.job(self.host.view)
        if job is not None:
            self.post_message(OpenTimeline(job))

    def action_events(self) -> None:
        """What Kubernetes and the operator reported."""
        job = self.job(self.host.view)
        if job is not None:
            self.post_message(OpenEvents(job))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what may not be done."""
        if action in ("savepoint", "act") and not self.host.may_act_on(self.chosen_jobs()):
            return None
        if action in ("flame", "logs") and not self.host.has_details:
            return None
        return True

    def copies(self) -> Sequence[Choice]:
        """Of this job."""
        job = self.job(self.host.view)
        return job_copies(job, self.host.view) if job else ()

    def link_choices(self) -> Sequence[Choice]:
        """Of this job."""
        job = self.job(self.host.view)
        return job_links(job, self.host.view, self.host.links) if job else ()

    def export_json(self) -> bytes | None:
        """The assessment with the facts it stands on, as far as they may leave the machine."""
        job = self.job(self.host.view)
        if job is None:
            return None
        export = Export()
        export.learn(job)
        return msgspec.json.encode(export.value(job))
