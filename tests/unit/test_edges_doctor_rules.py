"""The edges of single rules of the doctor: a limit at itself, the greatest of several, a default where it decides."""

from typing import Any

import msgspec
import pytest

from flinkops.assess.backpressure import backpressure
from flinkops.diagnose.case import WORKING_OFF_SECONDS, Case
from flinkops.diagnose.changes import EVENTS_KEPT_SECONDS, Load, of_facts
from flinkops.diagnose.evidence import FlameSample
from flinkops.diagnose.rules import RULES
from flinkops.diagnose.rules.backpressure import FIRST_STACKS_SECONDS
from flinkops.diagnose.rules.checkpoint_timeout import slowest_phase
from flinkops.diagnose.rules.gc_pressure import GC_CRITICAL_RATIO, GC_RATIO
from flinkops.diagnose.rules.out_of_slots import RECENT_MS
from flinkops.diagnose.rules.state_bloat import SURE_AFTER_SECONDS, confidence, still_growing
from flinkops.model.detail import FlameGraph
from flinkops.model.facts import CheckpointPhases, JobFacts, Spread
from flinkops.model.findings import CheckpointPhase, Finding
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.timeline import Entry
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, failing, snapshot, spread, with_vertex
from tests.unit.doctor_cases import detail, evidence, found, held_up, job, manager, sample, thrown
from tests.unit.test_doctor_rules_of_state import FLAT_INPUT, STEADY, growing, phases


def finding(code: str, facts: JobFacts, past: Any = (), **parts: Any) -> Finding:
    named = found(code, evidence(facts, past, **parts))
    assert named is not None
    return named


# ---- whom the backpressure is laid to


def leading(*vertices: str) -> list[JobSample]:
    """Polls at which these were the busiest, the oldest first."""
    return [sample(10 * (len(vertices) - number), busiest=((vertex, 0.9),)) for number, vertex in enumerate(vertices)]


def test_of_windows_that_take_turns_the_one_that_led_last_is_named() -> None:
    facts = held_up()
    found_now = backpressure(facts, Graph(facts.vertices), leading("src", "work", "src", "work", "sink", "work")).value
    assert found_now is not None
    assert found_now.bottleneck is not None
    assert found_now.bottleneck.kind == "window-firing"
    assert "by turns with" in found_now.bottleneck.why
    assert "vertex sink" in found_now.bottleneck.why


def test_a_vertex_that_takes_turns_is_scaled_and_one_of_uneven_keys_is_not() -> None:
    turns = finding("backpressure", held_up(), leading("src", "work", "src", "work", "sink", "work"))
    assert "(window-firing)" in turns.title
    assert "rescale" in (turns.next or "")
    uneven = held_up(busy_ratio=Spread(min=0.1, max=1.0, avg=0.55, sum=1.1))
    skewed = finding("backpressure", uneven)
    assert "(key-skew)" in skewed.title
    assert "rescale" not in (skewed.next or "")


@pytest.mark.parametrize(
    ("seconds", "severity"), [(FIRST_STACKS_SECONDS - 0.001, "info"), (FIRST_STACKS_SECONDS, "warning")]
)
def test_stacks_are_waited_for_until_flink_must_have_them(seconds: float, severity: str) -> None:
    assert FIRST_STACKS_SECONDS == 90.0
    waiting = with_vertex(held_up(), "src", pending_records=spread(900.0))
    young = msgspec.structs.replace(waiting, running_since_ms=NOW_MS - round(seconds * 1000))
    sampling = FlameSample("work", FlameGraph(why="later", pending=True))
    assert finding("backpressure", young, flame_graphs=[sampling]).severity == severity


# ---- a backlog that is worked off


def waits(*polls: tuple[float, float]) -> str | None:
    """Seconds ago, records; now 1000 wait."""
    facts = with_vertex(job(), "src", pending_records=spread(1_000.0))
    return Case(evidence(facts, [sample(ago, pending_records=records) for ago, records in polls])).working_off


