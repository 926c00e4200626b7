"""A circuit breaker: a source that keeps failing is asked less and less often, never at the same time as others."""

import random
import time
from collections.abc import Callable


class Circuit:
    """Closed after a success; open after `failures_to_open` failures in a row; half-open when the wait is over.

    While open, nobody should ask. The wait doubles with each further failure up to `longest_wait_seconds`, shortened
    at random by up to a half so that many clients, or many sources of one, do not come back in step.
    """

    def __init__(
        self,
        *,
        failures_to_open: int = 3,
        first_wait_seconds: float = 5.0,
        longest_wait_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._failures_to_open = failures_to_open
        self._first_wait_seconds = first_wait_seconds
        self._longest_wait_seconds = longest_wait_seconds
        self._monotonic = monotonic
        self._spread = spread
        self._failures = 0
        self._open_until = 0.0

    @property
    def wait_seconds(self) -> float:
        """How long it is still open; 0 when one may ask."""
        return max(0.0, self._open_until - self._monotonic())

    def succeeded(self) -> None:
        """Closes it."""
        self._failures = 0
        self._open_until = 0.0

    def failed(self) -> None:
        """Counts a failure and opens it when there were enough in a row."""
        self._failures += 1
        excess = self._failures - self._failures_to_open
        if excess >= 0:
            wait = min(self._longest_wait_seconds, self._first_wait_seconds * 2.0 ** min(excess, 30))
            self._open_until = self._monotonic() + wait * (1.0 - 0.5 * self._spread())

    def retry_now(self) -> None:
        """A person asked: the next question is allowed at once."""
        self._open_until = 0.0
