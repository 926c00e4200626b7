"""Looking at the fleet on a thread, and the one observation that all screens draw.

The threading law: a thread calls `look` and posts one immutable message; only the app's own thread sets `view` and
touches widgets. Nothing that a source does ends the app: a look that fails is a line on the screen and a later try.
"""

import os
import random
from collections.abc import Callable

from textual.app import App
from textual.reactive import reactive
from textual.timer import Timer

from flinkops.clock import Clock, SystemClock, iso_utc
from flinkops.errors import FlinkopsError, UsageError
from flinkops.model.observation import Observation
from flinkops.recording import Recorder
from flinkops.render.glyphs import ASCII, UNICODE
from flinkops.sources.protocol import RetriesOnDemand
from flinkops.tui import background
from flinkops.tui.base import BaseScreen
from flinkops.tui.context import Context
from flinkops.tui.dialogs import Prompt
from flinkops.tui.lineview import LineView
from flinkops.tui.protocols import Looks, LooksEarly
from flinkops.tui.replay import ReplayObserver
from flinkops.tui.status_view import Link
from flinkops.tui.themes import DEFAULT, PLAIN, THEMES, Palette
from flinkops.tui.view import View

LONGEST_RETRY_SECONDS = 60.0
SAID_SECONDS = 4.0
LOOK = "look"  # names the work of looking among what comes back from threads


