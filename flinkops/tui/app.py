"""The app: which screen comes after which, what keys do everywhere, notes. Looking and acting have their own files."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual.binding import BindingType

from flinkops.clock import Clock
from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.model.facts import JobKey
from flinkops.model.identity import matching
from flinkops.sources.protocol import HasClusterSources, HasJobDetails, HasResourceEvents, details_of
from flinkops.tui import background
from flinkops.tui.actions.catalog import KINDS
from flinkops.tui.actions.controller import ActingApp
from flinkops.tui.base import BaseScreen
from flinkops.tui.dialogs import Choice, Finder, Prompt, Reader, help_lines
from flinkops.tui.events import EventsScreen
from flinkops.tui.findings import FindingsScreen
from flinkops.tui.flame import FlameScreen
from flinkops.tui.fleet import FleetScreen
from flinkops.tui.incident import Incident, incident
from flinkops.tui.job import JobScreen
from flinkops.tui.job_tables import VertexRow, row_lines
from flinkops.tui.keys import Where, at, bindings
from flinkops.tui.links import Links
from flinkops.tui.logs import LogsScreen
from flinkops.tui.notes import Notes
from flinkops.tui.protocols import HasName, Looks
from flinkops.tui.sources import SourcesScreen
from flinkops.tui.vertex import VertexScreen
from flinkops.tui.view import View
from flinkops.tui.views import SavedViews


class FlinkopsApp(ActingApp):
    """`flinkops status` on a terminal."""

    TITLE = "flinkops"
    CSS_PATH = Path(__file__).with_name("flinkops.tcss")
    ENABLE_COMMAND_PALETTE = False  # ours: no animation, and names are never markup
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere", "replay")

    def __init__(
        self,
        observer: Looks,
        *,
        interval_seconds: float = 5.0,
        guarded: tuple[str, ...] = (),
        ascii_only: bool = False,
        clock: Clock | None = None,
        sources: Sequence[HasName] = (),
        journal_folder: Path | None = None,
        notes_path: Path | None = None,
        views_path: Path | None = None,
        links: Links | None = None,
        theme: str = "",
        looking: bool = True,
        job: str | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__(
            observer,
            interval_seconds=interval_seconds,
            guarded=guarded,
            ascii_only=ascii_only,
            clock=clock,
            theme=theme,
            looking=looking,
            sources=sources,
            journal_folder=journal_folder,
        )
        self.notes = Notes(notes_path, self.clock)
        self.views = SavedViews(views_path)
        self.links = links or Links()
        self.crash: Exception | None = None
        self._first_job = job
        self._seconds = seconds

    def on_mount(self) -> None:
        """The fleet's screen, before anything answered."""
        self.push_screen(FleetScreen())
        if problem := self.notes.problem or self.views.problem:
            self.say(problem)

    def seen(self, view: View) -> None:
        """On the first one: open the job that was asked for, and count the time if it is limited."""
        if self._seconds is not None:
            self.set_timer(self._seconds, self.exit)
            self._seconds = None
        wanted = self._first_job
        if not view.pending:  # else a source that has not answered may have it
            self._first_job = None
        for job in matching(view.jobs, wanted) if wanted else ():
            self._first_job = None
            self.open_job(job.key)
            return

    # ---- what keys do everywhere

    def action_leave(self) -> None:
        """Up one screen; on the fleet, undo the filter."""
        screen = self.screen
        if isinstance(screen, FleetScreen):
            screen.step_back()
        elif len(self.screen_stack) > 2:
            self.pop_screen()

    def action_help(self) -> None:
        """The keys of this place."""
        places: tuple[Where, ...] = self.screen.PLACES if isinstance(self.screen, BaseScreen) else ()
        self.push_screen(Reader(self.context, help_lines([*places, "everywhere", "replay"])))

    def write_export(self, data: bytes, suffix: str) -> None:
        """Write a view beside where the person is, under a name that is free."""
        stamp = self.now_ms() // 1000
        path = Path(f"flinkops-view-{stamp}.{suffix}")
        try:
            path.write_bytes(data)
            self.say(f"wrote {path}")
        except OSError as error:
            self.say(f"could not write {path}: {error.strerror}")

    # ---- jobs

    def open_job(self, key: JobKey) -> None:
        """The screen of one job."""
        self.push_screen(JobScreen(key))

    def source_of(self, job: JobAssessment) -> HasJobDetails | None:
        """The source that can be asked for more of this job."""
        return details_of(self.sources.get(job.cluster), job.facts)

    def details_of(self, job: JobAssessment) -> HasJobDetails | None:
        """The source that can be asked for more of this job; says so when there is none."""
        if (source := self.source_of(job)) is not None:
            return source
        self.say("a recording has no more than this" if self.link.replay else "its source cannot be asked for this")
        return None

    def open_row(self, job: JobAssessment, table: str, row: object) -> None:
        """Below a job: the subtasks of a vertex; of everything else, the row in full."""
        if isinstance(row, VertexRow):
            if (source := self.details_of(job)) is not None:
                self.push_screen(VertexScreen(source, job, row.of))
        elif isinstance(row, (msgspec.Struct, tuple)):
            self.push_screen(Reader(self.context, row_lines(row, min(self.size.width * 9 // 10, 120) - 4)))

    def open_findings(self, key: JobKey) -> None:
        """What is wrong with a job, and what to do first."""
        self.push_screen(FindingsScreen(key))

    def open_autoscaling(self, key: JobKey) -> None:
        """What parallelism a job needs, and why."""
        from flinkops.tui.autoscaling import AutoscalingScreen

        self.push_screen(AutoscalingScreen(key))

    def open_flame(self, job: JobAssessment, vertex: VertexAssessment) -> None:
        """The flame graph of a vertex."""
        if (source := self.details_of(job)) is not None:
            self.push_screen(FlameScreen(source, job, vertex))

    def open_logs(self, job: JobAssessment, taskmanager: str | None = None) -> None:
        """The logs of the job's cluster, or of one of its TaskManagers."""
        if (source := self.details_of(job)) is not None:
            self.push_screen(LogsScreen(source, job, taskmanager))

    def open_events(self, job: JobAssessment) -> None:
        """What Kubernetes said about it."""
        source: object = self.sources.get(job.cluster)
        if isinstance(source, HasResourceEvents) and job.facts is not None and job.facts.resource is not None:
            self.push_screen(EventsScreen(source, job))
        elif self.link.replay:
            self.say("a recording has no events")
        else:
            self.say("it is no resource in Kubernetes: nobody keeps events of it")

    def write_incident(self, jobs: Sequence[JobAssessment]) -> None:
        """Gather the evidence of these jobs into a file; takes some seconds a job, on a thread."""
        wanted, view = incident(jobs, self.now_ms()), self.view
        if view is None or not wanted.jobs:
            self.say("no facts of this job are known")
            return
        observation, sources = view.observation, dict(self.sources)
        background.start(self, wanted, lambda: wanted.write(observation, sources))
        self.say(f"gathering {wanted.path}: some ten seconds a job")

    def on_done(self, message: background.Done) -> None:
        """An incident bundle is written, or not."""
        if isinstance(message.token, Incident):
            self.say(message.error or str(message.result))

    def action_sources(self) -> None:
        """The sources and their errors."""
        if not isinstance(self.screen, SourcesScreen):
            self.push_screen(SourcesScreen())

    @property
    def has_details(self) -> bool:
        """Whether any source can be asked for more."""
        return any(isinstance(source, (HasJobDetails, HasClusterSources)) for source in self.sources.values())

    def ask_note(self, keys: Sequence[JobKey]) -> None:
        """Ask for a note on these jobs."""
        if not keys:
            return
        title = f"note on {keys[0][2]}" if len(keys) == 1 else f"note on {len(keys)} jobs"
        prompt = Prompt(self.context, title, value=self.notes.text_of(keys[0]), hint="who does what; empty: no note")

        def write(text: str | None) -> None:
            if text is not None:
                self.notes.write(keys, text)
                if self.notes.problem:
                    self.say(self.notes.problem)
                self._redraw()

        self.push_screen(prompt, write)

    def _redraw(self) -> None:
        if isinstance(self.screen, BaseScreen):
            self.screen.redraw()

    # ---- the end

    def _handle_exception(self, error: Exception) -> None:
        """Keep what broke for one line after the terminal is restored, instead of a page of traceback."""
        self.crash = self.crash or error
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        """Textual would print the traceback here; start.py writes it to a file and says one line."""
        self._exit_renderables.clear()

    # ---- the palette

    def action_find(self) -> None:
        """Every key as a command, every job by name, every theme."""
        screen = self.screen
        places: tuple[Where, ...] = screen.PLACES if isinstance(screen, BaseScreen) else ()
        commands: dict[str, tuple[str, Callable[[], object]]] = {}
        for key in at(*places, "everywhere"):
            if key.action not in ("app.find", "goto_tab") and not key.action.startswith("move"):
                commands[key.help] = (f"key {key.shown}", partial(self.run_action, key.action, screen))
        if isinstance(screen, (FleetScreen, JobScreen)) and self.may_act_on(screen.chosen_jobs()):
            for kind in KINDS:
                commands[f"act: {kind.title}"] = (kind.says, partial(self.ask_action, kind, screen.chosen_jobs()))
        for job in self.view.jobs if self.view else ():
            commands[f"open {'/'.join(part for part in job.key if part)}"] = (
                job.health.level,
                partial(self.open_job, job.key),
            )
        for theme in sorted(self.available_themes):
            commands[f"theme {theme}"] = ("colours", partial(setattr, self, "theme", theme))

        async def found(choice: Choice | None) -> None:
            if choice is not None:
                outcome = commands[choice.label][1]()
                if isinstance(outcome, Awaitable):
                    await outcome

        choices = [Choice(label, hint) for label, (hint, _) in commands.items()]
        self.push_screen(Finder(self.context, choices), found)
