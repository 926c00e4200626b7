"""The lab's own arithmetic: when symptoms begin, and what counts as named first."""

import msgspec
import pytest

from flinkops.errors import UsageError
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, ClusterFacts, JobFacts, Spread, VertexFacts
from flinkops.model.overrides import OVERRIDES
from tests.faults import symptoms
from tests.faults.case_files import read_folder
from tests.faults.cases import FOLDER, SETS
from tests.faults.results import (
    Answer,
    Asked,
    CaseResult,
    ControlResult,
    Named,
    Results,
    answered,
    as_document,
    as_text,
    compared,
    confusion,
    interval,
    joined,
    telling,
)
from tests.faults.symptoms import FACTS, Seen


def seen(at_seconds: float, slots: int | None = None, **fields: object) -> Seen:
    job = JobFacts(id="1", name="orders", cluster="lab", seen_ms=0, **{"state": "RUNNING", **fields})  # type: ignore[arg-type]
    return Seen(at_seconds, job, None if slots is None else ClusterFacts("lab", slots_available=slots))


def vertices(*last: VertexFacts, out: int = 0) -> tuple[VertexFacts, ...]:
    return (VertexFacts(id="a", name="orders", parallelism=2, status="RUNNING", records_out=out), *last)


def last(**fields: object) -> VertexFacts:
    return VertexFacts(id="b", name="out", parallelism=2, upstream=("a",), status="RUNNING", **fields)  # type: ignore[arg-type]


def checkpoint(number: int, size: int | None = None, failure: str | None = None) -> CheckpointFacts:
    return CheckpointFacts(number, "FAILED" if failure else "COMPLETED", state_size_bytes=size, failure=failure)


def points(*history: CheckpointFacts) -> CheckpointsFacts:
    return CheckpointsFacts(enabled=True, history=history)


def test_every_file_is_complete_and_its_strengths_are_not_those_tuned_on() -> None:
    tuned, reported = (read_folder(FOLDER, each)[0] for each in SETS)
    assert [(each.name, each.strength) for each in tuned] == [(each.name, each.strength) for each in reported]
    assert all(one.job != other.job for one, other in zip(tuned, reported, strict=True))
    assert {each.symptom.fact for each in tuned if each.symptom} <= FACTS.keys()
    assert len({each.name for each in tuned}) * 2 == len(tuned)
    assert {"high-load", "start-up", "rescaled", "savepoint", "idle-topic"} == {
        each.name for each in read_folder(FOLDER)[1]
    }


@pytest.mark.parametrize("fact", FACTS)
def test_a_job_of_which_nothing_is_known_has_no_symptoms(fact: str) -> None:
    limits = {each.symptom.fact: each.symptom.limit for each in read_folder(FOLDER, "tuning")[0] if each.symptom}
    value = FACTS[fact]([seen(0.0), seen(100.0)])
    assert value is None or value < limits[fact]


def test_loads_are_those_of_the_worst_subtask() -> None:
    busy = last(busy_ratio=Spread(max=0.9, avg=0.5), backpressured_ratio=Spread(max=0.2))
    polls = [seen(0.0, vertices=vertices(busy))]
    assert symptoms.busy_ratio(polls) == 0.9
    assert symptoms.busy_spread(polls) == pytest.approx(0.4)
    assert symptoms.backpressured_ratio(polls) == 0.2


def test_state_growth_counts_from_the_first_checkpoint_that_was_ever_seen() -> None:
    expired = checkpoint(8, failure="Checkpoint expired before completing.")
    polls = [
        seen(0.0, checkpoints=points(checkpoint(1, 100))),
        seen(9.0, checkpoints=points(checkpoint(9, 700), expired)),
    ]
    assert symptoms.state_growth_times(polls) == 7.0
    assert symptoms.checkpoints_expired(polls) == 1.0


def test_a_watermark_stands_only_while_records_come() -> None:
    def poll(at: float, out: int, watermark: float) -> Seen:
        return seen(at, vertices=vertices(last(watermark_ms=Spread(min=watermark, max=watermark)), out=out))

    moving = [poll(0.0, 10, 1000), poll(10.0, 20, 2000)]
    held = [*moving, poll(20.0, 20, 2000), poll(30.0, 30, 2000)]
    assert symptoms.watermark_stands_seconds(moving) == 0.0
    assert symptoms.watermark_stands_seconds(held) == 20.0
    assert symptoms.watermark_stands_seconds([*moving, poll(30.0, 20, 2000)]) == 0.0
    assert symptoms.watermark_skew_seconds(held) == 28.0
    assert symptoms.watermark_ahead_seconds([poll(1.0, 1, 9000)]) == 8.0


def test_a_source_is_idle_only_after_records_came() -> None:
    never = [seen(0.0, vertices=vertices()), seen(50.0, vertices=vertices())]
    stopped = [seen(at, vertices=vertices(out=out)) for at, out in ((0.0, 5), (10.0, 9), (45.0, 9))]
    assert symptoms.idle_seconds(never) is None
    assert symptoms.idle_seconds(stopped) == 35.0


def test_a_job_is_unplaced_while_no_slot_is_free() -> None:
    waiting = [seen(0.0, 3, state="CREATED"), seen(5.0, 0, state="CREATED"), seen(20.0, 0, state="CREATED")]
    assert symptoms.unplaced_seconds(waiting) == 15.0
    assert symptoms.unplaced_seconds([*waiting, seen(30.0, 0)]) == 0.0


