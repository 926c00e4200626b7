"""Plans around savepoints: refusals, idempotent ids, files of plans."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.step_kinds import known_members
from flinkops.errors import UsageError
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts
from flinkops.model.plan import Plan, UnknownPrecondition
from flinkops.plan.identity import Stamp, decode_plan_file, derived_id, encode_plan_file, plan_hash
from flinkops.plan.preconditions import unmet
from flinkops.plan.retention import KnownSavepoint, prunable
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.plan.step_inputs import DisposeSavepoint, TriggerSavepoint
from flinkops.plan.version_1 import upgraded_plan

STAMP = Stamp("savepoint-create-1", 1_000)


def job(**changes: object) -> JobFacts:
    facts = JobFacts(
        id="a" * 32,
        name="prices",
        cluster="c",
        seen_ms=1,
        state="RUNNING",
        checkpoints=CheckpointsFacts(enabled=True),
        configuration={"execution.checkpointing.savepoint-dir": "s3://bucket/sp"},
    )
    return msgspec.structs.replace(facts, **changes)


def in_progress(*, savepoint: bool) -> CheckpointsFacts:
    return CheckpointsFacts(
        enabled=True, history=(CheckpointFacts(id=7, status="IN_PROGRESS", is_savepoint=savepoint),)
    )


def trigger(plan: Plan) -> TriggerSavepoint:
    first = plan.steps[0].do
    assert isinstance(first, TriggerSavepoint)
    return first


def test_the_clusters_directory_is_used() -> None:
    plan = plan_savepoint(job(), STAMP)
    assert plan.refused == ()
    assert trigger(plan).target_directory == "s3://bucket/sp"
    assert plan.effective_mode == "savepoint"


def test_flink_1_x_names_the_directory_otherwise() -> None:
    plan = plan_savepoint(job(configuration={"state.savepoints.dir": "hdfs:///sp"}), STAMP)
    assert trigger(plan).target_directory == "hdfs:///sp"


def test_the_given_directory_wins() -> None:
    plan = plan_savepoint(job(), STAMP, target_directory="file:///elsewhere")
    assert trigger(plan).target_directory == "file:///elsewhere"
    assert any("local path" in risk for risk in plan.risks)


@pytest.mark.parametrize(
    ("changes", "target", "word"),
    [
        ({"state": "RESTARTING"}, None, "RESTARTING"),
        ({"state": "FINISHED"}, None, "FINISHED"),
        ({"configuration": {}}, None, "--target"),
        ({}, "relative/folder", "relative"),
        ({}, "s3://bucket/a\nb", "characters"),
        ({"checkpoints": in_progress(savepoint=True)}, None, "still in progress"),
        ({"checkpoints": None}, None, "not known"),
    ],
)
def test_refused(changes: dict[str, object], target: str | None, word: str) -> None:
    plan = plan_savepoint(job(**changes), STAMP, target_directory=target)
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == ()
    assert plan.effective_mode == "fail"


def test_a_checkpoint_in_progress_is_no_obstacle() -> None:
    assert plan_savepoint(job(checkpoints=in_progress(savepoint=False)), STAMP).refused == ()


def test_an_unknown_precondition_never_holds() -> None:
    assert unmet((UnknownPrecondition("moon"),), job())


def test_a_job_that_is_gone_meets_nothing() -> None:
    assert unmet((), None)


states = st.sampled_from(["RUNNING", "FAILED", "CREATED", "RESTARTING", "UNKNOWN"])
texts = st.one_of(st.none(), st.text(max_size=30))


@given(state=states, target=texts, configured=texts, in_flight=st.booleans(), known=st.booleans())
def test_a_plan_is_either_refused_or_has_steps_and_survives_its_file(
    state: str, target: str | None, configured: str | None, in_flight: bool, known: bool
) -> None:
    settings = {} if configured is None else {"state.savepoints.dir": configured}
    checkpoints = in_progress(savepoint=in_flight) if known else None
    plan = plan_savepoint(
        job(state=state, configuration=settings, checkpoints=checkpoints), STAMP, target_directory=target
    )
    assert bool(plan.refused) != bool(plan.steps)
    again = decode_plan_file(encode_plan_file(plan), "file", known_members())
    assert again == plan
    assert plan_hash(again) == plan_hash(plan)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan, dec_hook=known_members().hook()) == plan


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_hash_tells_plans_apart(one: str, other: str) -> None:
    plans = [plan_savepoint(job(name=name), STAMP) for name in (one, other)]
    assert (plan_hash(plans[0]) == plan_hash(plans[1])) == (one == other)


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert plan_hash(plan_savepoint(job(), STAMP)) == plan_hash(plan_savepoint(job(), STAMP))


def test_an_edited_plan_file_is_refused() -> None:
    content = encode_plan_file(plan_savepoint(job(), STAMP)).replace(b"s3://bucket/sp", b"s3://bucket/xx")
    with pytest.raises(UsageError, match="changed after it was saved"):
        decode_plan_file(content, "plan.json", known_members())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda plan: plan.pop("severe"), "severe"),
        (lambda plan: plan.update(urgency="high"), "urgency"),
        (lambda plan: plan["steps"][0].pop("only_reads"), "steps.0.only_reads"),
    ],
)
def test_a_plan_of_another_build_is_called_that_and_not_edited(
    change: Callable[[dict[str, Any]], object], field: str
) -> None:
    """Its fields are others, whatever its hash: what it lacks would be made up, what it has more would be left out."""
    document = json.loads(encode_plan_file(plan_savepoint(job(), STAMP)))
    change(document["plan"])
    document["hash"] = "0" * 64
    with pytest.raises(UsageError, match="another version of flinkops") as refused:
        decode_plan_file(json.dumps(document).encode(), "plan.json", known_members())
    assert str(refused.value.what).endswith(f"differ in {field}")
    assert "plan again" in (refused.value.next_step or "")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"schema_version":9,"hash":"","plan":{}}'])
def test_what_is_no_plan_file_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        decode_plan_file(content, "plan.json", known_members())


def savepoint(number: int, in_use: str | None = None) -> KnownSavepoint:
    return KnownSavepoint(f"s3://b/{number}", number, "prices", "a", "Flink", in_use=in_use)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12), st.integers(1, 6))
def test_pruning_keeps_the_newest_and_all_in_use(numbers: list[tuple[int, bool]], keep: int) -> None:
    known = {number: savepoint(number, "a job" if used else None) for number, used in numbers}
    gone, kept = prunable(list(known.values()), keep)
    assert set(gone) | set(kept) == set(known.values())
    assert all(one.in_use is None for one in gone)
    newest = sorted(known, reverse=True)[:keep]
    assert not {one.taken_ms for one in gone} & set(newest)
    assert [one for one in kept if one.in_use is None and one.taken_ms not in newest] == []


def test_keeping_none_is_refused() -> None:
    with pytest.raises(UsageError):
        prunable([savepoint(1)], 0)


def test_a_refused_deletion_has_no_steps() -> None:
    assert plan_delete(None, "c", ["s3://b/1"], STAMP, refused=["in use"]).steps == ()
    assert [step.do for step in plan_delete(None, "c", ["s3://b/1"], STAMP).steps] == [DisposeSavepoint("s3://b/1")]


def test_derived_ids_are_what_flink_takes() -> None:
    assert len(bytes.fromhex(derived_id("p", "savepoint"))) == 16
    assert derived_id("p", "savepoint") != derived_id("p", "job")


@pytest.mark.parametrize(
    ("recorded", "meant"), [("NATIVE", "native"), ("CANONICAL", "canonical"), ("native", "native")]
)
def test_the_format_of_an_earlier_journal_is_understood(recorded: str, meant: str) -> None:
    step = {"name": "trigger", "action": "trigger-savepoint", "arguments": {"trigger_id": "a", "format": recorded}}
    assert upgraded_plan({"steps": [step]})["steps"][0]["do"]["savepoint_format"] == meant
