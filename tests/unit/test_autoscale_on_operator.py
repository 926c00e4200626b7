"""A decision carried out through the operator's spec: in place, verified, rolled back; and what switching off keeps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act import stability_steps
from flinkops.act.autoscale_plan import overrides_in_force, plan_autoscale_on_resource, request_for
from flinkops.act.backend import RescaleTerms
from flinkops.autoscale.controller import Controller
from flinkops.autoscale.decide import Decision, VertexAdvice
from flinkops.autoscale.settings import Settings
from flinkops.cli.autoscale.loop import Loop, LoopTerms
from flinkops.cli.autoscale.observed import declared
from flinkops.cli.options import Common
from flinkops.config.settings import Settings as LoadedSettings
from flinkops.errors import FlinkopsError, OperationFailed, Refused, Unreachable
from flinkops.model.facts import JobFacts, ResourceFacts
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES, parse_overrides
from flinkops.model.plan import Plan
from flinkops.model.request import ActionRequest, Change
from flinkops.plan.operator.scaling import Bounds
from flinkops.plan.operator.situation import ObservedJob
from tests.unit.fake_flink import Answer
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.kube_server import write_kubeconfig
from tests.unit.operator_bench import Bench

JOB_ID = "a" * 32


class ScalingOperator(FakeOperator):
    """Under the adaptive scheduler overrides are a scale in place, while none is taken away (as 1.7.0 does it)."""

    def __init__(self) -> None:
        super().__init__()
        self.parallelism, self.slots = 1, 8
        self.settings()["jobmanager.scheduler"] = "adaptive"
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")

    def settings(self) -> dict[str, str]:
        assert self.resource is not None
        found: dict[str, str] = self.resource["spec"].setdefault("flinkConfiguration", {})
        return found

    def autoscaled(self, overrides: str) -> None:
        """As if the operator's own autoscaler had done it: written down as deployed, but not in the spec."""
        self.settings().update({AUTOSCALER_ENABLED: "true", OVERRIDES: overrides})
        self.parallelism = parse_overrides(overrides)["v"]
        self._reconciled("DEPLOYED", "RUNNING", "STABLE")
        del self.settings()[OVERRIDES]

    def seen(self) -> ObservedJob:
        """The operator's autoscaler keeps what it has set."""
        assert self.resource is not None
        last = json.loads(self.resource["status"]["reconciliationStatus"]["lastReconciledSpec"])
        kept = parse_overrides(last["spec"]["flinkConfiguration"].get(OVERRIDES, ""))
        return msgspec.structs.replace(
            super().seen(),
            vertex_bounds={"v": (1, self.parallelism)},
            autoscaler_overrides={vertex: str(number) for vertex, number in kept.items()},
        )

    def scale(self, bounds: Bounds | None) -> None:
        assert bounds is not None
        self.parallelism = min(self.slots, bounds["v"][1])
        self.orders.append(f"scaled to {self.parallelism}")

    def _flink(self, path: str) -> Answer:
        code, body = super()._flink(path)
        if path == f"/jobs/{JOB_ID}" and code == 200:
            body["schedulerType"] = "Adaptive"
            body["vertices"][0]["parallelism"] = self.parallelism
        return code, body


@pytest.fixture
def fake() -> ScalingOperator:
    return ScalingOperator()


@pytest.fixture
def bench(fake: ScalingOperator, tmp_path: Path) -> Iterator[Bench]:
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        yield found
        found.control.close()


def decision(recommended: int = 3, verdict: Any = "scale") -> Decision:
    why = "1 × 250/s / 100/s = 2.50"
    advice = VertexAdvice("v", "all", 1, recommended, 100.0, 250.0, 300.0, 1.0, 0.0, why, True, None)
    return Decision("count", 1, verdict, () if verdict == "scale" else ("no slots",), (advice,))


def planned(bench: Bench, *, switch_off: bool = False, throughput: bool = False) -> Plan:
    job = bench.control.job(JOB_ID)
    assert job is not None
    plan = bench.plan(request_for(decision(), switch_off=switch_off))
    return plan_autoscale_on_resource(plan, decision(), job, throughput=throughput)


def test_it_scales_in_place_and_is_seen_to_hold(bench: Bench, fake: ScalingOperator) -> None:
    plan = planned(bench, throughput=True)
    assert (plan.verb, plan.change, plan.effective_mode, plan.refused) == ("autoscale-apply", "scale", "in-place", ())
    names = [step.name for step in plan.steps]
    assert names == ["dry-run", "measure", "patch", "taken-up", "rescaled", "stable", "throughput"]
    assert plan.why[0] == "all: 1 × 250/s / 100/s = 2.50"

    result = bench.run(planned(bench))
    assert result.outcome == "verified"
    assert fake.parallelism == 3
    assert fake.settings()[OVERRIDES] == "v:3"
    assert "stopped" not in fake.orders


