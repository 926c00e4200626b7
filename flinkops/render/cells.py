"""Values as cells: a number with its unit, or a question mark. Never a made-up zero."""

import math

from flinkops.clock import iso_utc
from flinkops.model.assessment import JobAssessment, Level, NotApplicable, Unknown
from flinkops.model.reasons import Subject
from flinkops.outside.text import clean_setting
from flinkops.render.glyphs import Glyphs
from flinkops.render.lines import Line, Role
from flinkops.render.text import (
    NOT_APPLICABLE,
    UNKNOWN,
    clean,
    clock_time,
    human_bytes,
    human_count,
    human_ratio,
    human_seconds,
)

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


def absent_sign(job: JobAssessment, path: str) -> str:
    """What stands for the missing part of the document at this path: ``?`` for unknown, ``–`` for not applicable."""
    return NOT_APPLICABLE if isinstance(job.absent(path), NotApplicable) else UNKNOWN


def absent_cell(job: JobAssessment, path: str, glyphs: Glyphs | None = None) -> Line:
    """The same as a dim cell, in the signs of a screen where there are some."""
    sign = absent_sign(job, path)
    return ((glyphs.dash if glyphs and sign == NOT_APPLICABLE else sign, "dim"),)


def tidy_setting(key: str, text: str) -> str:
    """A setting's value, masked where its key says that it is a secret."""
    return clean_setting(key, text).translate(_JOINERS)


def value_cell(text: str | None, role: Role = "text") -> Line:
    """Text, or a dim question mark for what is unknown."""
    return ((UNKNOWN, "dim"),) if text is None else ((text, role),)


def seconds_cell(amount: float | None, role: Role = "text") -> Line:
    """A duration."""
    return value_cell(None if amount is None else human_seconds(amount), role)


def size_cell(amount: float | None, role: Role = "text") -> Line:
    """Bytes."""
    return value_cell(None if amount is None else human_bytes(amount), role)


def rate_cell(per_second: float | None, role: Role = "text") -> Line:
    """A number a second, without the unit."""
    return value_cell(None if per_second is None else human_count(per_second), role)


def count_cell(number: float | None, role: Role = "text") -> Line:
    """A whole number."""
    return rate_cell(number, role)


def percent_cell(ratio: float | None, role: Role = "text") -> Line:
    """A ratio of 1 as 100 %."""
    return value_cell(None if ratio is None else human_ratio(ratio), role)


def short_age(amount: float) -> str:
    """How long ago, in one unit and no finer than a second.

    >>> short_age(3_700), short_age(0.4)
    ('1h', '0s')
    """
    if not math.isfinite(amount):
        return UNKNOWN
    return human_seconds(amount).split(" ")[0] if amount >= 59.95 else f"{max(0, round(amount))}s"


def since_text(at_ms: int | None, now_ms: int) -> str | None:
    """When it began, in UTC, and how long ago that is.

    >>> since_text(0, 60_000)
    'since 00:00Z (1m)'
    """
    if at_ms is None:
        return None
    return f"since {clock_time(at_ms, now_ms)}Z ({short_age((now_ms - at_ms) / 1000)})"


def moment_text(at_ms: int) -> str:
    """A time in full, UTC.

    >>> moment_text(0)
    '1970-01-01 00:00:00Z'
    """
    return (iso_utc(at_ms) or UNKNOWN)[:19].replace("T", " ") + ("Z" if iso_utc(at_ms) else "")


def level_cell(of: Level, glyphs: Glyphs) -> Line:
    """Sign, word and colour."""
    return ((f"{glyphs.level(of)} {of}", LEVEL_ROLE[of]),)


def state_cell(of: str) -> Line:
    """Flink's job state."""
    return ((tidy(of), STATE_ROLE.get(of, "warning")),)


_SIGNALS = (
    "processing_latency_seconds.p99",
    "event_time_skew_seconds",
    "state_bytes",
    "backpressure",
    "checkpoints",
)


def known_signals(job: JobAssessment) -> int:
    """How many of the five signals are known, or known not to apply."""
    return sum(not isinstance(job.absent(path), Unknown) for path in _SIGNALS)


def role_about(job: JobAssessment, subject: Subject) -> Role:
    """How a signal is to be read: as bad as the worst reason that is about it."""
    return next((LEVEL_ROLE[each.level] for each in job.health.reasons if each.code.subject is subject), "text")
