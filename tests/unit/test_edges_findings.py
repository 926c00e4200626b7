"""The edges of what findings say: their limits and constants, who is told, and the order of equals."""

from typing import Any

import msgspec
import pytest

from flinkops.diagnose.backlog_lines import silent_partition_lines
from flinkops.diagnose.case import SAVEPOINT_SECONDS, Case
from flinkops.diagnose.causes import in_order
from flinkops.diagnose.rules import RULES
from flinkops.diagnose.rules.checkpoint_storage import _remedies
from flinkops.diagnose.rules.key_skew import share_of_fullest
from flinkops.diagnose.rules.out_of_slots import WAITING_SECONDS
from flinkops.diagnose.rules.restart_loop import said
from flinkops.diagnose.rules.serialization import WORTH_A_LINE_RATIO
from flinkops.diagnose.rules.source_idle import IDLE_SECONDS, _had_paused, reads_nothing
from flinkops.diagnose.rules.state_bloat import MIN_POINTS_A_THIRD, RATE_WINDOW_MS, _input_moves
from flinkops.diagnose.rules.watermark_delay import _furthest
from flinkops.diagnose.suspects import SUSPICIOUS_BUSY_RATIO, is_suspicious
from flinkops.diagnose.writers import with_writers
from flinkops.model.detail import PartitionDetail, ResourceRequirement
from flinkops.model.facts import ClusterFacts, Spread
from flinkops.model.findings import Diagnosis, Finding
from tests.unit.builders import NOW_MS, spread, with_vertex
from tests.unit.doctor_cases import detail, evidence, flames, found, held_up, job, sample, thrown


def of_partition(number: int, rate: float | None, topic: str = "orders") -> PartitionDetail:
    return PartitionDetail("src", topic, number, number, number, read_per_second=rate)


def test_partitions_that_nobody_reads_are_told_where_others_of_their_topic_are_read() -> None:
    parts = (of_partition(0, 5.0), of_partition(1, 0.0), of_partition(0, 5.0, "read"), of_partition(1, 5.0, "read"))
    (told,) = silent_partition_lines(Case(evidence(detail=detail(partitions=parts))))
    assert "partitions 1 of orders" in told.text
    assert (told.value, told.limit) == (1, 0)


def test_constants_that_no_other_test_states() -> None:
    assert SAVEPOINT_SECONDS == 30.0
    assert MIN_POINTS_A_THIRD == 2
    assert RATE_WINDOW_MS == 60_000
    assert SUSPICIOUS_BUSY_RATIO == 0.85


def test_what_a_gauge_says_below_zero_is_not_taken_for_nothing() -> None:
    facts = with_vertex(job(), "src", pending_records=spread(-1.0))
    assert Case(evidence(facts, [sample(20, pending_records=9.0)])).caught_up is None
    facts = with_vertex(job(), "src", pending_records=spread(0.0))
    assert Case(evidence(facts, [sample(20, pending_records=9.0)])).caught_up is not None


def test_equals_are_ordered_by_vertex_then_title() -> None:
    equals = [
        Finding("key-skew", "warning", 0.8, title, vertex)
        for title, vertex in [("1", "b"), ("2", "a"), ("4", None), ("3", None)]
    ]
    assert [each.title for each in in_order(equals)] == ["3", "4", "2", "1"]


def test_rules_whose_ratios_jump_for_a_while_after_a_start() -> None:
    assert {rule.code for rule in RULES.values() if rule.steady} == {
        "backpressure",
        "gc-pressure",
        "key-skew",
        "managed-memory-full",
        "override-drift",
        "partitions-below-parallelism",
        "serialization",
        "source-idle",
        "watermark-delay",
    }


def test_a_remedy_names_the_key_until_it_is_set() -> None:
    merging = "execution.checkpointing.file-merging.enabled"
    (told,) = _remedies(Case(evidence()), "throttled")
    assert (told.key, told.value) == (merging, "true")
    (told,) = _remedies(Case(evidence(job(configuration={merging: "true"}))), "throttled")
    assert (told.key, told.value) == (None, None)
    (told,) = _remedies(Case(evidence()), "denied")
    assert (told.key, told.value) == (None, None)


@pytest.mark.parametrize(("share", "named"), [(0.79, False), (0.81, True)])
def test_of_two_subtasks_one_reads_four_fifths(share: float, named: bool) -> None:
    source = with_vertex(
        job(),
        "src",
        busy_ratio=Spread(min=0.1, max=1.0, avg=0.55, sum=1.1),
        records_in_per_second=Spread(min=100 * (1 - share), max=100 * share, avg=50.0, sum=100.0),
        pending_records=spread(9e6),
    )
    told = found("key-skew", evidence(source))
    assert (told is not None) is named
    if told is not None:
        assert told.evidence[0].limit == 0.8


