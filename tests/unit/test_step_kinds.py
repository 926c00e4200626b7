"""Steps are typed: what one reads an earlier one writes, and all of it survives the journal, also what is not known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from flinkops.act.executor import Executor
from flinkops.act.journal import Journal
from flinkops.act.journal_file import JOURNAL_FILE
from flinkops.act.operator.outcomes import BackupKept, RollbackBegun, UpgradeSavepointTaken
from flinkops.act.outcomes import CheckpointNoted, FilesChecked, LoadMeasured, SavepointCompleted
from flinkops.act.rest.outcomes import JobSubmitted
from flinkops.act.step_kinds import known_members, step_kinds
from flinkops.clock import FixedClock, SystemClock
from flinkops.errors import Refused
from flinkops.model.launch import Launch
from flinkops.model.plan import Plan, Precondition, Step, Target, UnknownPrecondition
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.model.steps import (
    BeginsSavepoint,
    Findings,
    NamesNewJob,
    NamesSavepoint,
    SaysSize,
    SaysStopped,
    SetsSavepointAside,
    StepInput,
    StepOutcome,
    UnknownInput,
    UnknownOutcome,
)
from flinkops.model.tagged import Family, tag_of
from flinkops.plan.identity import Stamp
from flinkops.plan.preconditions import PRECONDITIONS, SameJob
from flinkops.plan.redeploy import plan_resume, plan_suspend
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.plan.step_inputs import AwaitEnd, SubmitJob, VerifyRestored
from tests.unit.fake_cluster import JOB_ID, FakeCluster
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import QUICK
from tests.unit.operator_bench import Bench as OperatorBench
from tests.unit.rest_bench import OLD
from tests.unit.rest_bench import Bench as RestBench
from tests.unit.test_blue_green_act import bench as blue_green_bench

KINDS = tuple(step_kinds().values())
FACETS = (BeginsSavepoint, NamesSavepoint, NamesNewJob, SaysStopped, SaysSize, SetsSavepointAside)


def rest_plans(folder: Path) -> Iterator[Plan]:
    bench = RestBench(folder)
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    stamp, cluster = Stamp("p1", 10_000), bench.cluster.cluster()
    yield bench.plan(Change(parallelism=2))
    yield bench.plan(Change(), verb="restart")
    yield plan_suspend(facts, OLD, stamp, Terms())
    bench.cluster.cancel(JOB_ID)
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    yield plan_resume(stopped, OLD, "s3://b/1", cluster, stamp, Terms())
    yield plan_savepoint(facts, stamp)
    yield plan_delete(facts, "c", ["s3://b/1"], stamp)
    yield plan_rescale(facts, bench.cluster.requirements(JOB_ID), cluster, stamp, parallelism=2)


def operator_plans(folder: Path) -> Iterator[Plan]:
    for minor in (7, 11):
        fake = FakeOperator(minor)
        place = folder / str(minor)
        place.mkdir()
        with operating(fake) as url:
            bench = OperatorBench(fake, url, place)
            yield bench.upgrade(image="count:2")
            yield bench.plan(ActionRequest("restart", terms=QUICK))
            yield bench.plan(ActionRequest("suspend", terms=QUICK))
            backup = msgspec.structs.replace(QUICK, backup=True)
            yield bench.plan(ActionRequest("upgrade", Change(image="count:2"), backup, mode="savepoint"))
            yield bench.plan(ActionRequest("upgrade", Change(settings={"kubernetes.operator.x": "1"}), QUICK))
            bench.run(bench.plan(ActionRequest("suspend", terms=QUICK), "s1"))
            yield bench.plan(ActionRequest("resume", terms=QUICK))
            yield bench.plan(ActionRequest("resume", terms=QUICK, start_from="s3://b/other"))
            bench.control.close()


def blue_green_plans(folder: Path) -> Iterator[Plan]:
    with blue_green_bench(folder) as it:
        yield it.plan(image="count:2")
        yield it.plan(request=it.request(mode=None, settings={"kubernetes.operator.x": "1"}))


def unmet_needs(steps: tuple[Step, ...], before: tuple[Step, ...] = ()) -> list[str]:
    """The steps that read what no step before them writes."""
    written: list[type[StepOutcome]] = [step_kinds()[type(one.do)].outcome for one in before]
    problems = []
    for step in steps:
        kind = step_kinds()[type(step.do)]
        problems += [
            f"{step.name} needs {need.__name__}"
            for need in kind.needs
            if not any(issubclass(one, need) for one in written)
        ]
        written.append(kind.outcome)
    return problems


@pytest.mark.parametrize("plans", [rest_plans, operator_plans, blue_green_plans], ids=lambda one: str(one.__name__))
def test_every_step_finds_what_it_reads(plans: Any, tmp_path: Path) -> None:
    seen = list(plans(tmp_path))
    assert all(plan.steps for plan in seen), [plan.refused for plan in seen]
    for plan in seen:
        assert unmet_needs(plan.steps) == []
        # A rollback may begin after any step that changed something.
        first = next((n for n, step in enumerate(plan.steps, 1) if not step.only_reads), len(plan.steps))
        assert unmet_needs(plan.rollback_steps, plan.steps[:first]) == []


def test_a_step_that_reads_what_nobody_writes_is_seen() -> None:
    launch = Launch("jar", jar_id="x")
    assert unmet_needs((Step("running", VerifyRestored("a")),)) == ["running needs NamesNewJob"]
    assert unmet_needs((Step("submit", SubmitJob("a", launch)), Step("running", VerifyRestored("a")))) == []
    assert unmet_needs((Step("stopped", AwaitEnd()),)) == ["stopped needs NamesSavepoint"]


@pytest.mark.parametrize("facet", FACETS, ids=lambda one: str(one.__name__))
def test_what_can_be_read_is_written_by_some_step(facet: type[StepOutcome]) -> None:
    writers = [kind.outcome for kind in KINDS if issubclass(kind.outcome, facet)]
    assert writers
    fields = [
        name for name in get_type_hints(facet) if name.islower() and name in vars(facet).get("__annotations__", {})
    ]
    assert all(name in writer.__struct_fields__ for writer in writers for name in fields)  # type: ignore[attr-defined]


def test_tags_are_unique_and_steps_are_hidden_by_names_that_exist() -> None:
    inputs = [tag_of(kind.input) for kind in KINDS]
    outcomes = {one for kind in KINDS for one in (kind.outcome, *kind.keeps)}
    tags = [tag_of(one) for one in outcomes]
    assert len(set(inputs)) == len(inputs)
    assert len(set(tags)) == len(tags)
    for one in outcomes:
        assert set(one.__struct_fields__) >= one.FOR_STEPS, one


def read_back(value: Family, family: type[Family]) -> Any:
    return known_members().convert(msgspec.json.decode(msgspec.json.encode(value)), family)


def test_inputs_outcomes_and_preconditions_survive_being_written(tmp_path: Path) -> None:
    for plan in (*rest_plans(tmp_path), *operator_plans(tmp_path)):
        for step in (*plan.steps, *plan.rollback_steps):
            assert read_back(step.do, StepInput) == step.do
        for precondition in plan.preconditions:
            assert read_back(precondition, Precondition) == precondition
    for outcome in (CheckpointNoted(9, "s3://b/chk-9"), RollbackBegun("recreate", "s3://b/1", bad_job_id="b" * 32)):
        assert read_back(outcome, StepOutcome) == outcome


def tagged(kind: type[Precondition]) -> Precondition:
    return known_members().convert({"requires": tag_of(kind), **FIELDS.get(tag_of(kind), {})}, Precondition)


FIELDS: dict[str, dict[str, Any]] = {
    "job-id": {"job_id": "a"},
    "state": {"state": "RUNNING"},
    "parallelism": {"vertex": "v", "parallelism": 2},
    "uid": {"uid": "u"},
    "spec": {"hash": "h"},
}


@pytest.mark.parametrize("kind", PRECONDITIONS, ids=tag_of)
def test_documents_name_preconditions_as_they_always_did(kind: type[Precondition]) -> None:
    fields = FIELDS.get(tag_of(kind), {})
    argument = "=".join(str(one) for one in fields.values())
    assert tagged(kind).words == f"{tag_of(kind)}:{argument}".rstrip(":")


def test_a_step_of_another_flinkops_is_shown_but_not_carried_out(tmp_path: Path) -> None:
    plan = Plan(
        id="p1",
        verb="upgrade",
        target=Target("cluster.example:8081", "prices", JOB_ID),
        created_ms=1,
        steps=(Step("fly", UnknownInput("fly-to-the-moon", {})),),
        preconditions=(SameJob(JOB_ID), UnknownPrecondition("full-moon")),
    )
    Journal(tmp_path, FixedClock(5)).append("planned", plan, "h")
    (line,) = (tmp_path / JOURNAL_FILE).read_text().splitlines()
    entry = json.loads(line)
    entry["plan"]["steps"][0]["do"] = {"action": "fly-to-the-moon", "fuel": 3}
    entry["plan"]["preconditions"][1] = {"requires": "full-moon", "month": 5}
    flown = {
        **entry,
        "event": "outcome",
        "step": "fly",
        "outcome": "ok",
        "found": [{"found": "flown", "miles": 238_900}],
    }
    del flown["plan"]
    (tmp_path / JOURNAL_FILE).write_text(f"{json.dumps(entry)}\n{json.dumps(flown)}\n")
    journal = Journal(tmp_path, FixedClock(5))
    record = journal.record("p1")
    assert record.plan.steps[0].do == UnknownInput("fly-to-the-moon", {"action": "fly-to-the-moon", "fuel": 3})
    assert [one.words for one in record.plan.preconditions] == [f"job-id:{JOB_ID}", "full-moon"]
    assert record.outcomes == (UnknownOutcome("flown", {"miles": "238900"}),)
    assert record.found.as_text() == {"miles": "238900"}
    executor = Executor(FakeCluster(tmp_path / "cluster.json"), journal, SystemClock())
    with pytest.raises(Refused, match="fly-to-the-moon"):
        executor.resume("p1")


def test_the_savepoint_to_start_from_is_the_newest_that_was_named() -> None:
    found = Findings([SavepointCompleted("s3://b/backup"), BackupKept("s3://b/backup")])
    assert (found.savepoint, found.as_text()) == (None, {"backup_savepoint": "s3://b/backup"})
    found.add(UpgradeSavepointTaken("s3://b/1", 5))
    assert found.savepoint == "s3://b/1"
    found.add(RollbackBegun("not-stopped"))
    found.add(JobSubmitted("b" * 32))
    assert (found.savepoint, found.new_job_id, found.stopped_ms) == ("s3://b/1", "b" * 32, 5)
    found.add(FilesChecked("s3://b/2", "all there", 7))
    assert (found.savepoint, found.state_bytes) == ("s3://b/2", 7)
    assert found.last(LoadMeasured) is None
    assert "stopped_ms" in found.as_text()
    assert "stopped_ms" not in found.for_people()
