"""From the samples of many snapshots to what a plot can show, and to the time that an objective was kept.

pandas does the arithmetic: slices of time, least, mean and greatest of each; a slice without a known value stays empty.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from flinkops.report.values import Point

SLICES = 240
"""A point every three pixels of a plot."""
LONGEST_GAP_FACTOR = 3
"""What one snapshot tells holds until the next, or for so many usual distances: beyond, there is no data."""


class Held(NamedTuple):
    """Seconds in which an objective was kept, was not, and was not known."""

    good_seconds: float
    bad_seconds: float
    unknown_seconds: float


def points(times_ms: Sequence[int], values: Sequence[float | None], *, slices: int = SLICES) -> tuple[Point, ...]:
    """`values` over `times_ms` (ascending, of one length) in at most `slices` slices of the same length.

    Where the next snapshot is long in coming, an empty point stands between, so that no line is drawn over it.

    >>> points([0, 10, 20], [1.0, None, 3.0], slices=2)
    (Point(at_ms=0, low=1.0, mean=1.0, high=1.0), Point(at_ms=11, low=3.0, mean=3.0, high=3.0))
    """
    if len(times_ms) <= slices:
        found = [Point(at, value, value, value) for at, value in zip(times_ms, values, strict=True)]
    else:
        found = _sliced(times_ms, values, slices)
    return tuple(_with_gaps(found))


def _sliced(times_ms: Sequence[int], values: Sequence[float | None], slices: int) -> list[Point]:
    import pandas as pd

    first, last = times_ms[0], times_ms[-1]
    step = -(-(last - first + 1) // slices)
    frame = pd.DataFrame({"slice": [(at - first) // step for at in times_ms], "value": values}, dtype="float64")
    reduced = frame.groupby("slice")["value"].agg(["min", "mean", "max"])
    return [
        Point(first + int(number) * step, *(None if pd.isna(one) else float(one) for one in row))
        for number, row in zip(reduced.index, reduced.to_numpy(), strict=True)
    ]


def _with_gaps(found: Sequence[Point]) -> Iterator[Point]:
    distances = sorted(after.at_ms - before.at_ms for before, after in pairwise(found))
    longest = LONGEST_GAP_FACTOR * distances[len(distances) // 2] if distances else 0
    for before, after in pairwise((None, *found)):
        if before is not None and after is not None and after.at_ms - before.at_ms > longest:
            yield Point(before.at_ms + 1, None, None, None)
        if after is not None:
            yield after


def held(times_ms: Sequence[int], goods: Sequence[float | None], until_ms: int) -> Held:
    """How long each verdict (1 good, 0 not, None unknown) held: until the next snapshot, the last until `until_ms`.

    Where the next snapshot is long in coming, the time between is unknown.

    >>> held([0, 1000, 2000], [1.0, 0.0, None], 3000)
    Held(good_seconds=1.0, bad_seconds=1.0, unknown_seconds=1.0)
    """
    import pandas as pd

    if not times_ms:
        return Held(0.0, 0.0, 0.0)
    at = pd.Series([*times_ms, max(until_ms, times_ms[-1])], dtype="float64")
    lasted = at.diff().iloc[1:].reset_index(drop=True) / 1000
    usual = lasted.iloc[:-1].median() if len(lasted) > 1 else lasted.iloc[0]
    told = lasted.clip(upper=usual * LONGEST_GAP_FACTOR)
    good = pd.Series(list(goods), dtype="float64")
    kept, missed = float(told[good == 1].sum()), float(told[good == 0].sum())
    return Held(kept, missed, max(0.0, round(float(lasted.sum()) - kept - missed, 6)))  # sums of floats
