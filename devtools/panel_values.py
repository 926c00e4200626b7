"""Numbers as Grafana shows them, by the ids of its units."""

import math

_SI = ("", "k", "M", "G", "T", "P")
_SHORT = ("", " K", " Mil", " Bil", " Tri")
_TIMES = ((86_400 * 7.0, "week"), (86_400.0, "day"), (3_600.0, "hour"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def shown(value: float, unit: str) -> str:
    """A value with its unit.

    >>> shown(0.42, "percentunit"), shown(90, "s"), shown(2.1e9, "decbytes"), shown(1520, "cps")
    ('42%', '1.5 min', '2.1 GB', '1.52k c/s')
    """
    if not math.isfinite(value):
        return "?"
    if unit == "percentunit":
        return f"{_digits(value * 100)}%"
    if unit == "s":
        return _seconds(value)
    if unit in ("decbytes", "Bps", "cps"):
        number, prefix = _scaled(value, _SI)
        return f"{number}{prefix} c/s" if unit == "cps" else f"{number} {prefix}B{'/s' if unit == 'Bps' else ''}"
    number, prefix = _scaled(value, _SHORT)
    return f"{number}{prefix}"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    for seconds, name in _TIMES:
        if abs(value) >= seconds:
            return f"{_digits(value / seconds)} {name}{'s' if seconds > 60 and abs(value) >= 2 * seconds else ''}"
    return f"{_digits(value * 1e6)} µs"


def _scaled(value: float, prefixes: tuple[str, ...]) -> tuple[str, str]:
    place = 0
    while abs(value) >= 1000 and place < len(prefixes) - 1:
        value, place = value / 1000, place + 1
    return _digits(value), prefixes[place]


def _digits(value: float) -> str:
    """Three digits; whole numbers as they are."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
