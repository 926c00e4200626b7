"""The edges of the autoscaler's arithmetic."""

import json
from typing import Any

import msgspec
import pytest

from flinkops.autoscale.alignment import aligned
from flinkops.autoscale.configmap import OperatorState, decode_configmap
from flinkops.autoscale.controller import advise, memory_pressure
from flinkops.autoscale.decide import _usable, decide
from flinkops.autoscale.document import RIGHT, TITLES
from flinkops.autoscale.explain import explanation_of
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.rates import _observed, evaluate
from flinkops.autoscale.settings import Settings, operator_defaults, settings_of
from flinkops.autoscale.simulate import Moment, Outcome, Simulation, Stage, World
from flinkops.autoscale.taskmanagers import memory_advice
from flinkops.autoscale.window import Sample, Vertex, VertexSample, Window
from flinkops.errors import UsageError
from flinkops.model.detail import JobDetail, TaskManagerDetail
from flinkops.model.option_names import AUTOSCALER
from flinkops.plan.operator.autoscaler_options import default_of
from flinkops.plan.operator.configuration import parse_duration
from tests.unit.autoscale_cases import AT_ONCE, Part, chain, now_ms
from tests.unit.builders import NOW_MS, job


@pytest.mark.parametrize(
    ("parallelism", "groups", "upper", "expected"),
    [
        (5, 12, 12, 6),  # up to a divisor, at most to half of them
        (7, 12, 12, 12),  # beyond half: up to all of them
        (7, 12, 10, 6),  # there is none: down to where each has a whole group more
        (5, 13, 13, 5),  # 13 // 5 == 2, and no less has more until 4: 13 % 4 != 0
        (6, 12, 12, 6),
        (3, 1, 12, 1),  # one partition: one subtask
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


MIB = 1024 * 1024
TOTAL = 1000 * MIB


def manager(**fields: Any) -> TaskManagerDetail:
    return TaskManagerDetail(id="tm", **fields)


def heap(used: int | None, total: int | None = TOTAL, gc: float | None = None) -> int | None:
    return memory_advice([manager(heap_used_bytes=used, heap_max_bytes=total, gc_ratio=gc)], None)[0].recommended_bytes


def managed(used: int | None, state: int | None, total: int | None = TOTAL, managers: int = 1) -> int | None:
    each = manager(managed_used_bytes=used, managed_total_bytes=total)
    return memory_advice([each] * managers, state)[1].recommended_bytes


def network(used: int | None, total: int | None = TOTAL) -> int | None:
    return memory_advice([manager(network_used_bytes=used, network_total_bytes=total)], None)[2].recommended_bytes


def test_heap_advice() -> None:
    assert heap(None) is None
    assert heap(1, None) is None
    assert heap(700 * MIB) is None
    assert heap(701 * MIB) == 1024 * MIB  # 0.7 full, in steps of 64 MiB
    assert heap(TOTAL // 2, gc=0.3) is None
    assert heap(TOTAL // 2, gc=0.31) == 1536 * MIB
    assert heap(TOTAL // 5, gc=0.04) == 512 * MIB  # never below half
    assert heap(299 * MIB, gc=0.04) == 512 * MIB
    assert heap(TOTAL // 5, gc=0.05) is None
    assert heap(TOTAL // 5) is None
    assert heap(300 * MIB, gc=0.0) is None
    assert heap(10 * MIB, 64 * MIB, gc=0.0) is None


def test_managed_memory_advice() -> None:
    assert managed(None, 1) is None
    assert managed(0, None) == 0
    assert managed(1, None) is None
    assert managed(TOTAL, TOTAL + 1) is None
    assert managed(TOTAL, TOTAL // 5) is None
    assert managed(TOTAL, TOTAL // 5 - 1) == 512 * MIB
    assert managed(TOTAL, TOTAL // 5, managers=2) == 512 * MIB
    assert managed(64 * MIB, 1, total=64 * MIB) is None
    assert managed(128 * MIB, 1, total=128 * MIB) is None
    assert managed(192 * MIB, 1, total=192 * MIB) == 128 * MIB


def test_network_memory_advice() -> None:
    assert network(None) is None
    assert network(800 * MIB) is None
    assert network(801 * MIB) == 1024 * MIB
    assert network(0, 0) is None


def test_the_fullest_manager_counts() -> None:
    pools = [manager(network_used_bytes=used * MIB, network_total_bytes=1024 * MIB) for used in (100, 1000, 10)]
    advice = memory_advice(pools, None)[2]
    assert (advice.used_bytes, advice.total_bytes) == (1000 * MIB, 1024 * MIB)


def test_memory_pressure_is_that_of_the_worst_manager_that_tells_it() -> None:
    silent, calm = manager(), manager(gc_ratio=0.1, heap_used_bytes=10, heap_max_bytes=100)
    full = manager(gc_ratio=0.0, heap_used_bytes=90, heap_max_bytes=100)
    half = manager(heap_used_bytes=5, heap_max_bytes=0)
    detail = JobDetail(id="j", seen_ms=0, taskmanagers=(silent, calm, full, half))
    assert memory_pressure(detail) == (0.1, 0.9)
    assert memory_pressure(msgspec.structs.replace(detail, taskmanagers=(silent, half))) == (None, None)
    assert memory_pressure(None) == (None, None)


def test_the_operators_defaults_are_those_of_its_autoscaler() -> None:
    found = operator_defaults()
    published = {
        "scale-down.max-factor": found.max_scale_down_factor,
        "scale-up.max-factor": found.max_scale_up_factor,
        "target.utilization": found.utilization_target,
        "target.utilization.boundary": found.utilization_boundary,
        "memory.gc-pressure.threshold": found.gc_ratio,
        "memory.heap-usage.threshold": found.heap_ratio,
        "vertex.min-parallelism": found.min_parallelism,
        "vertex.max-parallelism": found.max_parallelism,
        "scaling.effectiveness.threshold": found.effectiveness_ratio,
    }
    assert {name: float(default_of(name, "1.10.0") or "nan") for name in published} == published
    assert (found.block_ineffective, found.alignment, found.rates, found.busy) == (
        False,
        "evenly-spread",
        "ends",
        "max",
    )
    assert found.settle_seconds == 0.0
    seconds = {
        "metrics.window": found.metrics_window_seconds,
        "stabilization.interval": found.stabilization_seconds,
        "catch-up.duration": found.catch_up_seconds,
        "restart.time": found.restart_seconds,
        "scale-down.interval": found.scale_down_interval_seconds,
        "backlog-processing.lag-threshold": found.backlog_lag_seconds,
    }
    assert {name: parse_duration(default_of(name, "1.10.0") or "") for name in seconds} == seconds


def test_utilization_bounds() -> None:
    given = Settings(utilization_target=0.5, utilization_boundary=0.25)
    assert (given.lower_utilization, given.upper_utilization) == (0.25, 0.75)
    own = msgspec.structs.replace(given, utilization_min=0.1, utilization_max=0.9)
    assert (own.lower_utilization, own.upper_utilization) == (0.1, 0.9)


def test_slot_hours_and_the_peak_of_a_run() -> None:
    moments = [Moment(at, 1.0, slots, lag, {}, False) for at, slots, lag in ((0.0, 2, 5.0), (60.0, 4, 1.0))]
    outcome = Outcome(moments, step_seconds=60.0)
    assert (outcome.slot_hours, outcome.peak_lag_records) == (0.1, 5.0)


def test_numbers_stand_on_the_right_and_texts_on_the_left() -> None:
    assert dict(zip(TITLES, RIGHT, strict=True)) == {title: title not in {"VERTEX", "WHY"} for title in TITLES}


@pytest.mark.parametrize(
    ("age_seconds", "said"), [(0.5, None), (0.75, "750 ms old"), (-0.5, None), (-0.75, "750 ms ahead: clocks apart")]
)
def test_metrics_are_stale_whichever_clock_is_behind(age_seconds: float, said: str | None) -> None:
    window = chain(100.0, Part("src", 100.0))
    fresh = msgspec.structs.replace(AT_ONCE, stale_after_seconds=0.5)
    decision, _ = decide(window, fresh, Memory(), now_ms(window) + round(age_seconds * 1000))
    assert [one for one in decision.blocked_by if "newest metrics" in one] == (
        [] if said is None else [f"the newest metrics are {said}"]
    )


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("scaling.effectiveness.detection.enabled", ("true", " TRUE ", "false"), ("yes", "1", "")),
        ("vertex.max-parallelism", ("1", " 12 "), ("0.5", "-1", "", "many")),
        ("metrics.window", ("10 min", "1s"), ("soon", "")),
        ("scale-up.max-factor", ("0", "1.5"), ("-1", "inf", "nan", "")),
        ("scaling.parallelism-alignment.mode", ("balanced", " EVENLY_SPREAD ", "off"), ("even", "")),
        ("metrics.busy-time.aggregator", ("max", " AVG "), ("min", "")),
    ],
)
def test_a_setting_is_read_or_refused(option: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    for text in good:
        settings_of({}, {option: text})
    for text in bad:
        with pytest.raises(UsageError):
            settings_of({}, {option: text})
    assert settings_of({}, {"scaling.effectiveness.detection.enabled": "true"})[0].block_ineffective is True
    assert settings_of({}, {"scaling.effectiveness.detection.enabled": "false"})[0].block_ineffective is False


@pytest.mark.parametrize(
    ("text", "read"),
    [("a: x & y", True), ("a: x * y", True), ("a: &x 1\nb: *x", False), ("b: 2 * 3 & 4", False)],
)
def test_a_map_with_anchors_and_aliases_is_not_read(text: str, read: bool) -> None:
    found = decode_configmap({"configOverrides": text})
    assert bool(found.settings) is read
    assert ("configOverrides" in found.unread) is not read


def test_sources_share_the_load_by_equal_parts() -> None:
    sources = [Stage("a", 100.0), Stage("b", 100.0), Stage("sum", 100.0, {"a": "HASH", "b": "HASH"})]
    told = Simulation(sources, lambda _at: 60.0, World(step_seconds=1.0)).step().sample.vertices
    assert [told[name].records_in for name in ("a", "b", "sum")] == [30.0, 30.0, 60.0]


def test_a_job_that_stands_still_is_not_busy() -> None:
    paused = Simulation([Stage("src", 100.0)], lambda _at: 60.0, World(step_seconds=1.0, pause_seconds=10.0))
    paused.rescale({"src": 2})
    told = paused.step().sample.vertices["src"]
    assert (told.busy_avg_ratio, told.busy_max_ratio, told.busy_ms) == (0.0, 0.0, 0.0)
    assert told.pending_records == 60.0


def test_a_vertex_that_is_left_alone_hides_the_drift_of_no_other() -> None:
    vertices = [Vertex(id=name, name=name, parallelism=2, max_parallelism=128, inputs={}) for name in ("a", "b")]
    settings = {f"{AUTOSCALER}vertex.exclude.ids": "a"}
    told = explanation_of("orders", vertices, settings, OperatorState(overrides={"a": 3, "b": 4}), 0)
    assert told.drift == ("b runs with 2, the autoscaler ordered 4",)


@pytest.mark.parametrize("seconds", [40.0, 60.0])
def test_advice_is_of_the_window_that_was_polled(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[float] = []

    def noted(window: Window, settings: Settings, memory: Memory, now_ms: int) -> Any:
        windows.append(settings.metrics_window_seconds)
        return decide(window, settings, memory, now_ms)

    monkeypatch.setattr("flinkops.autoscale.controller.decide", noted)
    polls = [job(seen_ms=NOW_MS + 1_000 * second) for second in range(0, round(seconds) + 1, 10)]
    advise(polls, Settings(stabilization_seconds=0.0))
    assert windows == [seconds]


@pytest.mark.parametrize(("total", "recommended"), [(0, None), (1, 0)])
def test_managed_memory_that_is_there_and_not_used_can_go(total: int, recommended: int | None) -> None:
    assert managed(0, None, total=total) == recommended


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ((120.0, 50.0, 0.0), (50.0, 0.0)),
        ((119.999, 50.0, 0.0), (119.999, 50.0, 0.0)),
        ((90.0, 60.0, 0.0), (60.0, 0.0)),
        ((90.0, 59.999, 0.0), (90.0, 59.999, 0.0)),
    ],
)
def test_the_poll_before_the_window_counts_when_it_is_less_than_a_window_away(
    ages: tuple[float, ...], kept: tuple[float, ...]
) -> None:
    window = Window("orders", "RUNNING", (), tuple(Sample(NOW_MS - round(age * 1000), {}) for age in ages))
    usable = _usable(window, AT_ONCE)
    assert tuple((NOW_MS - each.at_ms) / 1000 for each in usable.samples) == kept


def test_a_rescale_of_which_no_restart_was_measured_is_left_out() -> None:
    def restart(*records: Any) -> OperatorState:
        tracked = {"scalingRecords": {f"2026-11-23T08:00:0{number}Z": one for number, one in enumerate(records)}}
        return decode_configmap({"scalingTracking": json.dumps(tracked)})

    found = restart({"endTime": "x"}, "damaged", {"restartDuration": "PT12.5S"}, {"restartDuration": None})
    assert (found.restart_seconds, found.unread) == (12.5, {})
    assert restart({"endTime": "x"}).restart_seconds is None


def test_of_a_source_that_has_finished_nothing_is_expected_though_nothing_is_told() -> None:
    """Two vertices read of it and of another: of neither edge Flink counts the records."""
    inputs = {"old": "HASH", "new": "HASH"}
    window = chain(
        100.0, Part("old", 1_000), Part("new", 1_000), Part("a", 1_000, inputs=inputs), Part("b", 1_000, inputs=inputs)
    )
    vertices = tuple(msgspec.structs.replace(each, finished=each.id == "old") for each in window.vertices)
    samples = tuple(
        msgspec.structs.replace(each, vertices={name: one for name, one in each.vertices.items() if name != "old"})
        for each in window.samples
    )
    found = evaluate(msgspec.structs.replace(window, vertices=vertices, samples=samples), AT_ONCE)
    assert [(found[name].unknown, found[name].target_rate) for name in "ab"] == [(None, 100.0)] * 2


@pytest.mark.parametrize(("held", "speed"), [(0.0, 100.0), (0.5, 200.0), (1.0, None), (1.25, None), (None, None)])
def test_a_source_that_is_held_back_all_the_time_tells_no_speed(held: float | None, speed: float | None) -> None:
    one = VertexSample(records_in_per_second=100.0, pending_records=3_000.0, backpressured_ratio=held)
    assert _observed("src", [Sample(NOW_MS + at_ms, {"src": one}) for at_ms in (0, 10_000)], Settings()) == speed
