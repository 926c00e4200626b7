"""Upgrades of a FlinkBlueGreenDeployment, carried out on a fake operator that goes by the real one's rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.executor import Executor, Progress
from flinkops.act.journal import Journal
from flinkops.act.operator.blue_green_control import open_blue_green
from flinkops.act.operator.blue_green_job import BlueGreenJob
from flinkops.clock import SystemClock
from flinkops.errors import Refused, UsageError
from flinkops.model.plan import Plan, Result
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.blue_green import ABORT_GRACE, DELETION_DELAY
from flinkops.plan.operator.blue_green_inputs import AwaitTransition
from flinkops.sources.kubernetes.verbs import ResourceRef
from tests.effort import some
from tests.patience import polled_clock
from tests.unit.fake_blue_green import FakePair
from tests.unit.fake_flink import BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE
from tests.unit.fake_operator import operating
from tests.unit.operator_bench import QUICK, Killed, access_of


class Bench:
    """A pair, its control, a journal."""

    def __init__(self, fake: FakePair, url: str, folder: Path) -> None:
        self.fake = fake
        self.clock = polled_clock()
        self.journal = Journal(folder / "journal", SystemClock())
        access = access_of(url)
        control = open_blue_green(access, ResourceRef("FlinkBlueGreenDeployment", "default", "bg"), self.clock)
        assert control is not None
        self.control = control
        self.access = access

    def handle(self) -> BlueGreenJob:
        children = []
        for name in self.fake.children:
            child = self.control.child(name)
            assert child is not None
            if (short := child.newest() if self.fake.children[name].job else None) is not None:
                job = child.job(short.id)
                assert job is not None
                children.append(job)
        return BlueGreenJob(self.access, self.control, tuple(children))

    def request(self, terms: Terms = QUICK, mode: Any = "savepoint", **edit: Any) -> ActionRequest:
        return ActionRequest("upgrade", Change(**edit), terms, mode=mode)

    def plan(self, plan_id: str = "p1", request: ActionRequest | None = None, **edit: Any) -> Plan:
        asked = request or self.request(**edit)
        return self.handle().plan(asked, self.journal, Stamp(plan_id, SystemClock().now_ms())).plan

    def executor(self, progress: Any = lambda _: None) -> Executor:
        return Executor(
            self.control, self.journal, self.clock, timeout_seconds=60.0, poll_seconds=0.001, progress=progress
        )

    def run(self, plan: Plan) -> Result:
        return self.executor().run(plan)

    def dies_at(self, plan: Plan, step: str, kind: str) -> bool:
        def die(progress: Progress) -> None:
            if (progress.kind, progress.step) == (kind, step):
                raise Killed

        try:
            self.executor(die).run(plan)
        except Killed:
            return True
        return False


@contextmanager
def bench(folder: Path, **configuration: str) -> Iterator[Bench]:
    fake = FakePair(**configuration)
    with operating(fake) as url:
        made = Bench(fake, url, folder)
        try:
            yield made
        finally:
            made.control.close()


def test_a_transition_is_planned_with_what_the_operator_does_and_both_jobs_at_once(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        plan = it.plan(image="count:2")
    assert (plan.refused, plan.change, plan.effective_mode) == ((), "upgrade", "savepoint")
    assert any("takes a savepoint of bg-blue, which runs on, and starts bg-green" in one for one in plan.why)
    assert any("suspended by the operator, and bg-blue stays" in one for one in plan.why)
    risks = [one for one in plan.risks if "both jobs run at once" in one]
    assert len(risks) == 1
    assert "not known to be idempotent or transactional: all" in risks[0]
    assert [step.name for step in plan.steps][-4:] == ["switched", "stable", "flow", "effect"]


def test_an_upgrade_is_verified_on_the_new_child_and_its_overlap_is_measured(tmp_path: Path) -> None:
    with bench(tmp_path, **{DELETION_DELAY: "30 s"}) as it:
        old_id = it.fake.children["bg-blue"].job_id
        result = it.run(it.plan(image="count:2"))
        found = result.found.by_name()
        assert (result.outcome, result.error) == ("verified", None)
        assert it.fake.state == "ACTIVE_GREEN"
        assert list(it.fake.children) == ["bg-green"]
        green = it.fake.children["bg-green"]
        assert green.job is not None
        assert green.job["restored"] == found["savepoint"] == found["restored_from"] == "s3://bucket/bg-0"
        assert (found["new_job_id"], found["old_job_id"]) == (green.job_id, old_id)
        assert found["downtime_seconds"] == 0.0
        assert found["overlap_seconds"] >= 0.0
        assert it.fake.template()["image"] == "count:2"


@pytest.mark.thorough
def test_a_second_upgrade_goes_back_to_blue(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        assert it.run(it.plan(image="count:2")).outcome == "verified"
        result = it.run(it.plan("p2", image="count:3"))
        assert (result.outcome, it.fake.state) == ("verified", "ACTIVE_BLUE")
        assert result.found.by_name()["restored_from"] == "s3://bucket/bg-1"


@pytest.mark.thorough
def test_with_a_deletion_delay_the_new_job_is_verified_while_the_old_one_is_still_there(tmp_path: Path) -> None:
    with bench(tmp_path, **{DELETION_DELAY: "20 s"}) as it:
        plan = it.plan(image="count:2")
        assert [step.name for step in plan.steps][-4:] == ["stable", "switched", "flow", "effect"]
        assert it.run(plan).outcome == "verified"
        assert it.fake.state == "ACTIVE_GREEN"


@pytest.mark.thorough
@pytest.mark.parametrize("image", [BAD_IMAGE, WRONG_STATE_IMAGE, LOOPING_IMAGE])
def test_a_bad_child_is_aborted_before_the_operator_would_and_the_old_job_never_stops(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flinkops.act.operator.startup._STUCK_SECONDS", {"image": 0.0})
    with bench(tmp_path, **{DELETION_DELAY: "2 min"}) as it:
        blue = it.fake.children["bg-blue"]
        assert blue.job is not None
        old_id, started_ms, template = blue.job_id, blue.job["started_ms"], dict(it.fake.template())
        result = it.run(it.plan(image=image))
        assert result.outcome == "rolled-back", result.error
        assert result.found.by_name()["rollback_way"] == "aborted"
        assert it.fake.state == "ACTIVE_BLUE"
        assert list(it.fake.children) == ["bg-blue"]
        assert blue.job is not None
        assert (blue.job_id, blue.job["started_ms"]) == (old_id, started_ms)
        assert it.fake.template() == template
        assert it.fake.settings() == {DELETION_DELAY: "2 min"}
        assert result.found.new_job_id == old_id
        # What was left behind would have been started from its own older state.
        again = it.run(it.plan("p2", image="count:2"))
        assert again.outcome == "verified"
        assert again.found.by_name()["restored_from"] == "s3://bucket/bg-1"


@pytest.mark.thorough
def test_an_abort_does_not_delete_the_old_child_while_the_new_ones_status_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new child was ready once: until its own operator has acted, its status still says so."""
    with bench(tmp_path, **{DELETION_DELAY: "30 s"}) as it:
        rounds = 0

        def progress(told: Progress) -> None:
            nonlocal rounds
            if (told.kind, told.step) == ("outcome", "running"):
                it.fake.children_asleep = True
            if (told.kind, told.step) == ("note", "rollback"):
                rounds += 1
                it.fake.children_asleep = rounds < 100

        ready = it.fake._ready
        monkeypatch.setattr(it.fake, "_ready", lambda child: it.fake.children_asleep or ready(child))
        result = it.executor(progress).run(it.plan(image=WRONG_STATE_IMAGE))
        assert result.outcome == "rolled-back", result.error
        assert list(it.fake.children) == ["bg-blue"]
        assert "deleted bg-blue" not in it.fake.orders


