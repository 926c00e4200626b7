"""Doing something again and again."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def repeated(poll: Callable[[], T], interval_seconds: float, *, seconds: float | None = None) -> Iterator[T]:
    """What `poll` gives each interval, from start to start; without end, or over `seconds`; once when these are 0.

    The last poll begins `seconds` after the first one ended, or a little later: whatever moment of a poll its times
    are of, first and last lie at least so far apart. No poll comes within half an interval before the last one.
    """
    next_at = time.monotonic()
    yield poll()
    end_at = None if seconds is None else time.monotonic() + seconds
    while end_at is None or (seconds and next_at < end_at):
        next_at = max(time.monotonic(), next_at + interval_seconds)
        if end_at is not None and next_at > end_at - interval_seconds / 2:
            next_at = max(time.monotonic(), end_at)
        time.sleep(max(0.0, next_at - time.monotonic()))
        yield poll()
