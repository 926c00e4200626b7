"""The doctor on checkpoints, state and watermarks: found, left alone, not known."""

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.model.facts import (
    CheckpointPhases,
    JobFacts,
    RestoredFacts,
    Spread,
)
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, failing, with_vertex
from tests.unit.doctor_cases import above_info, detail, evidence, found, held_up, job, sample, why_not

# ---- checkpoint-timeout


def phases(**seconds: float) -> CheckpointPhases:
    return CheckpointPhases("vertex work", **{f"{name}_seconds": value for name, value in seconds.items()})  # type: ignore[arg-type]


def test_expired_checkpoints_with_slow_storage_are_their_own_cause() -> None:
    slow = detail(checkpoint_phases=(phases(start_delay=0.1, sync=0.1, **{"async": 9.0}),))
    finding = found("checkpoint-timeout", evidence(job(checkpoints=failing(3)), detail=slow))
    assert finding is not None
    assert (finding.severity, finding.caused_by) == ("critical", None)
    assert "storage" in finding.title


def test_checkpoints_that_wait_behind_records_follow_from_backpressure() -> None:
    late = detail(checkpoint_phases=(phases(start_delay=9.0, sync=0.1),))
    facts = msgspec.structs.replace(held_up(), checkpoints=failing(1))
    diagnosis = diagnose(evidence(facts, detail=late))
    assert [(each.code, each.caused_by) for each in diagnosis.findings] == [
        ("backpressure", None),
        ("checkpoint-timeout", "backpressure"),
    ]


def test_a_synchronous_part_that_blocks_is_the_cause_of_backpressure() -> None:
    blocked = detail(checkpoint_phases=(phases(start_delay=0.5, sync=9.0),))
    facts = msgspec.structs.replace(held_up(), checkpoints=failing(1))
    diagnosis = diagnose(evidence(facts, detail=blocked))
    assert [each.code for each in diagnosis.findings] == ["checkpoint-timeout", "backpressure"]


def test_what_is_set_already_is_no_remedy() -> None:
    slow = detail(checkpoint_phases=(phases(start_delay=0.1, sync=0.1, **{"async": 9.0}),))
    incremental = "execution.checkpointing.incremental"
    missing = found("checkpoint-timeout", evidence(job(checkpoints=failing(3)), detail=slow))
    assert missing is not None
    assert missing.next == f"flinkops upgrade orders --savepoint --set {incremental}=true --plan"
    facts = job(checkpoints=failing(3), configuration={incremental: "true"})
    there = found("checkpoint-timeout", evidence(facts, detail=slow))
    assert there is not None
    assert incremental not in [each.key for each in there.remedy]
    assert there.next == "flinkops status orders"


def test_other_failures_and_fast_checkpoints_are_no_timeouts() -> None:
    assert found("checkpoint-timeout", evidence(job(checkpoints=failing(2, "the task failed")))) is None
    assert found("checkpoint-timeout", evidence()) is None


def test_a_checkpoint_near_its_timeout_is_a_warning_but_not_beside_a_savepoint() -> None:
    done = checkpoint(9, NOW_MS - 60_000, duration_seconds=550.0)
    slow = checkpoints(history=(done,), latest_completed=done)
    finding = found("checkpoint-timeout", evidence(job(checkpoints=slow)))
    assert finding is not None
    assert finding.severity == "warning"
    saving = checkpoint(10, NOW_MS - 5_000, status="IN_PROGRESS", is_savepoint=True)
    beside = evidence(job(checkpoints=msgspec.structs.replace(slow, history=(saving, done))))
    assert above_info(diagnose(beside)) == []


def test_checkpoints_unknown_are_said() -> None:
    facts = job(checkpoints=None, unknown={"checkpoints": "timed out"})
    assert why_not("checkpoint-timeout", evidence(facts)) == "timed out"
    assert why_not("state-bloat", evidence(facts)) == "timed out"


# ---- state-bloat


def growing(*sizes: int) -> JobFacts:
    """Completed checkpoints, oldest first, 10 s apart."""
    history = tuple(
        checkpoint(index, NOW_MS - 10_000 * (len(sizes) - index), state_size_bytes=size)
        for index, size in enumerate(sizes)
    )[::-1]
    return job(checkpoints=checkpoints(history=history, latest_completed=history[0]))