def test_after_the_switch_a_bad_job_is_brought_back_by_another_transition(tmp_path: Path) -> None:
    with bench(tmp_path) as it:

        def progress(told: Progress) -> None:
            if (told.kind, told.step) == ("note", "stable") and it.fake.state == "ACTIVE_GREEN":
                green = it.fake.children["bg-green"]
                assert green.job is not None
                green.job["started_ms"] = 7  # its JobManager was lost

        terms = msgspec.structs.replace(QUICK, checkpoints=5)
        result = it.executor(progress).run(it.plan(request=it.request(terms, image="count:2")))
        assert result.outcome == "rolled-back", result.error
        assert result.found.by_name()["rollback_way"] == "transition-back"
        assert it.fake.state == "ACTIVE_BLUE"
        assert it.fake.template()["image"] == "count:1"
        assert result.found.by_name()["restored_from"] == "s3://bucket/bg-1"


def test_a_savepoint_that_fails_is_the_operators_word_and_the_old_job_runs_on(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        it.fake.refuses_savepoints = True
        blue = it.fake.children["bg-blue"]
        assert blue.job is not None
        started_ms = blue.job["started_ms"]
        result = it.run(it.plan(image="count:2"))
        assert result.outcome == "rolled-back"
        assert "Could not start Transition" in (result.error or "")
        assert it.fake.template()["image"] == "count:1"
        assert (it.fake.state, list(it.fake.children)) == ("ACTIVE_BLUE", ["bg-blue"])
        assert blue.job is not None
        assert blue.job["started_ms"] == started_ms


def test_an_edit_by_somebody_else_in_the_middle_is_named_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flinkops.act.operator.startup._STUCK_SECONDS", {"image": 0.0})
    with bench(tmp_path) as it:

        def progress(told: Progress) -> None:
            if (told.kind, told.step) == ("outcome", "transition"):
                assert it.fake.resource is not None
                spec = it.fake.resource["spec"]
                job = {**spec["template"]["spec"]["job"], "parallelism": 7}
                it.fake.edit({**spec, "template": {"spec": {**spec["template"]["spec"], "job": job}}})

        result = it.executor(progress).run(it.plan(image=BAD_IMAGE))
        assert result.outcome == "failed"
        assert "somebody else has edited spec.template.spec.job.parallelism" in (result.error or "")
        assert it.fake.template()["job"]["parallelism"] == 7


KINDS = ("intent", "outcome")
STEPS = ("dry-run", "measure", "patch", "transition", "check", "running", "switched", "stable", "flow", "effect")


@pytest.mark.scaled
@pytest.mark.parametrize(("step", "kind"), some([*product(STEPS, KINDS)], 3))
@pytest.mark.thorough
def test_killed_at_any_step_it_is_resumed_to_the_same_end(step: str, kind: str, tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        assert it.dies_at(it.plan(image="count:2"), step, kind)
        result = it.executor().resume("p1")
        assert (result.outcome, result.error) == ("verified", None)
        assert (it.fake.state, list(it.fake.children)) == ("ACTIVE_GREEN", ["bg-green"])
        assert len([one for one in it.fake.orders if one.startswith("patch")]) == 1
        assert len(it.fake.triggers) == 1


ROLLBACK_STEPS = ("rollback", "old-leftover", "old-spec", "old-running", "old-stable", "old-flow")


@pytest.mark.scaled
@pytest.mark.parametrize(("step", "kind"), some([*product(ROLLBACK_STEPS, KINDS)], 2))
def test_killed_in_the_abort_it_is_resumed_to_the_same_end(
    step: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flinkops.act.operator.startup._STUCK_SECONDS", {"image": 0.0})
    with bench(tmp_path) as it:
        old_id, template = it.fake.children["bg-blue"].job_id, dict(it.fake.template())
        assert it.dies_at(it.plan(image=BAD_IMAGE), step, kind)
        result = it.executor().resume("p1")
        assert result.outcome == "rolled-back", result.error
        assert (it.fake.state, list(it.fake.children)) == ("ACTIVE_BLUE", ["bg-blue"])
        assert (it.fake.children["bg-blue"].job_id, it.fake.template(), it.fake.settings()) == (old_id, template, {})


def test_an_abort_by_the_operator_itself_is_followed_by_a_transition_back(tmp_path: Path) -> None:
    """Its status then says that the bad template was acted on: what is patched next would give that to the old job."""
    with bench(tmp_path, **{ABORT_GRACE: "1 ms"}) as it:
        result = it.run(it.plan(image=BAD_IMAGE))
        assert it.fake.template()["image"] == "count:1"
        assert "the operator" in (result.error or "")
        assert (result.found.by_name()["rollback_way"], result.outcome) == ("transition-back", "failed")
        # With that grace no child is ever started in time.
        assert it.fake.children["bg-blue"].job is not None


def test_a_change_that_stops_nothing_is_seen_on_the_active_child(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        blue = it.fake.children["bg-blue"]
        assert blue.job is not None
        started_ms = blue.job["started_ms"]
        plan = it.plan(request=it.request(mode=None, settings={"kubernetes.operator.x": "1"}))
        assert (plan.change, plan.effective_mode, plan.refused) == ("ignore", "none", ())
        assert it.run(plan).outcome == "verified"
        assert blue.resource is not None
        assert blue.resource["spec"]["flinkConfiguration"]["kubernetes.operator.x"] == "1"
        assert (blue.job or {})["started_ms"] == started_ms
        assert it.fake.state == "ACTIVE_BLUE"


def test_a_trigger_that_was_left_behind_refuses_the_next_transition(tmp_path: Path) -> None:
    """The operator would take that savepoint, however old, for the one of the next transition."""
    with bench(tmp_path) as it:
        it.fake.status["savepointTriggerId"] = "trigger-of-before"
        plan = it.plan(image="count:2")
        assert any("trigger-of-before" in one and "earlier savepoint" in one for one in plan.refused)
        assert plan.steps == ()


def test_what_a_transition_does_not_have_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        for terms in (
            msgspec.structs.replace(QUICK, redeploy_from="s3://x"),
            msgspec.structs.replace(QUICK, backup=True),
        ):
            with pytest.raises(UsageError):
                it.plan(request=it.request(terms, image="count:2"))
        with pytest.raises(Refused, match="flinkops can upgrade it, not suspend"):
            it.plan(request=ActionRequest("suspend"))
        assert any("nothing would change" in one for one in it.plan(request=it.request(mode=None)).refused)
        stateless = it.plan(request=it.request(mode="stateless", image="count:2"))
        assert (stateless.severe, stateless.effective_mode, stateless.refused) == (True, "stateless", ())
        assert any("all state is lost" in one for one in stateless.risks)


def test_a_manifest_of_another_nonce_or_state_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        assert it.fake.resource is not None
        for job, said in (({"savepointRedeployNonce": 3}, "redeployment"), ({"state": "suspended"}, "suspending")):
            spec = it.fake.resource["spec"]
            template = {**spec["template"]["spec"], "job": {**spec["template"]["spec"]["job"], **job}}
            manifest = {"FlinkBlueGreenDeployment": {**spec, "template": {"spec": template}}}
            plan = it.plan(request=ActionRequest("upgrade", Change(), QUICK, manifest=manifest))
            assert any(said in one for one in plan.refused), plan.refused


def test_an_old_error_of_the_operators_is_told_from_a_new_one(tmp_path: Path) -> None:
    with bench(tmp_path) as it:
        it.fake.status["error"] = "of before"
        (awaited,) = (one.do for one in it.plan(image="count:2").steps if isinstance(one.do, AwaitTransition))
        assert awaited.error == "of before"
        assert it.run(it.plan(image="count:2")).outcome == "verified"
