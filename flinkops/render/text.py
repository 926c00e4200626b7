"""Text for terminals: made safe (`flinkops.outside`), cut by the width it takes, and numbers as people read them."""

from flinkops.clock import iso_utc
from flinkops.model.quantities import (
    NOT_APPLICABLE,
    UNKNOWN,
    human_bytes,
    human_count,
    human_rate,
    human_ratio,
    human_seconds,
    human_value,
)
from flinkops.outside.text import clean

__all__ = [
    "NOT_APPLICABLE",
    "UNKNOWN",
    "clean",
    "clock_time",
    "human_bytes",
    "human_count",
    "human_rate",
    "human_ratio",
    "human_seconds",
    "human_value",
    "pad",
    "truncate",
    "width",
]


def width(text: str) -> int:
    """The cells of a terminal that `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def truncate(text: str, cells: int) -> str:
    """`text` in at most so many cells, an ellipsis where something was cut.

    >>> truncate("order-aggregation", 8)
    'order-a…'
    """
    if width(text) <= cells:
        return text
    if text.isascii():
        return text[: max(0, cells - 1)] + "…" if cells > 0 else ""
    from rich.cells import set_cell_size

    return set_cell_size(text, cells - 1).rstrip(" ") + "…" if cells > 0 else ""


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """`text` filled up with blanks to so many cells, on its left when `right` says that it stands on the right."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks


def clock_time(at_ms: int | None, now_ms: int) -> str:
    """The time of day in UTC, with the date when it is not today's.

    >>> clock_time(50_520_000, 60_000_000), clock_time(50_520_000, 200_000_000)
    ('14:02', '1970-01-01 14:02')
    """
    text = iso_utc(at_ms)
    if text is None:
        return UNKNOWN
    today = (iso_utc(now_ms) or "")[:10]
    return text[11:16] if text[:10] == today else f"{text[:10]} {text[11:16]}"
