"""Doing something again and again."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def repeated(poll: Callable[[], T], interval_seconds: float, *, seconds: float | None = None) -> Iterator[T]:
    """What `poll` gives each interval, from start to start; until `seconds` after the first one, or without end."""
    next_at = time.monotonic()
    end_at: float | None = None
    while True:
        yield poll()
        now = time.monotonic()
        if end_at is None and seconds is not None:
            end_at = now + seconds
        next_at = max(now, next_at + interval_seconds)
        if end_at is not None and next_at >= end_at:
            time.sleep(max(0.0, end_at - now))
            return
        time.sleep(next_at - now)
