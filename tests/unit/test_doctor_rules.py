"""Each rule of the doctor: what it names, what it leaves alone, and what it says when it cannot know."""

from pathlib import Path

import msgspec
import pytest

from flinkops.diagnose.causes import in_order
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import FlameSample
from flinkops.diagnose.rules import RULES
from flinkops.diagnose.rules.state_bloat import OFF_THE_HEAP
from flinkops.model.detail import FlameGraph, FlameGraphNode
from flinkops.model.facts import ExceptionFacts, JobFacts, Spread
from flinkops.model.findings import FailureKind, Finding
from tests.unit.builders import NOW_MS, failing, spread, with_vertex
from tests.unit.doctor_cases import (
    above_info,
    detail,
    evidence,
    flames,
    found,
    held_up,
    job,
    manager,
    sample,
    thrown,
    why_not,
)


def test_a_healthy_job_has_nothing_and_all_that_can_be_asked_was_asked() -> None:
    diagnosis = diagnose(evidence())
    assert diagnosis.findings == ()
    assert diagnosis.score == 100
    assert {each.code for each in diagnosis.not_assessed} == {
        "serialization",
        "clock-skew",
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
    waiting = with_vertex(held_up(), "src", pending_records=Spread(sum=900.0, max=900.0))
    young = msgspec.structs.replace(waiting, running_since_ms=NOW_MS - 60_000)
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


@pytest.mark.parametrize(("seconds", "named"), [(25.0, True), (10.0, True), (9.9, False)])
@pytest.mark.parametrize("waiting", [Spread(min=0.0, max=0.0, avg=0.0, sum=0.0), None])
def test_uneven_partitions_are_named_by_the_age_of_what_is_emitted_where_nothing_waits_at_this_fetch(
    seconds: float, named: bool, waiting: Spread | None
) -> None:
    lag = Spread(min=0.05, max=seconds)
    assert bool(found("key-skew", evidence(uneven_source(pending_records=waiting, source_emit_lag_seconds=lag)))) is (
        named
    )


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


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "org.apache.kafka.common.errors.InvalidPidMappingException: The producer attempted to use",
            "kafka-transaction",
        ),
        ("a.B: x\nCaused by: org.apache.kafka.common.errors.ProducerFencedException: newer epoch", "kafka-transaction"),
        ("java.io.IOException: No space left on device", "disk-full"),
        ("org.apache.kafka.common.errors.TopicAuthorizationException: Not authorized", "credentials"),
        (
            "org.apache.flink.util.FlinkRuntimeException: Exceeded checkpoint tolerable failure threshold.",
            "checkpoints",
        ),
        ("com.fasterxml.jackson.core.JsonParseException: Unexpected character", "unreadable-record"),
        ("java.util.concurrent.TimeoutException: Heartbeat of TaskManager with id tm-1 timed out.", "taskmanager-lost"),
        ("java.lang.IllegalStateException: order 3 has a negative amount", None),
        ("java.lang.IllegalStateException: MyJsonParseExceptionHandler", None),
    ],
)
def test_failures_that_the_field_knows(message: str, kind: str | None) -> None:
    thrown = tuple(ExceptionFacts(NOW_MS - 1000 * each, message.partition(":")[0], message) for each in range(3))
    finding = found("restart-loop", evidence(job(exceptions=thrown, restarts=3)))
    assert finding is not None
    assert finding.failure == kind
    assert any("it means" in each.text for each in finding.evidence) is (kind is not None)


def test_what_a_job_fails_by() -> None:
    """Its own exception is no matter of checkpoints that are refused; Flink's word for too many of them is."""
    refused = failing(3, "Asynchronous task checkpoint failed.")
    for message, caused_by in (("a.b.MyException: no", None), (TOLERATED, "checkpoint-timeout")):
        thrown = tuple(ExceptionFacts(NOW_MS - 1000 * each, "x", message) for each in range(3))
        finding = found("restart-loop", evidence(job(exceptions=thrown, restarts=3, checkpoints=refused)))
        assert finding is not None
        assert finding.caused_by == caused_by


TOLERATED = "org.apache.flink.util.FlinkRuntimeException: Exceeded checkpoint tolerable failure threshold."


def test_a_skewed_vertex_is_behind_the_backpressure_of_itself_only() -> None:
    def named(code: str, vertex: str | None) -> Finding:
        return Finding(code, "warning", 0.9, "", vertex=vertex)

    for vertex, caused_by in (("a", "key-skew"), (None, "key-skew"), ("b", None)):
        ordered = in_order([named("backpressure", vertex), named("key-skew", "a")])
        assert next(each for each in ordered if each.code == "backpressure").caused_by == caused_by


def test_only_state_on_the_heap_fills_the_heap() -> None:
    garbage = Finding("gc-pressure", "warning", 0.8, "")
    for remedies, caused_by in (((OFF_THE_HEAP,), "state-bloat"), ((), None)):
        bloat = Finding("state-bloat", "warning", 0.65, "", remedy=remedies)
        ordered = in_order([garbage, bloat])
        assert next(each for each in ordered if each.code == "gc-pressure").caused_by == caused_by
        assert next(each.code for each in ordered) == ("state-bloat" if caused_by else "gc-pressure")


@pytest.mark.parametrize(
    ("failure", "first", "follows"),
    [
        (FailureKind.NO_SLOTS, "out-of-slots", "restart-loop"),
        (FailureKind.TASKMANAGER_LOST, "out-of-slots", "restart-loop"),
        (FailureKind.KAFKA_TRANSACTION, "restart-loop", "out-of-slots"),
        (FailureKind.OUT_OF_MEMORY, "restart-loop", "out-of-slots"),
        (FailureKind.UNREADABLE_RECORD, None, None),
        (None, None, None),
    ],
)
def test_slots_are_behind_failures_for_want_of_them_only(
    failure: FailureKind | None, first: str | None, follows: str | None
) -> None:
    loop = Finding("restart-loop", "critical", 0.95, "", failure=failure)
    causes = {each.code: each.caused_by for each in in_order([loop, Finding("out-of-slots", "critical", 0.9, "")])}
    assert causes == {"restart-loop": None, "out-of-slots": None, **({follows: first} if follows else {})}


@pytest.mark.parametrize(
    ("state", "ago_seconds", "severity"),
    [("RESTARTING", 15.0, "warning"), ("RESTARTING", 14.9, "info"), ("RUNNING", 15.0, "info")],
)
def test_one_failure_from_which_it_does_not_come_back(state: str, ago_seconds: float, severity: str) -> None:
    thrown = (ExceptionFacts(NOW_MS - round(ago_seconds * 1000), "a.MyException", "a.MyException: no"),)
    finding = found("restart-loop", evidence(job(exceptions=thrown, restarts=1, state=state)))
    assert finding is not None
    assert finding.severity == severity