@pytest.mark.parametrize(
    ("free", "seconds", "wanted", "named"),
    [
        (0, WAITING_SECONDS, 9, True),
        (1, WAITING_SECONDS, 9, False),
        (0, WAITING_SECONDS - 0.001, 9, False),
        (0, WAITING_SECONDS, 2, False),
    ],
)
def test_a_job_that_runs_with_less_than_it_asked_for(free: int, seconds: float, wanted: int, named: bool) -> None:
    facts = job(running_since_ms=NOW_MS - round(seconds * 1000))
    wants = tuple(ResourceRequirement(each.id, 1, wanted) for each in facts.vertices)
    cluster = ClusterFacts("prod", "2.3.0", 1, 8, free)
    told = found("out-of-slots", evidence(facts, detail=detail(resource_requirements=wants), cluster=cluster))
    assert (told is not None) is named
    if told is not None:
        assert (told.severity, told.confidence) == ("warning", 0.8)
        assert (told.evidence[0].value, told.evidence[0].limit) == (2, wanted)


def test_a_job_without_vertices_asks_for_one_subtask() -> None:
    lacking = thrown(1, "NoResourceAvailableException: Could not acquire the minimum required resources")
    facts = job(state="RESTARTING", exceptions=(lacking,), running_since_ms=None, started_ms=NOW_MS, vertices=())
    told = found("out-of-slots", evidence(facts, cluster=None))
    assert told is not None
    assert [each.value for each in told.remedy if each.key == "parallelism.default"] == ["1"]
    wide = with_vertex(job(state="RESTARTING", exceptions=(lacking,), running_since_ms=None), "work", parallelism=8)
    told = found("out-of-slots", evidence(wide, cluster=None))
    assert told is not None
    assert [each.value for each in told.remedy if each.key == "parallelism.default"] == ["4"]


def test_the_first_failure_is_the_root_where_none_is_known_for_it() -> None:
    failures = (thrown(30, "java.lang.RuntimeException: first"), thrown(10, "java.lang.RuntimeException: second"))
    told = found("restart-loop", evidence(job(exceptions=failures)))
    assert told is not None
    assert said(failures[0]) in told.evidence[1].text
    assert said(failures[1]) in told.evidence[-1].text or any(said(failures[1]) in e.text for e in told.evidence)


@pytest.mark.parametrize(("rate", "paused"), [(0.5, True), (0.0, False)])
def test_a_trickle_that_stopped_and_came_again_comes_in_bursts(rate: float, paused: bool) -> None:
    polls = [sample(30, records_in_per_second=rate), sample(20, records_in_per_second=0.0)]
    polls.append(sample(10, records_in_per_second=rate))
    assert _had_paused(Case(evidence(past=polls))) is paused


@pytest.mark.parametrize(("rate", "fell"), [(69.0, True), (71.0, False)])
def test_an_input_that_fell_by_three_tenths_is_not_flat(rate: float, fell: bool) -> None:
    facts = with_vertex(
        job(), "src", records_in_per_second=spread(rate), records_out_per_second=None, records_in=100_000
    )
    facts = msgspec.structs.replace(facts, running_since_ms=NOW_MS - 1_000_000)
    case = Case(evidence(facts, [sample(20, records_in_per_second=rate)]))
    assert case.input_per_second == rate
    why = _input_moves(case, [(0.0, 1.0), (1_000.0, 2.0)])
    assert (why is not None and "fell" in why) is fell, why


@pytest.mark.parametrize(("busy", "suspicious"), [(0.85, True), (0.84, False)])
def test_a_vertex_that_works_most_of_its_time_is_worth_a_look_at_its_details(busy: float, suspicious: bool) -> None:
    facts = with_vertex(job(), "work", busy_ratio=spread(busy))
    assert is_suspicious(evidence(facts).assessment) is suspicious


@pytest.mark.parametrize(
    ("code", "severity", "told"),
    [("source-idle", "warning", True), ("source-idle", "info", False), ("gc-pressure", "warning", False)],
)
def test_only_who_starves_is_told_who_may_be_why(code: str, severity: Any, told: bool) -> None:
    starved, ill = evidence(job(name="starved")), evidence(job(name="ill", id="b" * 32))
    of_starved = Diagnosis("orders", 50, (Finding(code, severity, 0.9, "x"),))
    of_ill = Diagnosis("orders", 50, (Finding("backpressure", "critical", 0.9, "y"),))
    first, second = with_writers([starved, ill], [of_starved, of_ill])
    assert bool(first.findings[0].evidence) is told
    assert second == of_ill


