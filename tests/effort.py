"""How much is tried: a part of its cases in the quick part of the tests, all of them in the thorough one.

`./dev test` runs both; by hand: `pytest -m "hypothesis or scaled or thorough" --hypothesis-profile=thorough`.
"""

from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")
QUICK_EXAMPLES = 6
THOROUGH_EXAMPLES = 150


def is_thorough() -> bool:
    """Of the profile that is loaded."""
    return settings.default is not None and settings.default.max_examples >= THOROUGH_EXAMPLES


def examples(times: float, *, quick: float | None = None) -> int:
    """So many times the profile's examples, for a property that is cheap, or that matters more than most.

    `quick`: in the quick part so many times, where one example takes long.
    """
    return round(times * THOROUGH_EXAMPLES if is_thorough() else (quick or times) * QUICK_EXAMPLES)


def some(cases: Sequence[T], count: int) -> list[T]:
    """`count` of the cases, evenly from first to last; all where it is thorough. The test is marked `scaled`."""
    if is_thorough() or count >= len(cases):
        return list(cases)
    return [cases[number * (len(cases) - 1) // (count - 1)] for number in range(count)]


def variants(first: object, *others: object) -> list[object]:
    """For `parametrize` and `params` of fixtures: the first in the quick part, the others in the thorough one alone."""
    rows = (each if isinstance(each, tuple) else (each,) for each in others)
    return [first, *(pytest.param(*row, marks=pytest.mark.thorough) for row in rows)]
