"""The app: it holds what the screens read, and does what they post; polling and acting are objects of their own."""

import os
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.reactive import reactive
from textual.timer import Timer

from flinkops.clock import Clock, SystemClock
from flinkops.errors import UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.private_file import write_private
from flinkops.render.glyphs import ASCII, UNICODE
from flinkops.sources.protocol import HasClusterSources, HasJobDetails, details_of
from flinkops.tui import background
from flinkops.tui.actions.controller import ActionController
from flinkops.tui.actions.messages import ActionEnded, ActionProgressed, AskAction, ChooseAction, Planned
from flinkops.tui.base import BaseScreen
from flinkops.tui.choice import Choice
from flinkops.tui.commands import action_commands, job_commands, key_commands, theme_commands
from flinkops.tui.context import Context
from flinkops.tui.dialogs import Finder, Prompt, Reader, help_lines
from flinkops.tui.ending import Ending
from flinkops.tui.fleet import FleetScreen
from flinkops.tui.incident import IncidentWritten, incident
from flinkops.tui.job import JobScreen
from flinkops.tui.keys import Where, bindings
from flinkops.tui.lineview import LineView
from flinkops.tui.links import Links
from flinkops.tui.messages import AskNote, OpenScreen, Say, WriteExport, WriteIncident
from flinkops.tui.navigation import screen_for
from flinkops.tui.notes import Notes
from flinkops.tui.options import Options
from flinkops.tui.polling import Polled, PolledInPart, Poller
from flinkops.tui.protocols import HasName, ObservesFleet
from flinkops.tui.sources import SourcesScreen
from flinkops.tui.status_view import PollState
from flinkops.tui.themes import DEFAULT, PLAIN, THEMES, Palette
from flinkops.tui.view import View
from flinkops.tui.views import SavedViews

SAID_SECONDS = 4.0


