"""Polling on a thread, and the one observation that all screens draw.

The threading law: a thread calls `observe` and posts one immutable message; only the app's own thread shows the result
and touches widgets. Nothing that a source does ends the app: a poll that fails is a line on the screen and a later try.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from textual.message import Message
from textual.message_pump import MessagePump
from textual.timer import Timer

from flinkops.clock import Clock
from flinkops.model.observation import Observation
from flinkops.sources.protocol import RetriesOnDemand
from flinkops.tui import background
from flinkops.tui.background import Outcome
from flinkops.tui.protocols import ObservesFleet, StreamsPartialObservations
from flinkops.tui.recording_keeper import RecordingKeeper
from flinkops.tui.replay import ReplayObserver
from flinkops.tui.status_view import PollState
from flinkops.tui.view import View

LONGEST_RETRY_SECONDS = 60.0


@dataclass
class Polled(Message):
    """A poll is over; `unwritten`: why its snapshot could not be recorded, if it was to be."""

    outcome: Outcome[View]
    unwritten: str | None = None


@dataclass
class PolledInPart(Message):
    """Some sources answered the first poll; the others are still asked."""

    view: View


class PollHost(Protocol):
    """What shows the observations."""

    @property
    def view(self) -> View | None:
        """What is shown now; None before the first."""
        ...

    def show(self, view: View) -> None:
        """Show this one instead."""
        ...

    def redraw_head(self) -> None:
        """Draw again the lines that change with time alone."""
        ...

    def say(self, text: str) -> None:
        """A short message, for some seconds."""
        ...


class Poller:
    """One poll at a time, the next after an interval, later after failures; holding the picture does not stop it."""

    def __init__(
        self,
        host: PollHost,
        pump: MessagePump,
        observer: ObservesFleet,
        state: PollState,
        clock: Clock,
        *,
        interval_seconds: float,
    ) -> None:
        """`pump` gets the messages and runs the timers; it hands :class:`Polled` and :class:`PolledInPart` back."""
        self.state = state
        self.recording = RecordingKeeper(state, clock)
        self.replay = observer if isinstance(observer, ReplayObserver) else None
        state.replay = self.replay.place if self.replay else None
        self._host = host
        self._pump = pump
        self._observer = observer
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._running = False
        self.in_flight = False
        self._latest: View | None = None  # the newest observation, also while the picture is held
        self._latest_at = 0.0  # when it came, monotonic
        self._timer: Timer | None = None

    # ---- asking

    def start(self) -> None:
        """The first poll goes out at once, the others follow by themselves."""
        self._running = True
        self._poll_again()
        self._pump.set_interval(max(1.0, self._interval_seconds), self._tick)

    def refresh_now(self) -> None:
        """A person asked: also sources that are left alone for a while, unless a poll is under way."""
        if isinstance(self._observer, RetriesOnDemand):
            self._observer.retry_now()
        self._poll_again()

    def _poll_again(self) -> None:
        self._stop_timer()
        self.poll(self._observer.observe)

    def poll(self, observe: Callable[[], Observation]) -> None:
        """Observe on a thread; nothing while another poll is under way."""
        if self.in_flight:
            return
        self.in_flight = True
        self.state.retry_seconds = None
        pump, interval, recorder = self._pump, self._interval_seconds, self.recording.current
        first = self._host.view is None
        partial = self._observer if first and isinstance(self._observer, StreamsPartialObservations) else None
        unwritten: list[str] = []

        def work() -> View:
            for part in partial.partial_observations() if partial else ():
                background.post(pump, PolledInPart(View.of(part, interval_seconds=interval)))
            observation = observe()
            if recorder is not None and (problem := recorder.write(observation.snapshot)):
                unwritten.append(problem)
            return View.of(observation, interval_seconds=interval)

        background.start(pump, "poll", work, lambda outcome: Polled(outcome, next(iter(unwritten), None)))

    def now_ms(self) -> int:
        """The clock's time; while a recording plays, the recording's.

        Never before what the newest snapshot and the time since then come to: a clock that is set back makes no data
        seem new.
        """
        if self.replay is not None and (shown := self._host.view) is not None:
            return shown.taken_ms
        return max(self._clock.now_ms(), self._at_least_ms())

    def _at_least_ms(self) -> int:
        if self._latest is None:
            return 0
        return self._latest.taken_ms + round((self._clock.monotonic() - self._latest_at) * 1000)

    # ---- taking what came

    def take(self, message: Polled) -> None:
        """A poll is over: show what it gave, or why it gave nothing, and wait for the next."""
        self.in_flight = False
        self.state.overdue = False
        if message.unwritten is not None and self.recording.current is not None:
            self._host.say(message.unwritten)
            self.recording.stop()
        self.recording.close_when_stopped()
        if message.outcome.result is not None:
            self.observed(message.outcome.result)
        else:
            self.state.error = message.outcome.error
            self.state.failures += 1
            self._host.redraw_head()
        if self._running:
            self._poll_later()

    def observed(self, view: View) -> None:
        """Take a new observation; a held picture stays as it is."""
        self._latest, self._latest_at = view, self._clock.monotonic()
        self.state.error = None
        self.state.failures = 0
        if self.replay is not None:
            self.state.replay = self.replay.place
        if self.state.paused and self._host.view is not None and self.replay is None:
            self.state.waiting += 1
            self._host.redraw_head()
        else:
            self._host.show(view)

    def _poll_later(self) -> None:
        if self.replay is not None:
            if not self.state.paused and not self.replay.at_end:
                self._timer = self._pump.set_timer(self.replay.gap_seconds, self._poll_again)
            return
        delay = self._interval_seconds
        if self.state.failures:
            delay = min(LONGEST_RETRY_SECONDS, delay * 2.0 ** min(self.state.failures, 6))
            delay *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self.state.retry_seconds = delay
            self._host.redraw_head()
        self._timer = self._pump.set_timer(delay, self._poll_again)

    def _tick(self) -> None:
        """Once an interval, when nothing new came: the age of the data grows."""
        if self.replay is not None:
            return
        view = self._latest
        late = view is None or self.now_ms() - view.taken_ms > 1500 * self._interval_seconds
        if late or self.state.paused:
            self.state.overdue = self.in_flight and late
            self._host.redraw_head()

    # ---- holding, and moving in a recording

    def toggle_pause(self) -> None:
        """Hold the picture, or let it follow the newest."""
        self.state.paused = not self.state.paused
        if self.replay is not None:
            if not self.state.paused:
                self._poll_again()
        elif not self.state.paused:
            self.state.waiting = 0
            if self._latest is not None and self._latest is not self._host.view:
                self._host.show(self._latest)
        self._host.redraw_head()

    def step(self, frames: int) -> None:
        """So many snapshots on or back in the recording, which stands still there."""
        if (replay := self.replay) is not None:
            self._hold()
            self.poll(lambda: replay.move(frames))

    def jump(self, at_ms: int) -> None:
        """To a time of the recording, which stands still there."""
        if (replay := self.replay) is not None:
            self._hold()
            self.poll(lambda: replay.jump(at_ms))

    def change_speed(self, factor: float) -> None:
        """Of the recording: faster or slower."""
        if self.replay is not None:
            self.replay.speed = min(256.0, max(1 / 16, self.replay.speed * factor))
            self.state.replay = self.replay.place
            self._host.redraw_head()

    def toggle_recording(self) -> None:
        """Record what is observed from now on, or end the recording."""
        if self.replay is None:
            self._host.say(self.recording.toggle())
            if not self.in_flight:  # else its last frame is being written; it is closed when that is done
                self.recording.close_when_stopped()
        self._host.redraw_head()

    def _hold(self) -> None:
        self.state.paused = True
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
