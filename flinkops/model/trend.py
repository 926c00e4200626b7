"""The slope of a series that outliers do not move (Theil-Sen: the median of the slopes of all pairs)."""

from collections.abc import Sequence
from statistics import median

MAX_POINTS = 32
"""Of longer series, evenly spaced points are taken: pairs grow with the square."""


def theil_sen(points: Sequence[tuple[float, float]]) -> float | None:
    """Median slope of `points` (x, y), in units of y per unit of x; None below two different x.

    >>> theil_sen([(0, 0), (1, 2), (2, 4), (3, 6), (4, 600)])
    2.0
    """
    chosen = thinned(sorted(points), MAX_POINTS)
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(chosen)
        for later in chosen[index + 1 :]
        if later[0] > earlier[0]
    ]
    return median(slopes) if slopes else None


def thinned(points: Sequence[tuple[float, float]], limit: int) -> list[tuple[float, float]]:
    """At most `limit` of the points, evenly spaced, the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    step = (len(points) - 1) / (limit - 1)
    return [points[round(index * step)] for index in range(limit)]


FALLING_RATIO = 0.01
"""Of what waits, each minute: what falls slower is as good as steady, and would take hours."""


def seconds_until_read(records: float, change_per_second: float) -> float | None:
    """Until nothing waits, at this pace; None: what waits does not get less.

    >>> seconds_until_read(600.0, -10.0), seconds_until_read(600.0, 0.0)
    (60.0, None)
    """
    return None if change_per_second * 60 > -FALLING_RATIO * records else records / -change_per_second
