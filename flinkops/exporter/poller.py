"""Polls the fleet on demand: one poll at a time, shared by all who wait, with a deadline for each."""

import logging
import threading
from collections.abc import Callable

from flinkops.clock import Clock
from flinkops.errors import FlinkopsError
from flinkops.model.observation import Observation

log = logging.getLogger(__name__)


class SharedPoller:
    """Single flight: a scrape starts a poll unless one is running or the last is fresh, and waits for its result.

    A poll that outlasts a scrape's deadline goes on, for the next scrape. What is older than ``max_age_seconds`` is
    never given out: no data is better than data that only seems fresh.
    """

    def __init__(
        self,
        observe: Callable[[], Observation],
        clock: Clock,
        *,
        max_age_seconds: float = 60.0,
        reuse_seconds: float = 2.0,
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._max_age_seconds = max_age_seconds
        self._reuse_seconds = reuse_seconds
        self._changed = threading.Condition()
        self._last: Observation | None = None
        self._last_at = 0.0  # monotonic, like every age: a clock that is set does not make old data new
        self._worker: threading.Thread | None = None
        self._started_at = 0.0
        self.polls = 0
        self.failed_polls = 0
        self.overdue_scrapes = 0

    def newest(self, deadline_seconds: float) -> Observation | None:
        """A fresh observation, else that of a poll that is done by the deadline, else the last one unless too old."""
        with self._changed:
            if self._age_seconds() > self._reuse_seconds:
                worker = self._worker or self._start()
                if not self._changed.wait_for(lambda: self._worker is not worker, deadline_seconds):
                    self.overdue_scrapes += 1
            return self._last if self._age_seconds() <= self._max_age_seconds else None

    @property
    def running_for_seconds(self) -> float:
        """How long the poll under way has been running, 0 when there is none."""
        with self._changed:
            return self._clock.monotonic() - self._started_at if self._worker else 0.0

    @property
    def taken_ms(self) -> int | None:
        """When the newest snapshot was taken, however old; None before the first."""
        last = self._last
        return last.snapshot.taken_ms if last else None

    def _age_seconds(self) -> float:
        if self._last is None:
            return float("inf")
        return self._clock.monotonic() - self._last_at

    def _start(self) -> threading.Thread:
        self._started_at = self._clock.monotonic()
        self._worker = threading.Thread(target=self._run, name="poll", daemon=True)
        self._worker.start()
        return self._worker

    def _run(self) -> None:
        seen: Observation | None = None
        try:
            seen = self._observe()
        except FlinkopsError as error:
            log.warning("poll failed: %s", error.line())
        except Exception as error:
            # The end of a thread: a scrape must be answered whatever happens.
            log.warning("poll failed: %s: %s", type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))
        with self._changed:
            self.polls += 1
            if seen is None:
                self.failed_polls += 1
            else:
                self._last, self._last_at = seen, self._clock.monotonic()
            self._worker = None
            self._changed.notify_all()
