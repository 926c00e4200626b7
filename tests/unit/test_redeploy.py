"""Upgrades without an operator: on a cluster that is a state machine, with jars that work and jars that do not."""

import json
from pathlib import Path

import msgspec
import pytest

from flinkops.act.document import action_document
from flinkops.act.rest.launching import known_launch, launch_before
from flinkops.errors import UsageError
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import Change, Terms
from flinkops.plan.identity import derived_id
from flinkops.plan.step_inputs import SubmitJob
from tests.unit.fake_cluster import JOB_ID, SAVEPOINTS, UNCOMPILABLE_JAR
from tests.unit.rest_bench import OLD, Bench, rolled_back


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(), "none"),
        (Change(parallelism=2), "scale"),
        (Change(parallelism=2, arguments=("--x",)), "upgrade"),
        (Change(settings={"parallelism": "2"}), "upgrade"),  # a setting may have any name
        (Change(jar="new.jar"), "upgrade"),
    ],
)
def test_the_class_of_a_change(bench: Bench, change: Change, expected: str) -> None:
    assert bench.plan(change).change == expected


def test_an_upgrade_is_restored_from_the_savepoint_that_stopped_the_job(bench: Bench) -> None:
    plan = bench.plan(Change(parallelism=2))
    result = bench.executor().run(plan)
    assert (plan.change, plan.diff) == ("scale", ("parallelism: 1 -> 2",))
    assert result.outcome == "verified"
    assert result.seen["restored_from"] == result.seen["savepoint"] == f"{SAVEPOINTS}/savepoint-1"
    assert bench.cluster.state.orders == ["stop", f"run old.jar from {SAVEPOINTS}/savepoint-1"]
    assert bench.live() == [derived_id("p1", "job")]
    document = action_document(plan, result)["result"]
    assert document["new_job_id"] == derived_id("p1", "job")
    assert document["old_job_id"] == JOB_ID
    assert document["checkpoints_after"] >= 2
    assert document["restarts_after"] == 0
    assert isinstance(document["downtime_seconds"], float | None)


def test_a_program_that_does_not_start_is_taken_back(bench: Bench) -> None:
    bench.cluster.state.bad_jars = ["bad.jar"]
    result = bench.executor().run(bench.plan(Change(jar="bad.jar")))
    rolled_back(bench, result)
    assert "main method caused an error" in (result.error or "")


def test_a_program_without_a_job_graph_is_found_while_the_old_job_runs(bench: Bench) -> None:
    result = bench.executor().run(bench.plan(Change(jar=UNCOMPILABLE_JAR)))
    assert (result.outcome, result.steps[-1].name) == ("failed", "compile")
    assert "no such topic" in (result.error or "")
    assert (bench.live(), bench.cluster.state.orders) == ([JOB_ID], [])


def test_an_upgrade_offers_a_rehearsal_until_it_has_one(bench: Bench) -> None:
    offered = bench.plan(Change(parallelism=2))
    assert any("--rehearse tries it before: about" in risk for risk in offered.risks)
    rehearsed = bench.plan(Change(parallelism=2), terms=Terms(rehearse=True, accept_loss=("count",)))
    assert not any("--rehearse" in risk for risk in rehearsed.risks)
    assert any("main runs on this machine" in why for why in rehearsed.why)
    names = [step.name for step in rehearsed.steps]
    assert names[:4] == ["prepare", "rehearse", "measure", "compile"]
    assert all(step.only_reads for step in rehearsed.steps[: names.index("stop")])
    submits = {step.name: step.do for step in rehearsed.steps + rehearsed.rollback_steps}
    assert isinstance(submits["submit"], SubmitJob)
    assert isinstance(submits["old-submit"], SubmitJob)
    assert (submits["submit"].drops_state, submits["old-submit"].drops_state) == (True, False)


def test_a_rehearsal_that_fails_refuses_before_anything_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"verdict": "loses-state", "cause": "count does not open its state n any more", "lost": ("c1",)}
    found = Rehearsal("prices", **answers)  # type: ignore[arg-type]
    monkeypatch.setattr("flinkops.act.rest.rehearsal_steps.rehearse", lambda *_given, **_named: found)
    result = bench.executor().run(bench.plan(Change(parallelism=2), terms=Terms(rehearse=True)))
    assert (result.outcome, result.steps[-1].name) == ("refused", "rehearse")
    assert "loses state: count does not open" in (result.error or "")
    assert result.seen["rehearsal"] == "loses-state"
    assert (bench.live(), bench.cluster.state.orders) == ([JOB_ID], [])
    assert not bench.journal.record("p1").resumable
    accepted = bench.plan(Change(parallelism=2), plan_id="p2", terms=Terms(rehearse=True, accept_loss=("c1",)))
    assert bench.executor().run(accepted).outcome == "verified"


