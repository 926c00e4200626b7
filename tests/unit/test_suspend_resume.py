"""A job that is suspended with a savepoint, and started again from it."""

from pathlib import Path

import msgspec
import pytest

from flinkops.act.inventory import References, savepoints_of
from flinkops.act.rest.prepare import prepare
from flinkops.errors import Denied
from flinkops.model.launch import Launch
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.redeploy import plan_resume, plan_suspend
from tests.unit.fake_cluster import JOB_ID, FakeJob
from tests.unit.rest_bench import OLD, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_suspended_and_resumed(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    suspend = plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())
    assert bench.executor().run(suspend).outcome == "verified"
    assert bench.live() == []
    was = msgspec.to_builtins(bench.cluster.state.jobs[JOB_ID])
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    latest = savepoints_of(stopped, bench.journal)[0]
    assert References(bench.cluster, bench.journal).to(latest.path)
    del bench.cluster.state.jobs[JOB_ID]  # as after a restart of the cluster: the journal still knows
    assert References(bench.cluster, bench.journal).to(latest.path)
    bench.cluster.state.jobs[JOB_ID] = msgspec.convert(was, FakeJob)
    resume = plan_resume(stopped, OLD, latest.path, bench.cluster.cluster(), Stamp("r1", 20_000), Terms())
    result = bench.executor().run(resume)
    assert result.outcome == "verified"
    assert result.seen["restored_from"] == latest.path
    assert bench.live() == [derived_id("r1", "job")]


def test_resumed_from_a_savepoint_that_is_named(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    assert bench.executor().run(plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())).outcome == "verified"
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    request = ActionRequest("resume", Change(jar="old.jar"), start_from="s3://b/older")
    plan = prepare(bench.cluster, bench.journal, stopped, request, Stamp("r1", 20_000))
    assert plan.refused == ()
    assert bench.executor().run(plan).seen["restored_from"] == "s3://b/older"


@pytest.mark.parametrize(
    ("launch", "savepoint", "word"),
    [(None, "s3://b/1", "submitted"), (OLD, None, "empty state"), (OLD, "s3://b/1", "has not been stopped")],
)
def test_resume_refuses_to_guess(bench: Bench, launch: Launch | None, savepoint: str | None, word: str) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    plan = plan_resume(facts, launch, savepoint, bench.cluster.cluster(), Stamp("r1", 1), Terms())
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == ()


def test_a_resume_that_fails_says_that_the_job_is_still_stopped_and_how_to_start_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    assert bench.executor().run(plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())).outcome == "verified"

    def deny(*_args: object, **_options: object) -> None:
        raise Denied("no permission")

    monkeypatch.setattr(bench.cluster, "run_jar", deny)
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    latest = savepoints_of(stopped, bench.journal)[0].path
    plan = plan_resume(stopped, OLD, latest, bench.cluster.cluster(), Stamp("r1", 10_000), Terms())
    result = bench.executor().run(plan)
    assert result.outcome == "failed"
    assert f"no permission; prices is stopped, as before; its savepoint is {latest}" in (result.error or "")
    assert result.next_command == f"flinkops resume prices --from {latest}"
