"""The neighbours of the five classic failures: what each rule names, leaves alone, and cannot know."""

from typing import Any

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.model.detail import ResourceRequirement, SubtaskDetail, VertexDetail
from flinkops.model.facts import (
    ClusterFacts,
    JobFacts,
    ResourceFacts,
    StuckFacts,
)
from tests.unit.builders import NOW_MS, spread, vertex, with_vertex
from tests.unit.doctor_cases import above_info, detail, evidence, flames, found, job, manager, sample, thrown, why_not


def test_a_restart_loop_names_the_earliest_exception_after_the_last_stable_time() -> None:
    exceptions = (
        thrown(5, "a: later"),
        thrown(20, "b: later"),
        thrown(40, "x\nCaused by: c: root"),
        thrown(4_000, "old"),
    )
    finding = found("restart-loop", evidence(job(exceptions=exceptions, restarts=4)))
    assert finding is not None
    assert finding.severity == "critical"
    assert "c: root" in finding.title
    assert finding.next == "flinkops status orders"
    fresh = found("restart-loop", evidence(job(exceptions=exceptions[:3], restarts=4, started_ms=NOW_MS - 60_000)))
    assert fresh is not None
    assert fresh.next == "flinkops rollback orders --plan"


def test_one_restart_is_info_and_none_is_nothing_and_unknown_is_said() -> None:
    finding = found("restart-loop", evidence(job(exceptions=(thrown(5),), restarts=1)))
    assert finding is not None
    assert finding.severity == "info"
    assert found("restart-loop", evidence(job(exceptions=(thrown(5_000),), restarts=1))) is None
    assert why_not("restart-loop", evidence(job(restarts=2, unknown={"exceptions": "timed out"}))) == "timed out"


def test_a_failed_job_says_why() -> None:
    finding = found("restart-loop", evidence(job(state="FAILED", exceptions=(thrown(7_000),))))
    assert finding is not None
    assert finding.severity == "critical"


def test_out_of_slots_while_it_waits() -> None:
    full = ClusterFacts("prod", "2.3.0", 1, 8, 0)
    waiting = job(state="CREATED", started_ms=NOW_MS - 60_000, vertices=())
    finding = found("out-of-slots", evidence(waiting, cluster=full))
    assert finding is not None
    assert finding.severity == "critical"
    assert found("out-of-slots", evidence(waiting)) is None
    wide = found(
        "out-of-slots",
        evidence(msgspec.structs.replace(waiting, vertices=(vertex("src", parallelism=6),)), cluster=full),
    )
    assert wide is not None
    assert [each.value for each in wide.remedy if each.key == "parallelism.default"] == ["3"]
    gone = found("out-of-slots", evidence(waiting, cluster=ClusterFacts("prod", "2.3.0", 0, 0, 0)))
    assert gone is not None
    assert gone.title == "The cluster has no TaskManager"
    assert why_not("out-of-slots", evidence(waiting, cluster=None, unknown={"cluster": "not said"})) == "not said"


@pytest.mark.parametrize(("ran_seconds_ago", "named"), [(3, False), (14, False), (16, True)])
def test_a_job_waits_for_slots_since_it_was_last_seen_running(ran_seconds_ago: int, named: bool) -> None:
    """Not since its submission: the exception that says when it failed comes seconds later."""
    full = ClusterFacts("prod", "2.3.0", 0, 0, 0)
    restarting = job(state="RESTARTING", started_ms=NOW_MS - 600_000, vertices=(), exceptions=())
    past = [sample(ran_seconds_ago + 60), sample(ran_seconds_ago)]
    assert (found("out-of-slots", evidence(restarting, past, cluster=full)) is not None) is named


def test_fewer_subtasks_than_were_asked_for() -> None:
    wanted = detail(resource_requirements=(ResourceRequirement("work", 1, 8),))
    finding = found("out-of-slots", evidence(detail=wanted, cluster=ClusterFacts("prod", "2.3.0", 1, 8, 0)))
    assert finding is not None
    assert finding.severity == "warning"


