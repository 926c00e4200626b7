"""Numbers as they come from outside: NaN, infinities and absurd sizes are not values."""

import math
from collections.abc import Iterable

from flinkops.model.facts import Spread

_LARGEST_INT = 2**63 - 1


def finite(value: float | None) -> float | None:
    """`value`, or None where it is none or no number that can be reckoned with."""
    return None if value is None or not math.isfinite(value) else float(value)


def whole(value: float | None) -> int | None:
    """A count or a size: not negative, and no larger than Flink's own longs; else None."""
    known = finite(value)
    return None if known is None or not 0 <= known <= _LARGEST_INT else int(known)


def amount(value: float | None) -> float | None:
    """A number that cannot be negative: a rate, a ratio, a duration; else None."""
    known = finite(value)
    return None if known is None or known < 0 else known


def worst(spread: Spread | None) -> float | None:
    """The greatest of the subtasks; when one NaN spoiled that, the best that is left."""
    return None if spread is None else _first(spread.max, spread.avg, spread.min)


def least(spread: Spread | None) -> float | None:
    """The least of the subtasks."""
    return None if spread is None else _first(spread.min, spread.avg, spread.max)


def mean(spread: Spread | None) -> float | None:
    """The mean over the subtasks."""
    return None if spread is None else _first(spread.avg)


def total(spread: Spread | None) -> float | None:
    """The sum over the subtasks."""
    return None if spread is None else _first(spread.sum)


def add_known(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None when none is."""
    known = [value for value in values if value is not None]
    return finite(sum(known)) if known else None


def _first(*values: float | None) -> float | None:
    return next((known for value in values if (known := amount(value)) is not None), None)