STEADY = tuple(2_000_000 + 1_000_000 * index for index in range(10))


FLAT_INPUT = [sample(20, records_in_per_second=200.0), sample(10, records_in_per_second=200.0)]


def test_steady_growth_under_flat_input_is_bloat() -> None:
    finding = found("state-bloat", evidence(growing(*STEADY), FLAT_INPUT))
    assert finding is not None
    assert finding.severity == "warning"
    assert finding.evidence[0].value == pytest.approx(360_000_000)
    assert any(each.key == "table.exec.state.ttl" for each in finding.remedy)
    assert any("no time to live is known" in each.text for each in finding.evidence)
    assert finding.next == "flinkops upgrade orders --savepoint --set 'table.exec.state.ttl=24 h' --plan"


def test_growth_that_slows_is_a_state_that_fills() -> None:
    slowing = [round(10_000_000 * (1 - 0.7**index)) + 1_000_000 for index in range(10)]
    assert found("state-bloat", evidence(growing(*slowing), FLAT_INPUT)) is None


def test_a_size_that_falls_with_each_compaction_does_not_grow() -> None:
    saw = [1_527_000, 1_890_000, 2_253_000, 2_619_000, 1_530_000, 1_900_000, 2_267_000, 2_628_000, 1_527_000, 1_893_000]
    assert found("state-bloat", evidence(growing(*saw), FLAT_INPUT)) is None
    for start in range(4):
        assert found("state-bloat", evidence(growing(*saw[start:], *saw[:start]), FLAT_INPUT)) is None


def test_growth_with_a_growing_input_is_not_judged() -> None:
    past = [sample(20, records_in_per_second=50.0)]
    assert "input rises" in (why_not("state-bloat", evidence(growing(*STEADY), past)) or "")


@pytest.mark.parametrize(("uptime_seconds", "judged"), [(100, False), (400, True)])
def test_growth_while_a_backlog_was_worked_off_at_the_start_is_not_judged(uptime_seconds: int, judged: bool) -> None:
    """Ten times what comes now came in on average since the start; of a longer run the newest checkpoints tell."""
    facts = growing(*STEADY)
    began = msgspec.structs.replace(facts, running_since_ms=NOW_MS - 1000 * uptime_seconds)
    read = 2_000.0 * uptime_seconds
    sources = [each for each in began.vertices if not each.upstream]
    many = with_vertex(began, sources[0].id, records_in=read, records_out=read)
    why = why_not("state-bloat", evidence(many, FLAT_INPUT))
    assert ("the input fell" in (why or "")) is not judged


def test_a_young_job_and_one_within_its_time_to_live_are_too_young() -> None:
    assert "too young" in (why_not("state-bloat", evidence(growing(*STEADY[:3]), FLAT_INPUT)) or "")
    kept = msgspec.structs.replace(growing(*STEADY), configuration={"table.exec.state.ttl": "24 h"})
    assert "time to live" in (why_not("state-bloat", evidence(kept, FLAT_INPUT)) or "")


def test_a_window_that_the_plan_tells_of_fills_for_as_long() -> None:
    uptime = evidence(growing(*STEADY)).assessment.uptime_seconds
    assert uptime is not None
    filling = with_vertex(growing(*STEADY), "work", window_seconds=uptime + 1)
    assert "keeps what came for" in (why_not("state-bloat", evidence(filling, FLAT_INPUT)) or "")
    full = with_vertex(growing(*STEADY), "work", window_seconds=uptime)
    assert found("state-bloat", evidence(full, FLAT_INPUT))
    elsewhere = detail(checkpoint_phases=(CheckpointPhases("vertex src", state_size_bytes=9),))
    assert found("state-bloat", evidence(filling, FLAT_INPUT, detail=elsewhere))
    there = detail(checkpoint_phases=(CheckpointPhases("vertex work", state_size_bytes=9),))
    assert found("state-bloat", evidence(filling, FLAT_INPUT, detail=there)) is None


