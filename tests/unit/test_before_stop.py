"""What is done before an operator's job is stopped, so that it is down for less time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.backend import Prepared
from flinkops.act.operator import before_stop
from flinkops.act.operator.before_stop import with_steps_before_stop
from flinkops.errors import Denied
from flinkops.model.plan import Plan
from flinkops.model.request import ActionRequest, Change
from flinkops.plan.identity import Stamp
from flinkops.sources.kubernetes.pod_task import PodTask
from flinkops.sources.kubernetes.short_pods import PodEnd, PodFailed
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import QUICK, Bench


class Pods:
    """Instead of pods."""

    def __init__(self) -> None:
        self.tasks: list[PodTask] = []
        self.problem: Exception | None = None

    def run(self, _access: object, task: PodTask, *_: object, **__: object) -> PodEnd:
        self.tasks.append(task)
        if self.problem is not None:
            raise self.problem
        return PodEnd(0, "Completed", ())


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Pods:
    found = Pods()
    monkeypatch.setattr(before_stop, "run_pod", found.run)
    return found


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pods: Pods) -> Iterator[Bench]:
    fake = FakeOperator(7)
    with operating(fake) as url:
        it = Bench(fake, url, tmp_path)
        monkeypatch.setattr(type(it.control), "nodes", lambda _self: ("node1", "node2"))
        yield it
        it.control.close()


def plan(bench: Bench, made: Plan, scheduler: str = "Default", **terms: Any) -> Plan:
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    job = msgspec.structs.replace(job, scheduler=scheduler)
    wanted = msgspec.structs.replace(QUICK, **terms)
    return with_steps_before_stop(Prepared(made, changes=True), job, wanted, Stamp("p1", 1)).plan


def test_the_image_is_pulled_on_each_node_before_the_change(bench: Bench, pods: Pods) -> None:
    made = plan(bench, bench.upgrade(image="count:2"), prepull=True)
    names = [step.name for step in made.steps]
    assert names.index("prepull") + 1 == names.index("patch")
    result = bench.run(made)
    assert result.outcome == "verified", result
    assert [one.pod["spec"]["nodeName"] for one in pods.tasks] == ["node1", "node2"]
    assert {one.pod["spec"]["containers"][0]["image"] for one in pods.tasks} == {"count:2"}
    assert result.seen["prepulled"] == "count:2 on node1, node2"
    assert "prepull" not in [step.name for step in plan(bench, bench.upgrade(image="count:3")).steps]


def test_an_image_that_is_not_to_be_had_stops_the_upgrade_while_the_job_runs(bench: Bench, pods: Pods) -> None:
    pods.problem = PodFailed("image", "the image of the pod cannot be had")
    before = bench.spec()["image"]
    result = bench.run(plan(bench, bench.upgrade(image="count:2"), prepull=True))
    assert (result.outcome, bench.spec()["image"], bench.fake.orders) == ("refused", before, [])


@pytest.mark.parametrize(
    "problem", [PodFailed("unschedulable", "no room"), Denied("not allowed to create jobs", user="ann")]
)
def test_what_else_stands_in_the_way_is_told(bench: Bench, pods: Pods, problem: Exception) -> None:
    pods.problem = problem
    result = bench.run(plan(bench, bench.upgrade(image="count:2"), prepull=True))
    assert result.outcome == "verified"
    assert result.seen["prepulled"].startswith("not known: ")


def test_a_rescale_in_place_is_offered_for_the_parallelism_alone(bench: Bench) -> None:
    wider = bench.plan(ActionRequest("upgrade", Change(parallelism=3), QUICK, mode="savepoint"))
    offered = [one for one in plan(bench, wider, "Adaptive").why if "in place" in one]
    assert "rescale count --parallelism 3" in offered[0]
    assert plan(bench, wider, "Default").why == wider.why
    more = bench.plan(ActionRequest("upgrade", Change(parallelism=3, image="count:2"), QUICK, mode="savepoint"))
    assert plan(bench, more, "Adaptive").why == more.why


def test_a_checkpoint_is_taken_right_before_a_last_state_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench.upgrade(image="count:2")
    assert "checkpoint" not in [step.name for step in plan(bench, made).steps]
    named = [step.name for step in plan(bench, msgspec.structs.replace(made, effective_mode="last-state")).steps]
    assert named.index("checkpoint") + 1 == named.index("patch")
