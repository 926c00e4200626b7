"""Waves: every job once, never too many at once, the canary alone, and no step after a failure."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import UsageError
from flinkops.model.plan import Outcome
from flinkops.plan.waves import Ended, Member, max_unavailable, next_wave, plan_waves, summarise

MEMBERS = st.lists(
    st.builds(Member, key=st.text(min_size=1, max_size=5), parallelism=st.none() | st.integers(1, 9)),
    unique_by=lambda one: one.key,
    max_size=20,
)
OUTCOMES: tuple[Ended, ...] = (*get_args(Outcome), "interrupted")


@given(MEMBERS, st.integers(1, 25), st.booleans())
def test_every_job_is_in_one_wave_and_no_wave_is_too_large(members: list[Member], most: int, canary: bool) -> None:
    waves = plan_waves(members, most_at_once=most, canary=canary)
    assert sorted(key for wave in waves for key in wave) == sorted(one.key for one in members)
    assert all(1 <= len(wave) <= most for wave in waves)
    if canary and members:
        assert len(waves[0]) == 1
    assert waves == plan_waves(members[::-1], most_at_once=most, canary=canary)


@given(MEMBERS, st.integers(1, 25), st.booleans(), st.data())
def test_it_goes_on_until_the_first_that_is_not_verified(
    members: list[Member], most: int, canary: bool, data: st.DataObject
) -> None:
    waves = plan_waves(members, most_at_once=most, canary=canary)
    ended: dict[str, Ended] = {}
    while (wave := next_wave(waves, ended)) is not None:
        assert not set(wave) & set(ended)
        assert set(ended.values()) <= {"verified"}
        ended |= {key: data.draw(st.sampled_from(OUTCOMES)) for key in wave}
    found = summarise(waves, ended)
    assert sorted((*found.verified, *found.failed, *found.not_started)) == sorted(one.key for one in members)
    assert found.good == (set(ended.values()) <= {"verified"} and len(ended) == len(members))
    assert not (found.not_started and not found.failed)


def test_the_smallest_is_the_canary_and_unknown_sizes_come_last() -> None:
    members = [Member("a", 8), Member("b"), Member("d", 1), Member("c", 1)]
    assert plan_waves(members, most_at_once=2, canary=True) == (("c",), ("d", "a"), ("b",))
    assert plan_waves(members, most_at_once=3, canary=False) == (("c", "d", "a"), ("b",))
    assert plan_waves([], most_at_once=3, canary=True) == ()


@pytest.mark.parametrize(
    ("text", "jobs", "most"), [("3", 10, 3), ("25%", 10, 2), ("1%", 10, 1), ("100%", 7, 7), ("50%", 1, 1), ("9", 2, 9)]
)
def test_how_many_at_once(text: str, jobs: int, most: int) -> None:
    assert max_unavailable(text, jobs) == most


@pytest.mark.parametrize("text", ["0", "-1", "0%", "101%", "x", "", "%", "1.5", "²"])
def test_what_is_no_number_of_jobs(text: str) -> None:
    with pytest.raises(UsageError, match="max-unavailable"):
        max_unavailable(text, 10)