def test_a_drift_lasts_from_the_first_poll_at_which_another_number_runs() -> None:
    overridden = {OVERRIDES: "b:2"}
    kept = [seen(0.0, vertices=vertices(last()), configuration=overridden)]
    other = (VertexFacts(id="b", name="out", parallelism=4),)
    drifted = [*kept, *(seen(at, vertices=other, configuration=overridden) for at in (10.0, 35.0))]
    assert symptoms.drift_seconds(kept) == 0.0
    assert symptoms.drift_seconds(drifted) == 25.0


RIGHT = CaseResult("backpressure", "weak", "backpressure", 12.0, "slow-sink")


@pytest.mark.parametrize(
    ("named_first", "seconds", "right"),
    [
        ("backpressure", 60.0, True),
        ("backpressure", -3.0, True),
        ("backpressure", 60.1, False),
        (None, None, False),
        ("key-skew", 5.0, False),
    ],
)
def test_right_is_named_first_and_in_time(named_first: str | None, seconds: float | None, right: bool) -> None:
    assert CaseResult("backpressure", "weak", named_first, seconds, "slow-sink").right is right


def test_a_control_that_was_never_asked_about_proves_nothing() -> None:
    assert ControlResult("idle", (), 5).right
    assert not ControlResult("idle", (), 0).right
    assert not ControlResult("idle", ("source-idle",), 5).right
    assert not ControlResult("idle", (), 5, problem="lost").right


def test_runs_of_a_part_each_are_joined_unless_they_have_the_same() -> None:
    one, other = Results((RIGHT,), ()), Results((CaseResult("key-skew", "weak", None, None, "hot-key"),), ())
    assert [each.case for each in joined([one, other]).cases] == ["hot-key", "slow-sink"]
    with pytest.raises(UsageError, match="slow-sink-weak"):
        joined([one, one])


def test_the_table_and_the_document_say_the_same() -> None:
    wrong = CaseResult("key-skew", "weak", "backpressure", 3.0, "hot-key")
    silent = CaseResult("key-skew", "strong", None, None, "hot-key")
    results = Results((RIGHT, wrong, silent), (ControlResult("high-load", (), 9),))
    assert confusion(results.cases) == {
        ("backpressure", "backpressure"): 1,
        ("key-skew", "backpressure"): 1,
        ("key-skew", "(nothing)"): 1,
    }
    assert not results.right
    assert Results((RIGHT,), results.controls).right
    text = as_text(results)
    assert "| key-skew | 1 | 1 |" in text
    told = "1 of 3 faults named first within 60 s (median 12 s, slowest 12 s); 1 of 1 controls without a claim"
    assert told in text
    first = as_document(results)["cases"][0]
    assert (first["injected"], first["strength"]) == ("backpressure", "slow-sink-weak")
    assert (first["named_first"], first["seconds"], first["right"]) == ("backpressure", 12.0, True)
    control = as_document(results)["controls"][0]
    assert (control["name"], control["findings_above_info"], control["right"]) == ("high-load", [], True)


def test_the_document_has_every_code_of_each_ask_in_its_order_with_its_confidence() -> None:
    named = (Named("key-skew", "warning", 0.9), Named("backpressure", "info", 0.4, caused_by="key-skew"))
    said = answered(3.04, Asked(named, {"flink-ui": ("backpressure",)}))
    assert said.codes == ("key-skew",)
    case = msgspec.structs.replace(RIGHT, answers=(said,))
    document = as_document(Results((case,), (ControlResult("idle", (), 1, answers=(said,)),)))
    asks = [
        {
            "seconds": 3.0,
            "codes": ["key-skew"],
            "baselines": {"flink-ui": ["backpressure"]},
            "findings": [
                {"code": "key-skew", "severity": "warning", "confidence": 0.9, "caused_by": None},
                {"code": "backpressure", "severity": "info", "confidence": 0.4, "caused_by": "key-skew"},
            ],
        }
    ]
    assert document["cases"][0]["answers"] == document["controls"][0]["answers"] == asks


def test_several_faults_are_judged_by_the_first_answer_that_names_them_all() -> None:
    late = [Answer(3.0, ()), Answer(6.0, ("b",)), Answer(9.0, ("a", "b")), Answer(12.0, ("b", "a"))]
    assert telling(late, ["a"]) == late[1]
    assert telling(late, ["a", "b"]) == late[2]
    assert telling(late[:2], ["a", "b"]) == late[1]
    assert telling(late[:1], ["a", "b"]) is None


def test_a_case_is_wrong_while_one_of_its_faults_is_not_named() -> None:
    both = msgspec.structs.replace(RIGHT, also=("watermark-delay",))
    assert both.right
    missed = msgspec.structs.replace(both, unnamed=("watermark-delay",))
    assert not missed.right
    text = as_text(Results((missed,), ()))
    assert "| backpressure, watermark-delay | backpressure | 12.0 | MISSED: watermark-delay |" in text


def test_the_doctor_stands_beside_the_baselines_on_the_same_asks() -> None:
    asks = (Answer(3.0, (), baselines={"flink-ui": ("restart-loop", "backpressure")}), Answer(6.0, ("backpressure",)))
    shown = msgspec.structs.replace(RIGHT, answers=asks, symptoms_after_seconds=1.0)
    broken = msgspec.structs.replace(RIGHT, answers=asks)
    assert compared((shown, broken))[2:] == [
        "| doctor | 1 | 1/1 (0.21 to 1.00) | 1/1 (0.21 to 1.00) |",
        "| flink-ui | 1 | 0/1 (0.00 to 0.79) | 1/1 (0.21 to 1.00) |",
    ]
    assert compared((RIGHT,)) == []


def test_an_interval_is_wide_for_few_and_holds_the_share() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(41, 42)
    assert 0.87 < low < 41 / 42 < high < 1.0
