"""Durations, sizes and rates as people write and read them: "50ms", "5 min", "4.2 GB", "12,400/s"."""

import math
import re

_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-zµ]*)\s*")
_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


LONGEST_SECONDS = 3_653 * 86_400
"""What no wait of this program is longer than; clocks and locks of the system take no more than some centuries."""
_LONGEST_NUMBER = 40


def parse_duration(value: object) -> float:
    """Seconds of "50ms", "30s", "5m", "1h", "2d" or of a plain number of seconds; ValueError on anything else.

    >>> parse_duration("50ms"), parse_duration("5 min"), parse_duration(2)
    (0.05, 300.0, 2.0)
    """
    seconds = _parse(value, _SECONDS, "s", "a duration such as 50ms, 30s, 5m, 1h")
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{_cut(value)} is longer than ten years")
    return seconds


def parse_bytes(value: object) -> float:
    """Bytes of "4 GB" (decimal), "512MiB" (binary) or of a plain number; ValueError on anything else.

    >>> parse_bytes("4 GB"), parse_bytes("1KiB")
    (4000000000.0, 1024.0)
    """
    return _parse(value, _BYTES, "b", "a size such as 500MB, 4GB, 2GiB")


def _cut(value: object) -> str:
    """As it is shown in an error."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _parse(value: object, units: dict[str, float] | dict[str, int], default_unit: str, wanted: str) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{_cut(value)} is not {wanted}")
    match = _NUMBER.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    factor = units.get((match[2] or default_unit).lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{_cut(value)} is not {wanted}")
    number = float(match[1][:_LONGEST_NUMBER]) * factor
    if len(match[1]) > _LONGEST_NUMBER or number < 0 or not math.isfinite(number):
        raise ValueError(f"{_cut(value)} is negative or too large")
    return number


def _digits(value: float) -> str:
    """Three significant digits, as few decimals as possible."""
    if abs(value) >= 99.95 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2g}" if abs(value) < 0.995 else f"{value:.1f}"


UNKNOWN = "?"
NOT_APPLICABLE = "–"
"""Of what a job cannot have, beside what is not known of it."""


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
