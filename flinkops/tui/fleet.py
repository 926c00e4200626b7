"""The first screen: all jobs, the worst first."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

import msgspec
from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobKey
from flinkops.render.cells import tidy
from flinkops.render.columns import RowContext, row_text, titles_text
from flinkops.render.lines import Line, join, line
from flinkops.render.status_json import status_json
from flinkops.tui.actions.catalog import SAVEPOINT
from flinkops.tui.actions.messages import AskAction, ChooseAction
from flinkops.tui.choice import Choice
from flinkops.tui.dialogs import Chooser, Prompt
from flinkops.tui.entry import Entry
from flinkops.tui.fleet_view import counts, grid_columns, headline, preview
from flinkops.tui.grid import Grid
from flinkops.tui.job_view import job_copies, job_links
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import Pane
from flinkops.tui.messages import AskNote, OpenFindings, OpenJob, OpenTimeline, WriteIncident
from flinkops.tui.query import Term, matches, parse
from flinkops.tui.table_screen import TableScreen
from flinkops.tui.view import View
from flinkops.tui.views import SavedView

ALL_SOURCES = "all sources"


def _nothing(view: View) -> str:
    """Why the table is empty."""
    if view.jobs:
        return "no job matches the filter (esc clears it)"
    if view.disconnected:
        return "no source answered; S lists them with their errors, r asks again"
    return "the sources that answered have no jobs" if view.lost_sources else "the sources answered: no jobs"


class FleetScreen(TableScreen[JobAssessment]):
    """A table of jobs, a preview of the one under the cursor, and a filter line."""

    PLACES: ClassVar[tuple[Where, ...]] = ("fleet", "rows")
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")

    def __init__(self) -> None:
        super().__init__()
        self._terms: tuple[Term, ...] = ()
        self._filter = ""
        self._broken_only = False
        self._wide = False
        self._source: str | None = None
        self._view: View | None = None
        self._row = RowContext()
        self._shown = 0

    def body(self) -> Iterable[Widget]:
        """Table, preview, filter."""
        context = self.host.context
        self._row.glyphs = context.glyphs
        yield Grid(
            context, grid_columns(self._row), key=lambda job: job.key, stale=self._is_stale,
            empty="no job matches", id="jobs",
        )  # fmt: skip
        yield Pane(context, grow=True, id="preview")
        yield Entry("words  !without  state:failed  ns:shop  cluster:  health:critical", "filter", hidden=True)

    def _is_stale(self, job: JobAssessment) -> bool:
        return self._view is not None and self._view.is_stale(job)

    # ---- drawing

    def title_line(self, view: View | None, cells: int) -> Line:
        """What is broken, since when, how sure."""
        if view is None:
            return line("flinkops", "strong")
        return headline(view, self.host.context, cells)

    def extra_head(self, view: View | None, cells: int) -> Sequence[Line]:
        """Counts, and what of them is shown in which order."""
        if view is None:
            return ()
        grid = self.grid
        glyphs = self.host.context.glyphs
        arrow = glyphs.descending if grid.sort_down else glyphs.ascending
        order = f"by {grid.sort_id} {arrow}" if grid.sort_id else "worst first"
        shown = line(f"{self._shown} of {len(view.jobs)}", "dim")
        filtered = line(f"/{self._filter}", "accent") if self._filter else ()
        broken = line("broken only", "accent") if self._broken_only else ()
        source = line(f"source {tidy(self._source)}", "accent") if self._source else ()
        marked = line(f"{len(grid.marked)} marked", "accent") if grid.marked else ()
        return [join([counts(view, self.host.context), shown, source, broken, filtered, marked, line(order, "dim")])]

    def show_view(self, view: View | None) -> None:
        """The rows that match, in the order chosen."""
        self._view = view
        self._row.noted = self.host.notes.keys()
        if view is not None:
            self._row.now_ms, self._row.history = view.taken_ms, view.observation.history
        jobs = view.jobs if view else ()
        rows = [job for job in jobs if self._matches(job)]
        self._shown = len(rows)
        grid = self.grid
        if view is None:
            grid.empty = f"waiting for the first answer{self.host.context.glyphs.ellipsis}"
        else:
            grid.empty = _nothing(view)
            grid.marked &= set(view.by_key)
        grid.show(rows)
        self.redraw_head()
        self._show_preview()

    def _matches(self, job: JobAssessment) -> bool:
        if self._source is not None and job.cluster != self._source:
            return False
        return (not self._broken_only or job.health.level != "ok") and matches(job, self._terms)

    def _show_preview(self) -> None:
        view, job = self._view, self.grid.cursor_row
        pane = self.query_one("#preview", Pane)
        size = self.app.size
        if view is None or job is None:
            pane.show([])
            return
        note = self.host.notes.of(job.key)
        lines = preview(job, view, self.host.context, cells=size.width, rows=size.height, note=note)
        pane.show(lines, stale=view.is_stale(job))

    @on(Grid.Moved)
    def _on_moved(self) -> None:
        self._show_preview()
        if self.host.poll_state.guarded:  # what may be done depends on the row
            self.redraw_keys()

    @on(Grid.Chosen)
    def _on_chosen(self, event: Grid.Chosen) -> None:
        self.post_message(OpenJob(cast(JobKey, event.key)))

    # ---- filter and order

    def action_filter(self) -> None:
        """Type a filter; the table follows each key."""
        self.query_one("#filter", Entry).open()

    @on(Input.Changed, "#filter")
    def _on_filter(self, event: Input.Changed) -> None:
        self.set_filter(event.value)

    @on(Input.Submitted, "#filter")
    def _on_filter_done(self) -> None:
        if self.query_one("#filter", Entry).display:
            self._close_filter()
        else:  # typed ahead: this enter was meant for the table
            self.grid.action_choose()

    def set_filter(self, text: str) -> None:
        """Show only what matches."""
        self._filter = text
        self._terms = parse(text)
        self.show_view(self.host.view)

    def _close_filter(self) -> None:
        self.query_one("#filter", Entry).display = False
        self.grid.focus()

    def step_back(self) -> bool:
        """Escape undoes one thing: the filter, the marks. Whether there was one."""
        entry = self.query_one("#filter", Entry)
        if entry.display or self._filter or self._broken_only or self._source:
            self._broken_only, self._source = False, None
            entry.value = ""
            self.set_filter("")
            self._close_filter()
            return True
        if self.grid.marked:
            self.grid.marked.clear()
            self.grid.repaint()
            self.redraw_head()
            return True
        return False

    def action_sort(self, step: str) -> None:
        """The next column, or the previous one."""
        self.grid.sort_next(int(step))
        self.redraw_head()

    def action_flip(self) -> None:
        """The other direction."""
        grid = self.grid
        grid.sort_by(grid.sort_id or "health", down=not grid.sort_down)
        self.redraw_head()

    def action_wide(self) -> None:
        """Numbers instead of words: without the reasons there is room for more columns."""
        self._set_wide(not self._wide)

    def _set_wide(self, wide: bool) -> None:
        self._wide = wide
        chosen = grid_columns(self._row)
        self.grid.set_columns([c for c in chosen if c.id != "why"] if self._wide else chosen)

    def action_broken(self) -> None:
        """Only what is not ok, or all."""
        self._broken_only = not self._broken_only
        self.show_view(self.host.view)

    def action_source(self) -> None:
        """Only the jobs of one source, or all again; also while another source is dead."""
        view = self.host.view
        sources = view.observation.assessment.sources if view else ()
        if not sources:
            return

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self._source = None if choice.label == ALL_SOURCES else choice.label
                self.show_view(self.host.view)

        choices = [Choice(source.name, source.error or source.state) for source in sources]
        title = "jobs of which source"
        self.app.push_screen(
            Chooser(self.host.context, title, [Choice(ALL_SOURCES, f"{len(sources)}"), *choices]), chosen
        )

    # ---- saved views

    def action_views(self) -> None:
        """Take a saved view."""
        views = self.host.saved_views.all()
        if not views:
            self.say("no saved view yet: V saves this one")
            return

        def chosen(choice: Choice | None) -> None:
            view = self.host.saved_views.get(choice.label) if choice else None
            if view is not None:
                self.use(view)

        choices = [Choice(view.name, view.summary()) for view in views]
        self.app.push_screen(Chooser(self.host.context, "saved views", choices), chosen)

    def action_save_view(self) -> None:
        """Keep filter, source, order and columns under a name."""

        def named(name: str | None) -> None:
            if name is None or not name.strip():
                return
            views, name = self.host.saved_views, name.strip()
            if name.startswith("!"):
                views.delete(name[1:])
            else:
                views.save(self.as_saved(name))
            self.say(views.problem or f"{'deleted' if name.startswith('!') else 'saved'} {name.lstrip('!')}")

        prompt = Prompt(
            self.host.context, f"save this view ({self.as_saved('').summary()}) as", hint="name, or !name to delete it"
        )
        self.app.push_screen(prompt, named)

    def as_saved(self, name: str) -> SavedView:
        """What is shown now, under that name."""
        grid = self.grid
        return SavedView(
            name, self._filter, self._source, self._broken_only, self._wide, grid.sort_id, grid.sort_down
        )  # fmt: skip

    def use(self, view: SavedView) -> None:
        """Show what a saved view says."""
        self._source, self._broken_only = view.source, view.broken_only
        self._set_wide(view.wide)
        known = {column.id for column in self.grid.columns}
        self.grid.sort_by(view.sort if view.sort in known else None, down=view.sort_down)
        self.query_one("#filter", Entry).value = view.filter
        self.set_filter(view.filter)

    # ---- actions on jobs

    def action_note(self) -> None:
        """Acknowledge the chosen jobs."""
        self.post_message(AskNote([job.key for job in self.grid.chosen_rows()]))

    def action_savepoint(self) -> None:
        """A savepoint of the chosen job."""
        self.post_message(AskAction(SAVEPOINT, self.chosen_jobs()))

    def action_act(self) -> None:
        """Everything that can be done to the chosen jobs."""
        self.post_message(ChooseAction(self.chosen_jobs()))

    def action_bundle(self) -> None:
        """Evidence, findings and logs in one file."""
        self.post_message(WriteIncident(self.chosen_jobs()))

    def action_findings(self) -> None:
        """What is wrong with the job under the cursor."""
        job = self.grid.cursor_row
        if job is not None:
            self.post_message(OpenFindings(job.key))

    def action_timeline(self) -> None:
        """What happened in the fleet."""
        self.post_message(OpenTimeline(None))

    def chosen_jobs(self) -> list[JobAssessment]:
        """What actions are about: the marked rows, else that under the cursor."""
        return list(self.grid.chosen_rows())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what may not be done."""
        return None if action in ("savepoint", "act") and not self.host.may_act_on(self.chosen_jobs()) else True

    def copies(self) -> Sequence[Choice]:
        """Of the marked rows, else of the one under the cursor."""
        chosen = self.grid.chosen_rows()
        if len(chosen) > 1:
            return [
                Choice(f"{len(chosen)} rows", "\n".join(row_text(job, self._row.now_ms) for job in chosen)),
                Choice(f"{len(chosen)} names", "\n".join(job.name for job in chosen)),
                Choice(f"{len(chosen)} ids", "\n".join(job.id for job in chosen)),
            ]
        return job_copies(chosen[0], self._view) if chosen else ()

    def link_choices(self) -> Sequence[Choice]:
        """Of the job under the cursor."""
        job = self.grid.cursor_row
        return job_links(job, self._view, self.host.links) if job else ()

    def export_text(self) -> str:
        """All rows that match, not only the visible ones, under their titles."""
        return "\n".join([titles_text(), *(row_text(job, self._row.now_ms) for job in self.grid.rows)])

    def export_json(self) -> bytes | None:
        """The status document of all rows that match."""
        view = self._view
        if view is None:
            return None
        shown = msgspec.structs.replace(view.observation.assessment, jobs=tuple(self.grid.rows))
        return status_json(shown).encode()