def test_a_backlog_is_worked_off_over_the_last_minute() -> None:
    assert WORKING_OFF_SECONDS == 60.0
    assert "2,000 did 60 s ago" in (waits((60.0, 2_000.0)) or "")
    assert waits((60.001, 2_000.0)) is None
    assert waits((20.0, 1_111.0)) is None, "a tenth less is the least"
    assert waits((20.0, 1_112.0)) is not None


@pytest.mark.parametrize(
    ("seconds", "waits", "waited", "lag", "severity"),
    [
        (104.0, 0.0, None, None, "info"),  # as a demo on a machine that had no time: 13,275 had waited, none did then
        (105.0, 0.0, None, None, "warning"),
        (104.0, 1.0, None, None, "warning"),
        (104.0, None, None, None, "warning"),
        (104.0, 0.0, None, 10.0, "warning"),
        (500.0, 0.0, (60.0, 5_000.0), None, "info"),
        (500.0, 0.0, (61.0, 5_000.0), None, "warning"),
        (500.0, 0.0, (60.0, 0.0), None, "warning"),
    ],
)
def test_backpressure_is_of_the_minute_before_once_nothing_waits(
    seconds: float, waits: float | None, waited: tuple[float, float] | None, lag: float | None, severity: str
) -> None:
    pending = None if waits is None else spread(waits)
    facts = with_vertex(
        held_up(), "src", pending_records=pending, source_emit_lag_seconds=None if lag is None else spread(lag)
    )
    facts = msgspec.structs.replace(facts, running_since_ms=NOW_MS - round(seconds * 1000))
    past = [sample(waited[0], pending_records=waited[1], backpressured_ratio=0.9)] if waited else []
    assert finding("backpressure", facts, past).severity == severity


def test_two_polls_of_one_moment_tell_no_pace() -> None:
    facts = with_vertex(job(), "src", pending_records=None)
    past = [sample(ago, pending_records=records) for ago, records in ((10, 2_000.0), (10, 1_000.0))]
    assert Case(evidence(facts, past)).working_off is None
    past = [sample(ago, pending_records=records) for ago, records in ((11, 2_000.0), (10, 1_000.0))]
    assert Case(evidence(facts, past)).working_off is not None


@pytest.mark.parametrize(("first", "last", "off"), [(5.0, 4.0, True), (5.0, 5.0, True), (5.0, 5.1, False)])
def test_no_backlog_is_worked_off_whose_newest_fetch_is_older(first: float, last: float, off: bool) -> None:
    polls = [
        sample(20, pending_records=2_000.0, emit_lag_seconds=first),
        sample(10, pending_records=1_000.0, emit_lag_seconds=last),
    ]
    facts = with_vertex(job(), "src", pending_records=None)
    assert (Case(evidence(facts, polls)).working_off is not None) is off


@pytest.mark.parametrize(
    ("before", "severity"), [(999.0, "critical"), (1_000.0, "warning"), (1_001.0, "warning"), (None, "warning")]
)
def test_backpressure_is_critical_where_what_waits_grows(before: float | None, severity: str) -> None:
    facts = with_vertex(held_up(), "src", pending_records=spread(1_000.0))
    past = [sample(20, pending_records=before, backpressured_ratio=0.95), sample(10, backpressured_ratio=0.95)]
    assert finding("backpressure", facts, past).severity == severity


# ---- changes


def test_the_api_server_keeps_events_for_an_hour() -> None:
    assert EVENTS_KEPT_SECONDS == 60 * 60, "kube-apiserver --event-ttl"


