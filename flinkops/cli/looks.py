"""Looking again and again, with the clock's patience."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flinkops.observe import Observation, Observer


def looks(observer: "Observer", interval_seconds: float, *, seconds: float | None = None) -> Iterator["Observation"]:
    """An observation each interval, counted from start to start; for `seconds` after the first one, or without end."""
    next_at = time.monotonic()
    end_at: float | None = None
    while True:
        yield observer.look()
        now = time.monotonic()
        if end_at is None and seconds is not None:
            end_at = now + seconds
        next_at = max(now, next_at + interval_seconds)
        if end_at is not None and next_at >= end_at:
            time.sleep(max(0.0, end_at - now))
            return
        time.sleep(next_at - now)