def test_pods_that_do_not_come_up_are_behind_the_missing_slots() -> None:
    stuck = (
        StuckFacts("unschedulable", "orders-tm-1", "0/3 nodes are available", NOW_MS - 90_000),
        StuckFacts("unschedulable", "orders-tm-2", "0/3 nodes are available"),
        StuckFacts("image", "orders-0", "ErrImagePull \x1b[31m"),
    )
    resource = ResourceFacts("kit", "shop", "orders", "1", stuck=stuck)
    waiting = job(state="CREATED", started_ms=NOW_MS - 60_000, vertices=(), resource=resource)
    diagnosis = diagnose(evidence(waiting, cluster=ClusterFacts("prod", "2.3.0", 1, 8, 0)))
    assert [(each.code, each.caused_by) for each in diagnosis.findings] == [
        ("deployment-stuck", None),
        ("out-of-slots", "deployment-stuck"),
        ("deployment-stuck", None),
    ]
    assert found("deployment-stuck", evidence()) is None
    unseen = evidence(job(state="UNKNOWN", resource=resource, vertices=(), checkpoints=None))
    assert [each.code for each in diagnose(unseen).findings] == ["deployment-stuck", "deployment-stuck"]
    assert (diagnose(unseen).score or 100) < 60


def dry(idle_seconds: float, **fields: object) -> JobFacts:
    return with_vertex(
        job(), "src", records_in_per_second=spread(0.0), source_idle_seconds=spread(idle_seconds), **fields
    )


@pytest.mark.parametrize(
    ("facts", "past", "severity"),
    [
        (dry(60), [sample(120)], "warning"),
        (dry(60, pending_records=spread(40.0)), [], "warning"),
        (dry(60, records_in=0), [], "info"),
        (dry(5), [sample(120)], None),
    ],
)
def test_source_idle(facts: JobFacts, past: list[object], severity: str | None) -> None:
    finding = found("source-idle", evidence(facts, past))  # type: ignore[arg-type]
    assert (finding.severity if finding else None) == severity


@pytest.mark.parametrize(("flowed_seconds", "severity"), [(9.9, "info"), (10.0, "warning")])
def test_a_source_that_read_what_there_was_at_once_is_not_idle_by_fault(flowed_seconds: float, severity: str) -> None:
    facts = msgspec.structs.replace(dry(60.0), running_since_ms=NOW_MS - round(1000 * (60.0 + flowed_seconds)))
    finding = found("source-idle", evidence(facts, [sample(50, records_in_per_second=9.0)]))
    assert finding is not None
    assert finding.severity == severity


RECORDED_FLOW = (
    (114.2, 0),
    (110.8, 1452),
    (107.9, 1913),
    (104.6, 2920),
    (102.2, 3431),
    (99.0, 4434),
    (96.2, 4940),
    (92.8, 5476),
)
"""Seconds ago and records, of a stream of 22 s in the lab."""


@pytest.mark.parametrize(
    ("counts", "severity"),
    [
        (RECORDED_FLOW, "warning"),
        (RECORDED_FLOW[:5], "info"),
        (((120.0, 0), (110.0, 900), (98.0, 1000)), "info"),
        (((130.0, 0), (120.0, 900), (98.0, 1000)), "warning"),
    ],
)
def test_a_stream_that_rose_at_many_polls_was_not_read_at_once(
    counts: tuple[tuple[float, int], ...], severity: str
) -> None:
    past = [sample(ago, accepted_records=count, records_in_per_second=91.0 * bool(count)) for ago, count in counts]
    facts = msgspec.structs.replace(dry(90.0), running_since_ms=NOW_MS - 118_000)
    finding = found("source-idle", evidence(facts, [*past, sample(50, accepted_records=counts[-1][1])]))
    assert finding is not None
    assert finding.severity == severity


def test_a_source_that_has_paused_before_and_went_on_comes_in_bursts() -> None:
    steady = [sample(200, records_in_per_second=9.0), sample(100, records_in_per_second=9.0)]
    stopped = found("source-idle", evidence(dry(90.0), steady))
    assert stopped is not None
    assert stopped.severity == "warning"
    bursts = [sample(300, records_in_per_second=9.0), sample(200, records_in_per_second=0.0), *steady[1:]]
    paused = found("source-idle", evidence(dry(90.0), bursts))
    assert paused is not None
    assert paused.severity == "info"
    assert "paused before" in paused.evidence[-1].text
    waiting = found("source-idle", evidence(dry(90.0, pending_records=spread(5.0)), bursts))
    assert waiting is not None
    assert waiting.severity == "warning"


