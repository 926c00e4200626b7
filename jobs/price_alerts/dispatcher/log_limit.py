"""Keeps what others send from filling the log: few lines of a kind a minute, and how many were left out."""

import logging
import time
from collections.abc import Callable

_LINES = 20
_SECONDS = 60.0


class LogLimit(logging.Filter):
    """Lets `lines` records of one message through each `seconds`; the next one has the number of those dropped.

    `clock` counts seconds and never goes back. A filter of a handler, so that it sees every logger's records.
    """

    def __init__(
        self, *, lines: int = _LINES, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._lines, self._seconds, self._clock = lines, seconds, clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        """By logger and message, before its arguments are filled in: when its minute began, and how many came since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        kind, now = (record.name, str(record.msg)), self._clock()
        began, count = self._seen.get(kind, (now, 0))
        dropped = count - self._lines
        if now - began >= self._seconds:
            began, count = now, 0
            if dropped > 0:
                record.msg = f"{record.getMessage()} (and {dropped} more like it since the last one)"
                record.args = ()
        self._seen[kind] = (began, count + 1)
        return count < self._lines
