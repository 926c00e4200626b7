"""The app: looks at the fleet on a thread, holds the one observation that all screens draw, opens screens.

The threading law: a thread calls `look` and posts one immutable message; only the app's own thread sets `view` and
touches widgets. Nothing that a source does ends the app: a look that fails is a line on the screen and a later try.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual.app import App
from textual.binding import BindingType
from textual.reactive import reactive
from textual.timer import Timer

from flinkops.act.executor import Progress
from flinkops.clock import Clock, SystemClock
from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.tui import background
from flinkops.tui.action import ConfirmSheet, ProgressSheet
from flinkops.tui.actions import Running, carry_out, plan_savepoint
from flinkops.tui.base import BaseScreen
from flinkops.tui.context import Context
from flinkops.tui.flame import FlameScreen
from flinkops.tui.fleet import FleetScreen
from flinkops.tui.fleet_view import View
from flinkops.tui.glyphs import ASCII, UNICODE
from flinkops.tui.job import JobScreen
from flinkops.tui.job_tables import VertexRow, row_lines
from flinkops.tui.keys import Where, at, bindings
from flinkops.tui.logs import LogsScreen
from flinkops.tui.notes import Notes
from flinkops.tui.ports import Details, JobKey, Looks, Named, Reached, Retries
from flinkops.tui.sheets import Choice, Finder, Prompt, Reader, help_lines
from flinkops.tui.sources import SourcesScreen
from flinkops.tui.status_view import Link
from flinkops.tui.themes import DEFAULT, THEMES, Palette
from flinkops.tui.vertex import VertexScreen
from flinkops.tui.words import tidy

LONGEST_RETRY_SECONDS = 60.0
SAID_SECONDS = 4.0
LOOK = "look"  # names the work of looking among what comes back from threads


class FlinkopsApp(App[None]):
    """`flinkops status` on a terminal."""

    TITLE = "flinkops"
    CSS_PATH = "flinkops.tcss"
    ENABLE_COMMAND_PALETTE = False  # ours: no animation, and names are never markup
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere", "replay")

    view: reactive[View | None] = reactive(None, repaint=False, init=False)

    def __init__(
        self,
        observer: Looks,
        *,
        interval_seconds: float = 5.0,
        read_only: bool = False,
        ascii_only: bool = False,
        clock: Clock | None = None,
        sources: Sequence[Named] = (),
        journal_folder: Path | None = None,
        notes_path: Path | None = None,
        theme: str = "",
        looking: bool = True,
        job: str | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        for each in THEMES:
            self.register_theme(each)
        self.observer = observer
        self.interval_seconds = interval_seconds
        self.clock = clock or SystemClock()
        self.link = Link(read_only=read_only)
        self.notes = Notes(notes_path, self.clock)
        self.crash: Exception | None = None
        self._sources = {source.name: source for source in sources}
        self._journal_folder = journal_folder
        self._acted: list[Running] = []
        self.said = ""
        self._looking = looking
        self._in_flight = False
        self._latest: View | None = None  # the newest observation, also while the picture is held
        self._timer: Timer | None = None
        self._said_timer: Timer | None = None
        self._first_job = job
        self.context = Context(ASCII if ascii_only else UNICODE, Palette(self.theme_variables, ansi=False))
        self.theme = theme if theme in self.available_themes else DEFAULT
        if ascii_only:
            self.add_class("ascii")

    # ---- looking

    def on_mount(self) -> None:
        """First screen at once, first look behind it."""
        self.theme_changed_signal.subscribe(self, lambda _: self._use_theme())
        self._use_theme()
        self.push_screen(FleetScreen())
        if self.notes.problem:
            self.say(self.notes.problem)
        if self._looking:
            self.action_look_now()
            self.set_interval(max(1.0, self.interval_seconds), self._tick)

    def now_ms(self) -> int:
        """The clock's time; while a recording plays, the recording's."""
        return self.view.taken_ms if self.link.replay is not None and self.view else self.clock.now_ms()

    def action_look_now(self) -> None:
        """Look, unless a look is under way."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._in_flight:
            return
        self._in_flight = True
        self.link.retry_seconds = None
        if self.link.failures and isinstance(self.observer, Retries):
            self.observer.retry_now()
        interval, observer = self.interval_seconds, self.observer
        background.start(self, LOOK, lambda: View.of(observer.look(), interval_seconds=interval))

    def on_done(self, message: background.Done) -> None:
        """A look came back, or an action ended."""
        if isinstance(message.token, Running):
            self._action_ended(message.token, message)
        if message.token != LOOK:
            return
        self._in_flight = False
        self.link.overdue = False
        if message.error is None:
            self.observed(message.result)
        else:
            self.link.error = message.error
            self.link.failures += 1
            self._redraw_head()
        if self._looking:
            self._look_later()

    def observed(self, view: View) -> None:
        """Take a new observation; a held picture stays as it is."""
        self._latest = view
        self.link.error = None
        self.link.failures = 0
        if self.link.paused and self.view is not None and self.link.replay is None:
            self.link.waiting += 1
            self._redraw_head()
        else:
            self.view = view

    def watch_view(self, view: View | None) -> None:
        """One new observation: one repaint of the screen on top."""
        screen = self.screen
        if isinstance(screen, BaseScreen):
            screen.redraw()
        else:  # below a sheet: the screen stays live
            for below in reversed(self.screen_stack[:-1]):
                if isinstance(below, BaseScreen):
                    below.redraw()
                    break
        if self._first_job is not None and view is not None:
            wanted, self._first_job = self._first_job, None
            for job in view.jobs:
                if wanted in (job.id, job.name, f"{job.namespace}/{job.name}"):
                    self.open_job(job.key)
                    break

    def _look_later(self) -> None:
        delay = self.interval_seconds
        if self.link.failures:
            delay = min(LONGEST_RETRY_SECONDS, delay * 2.0 ** min(self.link.failures, 6))
            delay *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self.link.retry_seconds = delay
            self._redraw_head()
        self._timer = self.set_timer(delay, self.action_look_now)

    def _tick(self) -> None:
        """Once an interval, when nothing new came: the age of the data goes on."""
        view = self._latest
        late = view is None or self.clock.now_ms() - view.taken_ms > 1500 * self.interval_seconds
        if late or self.link.paused:
            self.link.overdue = self._in_flight and late
            self._redraw_head()

    def _redraw_head(self) -> None:
        if isinstance(self.screen, BaseScreen):
            self.screen.redraw_head()

    # ---- what keys do everywhere

    def action_pause(self) -> None:
        """Hold the picture, or let it go on with the newest."""
        self.link.paused = not self.link.paused
        if not self.link.paused:
            self.link.waiting = 0
            if self._latest is not None and self._latest is not self.view:
                self.view = self._latest
        self._redraw_head()

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

    def action_next_theme(self) -> None:
        """Through our own themes; the palette has all of Textual's."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.say(f"theme {self.theme}")

    def _use_theme(self) -> None:
        self.context.palette = Palette(self.theme_variables, ansi=self.current_theme.ansi)
        from flinkops.tui.lineview import LineView

        for screen in self.screen_stack:
            for view in screen.query(LineView):
                view.repaint(full=True)

    def say(self, text: str) -> None:
        """A short message in the line of keys, for some seconds."""
        self.said = text
        self._redraw_keys()
        if self._said_timer is not None:
            self._said_timer.stop()
        self._said_timer = self.set_timer(SAID_SECONDS, self._unsay)

    def _unsay(self) -> None:
        self.said = ""
        self._redraw_keys()

    def _redraw_keys(self) -> None:
        if isinstance(self.screen, BaseScreen) and self.screen.is_mounted:
            self.screen.redraw_keys()

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

    def details_of(self, job: JobAssessment) -> Details | None:
        """The source that can be asked for more of this job; says so when there is none."""
        source = self._sources.get(job.cluster)
        if isinstance(source, Details):
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

    def open_flame(self, job: JobAssessment, vertex: VertexAssessment) -> None:
        """The flame graph of a vertex."""
        if (source := self.details_of(job)) is not None:
            self.push_screen(FlameScreen(source, job, vertex))

    def open_logs(self, job: JobAssessment, taskmanager: str | None = None) -> None:
        """The logs of the job's cluster, or of one of its TaskManagers."""
        if (source := self.details_of(job)) is not None:
            self.push_screen(LogsScreen(source, job, taskmanager))

    def action_sources(self) -> None:
        """The sources and their errors."""
        if not isinstance(self.screen, SourcesScreen):
            self.push_screen(SourcesScreen())

    @property
    def has_details(self) -> bool:
        """Whether any source can be asked for more."""
        return any(isinstance(source, Details) for source in self._sources.values())

    @property
    def may_act(self) -> bool:
        """Whether actions are offered; the executor refuses them in any case under --read-only."""
        return not self.link.read_only and any(isinstance(source, Reached) for source in self._sources.values())

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

    # ---- actions

    def ask_savepoint(self, jobs: Sequence[JobAssessment]) -> None:
        """Show the plan of a savepoint and ask; several marked jobs are asked for one after another."""
        if not jobs:
            return
        job, *others = jobs
        source = self._sources.get(job.cluster)
        plan = plan_savepoint(job, source, self.clock) if isinstance(source, Reached) else None
        if plan is None or not isinstance(source, Reached):
            self.say("its source takes no actions")
            return
        reached = source

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._carry_out(Running(plan, reached))
            if others:
                self.ask_savepoint(others)

        self.push_screen(ConfirmSheet(self.context, plan), answered)

    def _carry_out(self, running: Running) -> None:
        self._acted.append(running)
        clock, folder, read_only = self.clock, self._journal_folder, self.link.read_only

        def tell(progress: Progress) -> None:
            self.call_later(self._action_moved, running, progress)

        background.start(
            self,
            running,
            lambda: carry_out(running, clock=clock, read_only=read_only, journal_folder=folder, progress=tell),
        )
        self.push_screen(ProgressSheet(self.context, running))

    def _action_moved(self, running: Running, progress: Progress) -> None:
        running.steps.append(progress)
        self._redraw_progress(running)

    def _action_ended(self, running: Running, message: background.Done) -> None:
        running.result, running.error = message.result, message.error
        self._redraw_progress(running)
        self.say(f"{running.plan.verb} of {tidy(running.plan.target.job_name)}: {running.outcome} (A shows it)")

    def _redraw_progress(self, running: Running) -> None:
        if isinstance(self.screen, ProgressSheet) and self.screen.running is running:
            self.screen.redraw()

    def action_last_action(self) -> None:
        """The progress or the outcome of the last action."""
        if self._acted:
            self.push_screen(ProgressSheet(self.context, self._acted[-1]))
        else:
            self.say("no action yet")

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
