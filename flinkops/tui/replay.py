"""A recording on the screens of the live fleet: forwards, backwards, to a time, at any speed.

What the screens show at a moment is a function of the snapshots up to it. Going back therefore observes the snapshots
before the one again, with an empty history, so that trends and hysteresis are those of that moment.
"""

from datetime import UTC, datetime, time, timedelta

from flinkops.clock import iso_utc
from flinkops.config.policy import Policy
from flinkops.errors import UsageError
from flinkops.model.observation import Observation
from flinkops.observer import Observer
from flinkops.recording import Replay

MEMORY_FRAMES = 60
"""Snapshots observed again before the one that was jumped to."""
LONGEST_GAP_SECONDS = 30.0


class ReplayObserver:
    """Observes a recording. Used by one thread at a time."""

    def __init__(self, replay: Replay, policy: Policy) -> None:
        self._replay = replay
        self._policy = policy
        self._observer = Observer(replay, policy)
        self.speed = 1.0

    def observe(self) -> Observation:
        """The next moment; at the end, the last one again."""
        return self._observer.observe()

    def move(self, frames: int) -> Observation:
        """So many frames on, or back."""
        return self.at(self._replay.position + frames)

    def jump(self, at_ms: int) -> Observation:
        """The last moment at or before that time."""
        return self.at(self._replay.index_at(at_ms))

    def at(self, index: int) -> Observation:
        """The moment of one frame, with the memory it had."""
        index = max(0, min(index, len(self._replay) - 1))
        here = self._replay.position
        if not here < index <= here + MEMORY_FRAMES:
            self._observer = Observer(self._replay, self._policy)
            here = max(-1, index - MEMORY_FRAMES - 1)
            self._replay.seek(here + 1)
        for _ in range(index - here - 1):
            self._observer.observe()
        return self._observer.observe()

    @property
    def at_end(self) -> bool:
        """Nothing comes after this."""
        return self._replay.at_end

    @property
    def place(self) -> str:
        """Position and speed, as the status line shows them."""
        return f"{self._replay.position + 1} of {len(self._replay)} x{self.speed:g}{', end' if self.at_end else ''}"

    @property
    def gap_seconds(self) -> float:
        """How long until the next moment at this speed."""
        position, times = self._replay.position, self._replay.times_ms
        if not 0 <= position < len(times) - 1:
            return 1.0
        return max(0.02, min(LONGEST_GAP_SECONDS, (times[position + 1] - times[position]) / 1000) / self.speed)

    def parse_time(self, text: str) -> int:
        """A time of day (UTC) of the recording's days, or a full ISO time. Raises UsageError for anything else."""
        first_ms, last_ms = self._replay.times_ms[0], self._replay.times_ms[-1]
        try:
            if "T" in text or "-" in text:
                moment = datetime.fromisoformat(text.strip().rstrip("Z")).replace(tzinfo=UTC)
            else:
                day = datetime.fromisoformat(iso_utc(last_ms) or "")
                moment = datetime.combine(day.date(), time.fromisoformat(text.strip().rstrip("Z")), UTC)
                if moment.timestamp() * 1000 > last_ms and (moment - timedelta(days=1)).timestamp() * 1000 >= first_ms:
                    moment -= timedelta(days=1)
        except ValueError:
            raise UsageError(f"{text!r} is no time", next_step="for example 14:02 or 2026-11-23T14:02:31") from None
        return round(moment.timestamp() * 1000)
