"""The same job twice, jobs that starve behind another one, clocks that differ, a network that loses all."""

from collections.abc import Sequence

import msgspec
import pytest

from flinkops.diagnose.evidence import Evidence, Twin
from flinkops.diagnose.fleet import diagnose_fleet
from flinkops.diagnose.partition_pace import PartitionPace, paced
from flinkops.diagnose.twins import twins_of
from flinkops.diagnose.writers import writes_to
from flinkops.model.detail import JobDetail, PartitionDetail, SubtaskDetail, VertexDetail
from flinkops.model.facts import CheckpointPhases, JobFacts, JobKey, Spread
from flinkops.model.findings import Finding
from tests.unit.builders import NOW_MS, spread, with_vertex
from tests.unit.doctor_cases import detail, evidence, found, held_up, job, sample, thrown

FENCED = "java.lang.RuntimeException: x\nCaused by: org.apache.kafka.common.errors.ProducerFencedException: old epoch"


def reads(*topics: str, **fields: float | None) -> JobDetail:
    parts = tuple(PartitionDetail("src", topic, 0, 0, 1, **fields) for topic in topics)
    return detail(partitions=parts)


def named(code: str, ill: Evidence) -> Finding:
    finding = found(code, ill)
    assert finding is not None
    return finding


# ---- the same job twice


def test_a_twin_lives_beside_it_with_its_name_and_vertices() -> None:
    ours = job()
    twin = msgspec.structs.replace(ours, id="b" * 32)
    others = [
        msgspec.structs.replace(twin, name="payments"),
        msgspec.structs.replace(twin, cluster="test"),
        msgspec.structs.replace(twin, state="CANCELED"),
        msgspec.structs.replace(twin, vertices=twin.vertices[:1]),
        ours,
    ]
    assert twins_of(ours, [*others, twin]) == (twin,)
    assert twins_of(msgspec.structs.replace(ours, state="FINISHED"), [twin]) == ()
    assert twins_of(msgspec.structs.replace(ours, vertices=()), [msgspec.structs.replace(twin, vertices=())]) == ()


@pytest.mark.parametrize(
    ("topics", "exceptions", "severity"),
    [
        (None, (), "info"),
        (("other",), (), "info"),
        (("orders",), (), "warning"),
        (None, (thrown(9, FENCED),), "warning"),
    ],
)
def test_it_is_ill_when_both_read_the_same_or_one_fences_the_other(
    topics: tuple[str, ...] | None, exceptions: tuple[JobFacts, ...], severity: str
) -> None:
    ill = evidence(job(exceptions=exceptions), detail=reads("orders"))
    twin = Twin("b" * 32, NOW_MS - 5000, topics)
    assert found("runs-twice", ill) is None
    assert named("runs-twice", msgspec.structs.replace(ill, twins=(twin,))).severity == severity


def test_what_fences_is_named_before_the_failures() -> None:
    ill = evidence(job(exceptions=(thrown(9, FENCED), thrown(20, FENCED))))
    ill = msgspec.structs.replace(ill, twins=(Twin("b" * 32),))
    assert named("restart-loop", ill).caused_by == "runs-twice"


# ---- jobs in a row


def starved(**parts: JobDetail) -> Evidence:
    idle = with_vertex(job(name="reader"), "src", source_idle_seconds=spread(90.0), source_partitions=2)
    idle = with_vertex(idle, "src", records_in_per_second=Spread(min=0.0, max=0.0, avg=0.0, sum=0.0))
    past = [sample(seconds, accepted_records=1000 - seconds) for seconds in (300, 280, 260)]
    return evidence(idle, past, **parts)


def slow(sink: str) -> Evidence:
    held = msgspec.structs.replace(held_up(), name="writer")
    return evidence(held, [sample(6, backpressured_ratio=0.9)], detail=detail(plan={"work": sink}))


def told_of_the_reader(fleet: Sequence[Evidence]) -> Finding:
    told = next(each for each in diagnose_fleet(fleet) if each.name == "reader")
    return next(each for each in told.findings if each.code == "source-idle")


def test_the_slow_job_whose_sink_names_the_topic_is_named_for_the_one_that_starves() -> None:
    finding = told_of_the_reader([starved(detail=reads("paid")), slow("Work -> Sink: paid")])
    assert "writer, which writes paid, is not well" in finding.title
    assert finding.next == "flinkops doctor writer"


@pytest.mark.parametrize("sink", ["Work -> Sink: paid-late", "Source: paid -> Work", "Sink: other"])
def test_without_the_topic_in_its_sink_it_is_not_blamed_but_told(sink: str) -> None:
    finding = told_of_the_reader([starved(detail=reads("paid")), slow(sink)])
    assert "writer" not in finding.title
    assert any("writer (backpressure); whether" in each.text for each in finding.evidence)
    assert told_of_the_reader([starved(detail=reads("paid"))]) == named("source-idle", starved(detail=reads("paid")))


