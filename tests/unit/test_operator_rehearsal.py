"""An upgrade of an operator's job with a rehearsal before its change: what goes on, and what stays untouched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.backend import Prepared
from flinkops.act.operator import rehearsing
from flinkops.act.operator.rehearsing import rehearse_spec, with_rehearsal
from flinkops.act.rest.rehearsing import Asked, refuse_unasked
from flinkops.errors import Denied, UsageError
from flinkops.model.facts import VertexFacts
from flinkops.model.plan import Plan
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp
from flinkops.sources.kubernetes.operator_version import OperatorSeen
from flinkops.sources.kubernetes.plan_inputs import Read
from flinkops.sources.kubernetes.pod_task import PodTask
from flinkops.sources.kubernetes.short_pods import PodEnd, PodFailed
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import QUICK, Bench

COUNT = "a" * 32


def quietly(_text: str) -> None:
    pass


FROM_X = Asked(quietly, "s3://b/x")


def verdict(outcome: str = "restored", *causes: str, **more: Any) -> str:
    """A line of the pod's output: one operator, whose state was opened."""
    operator = {"id": COUNT, "name": "count", "has_state": True, "runs_as": COUNT, "saved_parallelism": 1}
    state = {"operator": COUNT, "name": "n", "kind": "keyed", "type": "VALUE", "restored": True}
    chain = [{"class": one, "message": "m"} for one in causes]
    found = {"schema_version": 1, "outcome": outcome, "phase": "snapshot", "causes": chain, "operators": [operator]}
    return "flinkops-rehearsal verdict " + json.dumps({**found, "saved": [state], "opened": [state], **more})


class Pods:
    """Instead of pods: what each of them prints, in turn; the tasks are kept."""

    def __init__(self) -> None:
        self.prints: list[Any] = []
        self.tasks: list[PodTask] = []

    def run(self, _access: object, task: PodTask, *_: object, **__: object) -> PodEnd:
        self.tasks.append(task)
        found = self.prints.pop(0)
        if isinstance(found, Exception):
            raise found
        return PodEnd(0, "Completed", tuple(found.splitlines()))

    def states(self, number: int) -> list[str]:
        (conf,) = [one for one in self.tasks[number].payloads if one.name == "conf"]
        return conf.files["states"].decode().splitlines()


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Pods:
    found = Pods()
    monkeypatch.setattr(rehearsing, "run_pod", found.run)
    monkeypatch.setattr(rehearsing, "_jar", lambda _home: b"jar")
    return found


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pods: Pods) -> Iterator[Bench]:
    fake = FakeOperator(7)
    with operating(fake) as url:
        it = Bench(fake, url, tmp_path)
        monkeypatch.setattr(
            rehearsing,
            "read_for_plan",
            lambda *_, **__: Read(it.control.resource(), {}, True, False, OperatorSeen(), {"table.y": "1"}),
        )
        monkeypatch.setattr(rehearsing, "usable_paths", lambda _job: ["s3://b/cp/1f/chk-9", "s3://b/sp-1"])
        yield it
        it.control.close()


def plan(bench: Bench, **terms: Any) -> Plan:
    made = bench.upgrade(image="count:2")
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    wanted = msgspec.structs.replace(QUICK, **{"rehearse": True, **terms})
    return with_rehearsal(Prepared(made, changes=True), job, wanted, Stamp("p1", 1)).plan


def image(bench: Bench) -> str:
    return str(bench.spec()["image"])


def test_it_stands_right_before_the_change_and_is_offered_otherwise(bench: Bench) -> None:
    names = [step.name for step in plan(bench).steps]
    assert names.index("rehearse") + 1 == names.index("patch")
    offered = plan(bench, rehearse=False)
    assert "rehearse" not in [step.name for step in offered.steps]
    assert any("--rehearse tries it before" in risk and "in a pod" in risk for risk in offered.risks)


def test_what_restores_goes_on(bench: Bench, pods: Pods) -> None:
    pods.prints = [verdict()]
    result = bench.run(plan(bench))
    assert result.outcome == "verified", result
    assert image(bench) == "count:2"
    (task,) = pods.tasks
    main = task.pod["spec"]["containers"][0]
    assert main["image"] == "count:2"
    assert task.owner is not None
    assert pods.states(0) == ["newest s3://b/cp/1f", "path s3://b/sp-1"]


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ([verdict("failed", "org.apache.flink.util.StateMigrationException")], "StateMigrationException"),
        ([verdict(opened=[]), verdict()], "does not open its state n any more"),  # and the running program does
    ],
)
def test_what_would_lose_state_stops_before_the_change(
    bench: Bench, pods: Pods, printed: list[str], words: str
) -> None:
    before = image(bench)
    pods.prints = [*printed]
    result = bench.run(plan(bench))
    assert result.outcome == "refused"
    assert words in json.dumps(msgspec.to_builtins(result))
    assert (image(bench), bench.fake.orders) == (before, [])
    assert pods.prints == []


