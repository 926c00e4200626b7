"""Every action on a place where the effect of the change does not come about: none of them is ever called verified."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act import effect_steps, savepoint_steps, stability_steps
from flinkops.act.executor import Progress
from flinkops.act.operator import spec_steps, startup, stop
from flinkops.act.rest import steps as rest_steps
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES
from flinkops.model.plan import Plan, Result
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.redeploy import plan_suspend
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_savepoint
from tests.effort import some, variants
from tests.unit.fake_cluster import JOB_ID
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import QUICK, Bench
from tests.unit.rest_bench import OLD
from tests.unit.rest_bench import Bench as RestBench
from tests.unit.test_autoscale_on_operator import ScalingOperator

PATIENCE_SECONDS = 0.3
"""Of the bench's clock, which polls alone move on: a machine that is busy is no cluster that does nothing."""
_PATIENCE = (
    (effect_steps, "_SEEN_WITHIN_SECONDS"),
    (stability_steps, "_RESCALED_WITHIN_SECONDS"),
    (spec_steps, "_TAKEN_UP_WITHIN_SECONDS"),
    (startup, "_RUNNING_WITHIN_SECONDS"),
    (stop, "_TAKEN_UP_WITHIN_SECONDS"),
    (stop, "_WITHOUT_SAVEPOINT_SECONDS"),
    (rest_steps, "_ENDED_WITHIN_SECONDS"),
    (rest_steps, "_RUNNING_WITHIN_SECONDS"),
)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in _PATIENCE:
        monkeypatch.setattr(module, name, PATIENCE_SECONDS)
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)


def on(fake: FakeOperator, folder: Path) -> Iterator[Bench]:
    with operating(fake) as url:
        bench = Bench(fake, url, folder)
        yield bench
        bench.control.close()


@pytest.fixture(params=variants(15, 7))
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    yield from on(FakeOperator(request.param), tmp_path)


def upgraded(**change: Any) -> ActionRequest:
    return ActionRequest("upgrade", Change(**change), QUICK, mode="savepoint")


def deployed(fake: FakeOperator) -> dict[str, Any]:
    assert fake.resource is not None
    spec: dict[str, Any] = fake.resource["spec"]
    return {key: spec.get(key) for key in ("image", "job", "flinkConfiguration")}


def run_without(bench: Bench, field: str, request: ActionRequest, plan_id: str = "p1") -> Result:
    """The job is started anew, but `field` stays as it is now."""
    bench.fake.without_effect = {field: deployed(bench.fake)[field]}
    return bench.run(bench.plan(request, plan_id), seconds=2.0)


@pytest.mark.parametrize(
    ("field", "change", "told"),
    [
        ("image", {"image": "count:2"}, "runs count:1"),
        ("job", {"parallelism": 3}, "its vertices run with 2"),
        (
            "flinkConfiguration",
            {"settings": {"pipeline.object-reuse": "true"}},
            "pipeline.object-reuse: it is as before",
        ),
        ("flinkConfiguration", {"settings": {"state.backend.type": None}}, "state.backend.type: it is as before"),
    ],
)
@pytest.mark.thorough
def test_an_upgrade_that_leaves_things_as_they_were_is_timed_out(
    bench: Bench, field: str, change: dict[str, Any], told: str
) -> None:
    bench.spec()["flinkConfiguration"]["state.backend.type"] = "rocksdb"
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    result = run_without(bench, field, upgraded(**change))
    assert result.outcome == "timed-out", result.error
    assert "the change has not had its effect" in (result.error or "")
    assert told in (result.error or "")
    assert bench.fake.job is not None  # what runs is left so


def test_what_is_read_back_is_named_in_what_was_seen(bench: Bench) -> None:
    settings: dict[str, str | None] = {"pipeline.object-reuse": "true", "s3.secret-key": "hidden"}
    result = bench.run(bench.plan(upgraded(image="count:2", parallelism=3, settings=settings)))
    assert result.outcome == "verified", result.error
    assert result.seen["image"].startswith("count:2 (count-1, ")
    assert (result.seen["job_parallelism"], result.seen["settings"]) == ("3", "pipeline.object-reuse")
    assert result.seen["not_compared"] == "s3.secret-key (Flink masks it)"
    assert "hidden" not in str(result.seen)


