"""What a soak concludes: growth is seen, noise and a single jump are not taken for it."""

import os
import random

import pytest

from bench._soak_figures import Sample, judge, sample, slope_per_hour, table


def an_hour(
    *, memory_kib_per_hour: float = 0.0, threads_per_hour: float = 0.0, every_seconds: int = 15
) -> list[Sample]:
    """Samples of a process with some noise, which grows by so much."""
    rng = random.Random(1)
    found = []
    for at in range(0, 3600, every_seconds):
        hours = at / 3600
        noise = rng.randrange(0, 800)
        resident = round(100_000 + memory_kib_per_hour * hours) + noise
        threads = 10 + int(threads_per_hour * hours) + rng.randrange(0, 3)
        found.append(Sample(float(at), "x", resident, resident, threads, 20 + rng.randrange(5), 4, at / 100))
    return found


def test_noise_is_flat() -> None:
    verdict = judge(an_hour())
    assert verdict.grew == ()
    assert abs(verdict.memory_ratio_per_hour) < 0.005


def test_memory_that_grows_by_a_tenth_an_hour_is_seen() -> None:
    (grew,) = judge(an_hour(memory_kib_per_hour=10_000)).grew
    assert grew.startswith("memory +")


@pytest.mark.parametrize("threads_per_hour", [4.0, 40.0])
def test_threads_that_are_left_over_are_seen(threads_per_hour: float) -> None:
    (grew,) = judge(an_hour(threads_per_hour=threads_per_hour)).grew
    assert grew.startswith("threads +")


def test_one_jump_in_the_warm_up_is_no_growth() -> None:
    samples = an_hour()
    cold = [one._replace(resident_kib=one.resident_kib // 2) for one in samples[:20]]
    assert judge([*cold, *samples[20:]]).grew == ()


def test_a_few_outliers_do_not_turn_the_slope() -> None:
    points = [(float(at), 100.0) for at in range(100)]
    points[-1] = (99.0, 10_000.0)
    assert slope_per_hour(points) == 0.0


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="too few"):
        judge(an_hour()[:3])


def test_the_kernel_tells_what_a_process_has() -> None:
    before = sample("me", os.getpid(), 0.0)
    reading, writing = os.pipe()
    try:
        after = sample("me", os.getpid(), 1.0)
    finally:
        os.close(reading)
        os.close(writing)
    assert after.descriptors == before.descriptors + 2
    assert after.resident_kib > 1_000
    assert after.peak_kib >= after.resident_kib
    assert after.threads >= 1


def test_the_table_has_a_row_a_process() -> None:
    rows = table([judge(an_hour()), judge(an_hour(memory_kib_per_hour=10_000))]).splitlines()
    assert len(rows) == 3
    assert rows[1].endswith("flat")
    assert "an hour" in rows[2]