def test_a_parallelism_that_is_not_reached_is_taken_back(
    bench: Bench, fake: ScalingOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stability_steps, "_RESCALED_WITHIN_SECONDS", 0.1)
    fake.slots = 2
    result = bench.run(planned(bench))
    assert result.outcome == "rolled-back"
    assert fake.parallelism == 1
    assert fake.settings()[OVERRIDES] == "v:1"  # an override that is taken away would be a redeployment
    assert "stopped" not in fake.orders


def test_whatever_moved_meanwhile_refuses_it(bench: Bench, fake: ScalingOperator) -> None:
    plan = planned(bench)
    fake.parallelism = 2
    with pytest.raises(Refused, match="parallelism"):
        bench.run(plan)
    assert fake.orders == []


def test_taking_over_switches_the_operators_autoscaler_off(bench: Bench, fake: ScalingOperator) -> None:
    fake.autoscaled("v:1")
    result = bench.run(planned(bench, switch_off=True))
    assert result.outcome == "verified"
    assert (fake.settings()[AUTOSCALER_ENABLED], fake.settings()[OVERRIDES]) == ("false", "v:3")
    assert fake.parallelism == 3
    assert "stopped" not in fake.orders


def test_without_the_adaptive_scheduler_it_is_a_redeployment_with_its_own_rollback(bench: Bench) -> None:
    job = bench.control.job(JOB_ID)
    assert job is not None
    old = msgspec.structs.replace(bench.plan(request_for(decision())), effective_mode="savepoint", change="scale")
    plan = plan_autoscale_on_resource(old, decision(), job)
    assert plan.rollback_steps == old.rollback_steps
    assert [step.name for step in plan.steps] == [*(step.name for step in old.steps), "throughput"]


def test_a_decision_without_changes_asks_for_nothing() -> None:
    with pytest.raises(Refused, match="no slots"):
        request_for(decision(verdict="blocked"))


NOTHING: Any = None


def a_loop() -> Loop:
    return Loop(Common(LoadedSettings()), "count", LoopTerms(RescaleTerms()), NOTHING, None)


def test_a_loop_that_has_lost_its_lead_ends() -> None:
    def lost() -> None:
        raise OperationFailed("the lease is lost")

    loop = a_loop()
    loop._leads = lost
    with pytest.raises(OperationFailed, match="lost"):
        loop._rescale(NOTHING, decision(), NOTHING)


@pytest.mark.parametrize("problem", [Unreachable("no answer"), Refused("things have moved"), OperationFailed("no")])
def test_a_rescale_that_cannot_be_tried_does_not_end_the_loop(
    problem: FlinkopsError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise problem

    loop, controller = a_loop(), Controller(Settings(cool_down_seconds=60.0))
    monkeypatch.setattr(loop, "_carried_out", fails)
    loop._rescale(controller, decision(), NOTHING)
    assert problem.what in capsys.readouterr().out


@pytest.mark.parametrize(("keep", "parallelism", "stopped"), [(True, 4, False), (False, 4, True)])
@pytest.mark.thorough
def test_switching_off_keeps_what_the_operator_has_set(
    bench: Bench, fake: ScalingOperator, keep: bool, parallelism: int, stopped: bool
) -> None:
    """Without its overrides in the spec the operator would stop the job."""
    fake.autoscaled("v:4")
    kept = overrides_in_force(bench.control.resource()) if keep else {}
    assert kept == ({OVERRIDES: "v:4"} if keep else {})
    plan = bench.plan(ActionRequest("upgrade", Change(settings={**kept, AUTOSCALER_ENABLED: "false"})))
    result = bench.run(plan, seconds=2.0)
    assert (result.outcome == "verified") is not stopped
    assert ("stopped" in fake.orders) is stopped
    assert fake.parallelism == parallelism


def test_an_autoscaler_that_is_off_has_nothing_in_force(fake: ScalingOperator) -> None:
    fake.autoscaled("v:4")
    fake.settings()[AUTOSCALER_ENABLED] = "false"
    assert fake.resource is not None
    assert overrides_in_force(fake.resource) == {}


def test_a_job_is_judged_by_what_its_spec_says_now(fake: ScalingOperator, tmp_path: Path) -> None:
    """Flink itself knows the settings of the last deployment only."""
    fake.settings()["job.autoscaler.utilization.target"] = "0.8"
    job = JobFacts(
        id=JOB_ID,
        name="count",
        cluster="prod",
        seen_ms=1,
        state="RUNNING",
        kind="FlinkDeployment",
        configuration={"job.autoscaler.utilization.target": "0.5", "job.autoscaler.metrics.window": "5m", "k": "v"},
        resource=ResourceFacts(context="prod", namespace="default", name="count", resource_version="1"),
    )
    with operating(fake) as url:
        common = Common(LoadedSettings(kubeconfigs=(str(write_kubeconfig(url, tmp_path)),)))
        found = declared(common, job)
    assert found.configuration == {"job.autoscaler.utilization.target": "0.8", "k": "v"}
    plain = msgspec.structs.replace(job, resource=None)
    assert declared(common, plain) is plain