def test_pods_that_may_not_be_read_leave_the_weaker_proof_and_say_so(bench: Bench) -> None:
    bench.fake.denied = "/api/v1/namespaces/default/pods"
    result = bench.run(bench.plan(upgraded(image="count:2")))
    assert result.outcome == "verified", result.error
    assert "image" not in result.seen
    assert "the operator says that it has deployed the spec" in result.seen["not_compared"]


def test_an_api_server_that_is_away_while_the_effect_is_read_is_waited_for(bench: Bench) -> None:
    def go_away(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "effect"):
            bench.fake.away = 3

    result = bench.executor(go_away).run(bench.plan(upgraded(image="count:2")))
    assert (result.outcome, result.seen["image"][:7]) == ("verified", "count:2"), result.error


@pytest.mark.thorough
def test_a_rollback_and_a_resume_read_the_change_back_too(bench: Bench) -> None:
    assert bench.run(bench.plan(upgraded(image="count:2"))).outcome == "verified"
    back = run_without(bench, "image", ActionRequest("rollback", terms=QUICK), "p2")
    assert (back.outcome, "runs count:2" in (back.error or "")) == ("timed-out", True)
    bench.fake.without_effect = {}
    assert bench.executor().resume("p2").outcome == "verified"

    assert bench.run(bench.plan(ActionRequest("suspend"), "p3")).outcome == "verified"
    assert bench.run(bench.plan(upgraded(parallelism=4), "p4")).outcome == "verified"  # an edit
    resumed = bench.run(bench.plan(ActionRequest("resume", terms=QUICK), "p5"))
    assert (resumed.outcome, resumed.seen["job_parallelism"]) == ("verified", "4")


def test_an_edit_without_effect_at_its_resume_is_noticed(bench: Bench) -> None:
    bench.fake.without_effect = {"job": deployed(bench.fake)["job"]}
    assert bench.run(bench.plan(ActionRequest("suspend"))).outcome == "verified"
    assert bench.run(bench.plan(upgraded(parallelism=4), "p2")).outcome == "verified"
    resumed = bench.run(bench.plan(ActionRequest("resume", terms=QUICK), "p3"), seconds=2.0)
    assert (resumed.outcome, "its vertices run with 2" in (resumed.error or "")) == ("timed-out", True)


REQUESTS = {
    "restart": ActionRequest("restart", terms=QUICK),
    "suspend": ActionRequest("suspend", terms=QUICK),
    "rescale": ActionRequest("rescale", Change(parallelism=3), QUICK),
    "upgrade": upgraded(image="count:2"),
    "upgrade by last-state": ActionRequest("upgrade", Change(image="count:2"), QUICK, mode="last-state"),
    "an ignored setting": upgraded(settings={"kubernetes.operator.x": "1"}),
    "autoscale enable": ActionRequest("upgrade", Change(settings={AUTOSCALER_ENABLED: "true"}), QUICK),
}


@pytest.mark.scaled
@pytest.mark.parametrize("name", some([*REQUESTS], 2))
def test_an_operator_that_does_nothing(bench: Bench, name: str) -> None:
    plan = bench.plan(REQUESTS[name])
    assert not plan.refused
    bench.fake.asleep = True
    assert bench.run(plan, seconds=1.0).outcome in ("timed-out", "failed")