@pytest.mark.parametrize(("behind_seconds", "bloated"), [(69.9, False), (70.1, True)])
def test_windows_that_end_give_up_what_they_kept(behind_seconds: float, bloated: bool) -> None:
    there = detail(checkpoint_phases=(CheckpointPhases("vertex work", state_size_bytes=9),))
    mark = NOW_MS - behind_seconds * 1000
    windows = with_vertex(growing(*STEADY), "work", window_seconds=10.0, watermark_ms=Spread(min=mark, max=mark))
    assert bool(found("state-bloat", evidence(windows, FLAT_INPUT, detail=there))) is bloated
    elsewhere = detail(checkpoint_phases=(CheckpointPhases("vertex src", state_size_bytes=9),))
    assert found("state-bloat", evidence(windows, FLAT_INPUT, detail=elsewhere))


# ---- watermark-delay


def test_a_watermark_from_the_future() -> None:
    facts = with_vertex(job(), "work", watermark_ms=Spread(min=NOW_MS + 300_000, max=NOW_MS + 300_000))
    finding = found("watermark-delay", evidence(facts))
    assert finding is not None
    assert "future" in finding.title
    assert finding.evidence[0].value == pytest.approx(300)


def test_an_input_without_a_watermark_holds_the_others() -> None:
    ahead = Spread(max=float(NOW_MS))
    facts = with_vertex(job(), "src", watermark_ms=ahead, watermark_none_yet=True)
    facts = with_vertex(facts, "work", watermark_ms=None, watermark_none_yet=True)
    finding = found("watermark-delay", evidence(facts))
    assert finding is not None
    assert (finding.severity, finding.vertex) == ("warning", "vertex src")


def test_a_job_without_event_time_has_no_watermark_and_no_finding() -> None:
    facts = job()
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=None, watermark_none_yet=True)
    ill = evidence(facts)
    assert found("watermark-delay", ill) is None
    assert why_not("watermark-delay", ill)


def test_a_watermark_that_stands_still_while_records_come_in() -> None:
    facts = job()
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=Spread(min=NOW_MS - 90_000, max=NOW_MS - 90_000))
    past = [sample(40, skew_seconds=50.0), sample(20, skew_seconds=70.0)]
    finding = found("watermark-delay", evidence(facts, past))
    assert finding is not None
    assert "stands still" in finding.title
    assert finding.evidence[0].value == pytest.approx(0.0)


def test_one_subtask_far_behind_the_others() -> None:
    apart = Spread(min=NOW_MS - 200_000, max=NOW_MS - 5_000)
    finding = found("watermark-delay", evidence(with_vertex(job(), "src", watermark_ms=apart)))
    assert finding is not None
    assert (finding.severity, finding.vertex, finding.evidence[0].value) == ("warning", "vertex src", 195.0)
    near = Spread(min=NOW_MS - 40_000, max=NOW_MS - 5_000)
    assert found("watermark-delay", evidence(with_vertex(job(), "src", watermark_ms=near))) is None


def test_old_data_that_is_being_caught_up_with_is_info() -> None:
    facts = job()
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=Spread(min=NOW_MS - 9_000_000, max=NOW_MS - 9_000_000))
    past = [sample(40, skew_seconds=9_400.0), sample(20, skew_seconds=9_200.0)]
    finding = found("watermark-delay", evidence(facts, past))
    assert finding is not None
    assert finding.severity == "info"


def test_watermark_delay_follows_from_backpressure() -> None:
    facts = held_up()
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=Spread(min=NOW_MS - 900_000, max=NOW_MS - 900_000))
    assert [each.code for each in diagnose(evidence(facts)).findings] == ["backpressure", "watermark-delay"]


REFUSED = "Asynchronous task checkpoint failed."


@pytest.mark.parametrize(
    ("count", "failure", "severity"),
    [
        (1, REFUSED, None),
        (2, REFUSED, "warning"),
        (3, REFUSED, "critical"),
        (3, "Failure to finalize checkpoint. Failure reason: a.IOException: Read-only file system", "critical"),
        (3, "The job has failed.", None),
        (3, "Checkpoint was declined (task is closing)", None),
    ],
)
def test_checkpoints_that_are_refused(count: int, failure: str, severity: str | None) -> None:
    finding = found("checkpoint-timeout", evidence(job(checkpoints=failing(count, failure))))
    assert (finding.severity if finding else None) == severity
    if finding:
        assert f"The last {count} checkpoints failed" in finding.title
        assert any("storage" in each.text for each in finding.remedy)


