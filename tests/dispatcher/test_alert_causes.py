"""What the price-alerts bench says held slow alerts up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import _alert_causes
from bench._alert_causes import (
    COLLECTS,
    LATE,
    MACHINE,
    UNEXPLAINED_AFTER,
    UNEXPLAINED_BEFORE,
    WAITS,
    Alert,
    Cause,
    Interval,
    Intervals,
    causes,
    stretches,
)
from bench._alert_trace import WORK, Acknowledged, group_of, phases, safepoints


def held(process: str, what: str, from_ms: float, to_ms: float) -> Interval:
    return Interval(process, what, "held", from_ms, to_ms, to_ms - from_ms)


def cause_of(alert: Alert, intervals: list[Interval]) -> tuple[str, float]:
    name, held_ms = _alert_causes.cause_of(alert, Intervals(intervals))
    return name, round(held_ms, 6)


SLOW_JOB, SLOW_DELIVERY = Alert(0, 80, 90), Alert(0, 10, 90)


def test_stretches_end_where_alerts_are_in_time_for_a_while() -> None:
    alerts = [Alert(0, 5, 60), Alert(249, 250, 300), Alert(700, 701, 750), Alert(700, 701, 751), Alert(2000, 1, 2010)]
    assert stretches(alerts) == [[Alert(0, 5, 60), Alert(249, 250, 300)], [Alert(700, 701, 751)]]
    assert [len(each) for each in stretches([Alert(0, 5, 60), Alert(250, 251, 310)])] == [1, 1]


def test_that_which_took_longest_is_the_cause() -> None:
    intervals = [held("kafka", "pause for GC", 10, 40), held("job", "checkpoint, synchronous part", 30, 75)]
    assert cause_of(SLOW_JOB, intervals) == ("job: checkpoint, synchronous part", 45.0)


def test_several_intervals_of_one_kind_count_together() -> None:
    pauses = [held("kafka", "pause for GC", start, start + 9) for start in (0, 20, 40)]
    assert cause_of(SLOW_JOB, [*pauses, held("job", "pause for GC", 10, 30)]) == ("kafka: pause for GC", 27.0)


def test_a_process_that_the_alert_had_not_reached_or_had_left_is_no_cause() -> None:
    assert cause_of(SLOW_JOB, [held("dispatcher", LATE, 0, 80)])[0] == UNEXPLAINED_BEFORE
    assert cause_of(SLOW_DELIVERY, [held("job", "pause for GC", 10, 90)])[0] == UNEXPLAINED_AFTER
    assert cause_of(SLOW_DELIVERY, [held("dispatcher", LATE, 10, 90)]) == (f"dispatcher: {LATE}", 80.0)
    assert cause_of(SLOW_DELIVERY, [held("kafka", "pause for GC", 10, 90)]) == ("kafka: pause for GC", 80.0)
    assert cause_of(SLOW_JOB, [held(MACHINE, "stolen", 10, 50)]) == ("machine: stolen", 40.0)


@pytest.mark.parametrize(("length_ms", "explained"), [(9.9, False), (10.0, True)])
def test_what_is_short_explains_nothing(length_ms: float, explained: bool) -> None:
    name, _ = cause_of(SLOW_JOB, [held("kafka", "pause for GC", 0, length_ms)])
    assert (name == "kafka: pause for GC") is explained


def test_who_had_the_cpu_is_told_of_work_that_waits() -> None:
    waiting = Interval("job", WAITS, "waited", 0, 40, 35)
    ran = [Interval("job", "JIT", "ran", 0, 40, 20), Interval("kafka", "GC", "ran", 0, 40, 30)]
    assert cause_of(SLOW_JOB, [waiting, *ran]) == ("job waits for a CPU, most used by kafka's GC", 35.0)
    assert cause_of(SLOW_JOB, [waiting]) == ("job waits for a CPU, most used by work itself", 35.0)


def test_a_loop_that_is_late_since_it_waits_or_collects_is_not_the_cause_itself() -> None:
    late = held("dispatcher", LATE, 10, 90)
    waiting = Interval("dispatcher", WAITS, "waited", 10, 90, 50)
    assert cause_of(SLOW_DELIVERY, [late, waiting])[0].startswith("dispatcher waits for a CPU")
    assert cause_of(SLOW_DELIVERY, [late, held("dispatcher", COLLECTS, 20, 70)])[0] == f"dispatcher: {COLLECTS}"


def test_the_table_counts_alerts_and_stretches_by_cause() -> None:
    alerts = [Alert(0, 60, 70), Alert(5, 60, 70), Alert(9, 15, 70), Alert(1000, 1070, 1080), Alert(2000, 2005, 2010)]
    intervals = [held("kafka", "pause for GC", 0, 60), held("dispatcher", "the store's commit", 16, 70)]
    assert causes(alerts, intervals) == [
        Cause("kafka: pause for GC", 1, 60.0, 2, 0.5),
        Cause("dispatcher: the store's commit", 0, 54.0, 1, 0.25),
        Cause(UNEXPLAINED_BEFORE, 1, 0.0, 1, 0.25),
    ]
    assert causes([Alert(0, 10, 50)], intervals) == []


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 900), st.integers(0, 900))),
    st.integers(0, 3000),
    st.integers(0, 900),
)
def test_of_each_interval_counts_what_falls_in_between(
    drawn: list[tuple[int, int, int]], from_ms: int, length_ms: int
) -> None:
    epoch_ms, to_ms = 1_795_971_600_000, from_ms + length_ms
    intervals = [
        Interval("job", "x", "ran", epoch_ms + start, epoch_ms + start + length, busy) for start, length, busy in drawn
    ]
    within = 0.0
    for start, length, busy in drawn:
        common = min(start + length, to_ms) - max(start, from_ms)
        if length == 0:
            within += busy if common >= 0 else 0
        else:
            within += busy * max(0, common) / length
    found = Intervals(intervals).between(epoch_ms + from_ms, epoch_ms + to_ms)
    assert found.get(("job", "x", "ran"), 0.0) == pytest.approx(within, abs=1e-4)


def test_a_pause_ends_as_its_line_is_written() -> None:
    line = (
        "[2026-11-29T17:00:00.120+0000][safepoint   ] "
        'Safepoint "G1CollectForAllocation", Time since last: 1 ns, Reaching safepoint: 5 ns, At safepoint: 7 ns, '
        "Total: 20000000 ns"
    )
    other = line.replace("G1CollectForAllocation", "Cleanup")
    first, second = safepoints("job", ["[gc] nothing", line, other])
    ended_ms = 1795971600120.0
    assert first == Interval("job", "pause for GC", "held", ended_ms - 20, ended_ms, 20.0)
    assert second.what == "pause for Cleanup"


def test_what_flink_does_not_account_for_is_the_flush_before_the_barrier() -> None:
    flush, synchronous = phases(Acknowledged(1000, 10, 5, sync_ms=20, async_ms=100, whole_ms=165))
    assert (flush.from_ms, flush.to_ms, flush.busy_ms) == (1015, 1045, 30)
    assert (synchronous.from_ms, synchronous.to_ms) == (1045, 1065)
    assert phases(Acknowledged(1000, 0, 0, 20, 5, 20))[0].busy_ms == 0


@pytest.mark.parametrize(
    ("thread", "group"),
    [("C2 CompilerThre", "JIT"), ("rocksdb:low", "RocksDB compaction"), ("detect (1/1)#0", WORK), ("G1 Conc#0", "GC")],
)
def test_threads_are_told_apart_by_their_names(thread: str, group: str) -> None:
    assert group_of(thread) == group