@pytest.mark.parametrize(
    "problem",
    [
        PodFailed("unschedulable", "no node has room for the pod"),
        PodFailed("image", "the image of the pod cannot be had"),
        Denied("not allowed to create jobs", next_step="the role flinkops-pods", user="ann"),
    ],
)
def test_what_cannot_be_rehearsed_goes_on_and_says_so(bench: Bench, pods: Pods, problem: Exception) -> None:
    pods.prints = [problem]
    result = bench.run(plan(bench))
    assert result.outcome == "verified"
    assert "cannot-tell" in json.dumps(msgspec.to_builtins(result))


def test_when_all_checkpoints_go_a_savepoint_is_taken(bench: Bench, pods: Pods) -> None:
    pods.prints = [verdict("failed", "java.io.FileNotFoundException"), verdict()]
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    asked = Asked(quietly, take_savepoint=lambda: "s3://b/ours")
    found = rehearse_spec(bench.control, job, bench.spec(), None, asked)
    assert found.verdict == "restores"
    assert pods.states(1) == ["path s3://b/ours"]


def test_a_named_state_is_the_only_one(bench: Bench, pods: Pods) -> None:
    pods.prints = [verdict("failed", "java.io.FileNotFoundException")]
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    rehearse_spec(bench.control, job, bench.spec(), bench.spec(), FROM_X)
    assert pods.states(0) == ["path s3://b/x"]


def test_a_loss_is_accepted_only_where_the_spec_lets_state_go(bench: Bench, pods: Pods) -> None:
    dropped = {"id": COUNT, "name": "count", "has_state": True, "in_graph": False, "saved_parallelism": 1}
    pods.prints = [verdict(operators=[dropped], saved=[], opened=[])]
    before = image(bench)
    result = bench.run(plan(bench, accept_loss=(COUNT,)))
    assert result.outcome == "refused"
    assert "allowNonRestoredState" in json.dumps(msgspec.to_builtins(result))
    assert image(bench) == before


def test_what_a_savepoint_of_1_20_does_not_name_has_the_name_of_the_running_chain(bench: Bench, pods: Pods) -> None:
    pods.prints = [verdict(operators=[{"id": COUNT, "has_state": True, "in_graph": False}], saved=[], opened=[])]
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    job = msgspec.structs.replace(job, vertices=(VertexFacts(COUNT, "count -> discard: Writer", 1),))
    found = rehearse_spec(bench.control, job, bench.spec(), None, FROM_X)
    assert found.cause == "no operator of the program takes the state of count"


def test_an_acceptance_without_a_rehearsal_is_refused() -> None:
    with pytest.raises(UsageError, match="answers a rehearsal"):
        refuse_unasked(Terms(accept_loss=("count",)))


def test_the_jobs_own_graph_is_judged_of_several(bench: Bench, pods: Pods) -> None:
    graphs = "\n".join(
        "flinkops-rehearsal graph " + json.dumps({"number": number, "job": name, "operators": [one]})
        for number, (name, one) in enumerate([("etl", "b" * 32), ("stats", COUNT)])
    )
    dropped = {"id": COUNT, "name": "count", "has_state": True, "in_graph": False, "saved_parallelism": 1}
    pods.prints = [
        "\n".join([verdict(operators=[dropped], saved=[], opened=[]), graphs]),
        "\n".join([graphs, verdict()]),
    ]
    result = bench.run(plan(bench, sample=True))
    assert result.outcome == "verified"
    assert "would be started again: etl" in json.dumps(msgspec.to_builtins(result))
    variables = [{one["name"]: one["value"] for one in task.pod["spec"]["containers"][0]["env"]} for task in pods.tasks]
    assert [one.get("FLINKOPS_REHEARSAL_GRAPH") for one in variables] == [None, "1"]
    assert [one["FLINKOPS_REHEARSAL_SAMPLE"] for one in variables] == [str(256 << 20)] * 2


def test_the_pod_is_told_when_the_real_restore_claims_its_state(bench: Bench, pods: Pods) -> None:
    """Else a job that writes a changelog fails at its first checkpoint, as the real one would not."""
    job = bench.control.job(bench.fake.job_id)
    assert job is not None
    for mode in ("last-state", "savepoint"):
        pods.prints = [verdict()]
        spec = {**bench.spec(), "job": {**bench.spec()["job"], "upgradeMode": mode}}
        rehearse_spec(bench.control, job, spec, None, FROM_X)
    variables = [{one["name"] for one in task.pod["spec"]["containers"][0]["env"]} for task in pods.tasks]
    assert ["FLINKOPS_REHEARSAL_CLAIMS" in one for one in variables] == [True, False]