def test_growth_that_is_slower_than_its_mean_since_the_start_has_slowed() -> None:
    """A key space that is nearly full: it still grows, by less than it did on average."""
    facts = growing(*(9_000_000 + 200_000 * index for index in range(10)))
    started = msgspec.structs.replace(facts, running_since_ms=NOW_MS - 110_000)
    assert found("state-bloat", evidence(facts, FLAT_INPUT))
    assert found("state-bloat", evidence(started, FLAT_INPUT)) is None
    points = started.checkpoints
    assert points is not None
    restored = msgspec.structs.replace(points, restored=RestoredFacts(1, NOW_MS - 100_000, is_savepoint=True))
    assert found("state-bloat", evidence(msgspec.structs.replace(started, checkpoints=restored), FLAT_INPUT))


def test_without_completed_checkpoints_what_rocksdb_keeps_is_watched() -> None:
    none = msgspec.structs.replace(job(), checkpoints=checkpoints(history=(), latest_completed=None))
    stored = with_vertex(none, "work", state_sst_bytes=Spread(sum=20e6, max=20e6))
    past = [sample(4.0 * each, stored_bytes=round(20e6 - 400_000 * each)) for each in range(10, 0, -1)]
    finding = found("state-bloat", evidence(stored, past))
    assert finding is not None
    assert "too young" in (why_not("state-bloat", evidence(stored, past[-7:])) or "")


@pytest.mark.parametrize(
    ("uptime_seconds", "bytes_in", "restored", "polls", "is_named"),
    [
        (101, 20_000_000, False, 9, False),  # 190 kB/s stay of 2 MB/s that come in: a tenth
        (101, 9_000_000, False, 9, True),
        (101, 9_000_000, False, 8, False),
        (601, 120_000_000, False, 2, True),
        (101, 20_000_000, True, 2, True),
        (101, 0, False, 2, True),
    ],
)
def test_of_a_young_start_a_growth_of_which_little_stays_may_be_keys_that_fill(
    uptime_seconds: int, bytes_in: int, restored: bool, polls: int, is_named: bool
) -> None:
    size = 1_900_000
    facts = growing(*(size * (each + 1) for each in range(10)))
    facts = msgspec.structs.replace(facts, running_since_ms=NOW_MS - 1000 * uptime_seconds, restarts=0)
    if restored:
        assert facts.checkpoints is not None
        of_state = RestoredFacts(1, NOW_MS - 101_000, is_savepoint=True)
        facts = msgspec.structs.replace(
            facts, checkpoints=msgspec.structs.replace(facts.checkpoints, restored=of_state)
        )
    rate = Spread(min=50.0, max=50.0, avg=50.0, sum=100.0)
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, records_in_per_second=rate, records_in=1_000, bytes_in=bytes_in)
    flat = [sample(2 * ago, records_in_per_second=100.0) for ago in range(polls, 0, -1)]
    largest = CheckpointPhases("vertex work", state_size_bytes=9)
    ill = evidence(facts, flat, detail=detail(checkpoint_phases=(largest,)))
    assert (found("state-bloat", ill) is not None) is is_named, why_not("state-bloat", ill)


def test_where_checkpoints_complete_files_that_are_not_compacted_yet_are_no_growth() -> None:
    """As first seen on a job of a hundred keys, whose sixth checkpoint was its last: its network was cut."""
    few = msgspec.structs.replace(
        job(), checkpoints=checkpoints(history=(checkpoint(2, NOW_MS - 10_000), checkpoint(1, NOW_MS - 15_000)))
    )
    stored = with_vertex(few, "work", state_sst_bytes=Spread(sum=20e6, max=20e6))
    past = [sample(4.0 * each, stored_bytes=round(20e6 - 400_000 * each)) for each in range(10, 0, -1)]
    assert found("state-bloat", evidence(stored, past)) is None
    assert "of 9 completed checkpoints" in (why_not("state-bloat", evidence(stored, past)) or "")