def test_source_idle_is_unknown_without_a_rate() -> None:
    assert why_not("source-idle", evidence(with_vertex(job(), "src", records_in_per_second=None)))


def test_partitions_below_parallelism() -> None:
    finding = found("partitions-below-parallelism", evidence(with_vertex(job(), "src", source_partitions=1)))
    assert finding is not None
    assert finding.severity == "info"
    assert finding.next == "flinkops rescale orders --vertex src=1 --plan"
    assert found("partitions-below-parallelism", evidence(with_vertex(job(), "src", source_partitions=2))) is None
    assert why_not("partitions-below-parallelism", evidence())


def test_override_drift() -> None:
    key = "pipeline.jobvertex-parallelism-overrides"
    finding = found("override-drift", evidence(job(configuration={key: "{work: 4, sink: 2}"})))
    assert finding is not None
    assert finding.next == "flinkops rescale orders --vertex work=4 --plan"
    assert [each.value for each in finding.remedy] == [None, "work:2,sink:2"]
    assert found("override-drift", evidence(job(configuration={key: "work:2"}))) is None
    assert found("override-drift", evidence(job(configuration={key: "work:many"}))) is None


def test_known_bug_by_version_and_make() -> None:
    key = "pipeline.jobvertex-parallelism-overrides"
    facts = job(flink_version="2.2.1", scheduler="Adaptive", configuration={key: "work:2"})
    assert found("known-bug", evidence(facts))
    assert found("known-bug", evidence(msgspec.structs.replace(facts, flink_version="2.3.0")))  # seen there too
    assert found("known-bug", evidence(msgspec.structs.replace(facts, flink_version="1.20.5"))) is None
    old = ResourceFacts("kit", "shop", "orders", "1", operator_version="1.7.0")
    finding = found("known-bug", evidence(job(resource=old)))
    assert finding is not None
    assert "FLINK-35857" in finding.title
    new = msgspec.structs.replace(old, operator_version="1.15.0")
    assert found("known-bug", evidence(job(resource=new))) is None
    assert why_not("known-bug", evidence(job(flink_version=None)))


def test_a_bug_of_the_operator_is_named_where_it_may_strike() -> None:
    def issues(**fields: str) -> set[str]:
        old = ResourceFacts("kit", "shop", "orders", "1", operator_version="1.14.0")
        resource = msgspec.structs.replace(old, **fields)
        told = diagnose(evidence(job(resource=resource))).findings
        return {each.reference.rpartition("/")[2] for each in told if each.code == "known-bug"}

    everywhere = {"FLINK-39270"}
    assert issues() == everywhere
    assert issues(session_cluster="shared") == everywhere | {"FLINK-37766"}
    assert issues(session_cluster="shared", operator_version="1.13.0") == everywhere | {"FLINK-37766", "FLINK-38858"}
    assert issues(blue_green_state="ACTIVE_BLUE") == everywhere | {"FLINK-40092", "FLINK-40119"}
    assert issues(blue_green_state="ACTIVE_BLUE", operator_version="1.16.0") == set()


def test_upgrade_hazard() -> None:
    resource = ResourceFacts("kit", "shop", "orders", "1", upgrade_mode="stateless")
    assert found("upgrade-hazard", evidence(job(resource=resource)))
    assert found("upgrade-hazard", evidence()) is None


ROCKSDB = job(configuration={"state.backend.type": "rocksdb"})
FEW = msgspec.structs.replace(manager(0.0), managed_total_bytes=1_000_000_000)
BIG = with_vertex(ROCKSDB, "work", state_sst_bytes=spread(9e9))
STORED = flames("work", org__rocksdb__RocksDB__get=60, orders__Work__count=40)