def test_a_topic_with_odd_signs_is_a_name_and_no_pattern() -> None:
    assert not writes_to(slow("Sink: paidX2"), "paid.2")
    assert writes_to(slow("Sink: paid.2: Writer"), "paid.2")
    assert not writes_to(slow("+- [4]:Sink(table=[default_catalog.default_database.paid], fields=[a])"), "paid")


# ---- clocks


@pytest.mark.parametrize(("delay", "is_named"), [(600.0, True), (5.9, False), (None, False)])
def test_a_start_delay_longer_than_the_checkpoint_shows_a_clock_that_is_ahead(
    delay: float | None, is_named: bool
) -> None:
    phases = CheckpointPhases("work", start_delay_seconds=delay, end_to_end_seconds=1.0)
    assert (found("clock-skew", evidence(detail=detail(checkpoint_phases=(phases,)))) is not None) is is_named


# ---- a network that loses all


@pytest.mark.parametrize(
    ("managers", "idle", "is_named"),
    [("12", 0.99, True), ("11", 0.99, False), ("12", 0.5, False)],
)
def test_a_vertex_that_waits_for_what_cannot_be_sent_is_not_slow(managers: str, idle: float, is_named: bool) -> None:
    facts = held_up(busy_ratio=spread(0.01), idle_ratio=spread(idle))
    subtasks = tuple(SubtaskDetail(index, "RUNNING", taskmanager=each) for index, each in enumerate(managers))
    ill = evidence(
        facts,
        [sample(6, backpressured_ratio=0.9)],
        detail=detail(vertices=(VertexDetail("work", "vertex work", 2, subtasks),)),
    )
    finding = named("backpressure", ill)
    assert ("(network)" in finding.title) is is_named
    assert (finding.move is None) or not is_named


# ---- the pace of partitions


def at(seconds: float, offset: int | None, pending: float | None, subtask: int = 0) -> JobDetail:
    part = PartitionDetail("src", "orders", 3, subtask, offset, pending)
    return JobDetail("a" * 32, NOW_MS + round(seconds * 1000), partitions=(part,))


KEY = JobKey("lab", "", "orders")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(10, 600, 300.0), (None, None, None)),
        (at(20, 600, 300.0), (25.0, -10.0, 30.0)),
        (at(20, 600, 600.0), (25.0, 5.0, None)),
        (at(20, 600, 499.9), (25.0, pytest.approx(-0.005), None)),
        (at(20, 600, 0.0), (25.0, -25.0, 0.0)),
        (at(20, 50, None), (None, None, None)),
        (at(20, None, 300.0), (None, -10.0, 30.0)),
        (at(20, 600, 300.0, subtask=1), (None, None, None)),
        (at(190, 600, 300.0), (None, None, None)),
    ],
)
def test_the_pace_of_a_partition_is_of_two_answers_far_enough_apart(
    now: JobDetail, expected: tuple[float | None, float | None, float | None]
) -> None:
    pace = PartitionPace()
    pace.told(KEY, at(0, 100, 500.0))
    part = pace.told(KEY, now).partitions[0]
    assert (part.read_per_second, part.pending_change_per_second, part.catch_up_seconds) == expected


@pytest.mark.parametrize(("seconds", "per_second"), [(180.0, 10.0), (180.001, 5.0)])
def test_the_pace_of_a_partition_is_of_the_oldest_answer_of_three_minutes(seconds: float, per_second: float) -> None:
    pace = PartitionPace()
    pace.told(KEY, at(0, 0, None))
    pace.told(KEY, at(100, 1_400, None))
    told = pace.told(KEY, at(seconds, 1_800, None)).partitions[0]
    assert told.read_per_second == pytest.approx(per_second, rel=1e-3)


def test_a_job_with_the_id_of_another_one_has_its_own_pace() -> None:
    pace = PartitionPace()
    pace.told(JobKey("lab", "shop", "orders"), at(0, 100, 500.0))
    assert pace.told(KEY, at(20, 600, 300.0)).partitions[0].read_per_second is None


def test_a_job_without_partitions_has_no_pace() -> None:
    assert paced(JobDetail("a" * 32, NOW_MS), []) == JobDetail("a" * 32, NOW_MS)


def test_a_partition_that_waits_is_told_with_its_pace() -> None:
    part = PartitionDetail("src", "orders", 3, 0, 1, 300.0, 25.0, -10.0, 30.0)
    waiting = with_vertex(held_up(), "src", pending_records=Spread(sum=300.0, max=300.0))
    ill = evidence(waiting, [sample(6, backpressured_ratio=0.9)], detail=detail(partitions=(part,)))
    texts = {each.text: each.value for each in named("backpressure", ill).evidence}
    assert texts["read from partition 3 of orders"] == 25.0
    assert texts["seconds until partition 3 of orders is read, at this pace"] == 30.0
