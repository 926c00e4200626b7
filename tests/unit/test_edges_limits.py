"""Edges that recorded jobs never come near: a time at the very limit, a list that is empty, a value that is missing."""

from typing import Any

import msgspec
import pytest

from flinkops.assess.fleet import FRESH_GRACE_MS, assess
from flinkops.assess.latency import latency
from flinkops.assess.lifecycle import is_over
from flinkops.autoscale.configmap import OperatorState, instant_ms
from flinkops.autoscale.decide import decide
from flinkops.autoscale.explain import SCALING_ENABLED, explanation_of
from flinkops.autoscale.memory import Memory
from flinkops.autoscale.replay import measured
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.simulate import Outcome, Simulation, Stage, World
from flinkops.autoscale.taskmanagers import memory_advice
from flinkops.autoscale.window import with_memory
from flinkops.config.policy import Policy
from flinkops.diagnose.case import Case
from flinkops.diagnose.changes import LONGEST_GAP_SECONDS, gaps_of_recording, recent_changes
from flinkops.diagnose.rules.watermark_delay import pace_of
from flinkops.diagnose.waiting import waits_outside
from flinkops.model.detail import TaskManagerDetail
from flinkops.model.facts import CheckpointFacts, ResourceFacts
from flinkops.model.findings import Diagnosis, EvidenceLine, Finding, Remedy
from flinkops.model.graph import Graph
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.plan import Plan, Step, Target
from flinkops.model.timeline import Entry
from flinkops.plan.step_inputs import VerifyFlow
from flinkops.render.doctor import doctor_text
from flinkops.render.plan import plan_lines
from tests.unit.autoscale_cases import AT_ONCE, Part, chain, now_ms
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot, spread, with_vertex
from tests.unit.doctor_cases import evidence, flames, found, held_up, sample, thrown
from tests.unit.doctor_cases import job as even_job

MIB = 1024 * 1024
CLASS = Policy().class_of(job())


# ---- assess


@pytest.mark.parametrize("poll_seconds", [None, 0.0, 0.5])
def test_facts_are_of_this_poll_up_to_the_grace_before_it_began(poll_seconds: float | None) -> None:
    begun_ms = NOW_MS - round((poll_seconds or 0.0) * 1000) - FRESH_GRACE_MS
    states = []
    for seen_ms in (begun_ms, begun_ms - 1):
        taken = snapshot(job(seen_ms=seen_ms), state="stale")
        states.append(assess(msgspec.structs.replace(taken, poll_seconds=poll_seconds), {}, Policy()).jobs[0].state)
    assert states == ["RUNNING", "UNKNOWN"]


def test_one_record_that_waits_is_waited_for() -> None:
    def p50(pending: float, rate: float | None = 100.0) -> float | None:
        rates = None if rate is None else spread(rate)
        facts = with_vertex(job(), "src", pending_records=spread(pending), records_in_per_second=rates)
        told = latency(facts, Graph(facts.vertices), ()).value
        return None if told is None else told.p50

    nothing, one = p50(0.0), p50(1.0)
    assert nothing is not None
    assert one == pytest.approx(nothing + 0.01)
    assert p50(0.0, None) == nothing
    assert p50(1.0, None) is None


def test_a_class_that_may_finish_is_over_when_it_has() -> None:
    may = msgspec.structs.replace(CLASS, may_finish=True)
    assert [is_over(job(state=state), may) for state in ("FINISHED", "RUNNING", "CANCELED")] == [True, False, False]
    assert not is_over(job(state="FINISHED"), CLASS)


# ---- autoscale


def test_an_instant_in_seconds_or_in_words() -> None:
    assert instant_ms("1795422888.6964") == 1_795_422_888_696
    assert instant_ms(1_795_422_888.6964) == 1_795_422_888_696
    assert instant_ms("2026-11-23T08:00:00.123456789Z") == 1_795_420_800_123