# ---- slots, sources, stacks, backpressure


@pytest.mark.parametrize(("state", "named"), [("RUNNING", False), ("RESTARTING", True), ("SUSPENDED", True)])
def test_a_job_that_runs_again_has_found_its_slots(state: str, named: bool) -> None:
    lacking = thrown(60, "NoResourceAvailableException: Could not acquire the minimum required resources")
    told = found("out-of-slots", evidence(job(state=state, exceptions=(lacking,))))
    assert (told is not None) is named


@pytest.mark.parametrize(
    ("idle_seconds", "partitions", "nothing"),
    [(IDLE_SECONDS, 1, True), (IDLE_SECONDS - 0.001, 1, False), (IDLE_SECONDS, None, False), (None, 1, False)],
)
def test_a_source_that_reads_no_topic_is_not_waited_for(
    idle_seconds: float | None, partitions: int | None, nothing: bool
) -> None:
    idle = None if idle_seconds is None else spread(idle_seconds)
    assert reads_nothing(with_vertex(job(), "src", source_idle_seconds=idle, source_partitions=partitions)) is nothing


@pytest.mark.parametrize(("samples", "kinds"), [(19, ["Kryo"]), (20, ["Kryo", "POJO"])])
def test_a_kind_of_serialization_has_a_line_from_a_fiftieth_of_the_samples_on(samples: int, kinds: list[str]) -> None:
    assert WORTH_A_LINE_RATIO == 0.02
    graphs = [flames("work", KryoSerializer=450, PojoSerializer=samples, work=550 - samples)]
    told = found("serialization", evidence(held_up(), flame_graphs=graphs))
    assert told is not None
    named = [each.text.removeprefix("share of its samples in ") for each in told.evidence]
    assert [each for each in named if each in ("Kryo", "POJO")] == kinds


@pytest.mark.parametrize(("ratios", "named"), [((0.1, 0.9), True), ((0.9, 0.1), False), ((0.9, 0.5), False)])
def test_backpressure_is_named_when_it_was_high_at_the_poll_before(ratios: tuple[float, ...], named: bool) -> None:
    past = [sample(ago, backpressured_ratio=ratio) for ago, ratio in zip((20, 10), ratios, strict=True)]
    assert (found("backpressure", evidence(held_up(), past)) is not None) is named


@pytest.mark.parametrize(("most", "scaled"), [(3, True), (2, False)])
def test_a_vertex_that_can_have_no_more_subtasks_is_not_to_be_scaled(most: int, scaled: bool) -> None:
    told = found("backpressure", evidence(held_up(max_parallelism=most)))
    assert told is not None
    keys = [each.key for each in told.remedy]
    assert keys[-1] == "taskmanager.network.memory.buffer-debloat.enabled"
    assert ("pipeline.jobvertex-parallelism-overrides" in keys) is scaled


def test_a_subtask_gets_no_more_than_all() -> None:
    """Its rate and the sum are read one after the other."""
    facts = with_vertex(job(), "work", records_in_per_second=Spread(min=0.0, max=120.0, avg=50.0, sum=100.0))
    assert share_of_fullest(facts.vertices[1]) == 1.0


@pytest.mark.parametrize(("behind_seconds", "named"), [(100.0, "vertex src"), (99.999, "vertex work")])
def test_of_those_about_as_far_behind_the_first_in_the_flow_is_the_furthest(behind_seconds: float, named: str) -> None:
    """A tenth of the skew, or ten seconds, make no difference."""
    facts = job()
    for vertex, seconds in (("src", behind_seconds - 10.0), ("work", 100.0), ("sink", 100.0)):
        at_ms = NOW_MS - round(seconds * 1000)
        facts = with_vertex(facts, vertex, watermark_ms=Spread(min=at_ms, max=at_ms))
    furthest = _furthest(Case(evidence(facts)))
    assert furthest is not None
    assert furthest.name == named


@pytest.mark.parametrize(("before_seconds", "old_events"), [(400.0, True), (399.9, False)])
def test_a_start_on_old_events_keeps_pace_with_the_clock(before_seconds: float, old_events: bool) -> None:
    facts = job(running_since_ms=NOW_MS - 100_000)
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=Spread(min=NOW_MS - 400_000, max=NOW_MS - 400_000))
    told = found("watermark-delay", evidence(facts, [sample(20, skew_seconds=before_seconds)]))
    assert told is not None
    assert ("is catching up" in told.title, told.severity) == (old_events, "info" if old_events else "warning")
