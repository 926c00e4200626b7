"""Suspended and resumed on a fake operator: what is restored, what is refused, what is not called suspended."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.act.executor import Progress
from flinkops.act.operator import stop
from flinkops.model.request import ActionRequest, Change
from tests.unit.fake_operator import (
    FakeOperator,
)
from tests.unit.operator_bench import QUICK, SAVEPOINT, Bench, impatient_bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with impatient_bench(FakeOperator(), tmp_path, monkeypatch) as found:
        yield found


def test_suspended_and_resumed_from_the_savepoint_of_the_stop(bench: Bench) -> None:
    assert bench.run(bench.plan(ActionRequest("suspend"))).seen["savepoint"] == SAVEPOINT
    assert bench.fake.job is None
    plan = bench.plan(ActionRequest("resume", terms=QUICK), "p2")
    assert [step.name for step in plan.steps] == ["dry-run", "patch", "running", "stable", "flow"]
    assert bench.run(plan).outcome == "verified"
    assert bench.restored() == SAVEPOINT


def test_an_edit_of_a_suspended_job_is_taken_up_when_it_is_resumed(bench: Bench) -> None:
    bench.run(bench.plan(ActionRequest("suspend")))
    plan = bench.upgrade("p2", image="count:2")
    assert [step.name for step in plan.steps] == ["dry-run", "patch", "edited"]
    assert bench.run(plan).outcome == "verified"
    assert bench.fake.job is None
    assert bench.run(bench.plan(ActionRequest("resume", terms=QUICK), "p3")).outcome == "verified"
    assert bench.fake.orders[-1] == f"deployed count:2 from {SAVEPOINT}"


def test_an_edit_of_a_suspended_job_that_somebody_reverts_is_not_verified(bench: Bench) -> None:
    bench.run(bench.plan(ActionRequest("suspend")))
    before = copy.deepcopy(bench.spec())
    plan = bench.upgrade("p2", image="count:2")

    def revert(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "edited"):
            bench.fake.edit(before)

    result = bench.executor(revert).run(plan)
    assert result.outcome == "failed"
    assert "somebody else has changed spec.image again" in (result.error or "")


@pytest.mark.parametrize("request_", [ActionRequest("suspend"), ActionRequest("restart")])
def test_what_a_suspended_job_cannot_be_asked_for(bench: Bench, request_: ActionRequest) -> None:
    bench.run(bench.plan(ActionRequest("suspend")))
    assert any("suspended already" in one for one in bench.plan(request_, "p2").refused)


def test_a_running_job_is_not_resumed(bench: Bench) -> None:
    plan = bench.plan(ActionRequest("resume", Change(parallelism=3), QUICK))
    assert any("not suspended" in one for one in plan.refused)


def test_an_operator_that_takes_the_change_up_and_stops_nothing_is_not_said_to_have_stopped_the_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As operator 1.15 does with a field that it ignores when null: the job runs on, and nothing is rolled back."""
    monkeypatch.setattr(stop, "_WITHOUT_SAVEPOINT_SECONDS", 0.02)
    plan = bench.upgrade(image="count:2")
    bench.fake.asleep = True

    def ignore(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "savepoint"):
            resource = bench.fake.resource
            assert resource is not None
            resource["status"]["observedGeneration"] = resource["metadata"]["generation"]

    result = bench.executor(ignore).run(plan)
    assert result.outcome == "timed-out"
    assert "the job was not stopped: it runs on as before" in (result.error or "")
    assert "without a savepoint" not in (result.error or "")
    assert [one.partition(" ")[0] for one in bench.fake.orders] == ["patch"]


def test_suspended_is_not_verified_while_the_job_still_runs(bench: Bench) -> None:
    plan = bench.plan(ActionRequest("suspend"))

    def revive(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "suspended"):
            bench.fake.job = {**running, "state": "RUNNING"}

    assert bench.fake.job is not None
    running = copy.deepcopy(bench.fake.job)
    result = bench.executor(revive, seconds=0.5).run(plan)
    assert result.outcome == "timed-out"


def test_resumed_from_the_savepoint_of_the_stop_although_the_operator_lost_it(bench: Bench) -> None:
    bench.run(bench.plan(ActionRequest("suspend")))
    assert bench.fake.resource is not None
    info = bench.fake.resource["status"]["jobStatus"]["savepointInfo"]
    info["lastSavepoint"] = {"location": "s3://bucket/chk-3", "timeStamp": 1, "triggerType": "UNKNOWN"}
    plan = bench.plan(ActionRequest("resume", terms=QUICK), "p2")
    assert (plan.refused, plan.change) == ((), "savepoint-redeploy")
    assert bench.run(plan).outcome == "verified"
    assert bench.restored() == SAVEPOINT
    assert bench.spec()["job"]["state"] == "running"