@pytest.mark.parametrize(
    ("later_ms", "said"), [(-1, "the metrics count in 1.0 ms"), (-1_500, "the metrics count in 1.5 s"), (0, None)]
)
def test_metrics_count_from_the_end_of_the_stabilization(later_ms: int, said: str | None) -> None:
    window = chain(100.0, Part("src", 200.0))
    running_ms = window.samples[-1].at_ms - later_ms - 60_000
    stabilizing = msgspec.structs.replace(AT_ONCE, stabilization_seconds=60.0)
    decision, _ = decide(
        msgspec.structs.replace(window, running_since_ms=running_ms), stabilizing, Memory(), now_ms(window)
    )
    stable = [one for one in decision.blocked_by if one.startswith("stabilizing")]
    assert stable == ([] if said is None else [f"stabilizing: {said}"])


def test_what_a_quiet_job_sends_on_is_measured_too() -> None:
    stages = [Stage("src", 100.0, sends=2.0), Stage("work", 100.0, {"src": "HASH"})]
    quiet = Simulation(stages, lambda _at: 0.25, World(step_seconds=60.0))
    recorded = measured([quiet.step() for _ in range(6)], Settings(metrics_window_seconds=120.0))
    assert [round(stage.sends, 6) for stage in recorded.stages] == [2.0, 1.0]


def test_a_job_that_does_nothing_has_been_busy_for_no_time() -> None:
    still = Simulation([Stage("src", 100.0)], lambda _at: 0.0, World())
    told = still.step().sample.vertices["src"]
    assert (told.records_in, told.records_out, told.busy_ms) == (0.0, 0.0, 0.0)
    still.rescale({"src": 2})
    told = still.step().sample.vertices["src"]
    assert (told.records_in, told.records_out, told.busy_ms) == (0.0, 0.0, 0.0)


def test_of_no_time_nothing_waited() -> None:
    nothing = Outcome([], 60.0)
    figures = (nothing.rescales, nothing.slot_hours, nothing.peak_lag_records, nothing.mean_lag_records)
    assert figures == (0, 0.0, 0.0, 0.0)


def test_of_no_polls_there_is_no_last_one_to_note_memory_at() -> None:
    window = msgspec.structs.replace(chain(100.0, Part("src", 200.0)), samples=())
    assert with_memory(window, 0.5, 0.5) == window
    full = with_memory(chain(100.0, Part("src", 200.0)), 0.25, 0.75)
    assert [(each.gc_ratio, each.heap_ratio) for each in full.samples[-2:]] == [(None, None), (0.25, 0.75)]


def test_advice_on_memory_says_what_it_stands_on() -> None:
    def advice(pool: int, state: int | None = None, **fields: Any) -> tuple[int | None, str]:
        one = memory_advice([TaskManagerDetail(id="tm", **fields)], state)[pool]
        return one.recommended_bytes, one.why

    small = advice(0, heap_used_bytes=MIB, heap_max_bytes=40 * MIB, gc_ratio=0.0)
    assert small == (None, "2.5% full, hardly any collection; check again at the peak")
    assert advice(0, heap_used_bytes=50, heap_max_bytes=100) == (None, "50% full")
    empty = advice(1, managed_used_bytes=0, managed_total_bytes=0)
    assert empty == (None, "0% reserved (RocksDB reserves all it is given)")
    half = advice(1, managed_used_bytes=50 * MIB, managed_total_bytes=100 * MIB)
    assert half == (None, "50% reserved (RocksDB reserves all it is given)")
    assert advice(2, network_used_bytes=0, network_total_bytes=0) == (None, "0% in use")
    assert advice(2, network_used_bytes=25, network_total_bytes=100) == (None, "25% in use")
    little = advice(1, 1, managed_used_bytes=1, managed_total_bytes=129 * MIB)
    assert little == (128 * MIB, "the state is only 1 B for each TaskManager")


# ---- diagnose


def test_the_last_hour_is_an_hour() -> None:
    entries = [
        Entry(NOW_MS - ago_ms, "c", None, "orders", "restart", "it was", "recording")
        for ago_ms in (0, 3_600_000, 3_600_001)
    ]
    upgrades = [msgspec.structs.replace(each, kind="config") for each in entries]
    assert [NOW_MS - each.at_ms for each in recent_changes(upgrades, NOW_MS)] == [3_600_000, 0]


def test_a_gap_is_longer_than_two_minutes() -> None:
    assert LONGEST_GAP_SECONDS == 120.0
    hour = 3_600_000
    assert list(gaps_of_recording([hour, hour + 120_000], hour, hour + 120_000)) == []
    (gap,) = gaps_of_recording([hour, hour + 120_001], hour, hour + 120_001)
    assert gap.why == "no snapshot for 2 min from 1970-01-01 01:00Z on"