def test_a_rehearsal_that_cannot_tell_stops_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINK_HOME", str(bench.folder))  # no Flink there
    result = bench.executor().run(bench.plan(Change(parallelism=2), terms=Terms(rehearse=True)))
    assert result.outcome == "verified"
    assert result.seen["rehearsal"] == "cannot-tell"
    assert "upload folder" in result.seen["rehearsal_cause"] or "no Flink" in result.seen["rehearsal_cause"]


def test_a_program_that_restarts_is_taken_back(bench: Bench) -> None:
    bench.cluster.state.looping_jars = ["loop.jar"]
    result = bench.executor().run(bench.plan(Change(jar="loop.jar")))
    rolled_back(bench, result)
    assert "restarted" in (result.error or "")
    assert "does not work" in (result.error or "")
    assert f"cancel {derived_id('p1', 'job')[:4]}" in bench.cluster.state.orders


def test_a_jar_that_is_not_there_is_noticed_while_the_old_job_runs(bench: Bench) -> None:
    result = bench.executor().run(bench.plan(Change(jar="typo.jar")))
    assert result.outcome == "failed"
    assert "no jar typo.jar" in (result.error or "")
    assert bench.live() == [JOB_ID]
    assert bench.cluster.state.orders == []


def test_a_stop_that_fails_leaves_the_old_job_as_it_was(bench: Bench) -> None:
    bench.cluster.savepoint_failure = "disk full"
    result = bench.executor().run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "rolled-back"
    assert "disk full" in (result.error or "")
    assert bench.live() == [JOB_ID]
    assert bench.cluster.state.orders == ["stop"]


def test_the_next_upgrade_knows_the_launch_of_the_last_one(bench: Bench) -> None:
    bench.executor().run(bench.plan(Change(parallelism=2)))
    new_id = derived_id("p1", "job")
    launch = known_launch(bench.cluster, bench.journal, new_id)
    assert launch == msgspec.structs.replace(OLD, parallelism=2)
    facts = bench.cluster.job(new_id)
    assert facts is not None
    assert launch_before(bench.journal, facts, None) == OLD
    with pytest.raises(UsageError):
        launch_before(bench.journal, facts, "no-such-plan")


@pytest.mark.parametrize(
    ("change", "word"),
    [(Change(), "nothing would change"), (Change(parallelism=9), "slots"), (Change(parallelism=200), "at most 128")],
)
def test_refused_upgrades(bench: Bench, change: Change, word: str) -> None:
    plan = bench.plan(change)
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == plan.rollback_steps == ()


def test_an_unknown_launch_is_refused_unless_the_new_one_is_given(bench: Bench) -> None:
    assert any("--jar" in reason for reason in bench.plan(Change(parallelism=2), old=None).refused)
    plan = bench.plan(Change(jar="new.jar"), old=None)
    assert plan.refused == ()
    assert plan.severe
    assert plan.rollback_steps == ()
    assert any("stays stopped" in risk for risk in plan.risks)


def test_the_document_is_the_contracts(bench: Bench) -> None:
    plan = bench.plan(Change(parallelism=2))
    document = action_document(plan, bench.executor().run(plan))
    assert list(document) == ["schema_version", "plan", "result"]
    wanted = {"job", "change", "diff", "requested_mode", "effective_mode", "why", "risks", "refused"}
    assert wanted <= set(document["plan"])
    wanted = {"outcome", "old_job_id", "new_job_id", "savepoint", "restored_from", "checkpoints_after"}
    assert wanted | {"restarts_after", "downtime_seconds", "steps"} <= set(document["result"])
    assert all({"name", "at", "seconds", "outcome"} <= set(step) for step in document["result"]["steps"])
    assert action_document(plan, None)["result"] is None
    assert json.loads(msgspec.json.encode(document)) == document


def test_a_restart_changes_nothing_but_the_job_id(bench: Bench) -> None:
    plan = bench.plan(Change(), verb="restart")
    assert plan.refused == ()
    assert plan.change == "none"
    assert bench.executor().run(plan).outcome == "verified"


@pytest.mark.parametrize(("number", "outcome"), [(0, "verified"), (1, "refused")])
def test_a_state_of_a_later_job_of_the_program_stops_the_upgrade(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int, outcome: str
) -> None:
    """A submission would start the first of them from the savepoint, and the job's own one empty."""
    found = Rehearsal("prices", "restores", other_jobs=("etl",), job_number=number)
    monkeypatch.setattr("flinkops.act.rest.rehearsal_steps.rehearse", lambda *_given, **_named: found)
    result = bench.executor().run(bench.plan(Change(parallelism=2), terms=Terms(rehearse=True)))
    assert result.outcome == outcome
    assert (bench.live() == [JOB_ID]) == (outcome == "refused")
