"""How long tests wait for what does come: a busy machine may take its time, and only what never comes is a failure."""

import time
from collections.abc import Callable

from flinkops.clock import FixedClock, SystemClock

PATIENT_SECONDS = 120.0
"""A limit that only guards against a hang. A limit that a test is about needs a clock of its own: FixedClock."""
EVER_LONGER_SECONDS = (1.0, 4.0, 16.0)
"""Deadlines for what is to run out of time in the middle: within the first, a busy machine may not have come so far."""


def until(holds: Callable[[], bool], *, pause_seconds: float = 0.01) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + PATIENT_SECONDS
    while not holds():
        assert time.monotonic() < ends, f"not within {PATIENT_SECONDS:.0f} s"
        time.sleep(pause_seconds)


def polled_clock() -> FixedClock:
    """A clock from now on, in which time passes only while an action waits between two polls."""
    return FixedClock(SystemClock().now_ms())
