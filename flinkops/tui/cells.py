"""Values as cells: a number with its unit, or a question mark. Never a made-up zero."""

import math

from flinkops.clock import iso_utc
from flinkops.model.assessment import JobAssessment, Level
from flinkops.model.reasons import Subject
from flinkops.render.text import UNKNOWN, clean, clock_time, human_bytes, human_count, human_ratio, human_seconds
from flinkops.tui.glyphs import Glyphs
from flinkops.tui.lines import Line, Role

LEVEL_ROLE: dict[str, Role] = {"critical": "critical", "unknown": "unknown", "warning": "warning", "ok": "ok"}
STATE_ROLE: dict[str, Role] = {
    "RUNNING": "text", "FINISHED": "dim", "CANCELED": "dim", "SUSPENDED": "dim", "FAILED": "critical",
    "FAILING": "critical", "RESTARTING": "critical", "UNKNOWN": "unknown",
}  # fmt: skip


_JOINERS = dict.fromkeys(map(ord, "\u200d\ufe0e\ufe0f"))


def tidy(text: str) -> str:
    r"""Clean, and without the joiners of emoji, which every terminal gives another width.

    >>> tidy("a\x1b[31m\u200db")
    'ab'
    """
    return clean(text).translate(_JOINERS)


def value(text: str | None, role: Role = "text") -> Line:
    """Text, or a dim question mark for what is unknown."""
    return ((UNKNOWN, "dim"),) if text is None else ((text, role),)


def seconds(amount: float | None, role: Role = "text") -> Line:
    """A duration."""
    return value(None if amount is None else human_seconds(amount), role)


def size(amount: float | None, role: Role = "text") -> Line:
    """Bytes."""
    return value(None if amount is None else human_bytes(amount), role)


def rate(per_second: float | None, role: Role = "text") -> Line:
    """A number a second, without the unit."""
    return value(None if per_second is None else human_count(per_second), role)


def count(number: float | None, role: Role = "text") -> Line:
    """A whole number."""
    return rate(number, role)


def percent(ratio: float | None, role: Role = "text") -> Line:
    """A ratio of 1 as 100 %."""
    return value(None if ratio is None else human_ratio(ratio), role)


def short(amount: float) -> str:
    """How long ago, in one unit and no finer than a second.

    >>> short(3_700), short(0.4)
    ('1h', '0s')
    """
    if not math.isfinite(amount):
        return UNKNOWN
    return human_seconds(amount).split(" ")[0] if amount >= 59.95 else f"{max(0, round(amount))}s"


def since(at_ms: int | None, now_ms: int) -> str | None:
    """When it began, in UTC, and how long ago that is.

    >>> since(0, 60_000)
    'since 00:00Z (1m)'
    """
    if at_ms is None:
        return None
    return f"since {clock_time(at_ms, now_ms)}Z ({short((now_ms - at_ms) / 1000)})"


def moment(at_ms: int) -> str:
    """A time in full, UTC.

    >>> moment(0)
    '1970-01-01 00:00:00Z'
    """
    return (iso_utc(at_ms) or UNKNOWN)[:19].replace("T", " ") + ("Z" if iso_utc(at_ms) else "")


def level(of: Level, glyphs: Glyphs) -> Line:
    """Sign, word and colour."""
    return ((f"{glyphs.level(of)} {of}", LEVEL_ROLE[of]),)


def state(of: str) -> Line:
    """Flink's job state."""
    return ((tidy(of), STATE_ROLE.get(of, "warning")),)


def known_signals(job: JobAssessment) -> int:
    """How many of the five signals (latency, skew, state, backpressure, checkpoints) are known."""
    checkpoints = job.checkpoints
    return sum(
        known is not None
        for known in (
            job.processing_latency_seconds and job.processing_latency_seconds.p99,
            job.event_time_skew_seconds,
            job.state_bytes,
            job.backpressure,
            checkpoints,
        )
    )


def about(job: JobAssessment, subject: Subject) -> Role:
    """How a signal is to be read: as bad as the worst reason that is about it."""
    return next((LEVEL_ROLE[each.level] for each in job.health.reasons if each.code.subject is subject), "text")
