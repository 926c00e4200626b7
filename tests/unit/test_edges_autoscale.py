"""The edges of the autoscaler's arithmetic."""

import pytest

from flinkops.autoscale.alignment import aligned


@pytest.mark.parametrize(
    ("parallelism", "groups", "upper", "expected"),
    [
        (5, 12, 12, 6),  # up to a divisor, at most to half of them
        (7, 12, 12, 12),  # beyond half: up to all of them
        (7, 12, 10, 6),  # there is none: down to where each has a whole group more
        (5, 13, 13, 5),  # 13 // 5 == 2, and no less has more until 4: 13 % 4 != 0
        (6, 12, 12, 6),
    ],
)
def test_evenly_spread(parallelism: int, groups: int, upper: int, expected: int) -> None:
    assert aligned(parallelism, groups, 1, upper, "evenly-spread") == expected


@pytest.mark.parametrize(
    ("parallelism", "groups", "upper", "expected"),
    [(90, 128, 128, 128), (90, 128, 100, 90), (9, 128, 128, 9), (3, 2, 4, 3)],
)
def test_balanced(parallelism: int, groups: int, upper: int, expected: int) -> None:
    assert aligned(parallelism, groups, 1, upper, "balanced") == expected
