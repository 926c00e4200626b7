"""Overrides on a Flink that ignores them when a job is submitted (FLINK-38770): required again, and seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act import stability_steps
from flinkops.model.launch import Launch
from flinkops.model.overrides import OVERRIDES
from flinkops.model.plan import Plan
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.redeploy import plan_redeploy
from flinkops.plan.step_inputs import RequireOverrides
from tests.unit.fake_cluster import JOB_ID as REST_JOB_ID
from tests.unit.fake_flink import Answer
from tests.unit.fake_operator import BAD_IMAGE, operating
from tests.unit.operator_bench import QUICK, Bench
from tests.unit.rest_bench import Bench as RestBench
from tests.unit.test_autoscale_on_operator import JOB_ID, ScalingOperator


class ForgettingFlink(ScalingOperator):
    """A job that is started runs with the spec's parallelism, whatever the overrides say; REST changes it."""

    def __init__(self) -> None:
        super().__init__()
        assert self.resource is not None
        self.minor = 15
        self.resource["spec"]["flinkVersion"] = "v2_3"
        self.resource["spec"]["job"]["parallelism"] = 1
        self.settings()[OVERRIDES] = "v:3"
        self.parallelism = 3
        self.refuses = False
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")

    def rotates_job_ids(self) -> bool:
        return False

    def begin(self, restored: str | None, *, loops: bool = False) -> None:
        super().begin(restored, loops=loops)
        self.parallelism = 1

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        if target.endswith(f"/jobs/{JOB_ID}/resource-requirements"):
            if self.refuses:
                return 400, {"errors": ["not supported by this scheduler"]}
            if method == "PUT":
                self.parallelism = min(self.slots, body["v"]["parallelism"]["upperBound"])
                self.orders.append(f"required {self.parallelism}")
                return 200, {}
            return 200, {"v": {"parallelism": {"lowerBound": 1, "upperBound": self.parallelism}}}
        return super().answer(method, target, body)


@pytest.fixture
def fake() -> ForgettingFlink:
    return ForgettingFlink()


@pytest.fixture
def bench(fake: ForgettingFlink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(stability_steps, "_RESCALED_WITHIN_SECONDS", 0.3)
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        yield found
        found.control.close()


def names(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


REDEPLOYMENTS = {
    "upgrade": ActionRequest("upgrade", Change(image="count:2"), QUICK, mode="savepoint"),
    "restart": ActionRequest("restart", terms=QUICK),
}


@pytest.mark.parametrize("name", REDEPLOYMENTS)
def test_after_a_redeployment_they_are_required_again_and_seen(bench: Bench, fake: ForgettingFlink, name: str) -> None:
    plan = bench.plan(REDEPLOYMENTS[name])
    assert names(plan)[names(plan).index("running") :][:3] == ["running", "overrides", "stable"]
    assert not any("38770" in risk for risk in plan.risks)
    result = bench.run(plan)
    assert (result.outcome, result.seen["parallelism"]) == ("verified", "all 3"), result.error
    assert fake.parallelism == 3
    assert "required 3" in fake.orders


def test_a_rollback_of_its_own_gives_the_old_job_its_overrides_too(
    bench: Bench, fake: ForgettingFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flinkops.act.operator import startup

    monkeypatch.setattr(startup, "_STUCK_SECONDS", {"image": 0.0})
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)
    result = bench.run(bench.plan(ActionRequest("upgrade", Change(image=BAD_IMAGE), QUICK, mode="savepoint")))
    assert (result.outcome, fake.parallelism) == ("rolled-back", 3), result.error


@pytest.mark.thorough
def test_overrides_that_do_not_come_about_are_no_success(bench: Bench, fake: ForgettingFlink) -> None:
    fake.slots = 2
    result = bench.run(bench.plan(REDEPLOYMENTS["restart"]), seconds=3.0)
    assert result.outcome != "verified"
    assert "parallelism seen: [2]" in (result.error or "")


def test_a_flink_that_refuses_them_leaves_the_job_running_and_the_action_open(
    bench: Bench, fake: ForgettingFlink
) -> None:
    plan = bench.plan(REDEPLOYMENTS["restart"])
    fake.refuses = True
    result = bench.run(plan)
    assert (result.outcome, fake.job is not None) == ("timed-out", True)
    assert "runs without its parallelism overrides" in (result.error or "")
    fake.refuses = False
    assert bench.executor().resume("p1").outcome == "verified"


@pytest.mark.parametrize("settings", [{"scheduler-mode": "reactive"}, {"jobmanager.scheduler": "default"}])
def test_where_nothing_brings_them_back_it_is_a_risk(
    bench: Bench, fake: ForgettingFlink, settings: dict[str, str]
) -> None:
    fake.settings().update(settings)
    fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    plan = bench.plan(REDEPLOYMENTS["restart"])
    assert "overrides" not in names(plan)
    assert any("FLINK-38770" in risk and "Flink 2.3" in risk for risk in plan.risks)


def test_what_the_operators_autoscaler_has_set_is_its_own_and_a_risk(bench: Bench, fake: ForgettingFlink) -> None:
    fake.autoscaled("v:3")
    plan = bench.plan(REDEPLOYMENTS["restart"])
    assert "overrides" not in names(plan)
    assert any("the operator's autoscaler has set" in risk for risk in plan.risks)


@pytest.mark.parametrize("version", ["v1_20", "v2_4"])
def test_a_flink_that_keeps_them_needs_no_step(bench: Bench, fake: ForgettingFlink, version: str) -> None:
    assert fake.resource is not None
    fake.resource["spec"]["flinkVersion"] = version
    fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    plan = bench.plan(REDEPLOYMENTS["restart"])
    assert "overrides" not in names(plan)
    assert not any("38770" in risk for risk in plan.risks)


@pytest.mark.parametrize("scheduler", ["Adaptive", "Default"])
def test_on_plain_rest_too(tmp_path: Path, scheduler: str) -> None:
    bench = RestBench(tmp_path)
    facts = bench.cluster.job(REST_JOB_ID)
    assert facts is not None
    facts = msgspec.structs.replace(facts, scheduler=scheduler)
    old = Launch("jar", jar_id="old.jar", parallelism=1, settings={OVERRIDES: "v1:2"})
    new = msgspec.structs.replace(old, jar_id="new.jar")
    plan = plan_redeploy("upgrade", facts, old, new, bench.cluster.cluster(), Stamp("p1", 10_000), Terms(checkpoints=1))
    orders = [step.do.parallelism for step in plan.steps if isinstance(step.do, RequireOverrides)]
    assert (orders, any("38770" in risk for risk in plan.risks)) == (
        ([{"v1": 2}], False) if scheduler == "Adaptive" else ([], True)
    )
    if orders:
        result = bench.executor().run(plan)
        assert (result.outcome, result.seen["parallelism"]) == ("verified", "all of it 2"), result.error
