"""The one place that reads the wall clock; everything else is handed a time.

Times inside flinkops are integers, milliseconds since the epoch (UTC), as in Flink's REST API: exact,
comparable, and free of time zones until a person reads them.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of "now", so that tests and replays can say what time it is."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch. It may be set back or forward at any time: no age is a difference of two."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never set: what ages and waits inside this process are measured with."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let so much time pass; a signal that raises ends it."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long."""
        time.sleep(seconds)


class FixedClock:
    """A clock that shows what it was set to, for tests and replays."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds that it was advanced."""
        return self._monotonic

    def advance(self, *, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        """Time passes while somebody waits: a limit is so many polls, however fast the machine is."""
        self.advance(seconds=seconds)

    def set_to(self, now_ms: int) -> None:
        """Set the time of day, as a person or NTP may; no time passes."""
        self._now_ms = now_ms


# The range of years that datetime can show; Flink's "no watermark" (Long.MIN) and "finished" (Long.MAX) lie outside.
_MIN_MS, _MAX_MS = -62_135_596_800_000, 253_402_300_799_999


def iso_utc(at_ms: int | None) -> str | None:
    """ISO-8601 with milliseconds and Z, or None for None and for times that no calendar has.

    >>> iso_utc(0)
    '1970-01-01T00:00:00.000Z'
    >>> iso_utc(2**63 - 1) is None
    True
    """
    if at_ms is None or not _MIN_MS <= at_ms <= _MAX_MS:
        return None
    seconds, millis = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def parse_iso_utc(text: str) -> int:
    """The inverse of :func:`iso_utc`. Raises ValueError when `text` is no ISO-8601 time with a zone.

    >>> parse_iso_utc("1970-01-01T00:00:01.500Z")
    1500
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return round(parsed.timestamp() * 1000)
