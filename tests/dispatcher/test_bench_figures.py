"""What the benches make of what they saw."""

from bench._alert_stalls import stalls
from bench.price_alerts_kills import recovery
from bench.price_state import Cost, Measured, costs

STEADY = [(100.0 * number, 10.0) for number in range(600)]


def test_slow_alerts_are_told_by_stretch_and_checkpoint() -> None:
    alerts = [(1000.0, 10.0), (1010.0, 80.0), (1100.0, 60.0), (2000.0, 51.0), (2100.0, 50.0)]
    found = stalls(alerts, [(900.0, 1200.0)])
    assert (found["slow_alerts"], found["slow_stretches"], found["slow_alerts_at_a_checkpoint"]) == (3, 2, 2)
    assert found["slowest"][0] == {"at_ms": 1010, "alerts": 2, "longest_ms": 80.0, "at_a_checkpoint": True}


def test_a_kill_without_effect() -> None:
    assert recovery(STEADY, 20_000.0, 50_000.0) == {"silence_seconds": 0.1, "caught_up_seconds": 0.0}


def test_a_silence_and_what_was_late_after_it() -> None:
    late = [(arrived, 30_000.0 - arrived + 10) for arrived, _ in STEADY if 20_000 <= arrived < 30_000]
    alerts = sorted(
        [each for each in STEADY if not 20_000 <= each[0] < 30_000] + [(30_000.0, waited) for _, waited in late]
    )
    assert recovery(alerts, 20_000.0, 50_000.0) == {"silence_seconds": 10.1, "caught_up_seconds": 10.0}


def test_a_silence_up_to_the_end_counts_and_is_not_over() -> None:
    assert recovery(STEADY[:200], 20_000.0, 50_000.0) == {"silence_seconds": 30.1, "caught_up_seconds": None}


def test_late_up_to_the_end_is_not_over() -> None:
    slow = [(arrived, 5000.0 if arrived > 20_000 else latency) for arrived, latency in STEADY]
    assert recovery(slow, 20_000.0, 50_000.0)["caught_up_seconds"] is None


def test_the_fixed_part_of_a_restore_is_told_from_what_each_gb_takes() -> None:
    small = Measured("price-alerts", "native", 10, 100_000_000, 100_000_000, (9.0, 0.7, 0.75))
    large = Measured("price-alerts", "native", 30, 300_000_000, 300_000_000, (1.1, 1.3, 1.2))
    alone = Measured("price-alerts", "canonical", 10, 100_000_000, 100_000_000, (3.0,))
    assert costs([small, alone, large]) == [Cost("price-alerts", "native", 0.5, 2.0)]