@pytest.mark.parametrize(
    ("stored", "settings", "increment", "bloated"),
    [
        (5_500_000, {}, 1, True),
        (5_499_999, {}, 1, False),
        (None, {"execution.checkpointing.incremental": "true"}, 8_799_999, True),
        (None, {"execution.checkpointing.incremental": "true"}, 8_800_000, False),
        (None, {}, 11_000_000, True),
    ],
)
def test_the_list_of_rocksdbs_files_is_no_state(
    stored: int | None, settings: dict[str, str], increment: int, bloated: bool
) -> None:
    facts = msgspec.structs.replace(growing(*STEADY), configuration=settings)
    points = facts.checkpoints
    assert points is not None
    assert points.latest_completed is not None
    newest = msgspec.structs.replace(points.latest_completed, checkpointed_size_bytes=increment)
    facts = msgspec.structs.replace(facts, checkpoints=msgspec.structs.replace(points, latest_completed=newest))
    if stored is not None:
        facts = with_vertex(facts, "work", state_sst_bytes=Spread(sum=float(stored), max=float(stored)))
    assert bool(found("state-bloat", evidence(facts, FLAT_INPUT))) is bloated


@pytest.mark.parametrize("whole", [True, False])
def test_checkpoints_that_share_nothing_are_of_a_state_on_the_heap(whole: bool) -> None:
    """A job's own state.backend.type is not shown: the cluster's settings say RocksDB, incremental."""
    facts = msgspec.structs.replace(growing(*STEADY), configuration={"execution.checkpointing.incremental": "true"})
    points = facts.checkpoints
    assert points is not None
    anew = [
        msgspec.structs.replace(each, checkpointed_size_bytes=(each.state_size_bytes or 0) - (index == 4 and not whole))
        for index, each in enumerate(points.history)
    ]
    points = msgspec.structs.replace(points, history=tuple(anew), latest_completed=anew[0])
    ill = evidence(msgspec.structs.replace(facts, checkpoints=points), FLAT_INPUT)
    assert bool(found("state-bloat", ill)) is whole


KEPT = [
    (63, 420, 99),
    (60, 1700, 411),
    (57, 3000, 722),
    (54, 4300, 1036),
    (51, 5000, 1192),
    (42, 7700, 1817),
    (39, 9000, 2131),
]
"""Seconds ago, records and thousands of bytes of a job in the lab whose records have each a key of their own."""


@pytest.mark.parametrize(("last_bytes", "bloated"), [(4_260_000, True), (3_850_000, True), (3_800_000, False)])
def test_a_record_that_leaves_less_than_those_before_it_met_its_key(last_bytes: int, bloated: bool) -> None:
    past = [sample(ago, accepted_records=count, state_bytes=1000 * size) for ago, count, size in KEPT[:5]]
    for step in range(1, 7):
        size = round(1_192_000 + (last_bytes - 1_192_000) * step / 6)
        past.append(sample(48 - 7 * step, accepted_records=5000 + round(2170 * step), state_bytes=size))
    facts = growing(*STEADY)
    ill = evidence(facts, past)
    assert bool(found("state-bloat", ill)) is bloated


@pytest.mark.parametrize(
    ("name", "settings", "uptime_seconds", "limit", "is_named"),
    [
        ("Join[11] -> Calc[12]", {}, 599, None, False),
        ("Join[11] -> Calc[12]", {}, 600, None, True),
        ("Join[11] -> Calc[12]", {"table.exec.state.ttl": "60 s"}, 599, None, True),
        ("Join[11] -> Calc[12]", {"table.exec.state.ttl": "0"}, 599, None, False),
        ("count", {}, 599, None, True),
        ("join[x] -> prices[1]", {}, 599, None, True),
        ("Join[11] -> Calc[12]", {}, 599, 40_000_000, True),  # an hour is left at this growth, and less
    ],
)
def test_a_young_state_in_sql_may_have_a_time_to_live_that_flink_does_not_show(
    name: str, settings: dict[str, str], uptime_seconds: int, limit: int | None, is_named: bool
) -> None:
    facts = with_vertex(growing(*STEADY), "work", name=name, state_sst_bytes=Spread(sum=12e6, max=12e6))
    facts = msgspec.structs.replace(
        facts, configuration=settings, running_since_ms=NOW_MS - 1000 * uptime_seconds, restarts=0
    )
    flat = [sample(10.0 * each, records_in_per_second=200.0) for each in range(20, 0, -1)]
    given = evidence(facts, flat)
    if limit is not None:
        outlook = given.assessment.outlook
        assert outlook is not None
        near = msgspec.structs.replace(outlook, limit_bytes=limit)
        given = msgspec.structs.replace(given, assessment=msgspec.structs.replace(given.assessment, outlook=near))
    assert (found("state-bloat", given) is not None) is is_named
    assert ("time to live" in (why_not("state-bloat", given) or "")) is not is_named
