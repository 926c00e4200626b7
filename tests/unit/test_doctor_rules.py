"""Each rule of the doctor: what it names, what it leaves alone, and what it says when it cannot know."""

from pathlib import Path

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import FlameSample
from flinkops.diagnose.rules import RULES
from flinkops.model.detail import FlameGraph, FlameGraphNode
from flinkops.model.facts import (
    CheckpointPhases,
    JobFacts,
    Spread,
)
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, failing, spread, with_vertex
from tests.unit.doctor_cases import above_info, detail, evidence, flames, found, job, manager, sample, thrown, why_not


def held_up(**work: object) -> JobFacts:
    """`work` takes less than it is given."""
    facts = with_vertex(job(), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    return with_vertex(facts, "work", **{"busy_ratio": spread(0.98), **work})


def test_a_healthy_job_has_nothing_and_all_that_can_be_asked_was_asked() -> None:
    diagnosis = diagnose(evidence())
    assert diagnosis.findings == ()
    assert diagnosis.score == 100
    assert {each.code for each in diagnosis.not_assessed} == {
        "serialization",
        "partitions-below-parallelism",
        "state-bloat",
    }


# ---- backpressure


def test_backpressure_names_the_vertex_and_scales_it() -> None:
    finding = found("backpressure", evidence(held_up()))
    assert finding is not None
    assert (finding.severity, finding.vertex) == ("warning", "vertex work")
    assert finding.next == "flinkops rescale orders --vertex work=4 --plan"
    assert finding.evidence[0].value == 0.9
    assert finding.evidence[0].limit == 0.5


def test_backpressure_is_critical_when_nothing_moves_and_more_waits_each_time() -> None:
    facts = with_vertex(held_up(), "src", pending_records=spread(900.0))
    past = [sample(10, backpressured_ratio=0.9, pending_records=100.0)]
    finding = found("backpressure", evidence(facts, past))
    assert finding is not None
    assert finding.severity == "critical"


def test_backpressure_at_one_poll_alone_is_none() -> None:
    assert found("backpressure", evidence(held_up(), [sample(10, backpressured_ratio=0.1)])) is None


def test_scaling_ends_at_the_partitions_of_a_source_and_the_key_groups() -> None:
    finding = found("backpressure", evidence(held_up(max_parallelism=3)))
    assert finding is not None
    assert finding.next == "flinkops rescale orders --vertex work=3 --plan"


def test_a_busy_vertex_that_waits_for_a_call_is_told_from_one_that_works() -> None:
    calling = flames("work", java__net__SocketInputStream__socketRead=180, orders__Work__count=20)
    finding = found("backpressure", evidence(held_up(), flame_graphs=[calling]))
    assert finding is not None
    assert "(external)" in finding.title
    working = flames("work", orders__Work__count=200)
    finding = found("backpressure", evidence(held_up(), flame_graphs=[working]))
    assert finding is not None
    assert "(capacity)" in finding.title


def test_of_a_young_job_whose_stacks_are_still_sampled_backpressure_is_info() -> None:
    young = msgspec.structs.replace(held_up(), running_since_ms=NOW_MS - 60_000)
    sampling = FlameSample("work", FlameGraph(why="later", pending=True))
    off = FlameSample("work", FlameGraph(why="switched off"))
    severities = [
        getattr(found("backpressure", evidence(young, flame_graphs=[each])), "severity", None)
        for each in (sampling, off)
    ]
    assert severities == ["info", "warning"]


def test_backpressure_unknown_is_said() -> None:
    facts = with_vertex(job(), "work", backpressured_ratio=None)
    assert "backPressuredTimeMsPerSecond" in (why_not("backpressure", evidence(facts)) or "")


# ---- key-skew


def test_key_skew_comes_before_the_backpressure_that_it_makes() -> None:
    uneven = Spread(min=5.0, max=95.0, avg=50.0, sum=100.0)
    facts = held_up(records_in_per_second=uneven, busy_ratio=Spread(min=0.1, max=1.0, avg=0.55, sum=1.1))
    diagnosis = diagnose(evidence(facts))
    assert [(each.code, each.caused_by) for each in diagnosis.findings] == [
        ("key-skew", None),
        ("backpressure", "key-skew"),
    ]
    advice = [*(each.next for each in diagnosis.findings), *(each.text for each in diagnosis.findings[1].remedy)]
    assert not [text for text in advice if "rescale" in text or "Scale" in text]  # a key is always at one subtask


def test_even_keys_are_no_skew_and_unknown_rates_are_said() -> None:
    even = Spread(min=49.0, max=51.0, avg=50.0, sum=100.0)
    assert found("key-skew", evidence(held_up(records_in_per_second=even))) is None
    nothing = with_vertex(with_vertex(job(), "work", records_in_per_second=None), "sink", records_in_per_second=None)
    assert why_not("key-skew", evidence(nothing))


def uneven_source(**fields: object) -> JobFacts:
    given = {
        "parallelism": 2,
        "records_in_per_second": Spread(min=5.0, max=95.0, avg=50.0, sum=100.0),
        "busy_ratio": Spread(min=0.1, max=1.0, avg=0.55, sum=1.1),
        "pending_records": Spread(min=0.0, max=9_000.0, avg=4_500.0, sum=9_000.0),
    }
    return with_vertex(job(), "src", **{**given, **fields})


def test_uneven_partitions_are_named_at_the_source() -> None:
    finding = found("key-skew", evidence(uneven_source()))
    assert finding is not None
    assert (finding.severity, finding.vertex) == ("warning", "vertex src")
    assert finding.title.startswith("Partition skew: one subtask")
    assert not [each for each in finding.remedy if "salt" in each.text]


@pytest.mark.parametrize(
    "fields",
    [
        {"parallelism": 1},
        {"records_in_per_second": Spread(min=49.0, max=51.0, avg=50.0, sum=100.0)},
        {"busy_ratio": Spread(min=0.1, max=0.6, avg=0.35, sum=0.7)},
        {"busy_ratio": Spread(min=0.9, max=1.0, avg=0.95, sum=1.9)},
        {"pending_records": Spread(min=0.0, max=900.0, avg=450.0, sum=900.0)},
        {"pending_records": None},
    ],
    ids=["one subtask", "even", "idle", "all busy", "nothing waits", "not known whether any wait"],
)
def test_a_source_that_keeps_up_has_no_skew(fields: dict[str, object]) -> None:
    assert found("key-skew", evidence(uneven_source(**fields))) is None


# ---- serialization

JSON = flames("work", com__fasterxml__jackson__core__JsonFactory__createParser=150, orders__Work__count=50)


def test_serialization_is_the_cause_of_backpressure() -> None:
    diagnosis = diagnose(evidence(held_up(), flame_graphs=[JSON]))
    assert [(each.code, each.caused_by) for each in diagnosis.findings] == [
        ("serialization", None),
        ("backpressure", "serialization"),
    ]
    first = diagnosis.findings[0]
    assert first.evidence[0].value == pytest.approx(0.75)
    assert first.next == "flinkops rescale orders --vertex work=4 --plan"  # until the format has changed
    assert "JSON" in first.title


def test_what_a_deserialiser_hands_on_is_the_jobs_own_work() -> None:
    inner = FlameGraphNode("orders.Work.processElement:12", 190, (FlameGraphNode("orders.Work.count:3", 190),))
    parse = FlameGraphNode("org.apache.flink.api.common.serialization.JsonDeserializer.deserialize:4", 200, (inner,))
    graph = FlameGraph(at_ms=NOW_MS, root=FlameGraphNode("root", 200, (parse,)))
    sampled = msgspec.structs.replace(JSON, graph=graph)
    assert found("serialization", evidence(held_up(), flame_graphs=[sampled])) is None


@pytest.mark.parametrize("sampled", [None, "work", "src"])
def test_a_python_operator_that_holds_others_up_is_named_whatever_stacks_say_in_passing(sampled: str | None) -> None:
    some = [flames(sampled, PojoSerializer__serialize=35, orders__Work__count=65)] if sampled else []
    ill = evidence(held_up(), detail=detail(plan={"work": "PythonCalc(select=[trim(note)])"}), flame_graphs=some)
    first, *rest = [each for each in diagnose(ill).findings if each.severity != "info"]
    assert (first.code, first.vertex) == ("serialization", "vertex work")
    assert [(each.code, each.caused_by) for each in rest] == [("backpressure", "serialization")]


@pytest.mark.parametrize(("busy", "severity"), [(0.6, "info"), (0.68, "warning")])
def test_much_serialization_with_room_to_spare_is_info_until_it_takes_half_the_time(busy: float, severity: str) -> None:
    facts = with_vertex(job(), "work", busy_ratio=spread(busy))
    finding = found("serialization", evidence(facts, flame_graphs=[JSON]))
    assert finding is not None
    assert finding.severity == severity


def test_without_a_flame_graph_serialization_is_not_assessed() -> None:
    off = msgspec.structs.replace(JSON, graph=FlameGraph(why="flame graphs are switched off"))
    assert why_not("serialization", evidence(flame_graphs=[off])) == "flame graphs are switched off"
    assert why_not("serialization", evidence(unknown={"flame_graphs": "timed out"})) == "timed out"


# ---- gc-pressure


@pytest.mark.parametrize(("ratio", "severity"), [(0.05, None), (0.15, "info"), (0.25, "warning"), (0.6, "critical")])
def test_gc_pressure(ratio: float, severity: str | None) -> None:
    finding = found("gc-pressure", evidence(detail=detail(taskmanagers=(manager(ratio),))))
    assert (finding.severity if finding else None) == severity


def test_gc_pressure_is_behind_backpressure_and_unknown_without_taskmanagers() -> None:
    ill = evidence(held_up(), detail=detail(taskmanagers=(manager(0.7),)))
    assert [each.code for each in diagnose(ill).findings] == ["gc-pressure", "backpressure"]
    assert why_not("gc-pressure", evidence(detail=None, unknown={"detail": "not asked"})) == "not asked"
    assert why_not("gc-pressure", evidence(detail=detail(taskmanagers=(manager(None),))))
    waiting = evidence(job(state="CREATED"), detail=detail(taskmanagers=(manager(0.7),)))
    assert "another's" in (why_not("gc-pressure", waiting) or "")


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


def test_a_young_job_and_one_within_its_time_to_live_are_too_young() -> None:
    assert "too young" in (why_not("state-bloat", evidence(growing(*STEADY[:3]), FLAT_INPUT)) or "")
    kept = msgspec.structs.replace(growing(*STEADY), configuration={"table.exec.state.ttl": "24 h"})
    assert "time to live" in (why_not("state-bloat", evidence(kept, FLAT_INPUT)) or "")


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


# ---- all rules


def test_a_job_that_starts_up_has_nothing_above_info() -> None:
    facts = msgspec.structs.replace(held_up(), running_since_ms=NOW_MS - 10_000)
    assert above_info(diagnose(evidence(facts, flame_graphs=[JSON]))) == []


def test_a_hard_symptom_at_the_start_is_no_less_hard_and_its_cause_comes_first() -> None:
    facts = msgspec.structs.replace(held_up(), running_since_ms=NOW_MS - 20_000, checkpoints=failing(1))
    diagnosis = diagnose(evidence(facts))
    assert [(each.code, each.severity) for each in diagnosis.findings] == [
        ("backpressure", "warning"),
        ("checkpoint-timeout", "warning"),
    ]


def test_a_job_that_nobody_sees_is_not_assessed_at_all() -> None:
    diagnosis = diagnose(evidence(job(state="UNKNOWN", unknown={"state": "unreachable"})))
    assert diagnosis.score is None
    assert diagnosis.findings == ()
    assert {each.code for each in diagnosis.not_assessed} == set(RULES)


def test_a_job_that_was_ended_is_past_diagnosis() -> None:
    for state in ("CANCELED", "FINISHED"):
        diagnosis = diagnose(evidence(job(state=state, exceptions=(thrown(5), thrown(9), thrown(20)))))
        assert (diagnosis.score, diagnosis.findings) == (None, ())
        assert {each.why for each in diagnosis.not_assessed} == {f"the job has ended ({state})"}


def test_every_finding_says_what_to_do() -> None:
    facts = msgspec.structs.replace(held_up(), checkpoints=failing(3), exceptions=(thrown(5), thrown(9), thrown(20)))
    for finding in diagnose(evidence(facts, flame_graphs=[JSON])).findings:
        assert finding.remedy
        assert finding.evidence
        assert finding.next.startswith("flinkops ")
        assert finding.reference.startswith("https://")
        assert 0 <= finding.confidence <= 1


def test_the_page_has_a_row_for_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [code for code in RULES if f"| `{code}` |" not in page] == []