@pytest.mark.parametrize(
    ("polls", "pace"),
    [
        ([], (None, 0.0)),
        ([(0, 5.0)], (None, 0.0)),
        ([(10, 5.0), (0, 15.0)], (0.0, 10.0)),
        ([(10, 5.0), (5, 10.0), (0, 10.0)], (0.5, 10.0)),
        ([(60, 0.0), (25, 5.0), (10, 20.0), (0, 30.0)], (0.0, 25.0)),
        ([(60, 0.0), (24.999, 5.0), (0, 30.0)], (0.5, 60.0)),
        ([(0.001, 5.0), (0, 5.0)], (1.0, 0.001)),
        ([(0, 5.0), (0, 5.0)], (None, 0.0)),
    ],
)
def test_the_pace_is_that_since_the_newest_poll_that_is_a_standstill_away(
    polls: list[tuple[float, float]], pace: tuple[float | None, float]
) -> None:
    assert pace_of(tuple(sample(ago, skew_seconds=skew) for ago, skew in polls)) == pace


@pytest.mark.parametrize(
    ("busy", "samples", "waits"),
    [
        (None, {"work": 100}, None),
        (0.0, {"work": 100}, None),
        (0.5, {"work": 100}, 0.0),
        (0.5, {"work": 25, "java__net__http": 25}, 0.75),
        (1.0, {"work": 150}, 0.25),
        (3.0, {"work": 150}, 0.25),
        (1.0, {"work": 300}, 0.0),
        (1.0, {"socketRead": 200}, 1.0),
        (1.0, {"socketRead": 100}, 1.0),
    ],
)
def test_a_busy_vertex_waits_while_its_threads_are_off_or_call(
    busy: float | None, samples: dict[str, int], waits: float | None
) -> None:
    facts = with_vertex(even_job(), "work", busy_ratio=None if busy is None else spread(busy))
    case = Case(evidence(facts, flame_graphs=[flames("work", **samples)]))
    vertex = next(each for each in facts.vertices if each.id == "work")
    assert waits_outside(case, vertex) == (None if waits is None else pytest.approx(waits))


def test_the_newest_of_the_slow_checkpoints_is_told() -> None:
    def took(number: int, seconds: float) -> CheckpointFacts:
        return checkpoint(number, NOW_MS - 1_000 * number, duration_seconds=seconds)

    slow = checkpoints(history=(took(1, 50.0), took(2, 70.0), took(3, 90.0)), interval_seconds=1.0)
    finding = found("checkpoint-timeout", evidence(even_job(checkpoints=slow)))
    assert finding is not None
    assert 50.0 in [each.value for each in finding.evidence]


@pytest.mark.parametrize("session", [None, "cluster"])
@pytest.mark.parametrize("pair", [None, "ACTIVE_BLUE"])
def test_each_bug_of_the_operator_has_its_way_out(session: str | None, pair: str | None) -> None:
    resource = ResourceFacts(
        "kind", "shop", "orders", "1", operator_version="1.14.0", session_cluster=session, blue_green_state=pair
    )
    ill = evidence(even_job(resource=resource))
    bugs = [each for each in _all_found(ill) if each.code == "known-bug" and "operator" in each.title]
    told = {each.title.rpartition("(")[2].rstrip(")"): each.next for each in bugs}
    upgrade = "flinkops upgrade orders --savepoint --backup-savepoint --plan"
    expected = {"FLINK-39270": upgrade}
    if session:
        expected["FLINK-37766"] = "flinkops status orders"
    if pair:
        expected |= dict.fromkeys(("FLINK-40119", "FLINK-40092"), "flinkops status orders")
    assert told == expected


def _all_found(ill: Any) -> tuple[Finding, ...]:
    from flinkops.diagnose.diagnosis import diagnose

    return diagnose(ill).findings


@pytest.mark.parametrize(("busy", "severity"), [(0.699, "info"), (0.7, "warning")])
def test_serialization_counts_from_the_limit_of_busy_on(busy: float, severity: str) -> None:
    facts = with_vertex(held_up(), "sink", busy_ratio=spread(busy))
    finding = found("serialization", evidence(facts, flame_graphs=[flames("sink", KryoSerializer=45, work=55)]))
    assert finding is not None
    assert finding.severity == severity