class LookingApp(App[None]):
    """Everything about the observation: asking for it, holding it still, playing a recording, how it is drawn."""

    view: reactive[View | None] = reactive(None, repaint=False, init=False)

    def __init__(
        self,
        observer: Looks,
        *,
        interval_seconds: float,
        guarded: tuple[str, ...],
        ascii_only: bool,
        clock: Clock | None,
        theme: str,
        looking: bool,
    ) -> None:
        plain = "NO_COLOR" in os.environ  # the terminal's own two colours; bold, dim and reverse remain
        super().__init__(ansi_color=True if plain else None)
        self.animation_level = "none"
        for each in THEMES:
            self.register_theme(each)
        self.observer = observer
        self.replay = observer if isinstance(observer, ReplayObserver) else None
        self.interval_seconds = interval_seconds
        self.clock = clock or SystemClock()
        self.link = Link(guarded=guarded, replay=self.replay.place if self.replay else None)
        self.said = ""
        self._looking = looking
        self._recorder: Recorder | None = None  # gets every look
        self._opened: Recorder | None = None  # that one, until its file is closed
        self._record_problem: str | None = None
        self._in_flight = False
        self._latest: View | None = None  # the newest observation, also while the picture is held
        self._latest_at = 0.0  # when it came, monotonic
        self._timer: Timer | None = None
        self._said_timer: Timer | None = None
        self.context = Context(ASCII if ascii_only else UNICODE, Palette(self.theme_variables))
        self.theme = PLAIN if plain else theme if theme in self.available_themes else DEFAULT
        if ascii_only:
            self.add_class("ascii")

    # ---- looking

    def on_mount(self) -> None:
        """The first look goes out at once."""
        self.theme_changed_signal.subscribe(self, lambda _: self._use_theme())
        self._use_theme()
        if self._looking:
            self._look_again()
            self.set_interval(max(1.0, self.interval_seconds), self._tick)

    def now_ms(self) -> int:
        """The clock's time; while a recording plays, the recording's.

        Never before what the newest snapshot and the time since then come to: a clock that is set back makes no data
        look new.
        """
        if self.link.replay is not None and self.view:
            return self.view.taken_ms
        return max(self.clock.now_ms(), self._at_least_ms())

    def _at_least_ms(self) -> int:
        if self._latest is None:
            return 0
        return self._latest.taken_ms + round((self.clock.monotonic() - self._latest_at) * 1000)

    def action_look_now(self) -> None:
        """A person asked: also sources that are left alone for a while, unless a look is under way."""
        if isinstance(self.observer, RetriesOnDemand):
            self.observer.retry_now()
        self._look_again()

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._look(self.observer.look)

    def _look(self, look: Callable[[], Observation]) -> None:
        if self._in_flight:
            return
        self._in_flight = True
        self.link.retry_seconds = None
        interval, recorder = self.interval_seconds, self._recorder
        early = self.observer if self.view is None and isinstance(self.observer, LooksEarly) else None

        def work() -> View:
            for part in early.early() if early else ():
                background.tell(self, background.Early(View.of(part, interval_seconds=interval)))
            observation = look()
            self._record_problem = _write(recorder, observation) if recorder is not None else None
            return View.of(observation, interval_seconds=interval)

        background.start(self, LOOK, work)

    def on_early(self, message: background.Early) -> None:
        """Some sources answered the first look; the others are still asked."""
        self.observed(message.result)

    def on_done(self, message: background.Done) -> None:
        """A look came back."""
        if message.token != LOOK:
            return
        self._in_flight = False
        self.link.overdue = False
        if self._record_problem is not None and self._recorder is not None:
            self.say(self._record_problem)
            self._stop_recording()
        elif self._recorder is None:
            self._close_recorder()
        if message.error is None:
            self.observed(message.result)
        else:
            self.link.error = message.error
            self.link.failures += 1
            self.redraw_head()
        if self._looking:
            self._look_later()

    def observed(self, view: View) -> None:
        """Take a new observation; a held picture stays as it is."""
        self._latest, self._latest_at = view, self.clock.monotonic()
        self.link.error = None
        self.link.failures = 0
        if self.replay is not None:
            self.link.replay = self.replay.place
        if self.link.paused and self.view is not None and self.link.replay is None:
            self.link.waiting += 1
            self.redraw_head()
        else:
            self.view = view

    def watch_view(self, view: View | None) -> None:
        """One new observation: one repaint of the screen on top."""
        shown = next((s for s in reversed(self.screen_stack) if isinstance(s, BaseScreen)), None)
        if shown is not None:  # also below a sheet: it stays live
            shown.redraw()
        if view is not None:
            self.seen(view)

    def seen(self, view: View) -> None:
        """What else is to be done with a new observation."""

    def _look_later(self) -> None:
        if self.replay is not None:
            if not self.link.paused and not self.replay.at_end:
                self._timer = self.set_timer(self.replay.gap_seconds, self._look_again)
            return
        delay = self.interval_seconds
        if self.link.failures:
            delay = min(LONGEST_RETRY_SECONDS, delay * 2.0 ** min(self.link.failures, 6))
            delay *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self.link.retry_seconds = delay
            self.redraw_head()
        self._timer = self.set_timer(delay, self._look_again)

    def _tick(self) -> None:
        """Once an interval, when nothing new came: the age of the data goes on."""
        if self.replay is not None:
            return
        view = self._latest
        late = view is None or self.now_ms() - view.taken_ms > 1500 * self.interval_seconds
        if late or self.link.paused:
            self.link.overdue = self._in_flight and late
            self.redraw_head()

    def redraw_head(self) -> None:
        """The lines that change with time alone."""
        if isinstance(self.screen, BaseScreen):
            self.screen.redraw_head()

    def action_pause(self) -> None:
        """Hold the picture, or let it go on with the newest."""
        self.link.paused = not self.link.paused
        if self.replay is not None:
            if not self.link.paused:
                self._look_again()
        elif not self.link.paused:
            self.link.waiting = 0
            if self._latest is not None and self._latest is not self.view:
                self.view = self._latest
        self.redraw_head()

    # ---- a recording

    def action_record(self) -> None:
        """Start a recording beside where the person is, or end it."""
        if self._recorder is not None:
            self.say(f"the recording is in {self.link.recording}")
            self._stop_recording()
        elif self.replay is None:
            name = f"flinkops-{(iso_utc(self.clock.now_ms()) or '')[:19].replace(':', '')}.rec"
            try:
                self._recorder = self._opened = Recorder(name)
            except FlinkopsError as error:
                self.say(error.line())
                return
            self.link.recording = name
            self.say(f"recording to {name}; R ends it")
        self.redraw_head()

    def _stop_recording(self) -> None:
        self._recorder = None
        self.link.recording = None
        self.redraw_head()
        if not self._in_flight:  # else its last frame is being written; it is closed when that is done
            self._close_recorder()

    def _close_recorder(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def action_step(self, frames: str) -> None:
        """So many moments on or back; the recording stands still there."""
        if (replay := self.replay) is not None:
            self._hold()
            self._look(lambda: replay.move(int(frames)))

    def action_speed(self, factor: str) -> None:
        """Faster or slower."""
        if self.replay is not None:
            self.replay.speed = min(256.0, max(1 / 16, self.replay.speed * float(factor)))
            self.link.replay = self.replay.place
            self.redraw_head()

    def action_jump(self) -> None:
        """To a time."""
        if (replay := self.replay) is None:
            return

        def asked(text: str | None) -> None:
            if not text:
                return
            try:
                at_ms = replay.parse_time(text)
            except UsageError as error:
                self.say(error.line())
                return
            self._hold()
            self._look(lambda: replay.jump(at_ms))

        self.push_screen(Prompt(self.context, "go to (UTC)", hint="14:02 or 2026-11-23T14:02:31"), asked)

    def _hold(self) -> None:
        self.link.paused = True
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    # ---- how it looks

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


def _write(recorder: Recorder, observation: Observation) -> str | None:
    """One frame; what went wrong, if anything did: the look itself is good."""
    try:
        recorder.write(observation.snapshot)
    except FlinkopsError as error:
        return error.line()
    return None