@pytest.mark.scaled
@pytest.mark.parametrize(
    "name", some([one for one in REQUESTS if one not in ("an ignored setting", "autoscale enable")], 2)
)
@pytest.mark.thorough
def test_an_operator_that_says_done_and_has_done_nothing(bench: Bench, name: str) -> None:
    plan = bench.plan(REQUESTS[name])
    bench.fake.asleep = True

    def claim(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("outcome", "patch"):
            bench.fake.claim_done()

    result = bench.executor(claim, seconds=1.0).run(plan)
    assert result.outcome != "verified"
    assert bench.fake.job is not None


def test_a_change_that_somebody_takes_out_again_is_not_verified(bench: Bench) -> None:
    before = msgspec.json.decode(msgspec.json.encode(bench.spec()))
    plan = bench.plan(REQUESTS["autoscale enable"])

    def revert(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "taken-up"):
            bench.fake.edit(before)

    result = bench.executor(revert).run(plan)
    assert result.outcome == "failed"
    assert "somebody else has changed spec.flinkConfiguration" in (result.error or "")


# --- in place, through the spec ---


@pytest.fixture
def scaling(tmp_path: Path) -> Iterator[Bench]:
    yield from on(ScalingOperator(), tmp_path)


def test_overrides_in_the_spec_are_verified_by_what_runs(scaling: Bench) -> None:
    plan = scaling.plan(upgraded(settings={OVERRIDES: "v:3"}))
    assert (plan.change, plan.effective_mode) == ("scale", "in-place")
    assert [step.name for step in plan.steps][-3:] == ["taken-up", "rescaled", "stable"]
    result = scaling.run(plan)
    assert (result.outcome, result.seen["parallelism"]) == ("verified", "all 3")


def test_overrides_without_effect_are_undone(scaling: Bench) -> None:
    assert isinstance(scaling.fake, ScalingOperator)
    scaling.fake.slots = 1
    result = scaling.run(scaling.plan(upgraded(settings={OVERRIDES: "v:3"})), seconds=2.0)
    assert result.outcome == "rolled-back", result.error
    assert scaling.fake.settings()[OVERRIDES] == "v:1"


# --- plain REST ---


@pytest.fixture
def rest(tmp_path: Path) -> RestBench:
    return RestBench(tmp_path)


def rest_plan(bench: RestBench, name: str) -> Plan:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    stamp, cluster = Stamp("p1", 10_000), bench.cluster.cluster()
    plans: dict[str, Callable[[], Plan]] = {
        "parallelism": lambda: bench.plan(Change(parallelism=2)),
        "setting": lambda: bench.plan(Change(settings={"pipeline.object-reuse": "true"})),
        "restart": lambda: bench.plan(Change(), verb="restart"),
        "suspend": lambda: plan_suspend(facts, OLD, stamp, Terms()),
        "rescale": lambda: plan_rescale(
            facts, bench.cluster.requirements(JOB_ID), cluster, stamp, parallelism=2, checkpoints=1
        ),
        "savepoint": lambda: plan_savepoint(facts, stamp),
    }
    return plans[name]()


def nothing(*_arguments: Any, **_named: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("restart", "run_jar"),
        ("restart", "stop_with_savepoint"),
        ("suspend", "stop_with_savepoint"),
        ("rescale", "require"),
        ("savepoint", "trigger_savepoint"),
    ],
)
def test_a_flink_that_does_nothing(rest: RestBench, monkeypatch: pytest.MonkeyPatch, name: str, without: str) -> None:
    monkeypatch.setattr(savepoint_steps, "_LISTED_WITHIN_SECONDS", PATIENCE_SECONDS, raising=False)
    plan = rest_plan(rest, name)
    monkeypatch.setattr(rest.cluster, without, nothing)
    assert rest.executor(seconds=1.0).run(plan).outcome != "verified"


@pytest.mark.parametrize(
    ("name", "told"), [("parallelism", "its vertices run with 1"), ("setting", "the job has another value")]
)
def test_a_submission_that_does_not_take_the_change(
    rest: RestBench, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    run_jar, as_before = rest.cluster.run_jar, {"pipeline.object-reuse": "false"}

    def ignoring(run: Any, **named: Any) -> None:
        run_jar(run, **{**named, "parallelism": 1, "settings": as_before})

    plan = rest_plan(rest, name)
    monkeypatch.setattr(rest.cluster, "run_jar", ignoring)
    result = rest.executor().run(plan)
    assert result.outcome == "timed-out", result.error
    assert told in (result.error or "")


def test_what_flink_does_not_tell_of_a_job_is_said(rest: RestBench) -> None:
    change = Change(jar="new.jar", parallelism=2, settings={"pipeline.object-reuse": "true", "a.key": "1"})
    result = rest.executor().run(rest.plan(change))
    assert result.outcome == "verified", result.error
    assert (result.seen["job_parallelism"], result.seen["settings"]) == ("2", "pipeline.object-reuse")
    assert result.seen["not_compared"].startswith("a.key (Flink does not tell a job's own settings); program (")