@pytest.mark.parametrize(
    ("times", "at_ms"),
    [
        ({"failed_ms": NOW_MS - 5, "triggered_ms": NOW_MS - 9}, NOW_MS - 5),
        ({"failed_ms": None, "triggered_ms": NOW_MS - 9}, NOW_MS - 9),
        ({"failed_ms": NOW_MS - 5, "triggered_ms": None}, NOW_MS - 5),
        ({"failed_ms": None, "triggered_ms": None}, None),
    ],
)
def test_a_failed_checkpoint_is_dated_by_its_end_else_by_its_start(
    times: dict[str, int | None], at_ms: int | None
) -> None:
    failed = msgspec.structs.replace(checkpoint(7, NOW_MS), status="FAILED", failure="it expired", **times)
    entries = [each for each in of_facts(job(checkpoints=checkpoints(history=(failed,)))) if each.kind == "checkpoint"]
    assert [each.at_ms for each in entries] == ([] if at_ms is None else [at_ms])


def test_a_job_without_a_rate_hides_the_load_of_no_other() -> None:
    silent = with_vertex(job(name="a", id="1" * 32), "src", records_in_per_second=None, records_out_per_second=None)
    load = Load()
    told: list[Entry] = []
    for rate in (10.0, 100.0, 100.0):
        loud = with_vertex(job(name="b", id="2" * 32), "src", records_in_per_second=spread(rate))
        told += load.at(snapshot(silent, loud))
    assert [(each.job, each.kind) for each in told] == [("b", "load")]


# ---- checkpoints


@pytest.mark.parametrize(("acknowledged", "seconds"), [(0, 7.0), (1, 0.0), (None, 0.0)])
def test_a_checkpoint_that_no_subtask_acknowledged_took_all_its_time_for_nobody_knows_what(
    acknowledged: int | None, seconds: float
) -> None:
    silent = CheckpointPhases("work", end_to_end_seconds=7.0, acknowledged=acknowledged, subtasks=2)
    phase = slowest_phase(Case(evidence(detail=detail(checkpoint_phases=(silent,)))))
    assert (phase.name, phase.seconds) == (CheckpointPhase.UNKNOWN, seconds)


@pytest.mark.parametrize(
    ("sync", "name"), [(None, CheckpointPhase.UNKNOWN), (0.0, CheckpointPhase.UNKNOWN), (0.25, CheckpointPhase.SYNC)]
)
def test_a_phase_that_took_any_time_is_named(sync: float | None, name: CheckpointPhase) -> None:
    slow = CheckpointPhases("work", sync_seconds=sync, acknowledged=2, subtasks=2)
    phase = slowest_phase(Case(evidence(detail=detail(checkpoint_phases=(slow,)))))
    assert (phase.name, phase.seconds, phase.whole_seconds) == (name, sync or 0.0, 0.0)


@pytest.mark.parametrize(
    ("count", "title"), [(1, "The last checkpoint expired"), (2, "The last 2 checkpoints expired")]
)
def test_how_many_expired_stands_in_the_title(count: int, title: str) -> None:
    slow = detail(checkpoint_phases=(phases(start_delay=0.1, sync=0.1, **{"async": 9.0}),))
    assert finding("checkpoint-timeout", job(checkpoints=failing(count)), detail=slow).title.startswith(f"{title}:")


# ---- which jobs a rule is asked of

IN_EVERY_STATE = {"deployment-stuck", "restart-loop"}


def test_which_rules_are_asked_of_a_job_that_does_not_run() -> None:
    not_running = {code for code, rule in RULES.items() if not rule.running}
    assert not_running >= IN_EVERY_STATE
    assert {code for code, rule in RULES.items() if rule.unseen} <= not_running, "what nobody sees does not run"


# ---- memory, restarts, sources


@pytest.mark.parametrize(
    ("ratio", "severity"),
    [
        (GC_RATIO - 0.001, "info"),
        (GC_RATIO, "warning"),
        (GC_CRITICAL_RATIO - 0.001, "warning"),
        (GC_CRITICAL_RATIO, "critical"),
    ],
)
def test_garbage_collection_is_as_grave_as_its_limit_says(ratio: float, severity: str) -> None:
    assert finding("gc-pressure", job(), detail=detail(taskmanagers=(manager(ratio),))).severity == severity


