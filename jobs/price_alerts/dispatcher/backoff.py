"""How long to wait before the next attempt."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_MAX_RETRY_AFTER_SECONDS = 3600.0


def backoff_seconds(failures: int, chance: float, *, first_seconds: float, longest_seconds: float) -> float:
    """Doubles with each failure (the first is 1) up to a limit; half of it fixed, half by `chance` (0 to 1).

    >>> backoff_seconds(3, 1.0, first_seconds=0.5, longest_seconds=60.0)
    2.0
    """
    whole = min(longest_seconds, first_seconds * 2.0 ** min(failures - 1, 62))
    return whole / 2 + whole / 2 * chance


def retry_after_seconds(header: str | None, now_ms: int) -> float | None:
    """The delay of a Retry-After header, in seconds or as a date, an hour at most; None where it cannot be read.

    >>> retry_after_seconds("120", 0), retry_after_seconds("Thu, 01 Jan 1970 00:00:30 GMT", 10_000)
    (120.0, 20.0)
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _MAX_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, at.timestamp() - now_ms / 1000), _MAX_RETRY_AFTER_SECONDS)