class FlinkopsApp(App[None]):
    """`flinkops status` on a terminal."""

    TITLE = "flinkops"
    CSS_PATH = Path(__file__).with_name("flinkops.tcss")
    ENABLE_COMMAND_PALETTE = False  # ours: no animation, and names are never markup
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere", "replay")

    view: reactive[View | None] = reactive(None, repaint=False, init=False)

    def __init__(
        self,
        observer: ObservesFleet,
        options: Options,
        *,
        sources: Sequence[HasName] = (),
        links: Links | None = None,
        clock: Clock | None = None,
    ) -> None:
        plain = "NO_COLOR" in os.environ  # the terminal's own two colours; bold, dim and reverse remain
        super().__init__(ansi_color=True if plain else None)
        self.animation_level = "none"
        for each in THEMES:
            self.register_theme(each)
        self.options = options
        self.clock = clock or SystemClock()
        self.sources = {source.name: source for source in sources}
        self.links = links or Links()
        self.notes = Notes(options.notes_path, self.clock)
        self.saved_views = SavedViews(options.views_path)
        self.poll_state = PollState(guarded=options.guarded, sources=tuple(self.sources))
        self.context = Context(ASCII if options.ascii_only else UNICODE, Palette(self.theme_variables))
        self.poller = Poller(
            self, self, observer, self.poll_state, self.clock, interval_seconds=options.interval_seconds
        )
        self.actions = ActionController(
            *(self, self.context, self.clock, self.sources, self.poll_state),
            *(options.journal_folder, options.storage, options.rehearse),
        )
        self.said = ""
        self.crash: Exception | None = None
        self.ending = Ending(self)
        self._said_timer: Timer | None = None
        self._job = options.job  # until it was opened
        self._seconds = options.seconds  # until it began to run
        self.theme = PLAIN if plain else options.theme if options.theme in self.available_themes else DEFAULT
        if options.ascii_only:
            self.add_class("ascii")

    def on_mount(self) -> None:
        """The fleet's screen, before anything answered; the first poll goes out at once."""
        self.theme_changed_signal.subscribe(self, lambda _: self._use_theme())
        self._use_theme()
        self.push_screen(FleetScreen())
        if problem := self.notes.problem or self.saved_views.problem:
            self.say(problem)
        if self.options.polling:
            self.poller.start()
        self.ending.listen()

    def now_ms(self) -> int:
        """The clock's time; while a recording plays, the recording's."""
        return self.poller.now_ms()

    # ---- observations

    @on(Polled)
    def _polled(self, message: Polled) -> None:
        self.poller.take(message)

    @on(PolledInPart)
    def _polled_in_part(self, message: PolledInPart) -> None:
        self.poller.observed(message.view)

    def show(self, view: View) -> None:
        """Show this observation."""
        self.view = view

    def watch_view(self, view: View | None) -> None:
        """One new observation: one repaint of the screen on top."""
        if (shown := self._shown) is not None:
            shown.redraw()
        if view is not None:
            self._first_shown(view)

    @property
    def _shown(self) -> BaseScreen | None:
        """The screen on top, also below a sheet: it stays live."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, BaseScreen)), None)

    def _first_shown(self, view: View) -> None:
        """Open the job that was asked for, and count the time if it is limited."""
        if self._seconds is not None:
            self.set_timer(self._seconds, self.exit)
            self._seconds = None
        asked = self._job
        if not view.pending:  # else a source that has not answered may have it
            self._job = None
        for job in view.jobs if asked else ():
            if asked in (job.id, job.name, f"{job.namespace}/{job.name}", f"{job.cluster}/{job.name}"):
                self._job = None
                self.push_screen(JobScreen(job.key))
                return

    def redraw_head(self) -> None:
        """The lines that change with time alone."""
        if isinstance(self.screen, BaseScreen):
            self.screen.redraw_head()

    # ---- what is said

    @on(Say)
    def _say(self, message: Say) -> None:
        self.say(message.text)

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
        shown = self._shown
        if shown is not None and shown.is_mounted:
            shown.redraw_keys()

    # ---- sources that can be asked for more

    @property
    def has_details(self) -> bool:
        """Whether any source can be asked for more."""
        return any(isinstance(source, (HasJobDetails, HasClusterSources)) for source in self.sources.values())

    def details_of(self, job: JobAssessment) -> HasJobDetails | None:
        """Who can be asked for more of this job."""
        return details_of(self.sources.get(job.cluster), job.facts)

    @on(OpenScreen)
    def _open_screen(self, message: OpenScreen) -> None:
        replaying, folder = self.poll_state.replay is not None, self.options.journal_folder
        found = screen_for(message, self.sources, replaying=replaying, journal_folder=folder)
        if isinstance(found, str):
            self.say(found)
        else:
            self.push_screen(found)

    # ---- files

    @on(WriteExport)
    def _write_export(self, message: WriteExport) -> None:
        path = Path(f"flinkops-view-{self.now_ms() // 1000}.{message.suffix}")
        try:
            write_private(path, message.data)
            self.say(f"wrote {path}")
        except OSError as error:
            self.say(f"could not write {path}: {error.strerror}")

    @on(WriteIncident)
    def _write_incident(self, message: WriteIncident) -> None:
        """Takes some seconds a job, on a thread."""
        bundle, view = incident(message.jobs, self.now_ms()), self.view
        if view is None or not bundle.jobs:
            self.say("no facts of this job are known")
            return
        observation, sources = view.observation, dict(self.sources)
        background.start(self, "incident", lambda: bundle.write(observation, sources), IncidentWritten)
        self.say(f"gathering {bundle.path}: some ten seconds a job")

    @on(IncidentWritten)
    def _incident_written(self, message: IncidentWritten) -> None:
        self.say(message.outcome.error or message.outcome.result or "")

    # ---- notes

    @on(AskNote)
    def _ask_note(self, message: AskNote) -> None:
        keys = message.keys
        if not keys:
            return
        title = f"note on {keys[0].name}" if len(keys) == 1 else f"note on {len(keys)} jobs"
        prompt = Prompt(self.context, title, value=self.notes.text_of(keys[0]), hint="who does what; empty: no note")

        def write(text: str | None) -> None:
            if text is not None:
                self.notes.write(keys, text)
                if self.notes.problem:
                    self.say(self.notes.problem)
                if isinstance(self.screen, BaseScreen):
                    self.screen.redraw()

        self.push_screen(prompt, write)

    # ---- actions

    @property
    def may_act(self) -> bool:
        """Whether actions are offered anywhere."""
        return self.actions.may_act

    def may_act_on(self, jobs: Sequence[JobAssessment]) -> bool:
        """Whether actions are offered for all of these jobs."""
        return self.actions.may_act_on(jobs)

    @on(ChooseAction)
    def _choose_action(self, message: ChooseAction) -> None:
        self.actions.choose(message.jobs)

    @on(AskAction)
    def _ask_action(self, message: AskAction) -> None:
        self.actions.ask(message.kind, message.jobs, message.text)

    @on(Planned)
    def _planned(self, message: Planned) -> None:
        self.actions.planned(message)

    @on(ActionProgressed)
    def _action_progressed(self, message: ActionProgressed) -> None:
        self.actions.progressed(message)

    @on(ActionEnded)
    def _action_ended(self, message: ActionEnded) -> None:
        self.actions.ended(message)

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
        self.push_screen(Reader(self.context, help_lines([*places, "everywhere", "replay"], self.context.glyphs)))

    def action_refresh(self) -> None:
        """Poll now."""
        self.poller.refresh_now()

    def action_pause(self) -> None:
        """Hold the picture, or let it follow the newest."""
        self.poller.toggle_pause()

    def action_record(self) -> None:
        """Start a recording, or end it."""
        self.poller.toggle_recording()

    def action_step(self, frames: str) -> None:
        """So many snapshots on or back in a recording."""
        self.poller.step(int(frames))

    def action_speed(self, factor: str) -> None:
        """Play a recording faster or slower."""
        self.poller.change_speed(float(factor))

    def action_jump(self) -> None:
        """To a time of a recording."""
        if (replay := self.poller.replay) is None:
            return

        def asked(text: str | None) -> None:
            if text:
                try:
                    self.poller.jump(replay.parse_time(text))
                except UsageError as error:
                    self.say(error.line())

        self.push_screen(Prompt(self.context, "go to (UTC)", hint="14:02 or 2026-11-23T14:02:31"), asked)

    def action_sources(self) -> None:
        """The sources and their errors."""
        if not isinstance(self.screen, SourcesScreen):
            self.push_screen(SourcesScreen())

    def action_last_action(self) -> None:
        """The progress or the outcome of the last action."""
        self.actions.show_last()

    def action_next_theme(self) -> None:
        """Through our own themes; the palette has all of Textual's."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.say(f"theme {self.theme}")

    def _use_theme(self) -> None:
        self.context.palette = Palette(self.theme_variables, ansi=self.current_theme.ansi)
        for screen in self.screen_stack:
            for view in screen.query(LineView):
                view.repaint(full=True)

    def action_find(self) -> None:
        """Every key as a command, every job by name, every theme."""
        screen = self.screen
        places: tuple[Where, ...] = screen.PLACES if isinstance(screen, BaseScreen) else ()
        found = {c.label: c for c in key_commands(places, lambda action: self.run_action(action, screen))}
        if isinstance(screen, (FleetScreen, JobScreen)) and self.may_act_on(screen.chosen_jobs()):
            found |= {c.label: c for c in action_commands(screen.chosen_jobs(), self.post_message)}
        found |= {c.label: c for c in job_commands(self.view, self.post_message)}
        found |= {c.label: c for c in theme_commands(self.available_themes, partial(setattr, self, "theme"))}

        async def run(choice: Choice | None) -> None:
            if choice is not None:
                outcome = found[choice.label].run()
                if isinstance(outcome, Awaitable):
                    await outcome

        self.push_screen(Finder(self.context, [Choice(each.label, each.hint) for each in found.values()]), run)

    # ---- the end

    async def action_quit(self) -> None:
        """Leave; while an action runs only when asked twice, since that interrupts it."""
        if (warning := self.actions.warning_before_leaving()) is not None:
            self.say(warning)
        else:
            self.exit()

    def _handle_exception(self, error: Exception) -> None:
        """Keep what broke for one line after the terminal is restored, instead of a page of traceback."""
        self.crash = self.crash or error
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        """Textual would print the traceback here; start.py writes it to a file and says one line."""
        self._exit_renderables.clear()