# ---- render


WHOLE = Finding(
    code="key-skew",
    severity="warning",
    confidence=0.5,
    title="One key has most of the records of all that come in, and nobody else of the subtasks has any work at all",
    evidence=(EvidenceLine("share", 0.5, 0.25, "ratio"), EvidenceLine("said"), EvidenceLine("found", 2.5, 10.0)),
    remedy=(Remedy("set", "a.b", "c"), Remedy("take away", "d.e"), Remedy("think")),
    next="flinkops status orders",
    reference="https://nowhere",
)


def test_a_finding_is_told_in_full() -> None:
    follows = msgspec.structs.replace(WHOLE, caused_by="backpressure", evidence=(), remedy=(), next="", reference="")
    assert doctor_text([Diagnosis("orders", 75, (WHOLE, follows))]).splitlines() == [
        "orders: score 75, 2 findings, 0 not assessed",
        "  warning key-skew (50% sure)",
        "    One key has most of the records of all that come in, and nobody else of the subtasks has any",
        "      work at all",
        "      - share: 50% (limit 25%)",
        "      - said",
        "      - found: 2.50 (limit 10)",
        "    do: set [a.b: c]",
        "    do: take away [d.e]",
        "    do: think",
        "    next: flinkops status orders",
        "    see: https://nowhere",
        "  warning key-skew (50% sure, follows from backpressure)",
        "    One key has most of the records of all that come in, and nobody else of the subtasks has any",
        "      work at all",
    ]


@pytest.mark.parametrize(("words", "lines"), [(10, 1), (11, 2)])
def test_text_is_as_wide_as_a_hundred_cells(words: int, lines: int) -> None:
    title = " ".join(["x" * 8] * words) + ("" if words == 11 else " " + "y" * 6)
    told = doctor_text([Diagnosis("a", 100, (Finding("key-skew", "info", 0.5, title),))]).splitlines()[2:]
    assert [len(told[0]) <= 100, len(told)] == [True, lines]


def test_a_plan_tells_what_was_asked_for_where_that_is_not_what_comes() -> None:
    def told(**fields: Any) -> list[str]:
        plan = Plan("p", "upgrade", Target("c", "orders", "1"), 0, change="upgrade", **fields)
        return plan_lines(plan)

    same = "\n".join(told(requested_mode="savepoint", effective_mode="savepoint", steps=(Step("flow", VerifyFlow()),)))
    other = "\n".join(told(requested_mode="savepoint", effective_mode="last-state", refused=("no",)))
    assert "asked" not in same
    assert "(asked: savepoint)" in other
    assert "flow" in same


def test_an_autoscaler_that_the_spec_does_not_name_is_off() -> None:
    found_off = explanation_of("count", (), {}, OperatorState(overrides={"a": 2}), 0)
    assert (found_off.enabled, found_off.acts, found_off.notes) == (False, False, ())
    told = explanation_of(
        "count", (), {AUTOSCALER_ENABLED: "true", SCALING_ENABLED: "false"}, OperatorState(overrides={"a": 2}), 0
    )
    assert (told.enabled, told.acts, len(told.notes)) == (True, False, 2)
    nothing_stored = explanation_of(
        "count", (), {AUTOSCALER_ENABLED: "true", SCALING_ENABLED: "false"}, OperatorState(), 0
    )
    assert len(nothing_stored.notes) == 1


def test_times_without_heap_are_more_than_none() -> None:
    finding = found(
        "gc-pressure", evidence(even_job(exceptions=(thrown(30, "java.lang.OutOfMemoryError: Java heap space"),)))
    )
    assert finding is not None
    assert (finding.evidence[0].value, finding.evidence[0].limit, finding.evidence[0].unit) == (1, 0, "count")


def test_fewer_partitions_than_subtasks_are_only_named_while_event_time_moves() -> None:
    finding = found("partitions-below-parallelism", evidence(with_vertex(even_job(), "src", source_partitions=1)))
    assert finding is not None
    assert (finding.severity, finding.title) == ("info", '"vertex src" has 2 subtasks for 1 partitions')