def test_a_state_far_larger_than_its_memory_is_info_by_its_size_alone() -> None:
    finding = found("managed-memory-full", evidence(BIG, detail=detail(taskmanagers=(FEW,)), flame_graphs=[STORED]))
    assert finding is not None
    assert finding.severity == "info"
    assert why_not("managed-memory-full", evidence(BIG, detail=None, unknown={"detail": "no"})) == "no"


def test_a_state_backend_that_takes_the_time_of_what_holds_others_up_is_the_cause() -> None:
    slow = with_vertex(BIG, "work", busy_ratio=spread(0.98))
    slow = with_vertex(slow, "src", backpressured_ratio=spread(0.8), busy_ratio=spread(0.1))
    parts: dict[str, Any] = {"detail": detail(taskmanagers=(FEW,)), "flame_graphs": [STORED]}
    first, second = [each for each in diagnose(evidence(slow, **parts)).findings if each.severity != "info"]
    assert (first.code, first.vertex) == ("managed-memory-full", "vertex work")
    assert first.next == "flinkops rescale orders --vertex work=4 --plan"
    assert (second.code, second.caused_by) == ("backpressure", "managed-memory-full")
    enough = msgspec.structs.replace(FEW, managed_total_bytes=9_000_000_000)
    assert found("managed-memory-full", evidence(slow, **{**parts, "detail": detail(taskmanagers=(enough,))})) is None


def test_a_job_has_only_its_slots_share_of_the_managed_memory() -> None:
    small = with_vertex(ROCKSDB, "work", state_sst_bytes=spread(5e8))
    subtasks = tuple(SubtaskDetail(index, "RUNNING", taskmanager=FEW.id) for index in range(2))
    placed = VertexDetail("work", "vertex work", 2, subtasks)
    assert found("managed-memory-full", evidence(small, detail=detail(taskmanagers=(FEW,)))) is None
    few_slots = msgspec.structs.replace(FEW, slots=20)
    assert found("managed-memory-full", evidence(small, detail=detail(taskmanagers=(few_slots,), vertices=(placed,))))


def test_memory_of_its_own_is_no_managed_memory() -> None:
    parts: dict[str, Any] = {"detail": detail(taskmanagers=(FEW,)), "flame_graphs": [STORED]}
    for value, asked in (("false", False), ("true", True)):
        settings = {**BIG.configuration, "state.backend.rocksdb.memory.managed": value}
        big = msgspec.structs.replace(BIG, configuration=settings)
        assert bool(found("managed-memory-full", evidence(big, **parts))) is asked


WRITES = {"org__rocksdb__RocksDB__put:-2": 150, "org__rocksdb__Checkpoint__createCheckpoint:-2": 7}
"""Of 160 samples of the vertex of a job in the lab that only writes, faster than RocksDB flushes and compacts."""


@pytest.mark.parametrize(
    ("stacks", "codes", "kind"),
    [
        ({**WRITES, "orders__Work__run": 3}, ["backpressure"], "(state writes)"),
        ({"org__rocksdb__RocksDB__get": 123, **WRITES}, ["backpressure"], "(state writes)"),
        (
            {"org__rocksdb__RocksDB__get": 157, **WRITES, "a__Work__run": 1},
            ["managed-memory-full", "backpressure"],
            "(capacity)",
        ),
        ({"org__rocksdb__RocksDB__put:-2": 39, "orders__Work__run": 61}, ["backpressure"], "(capacity)"),
    ],
)
def test_memory_spares_reads_and_not_the_writes_that_wait_for_the_disk(
    stacks: dict[str, int], codes: list[str], kind: str
) -> None:
    slow = with_vertex(BIG, "work", busy_ratio=spread(0.84))
    slow = with_vertex(slow, "src", backpressured_ratio=spread(0.75), busy_ratio=spread(0.1))
    ill = evidence(slow, detail=detail(taskmanagers=(FEW,)), flame_graphs=[flames("work", **stacks)])
    assert above_info(diagnose(ill)) == codes
    held = found("backpressure", ill)
    assert held is not None
    assert kind in held.title
    told = [each.key for each in held.remedy]
    assert ("state.backend.rocksdb.thread.num" in told) is (kind == "(state writes)")