@pytest.mark.parametrize(("include_rescales", "count"), [(False, 5.0), (True, 1.0)])
def test_restarts_that_may_be_rescales_are_not_counted(include_rescales: bool, count: float) -> None:
    facts = job(exceptions=(thrown(5),), restarts=7, restarts_include_rescales=include_rescales)
    past = [sample(30, restarts=2), sample(20, restarts=4)]
    assert finding("restart-loop", facts, past).evidence[0].value == count


def test_a_single_exception_is_one_failure_where_restarts_may_be_rescales() -> None:
    facts = job(exceptions=(thrown(5),), restarts=7, restarts_include_rescales=True)
    assert finding("restart-loop", facts).title.startswith("The job restarted")


def silent_source(rate: float) -> JobFacts:
    """Flink does not say since when it is idle."""
    return with_vertex(job(), "src", records_in_per_second=spread(rate), records_out_per_second=spread(rate))


def test_an_idle_source_that_flink_does_not_date_is_idle_since_the_first_silent_poll() -> None:
    past = [
        sample(400, records_in_per_second=50.0),
        *(sample(ago, records_in_per_second=0.0) for ago in (300, 200, 100)),
    ]
    idle = finding("source-idle", silent_source(0.0), past)
    assert (idle.evidence[0].value, idle.severity) == (300.0, "warning")
    quiet = [sample(ago, records_in_per_second=0.0) for ago in (300, 200, 100)]
    assert found("source-idle", evidence(silent_source(50.0), quiet)) is None


# ---- state, watermarks


def test_the_time_to_the_limit_is_what_is_left_by_the_growth() -> None:
    growth = growing(*STEADY)
    ill = evidence(growth, FLAT_INPUT)
    assert ill.assessment.outlook is not None
    outlook = msgspec.structs.replace(ill.assessment.outlook, limit_bytes=STEADY[-1] + 50_000_000)
    limited = msgspec.structs.replace(ill, assessment=msgspec.structs.replace(ill.assessment, outlook=outlook))
    named = found("state-bloat", limited)
    assert named is not None
    assert [each.value for each in named.evidence if each.unit == "seconds"] == [pytest.approx(500.0)]
    full = msgspec.structs.replace(outlook, limit_bytes=STEADY[-1] - 1)
    beyond = found(
        "state-bloat", msgspec.structs.replace(ill, assessment=msgspec.structs.replace(ill.assessment, outlook=full))
    )
    assert beyond is not None
    assert [each.value for each in beyond.evidence if each.unit == "seconds"] == [0.0]


def test_the_vertex_whose_subtasks_are_furthest_apart_is_the_straggler() -> None:
    facts = job()
    for name, behind_ms in (("src", 100_000), ("work", 200_000), ("sink", 150_000)):
        facts = with_vertex(facts, name, watermark_ms=Spread(min=NOW_MS - behind_ms, max=NOW_MS - 5_000))
    assert finding("watermark-delay", facts).vertex == "vertex work"


# ---- slots, Python, state, alignment


@pytest.mark.parametrize(("ago_seconds", "named"), [(RECENT_MS / 1000 - 0.001, True), (RECENT_MS / 1000, False)])
def test_an_exception_for_want_of_slots_counts_for_a_quarter_of_an_hour(ago_seconds: float, named: bool) -> None:
    assert RECENT_MS == 15 * 60 * 1000
    lacking = thrown(ago_seconds, "NoResourceAvailableException: Could not acquire the minimum required resources")
    facts = job(state="RESTARTING", exceptions=(lacking,), running_since_ms=None, started_ms=NOW_MS)
    told = found("out-of-slots", evidence(facts, cluster=None))
    assert (told is not None) is named
    if told is not None:
        assert (told.evidence[0].value, told.evidence[0].limit) == (1, 0)


