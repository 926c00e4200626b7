"""How often, and until when, a command polls."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.cli import repeat


class _Time:
    """Passes only in sleeps and in polls, which take as long as is drawn."""

    def __init__(self, polls_take: list[float]) -> None:
        self.now = 1_000.0
        self._polls_take = polls_take
        self.polls: list[tuple[float, float]] = []  # begun, ended

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def poll(self) -> int:
        begun = self.now
        self.now += self._polls_take[min(len(self.polls), len(self._polls_take) - 1)]
        self.polls.append((begun, self.now))
        return len(self.polls)


def _polled(time: _Time, interval_seconds: float, seconds: float | None) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeat, "time", time)
        yield from repeat.repeated(time.poll, interval_seconds, seconds=seconds)


@given(
    st.lists(st.sampled_from([0.0, 0.03, 0.4, 4.9, 5.0, 12.0]), min_size=1, max_size=20),
    st.sampled_from([0.1, 1.0, 5.0, 60.0]),
    st.sampled_from([0.1, 5.0, 29.9, 30.0, 61.0]),
)
def test_the_polls_span_what_was_asked_and_not_much_more(take: list[float], interval: float, seconds: float) -> None:
    time = _Time(take)
    assert list(_polled(time, interval, seconds)) == list(range(1, len(time.polls) + 1))
    begun = [each for each, _ in time.polls]
    assert seconds - 1e-6 <= begun[-1] - time.polls[0][1] <= seconds + max(take) + 1e-6
    assert all(later - earlier >= min(interval / 2, seconds) - 1e-6 for earlier, later in pairwise(begun))


def test_without_an_end_from_start_to_start_and_at_once_after_a_poll_that_took_longer() -> None:
    time = _Time([1.0, 1.0, 7.0, 1.0])
    polls = _polled(time, 5.0, None)
    assert [next(polls) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert [begun - 1_000 for begun, _ in time.polls] == [0.0, 5.0, 10.0, 17.0, 22.0]


def test_zero_seconds_are_one_poll() -> None:
    time = _Time([0.5])
    assert list(_polled(time, 5.0, 0.0)) == [1]
    assert time.now == 1_000.5
