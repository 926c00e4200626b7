"""Text for terminals: hostile names made safe, cut by the width they take, and numbers as people read them."""

import math
import re
import unicodedata

# Escape sequences first, so that no half of one stays behind: CSI, OSC and other strings, two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_SPACES = re.compile(r"\s+")
_KEPT_FORMATS = "\u200d"
"""Zero-width joiner: it only joins what is shown."""


def clean(text: str) -> str:
    r"""One printable line: no escapes, control characters, bidirectional overrides or other invisible formatting.

    >>> clean("a\x1b[31mb\u202ec\nd")
    'abc d'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _SPACES.sub(" ", _ESCAPES.sub("", text))
    return "".join(char for char in text if unicodedata.category(char) not in _DROPPED or char in _KEPT_FORMATS)


_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def width(text: str) -> int:
    """The cells of a terminal that `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def truncate(text: str, cells: int) -> str:
    """`text` in at most so many cells, an ellipsis where something was cut.

    >>> truncate("price-aggregation", 8)
    'price-a…'
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


def _digits(value: float) -> str:
    """Three significant digits, as few decimals as possible."""
    if abs(value) >= 99.95 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2g}" if abs(value) < 0.995 else f"{value:.1f}"


UNKNOWN = "?"


def human_bytes(value: float | None) -> str:
    """Decimal units, as storage is bought.

    >>> human_bytes(4_200_000_000), human_bytes(999), human_bytes(None)
    ('4.2 GB', '999 B', '?')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5:
            return f"{value:.0f} B" if unit == "B" else f"{_digits(value)} {unit}"
        value /= 1000
    return f"{_digits(value)} PB"


def human_seconds(value: float | None) -> str:
    """A duration in the unit that fits it.

    >>> human_seconds(0.412), human_seconds(7.2), human_seconds(75), human_seconds(93_784)
    ('412 ms', '7.2 s', '1m 15s', '1d 2h')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value < 0:
        return f"-{human_seconds(-value)}"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.0095 or value == 0 else f"{value * 1000:.1f} ms"
    if value < 59.95:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    seconds = round(value)
    for big, small, big_name, small_name in ((86400, 3600, "d", "h"), (3600, 60, "h", "m"), (60, 1, "m", "s")):
        if seconds >= big:
            rest = seconds % big // small
            return f"{seconds // big}{big_name} {rest}{small_name}" if rest else f"{seconds // big}{big_name}"
    return f"{seconds} s"


def human_rate(value: float | None) -> str:
    """Per second.

    >>> human_rate(12_400), human_rate(0.25), human_rate(3_600_000)
    ('12,400/s', '0.25/s', '3.6M/s')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{human_count(value)}/s"


def human_count(value: float | None) -> str:
    """A number of things.

    >>> human_count(12_400), human_count(2_300_000)
    ('12,400', '2.3M')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 999_950_000:
        return f"{_digits(value / 1e9)}G" if abs(value) < 1e13 else f"{value:.1e}"
    if abs(value) >= 999_950:
        return f"{_digits(value / 1e6)}M"
    return f"{value:,.0f}" if abs(value) >= 99.95 or value == round(value) else _digits(value)


def human_ratio(value: float | None) -> str:
    """Percent.

    >>> human_ratio(0.934), human_ratio(0.0004), human_ratio(0)
    ('93%', '0.04%', '0%')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    percent = value * 100
    return f"{percent:.0f}%" if percent >= 9.95 or percent == 0 else f"{percent:.2g}%"


def human_value(value: float | None, unit: str) -> str:
    """A number in one of the units that names carry: seconds, bytes, ratio, per_second; else a count."""
    formats = {"seconds": human_seconds, "bytes": human_bytes, "ratio": human_ratio, "per_second": human_rate}
    return formats.get(unit, human_count)(value)


def clock_time(at_ms: int | None, now_ms: int) -> str:
    """The time of day in UTC, with the date when it is not today's.

    >>> clock_time(50_520_000, 60_000_000), clock_time(50_520_000, 200_000_000)
    ('14:02', '1970-01-01 14:02')
    """
    from flinkops.clock import iso_utc

    text = iso_utc(at_ms)
    if text is None:
        return UNKNOWN
    today = (iso_utc(now_ms) or "")[:10]
    return text[11:16] if text[:10] == today else f"{text[:10]} {text[11:16]}"