@pytest.mark.parametrize(
    ("mode", "ratio", "named"),
    [
        (None, 0.9, True),
        ("process", 0.9, True),
        ("thread", 0.9, False),
        ("process", 0.5, False),
        ("thread", 0.5, False),
    ],
)
def test_python_in_its_own_process_is_named_where_it_holds_the_others_up(
    mode: str | None, ratio: float, named: bool
) -> None:
    settings = {} if mode is None else {"python.execution-mode": mode}
    facts = msgspec.structs.replace(held_up(), configuration=settings)
    ill = evidence(facts, detail=detail(plan={"work": "PythonCalc"}))
    held = ill.assessment.backpressure
    assert held is not None
    pressed = msgspec.structs.replace(ill.assessment, backpressure=msgspec.structs.replace(held, ratio=ratio))
    told = found("serialization", msgspec.structs.replace(ill, assessment=pressed))
    assert (told is not None and "Python" in told.title) is named


def points(*lows: float, high: float) -> list[tuple[float, float]]:
    """Three polls a third, 10 s apart, the last of them its low; the very first has `high`."""
    sizes = [size for low in lows for size in (low + 0.1, low + 0.1, low)]
    return [(1_800_000_000.0 + 10.0 * place, size) for place, size in enumerate([max(high, sizes[0]), *sizes[1:]])]


@pytest.mark.parametrize(
    ("lows", "high", "growing_on"),
    [
        ((100.0, 200.0, 300.0), 150.0, True),
        ((100.0, 200.0, 300.0), 300.0, False),  # as large as that it was at first
        ((100.0, 100.6, 101.2), 0.0, True),  # slowly, but it does
        ((100.0, 200.0, 269.0), 0.0, False),  # slower than 0.7 of before
        ((100.0, 200.0, 271.0), 0.0, True),
        ((100.0, 100.0, 200.0), 0.0, False),
    ],
)
def test_a_state_grows_on_where_its_lows_do(lows: tuple[float, ...], high: float, growing_on: bool) -> None:
    assert still_growing(points(*lows, high=high)) is growing_on


@pytest.mark.parametrize(("seconds", "sure"), [(SURE_AFTER_SECONDS - 1.0, 0.65), (SURE_AFTER_SECONDS, 0.85)])
def test_a_trend_is_sure_after_ten_minutes(seconds: float, sure: float) -> None:
    assert SURE_AFTER_SECONDS == 600.0
    assert confidence(Case(evidence()), [(0.0, 1.0), (seconds, 2.0)]) == sure
    lived = job(configuration={"table.exec.state.ttl": "1 h"})
    assert confidence(Case(evidence(lived)), [(0.0, 1.0), (seconds, 2.0)]) == sure - 0.1


def test_what_rocksdb_keeps_is_known_to_the_second() -> None:
    """Its size at each poll, where no checkpoint completes: a million bytes in ten seconds."""
    polls = [sample(100 - 10 * place, stored_bytes=2_000_000 + 1_000_000 * place) for place in range(10)]
    steady = [msgspec.structs.replace(each, records_in_per_second=200.0) for each in polls]
    facts = job(checkpoints=checkpoints(history=(), latest_completed=None))
    told = finding("state-bloat", facts, steady)
    assert told.evidence[0].value == pytest.approx(360_000_000, rel=1e-6)


@pytest.mark.parametrize(
    ("idle", "paused", "told"), [(0.5, 0.1, []), (0.51, 0.1, [0.51]), (0.5, 0.11, [0.11]), (0.51, 0.11, [0.11, 0.51])]
)
def test_splits_that_wait_are_told_with_a_watermark_that_trails(idle: float, paused: float, told: list[float]) -> None:
    facts = with_vertex(
        job(), "src", watermark_ms=Spread(min=NOW_MS - 900_000, max=NOW_MS - 900_000),
        split_idle_ratio=spread(idle), split_paused_ratio=spread(paused),
    )  # fmt: skip
    named = finding("watermark-delay", facts)
    assert [each.value for each in named.evidence if each.value in (idle, paused)] == told
