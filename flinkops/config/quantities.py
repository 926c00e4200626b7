"""Durations and sizes as people write them: "50ms", "5 min", "4 GB"."""

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


def parse_duration(value: object) -> float:
    """Seconds of "50ms", "30s", "5m", "1h", "2d" or of a plain number of seconds; ValueError on anything else.

    >>> parse_duration("50ms"), parse_duration("5 min"), parse_duration(2)
    (0.05, 300.0, 2.0)
    """
    return _parse(value, _SECONDS, "s", "a duration such as 50ms, 30s, 5m, 1h")


def parse_bytes(value: object) -> float:
    """Bytes of "4 GB" (decimal), "512MiB" (binary) or of a plain number; ValueError on anything else.

    >>> parse_bytes("4 GB"), parse_bytes("1KiB")
    (4000000000.0, 1024.0)
    """
    return _parse(value, _BYTES, "b", "a size such as 500MB, 4GB, 2GiB")


def _parse(value: object, units: dict[str, float] | dict[str, int], default_unit: str, wanted: str) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not {wanted}")
    match = _NUMBER.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    factor = units.get((match[2] or default_unit).lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{value!r} is not {wanted}")
    number = float(match[1]) * factor
    if number < 0 or not math.isfinite(number):
        raise ValueError(f"{value!r} is negative or too large")
    return number
