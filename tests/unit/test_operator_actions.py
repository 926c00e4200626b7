"""The executor's Kubernetes steps on an operator that is a state machine, killed at each of them, and its faults."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.executor import Progress
from flinkops.act.journal import Entry, EventName
from flinkops.act.operator import rollback_steps, stop
from flinkops.errors import Refused
from flinkops.model.request import ActionRequest, Change, Terms
from tests.effort import some, variants
from tests.unit.cr_samples import quota
from tests.unit.fake_operator import (
    BAD_IMAGE,
    LOOPING_IMAGE,
    WRONG_STATE_IMAGE,
    FakeOperator,
)
from tests.unit.operator_bench import QUICK, SAVEPOINT, Bench, Killed, impatient_bench

OLD_IMAGE = "count:1"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with impatient_bench(FakeOperator(), tmp_path, monkeypatch) as found:
        yield found


def test_an_upgrade_is_verified_by_what_the_new_job_was_restored_from(bench: Bench) -> None:
    result = bench.run(bench.upgrade(image="count:2"))
    assert (result.outcome, result.error) == ("verified", None)
    assert result.seen["savepoint"] == result.seen["restored_from"] == SAVEPOINT
    assert float(result.seen["downtime_seconds"]) >= 0
    assert [one.partition(" ")[0] for one in bench.fake.orders] == ["patch", "stopped", "deployed"]
    assert bench.fake.leases == {}


@pytest.mark.parametrize("image", variants(BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE))
def test_a_bad_new_job_gives_way_to_the_old_one_from_the_same_savepoint(bench: Bench, image: str) -> None:
    result = bench.run(bench.upgrade(image=image))
    assert result.outcome == "rolled-back", result.error
    assert bench.spec()["image"] == OLD_IMAGE
    assert bench.restored() == SAVEPOINT == result.seen["restored_from"]
    assert bench.fake.orders[-3:-1] == ["delete", f"create from {SAVEPOINT}"]


@pytest.mark.parametrize("image", variants(BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE))
def test_a_newer_operator_redeploys_the_old_spec_from_the_savepoint(bench: Bench, image: str) -> None:
    bench.fake.minor = 15
    result = bench.run(bench.upgrade(image=image))
    assert result.outcome == "rolled-back", result.error
    job = bench.spec()["job"]
    assert (bench.spec()["image"], job["initialSavepointPath"]) == (OLD_IMAGE, SAVEPOINT)
    assert job["savepointRedeployNonce"] == 1
    assert bench.restored() == SAVEPOINT == result.seen["restored_from"]
    assert "delete" not in bench.fake.orders


def test_taskmanagers_that_a_quota_refuses_are_why_the_new_job_does_not_run(bench: Bench) -> None:
    bench.fake.most_parallelism, bench.fake.quotas = 2, quota()["quotas"]
    result = bench.run(bench.upgrade(parallelism=3))
    assert result.outcome == "rolled-back"
    assert result.error is not None
    assert "team-quota: no room for another TaskManager: pods: 2 of 2 used" in result.error
    assert bench.spec()["job"]["parallelism"] == 2


@pytest.mark.parametrize("redeploys", [False, True])
@pytest.mark.parametrize("step", ["patch", "rollback", "old-remove", "old-create"])
@pytest.mark.thorough
def test_killed_before_the_outcome_is_noted_nothing_is_done_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, redeploys: bool
) -> None:
    bench.fake.minor = 15 if redeploys else 7
    append = bench.journal.append

    def die(event: EventName, *arguments: Any, **named: Any) -> Entry:
        if (event, named.get("step")) == ("outcome", step):
            raise Killed
        return append(event, *arguments, **named)

    with monkeypatch.context() as dying:
        dying.setattr(bench.journal, "append", die)
        with pytest.raises(Killed):
            bench.executor().run(bench.upgrade(image=BAD_IMAGE))
    result = bench.executor().resume("p1")
    assert result.outcome == "rolled-back", result.error
    assert bench.restored() == SAVEPOINT
    kinds = [one.partition(" ")[0] for one in bench.fake.orders]
    assert kinds == ["patch", "stopped", *(["patch"] if redeploys else ["delete", "create"]), "deployed"]


GOOD_STEPS = ("dry-run", "patch", "savepoint", "check", "running", "stable", "flow")


BAD_STEPS = ("running", "rollback", "old-remove", "old-create", "old-running", "old-stable")


AT_EACH_STEP = pytest.mark.parametrize(
    ("image", "step"),
    some([*(("count:2", step) for step in GOOD_STEPS), *((BAD_IMAGE, step) for step in BAD_STEPS)], 3),
)


@pytest.mark.scaled
@AT_EACH_STEP
@pytest.mark.thorough
def test_an_api_server_that_is_away_for_a_while_at_any_step_changes_nothing(
    bench: Bench, image: str, step: str
) -> None:
    def go_away(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", step):
            bench.fake.away = 5

    result = bench.executor(go_away).run(bench.upgrade(image=image))
    assert result.outcome == ("rolled-back" if image == BAD_IMAGE else "verified"), result.error
    assert bench.restored() == SAVEPOINT


@pytest.mark.scaled
@AT_EACH_STEP
@pytest.mark.thorough
def test_killed_at_any_step_it_goes_on_and_does_nothing_twice(bench: Bench, image: str, step: str) -> None:
    plan = bench.upgrade(image=image)
    assert bench.run_and_die_at(plan, step)
    assert bench.journal.record("p1").unfinished_step == step
    result = bench.executor().resume("p1")
    assert result.outcome == ("rolled-back" if image == BAD_IMAGE else "verified"), result.error
    assert bench.restored() == SAVEPOINT
    kinds = [one.partition(" ")[0] for one in bench.fake.orders]
    again = ["delete", "create", "deployed"] if image == BAD_IMAGE else ["deployed"]
    assert kinds == ["patch", "stopped", *again]


def test_a_conflicting_edit_is_refused_before_anything_is_done(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")
    bench.fake.edit({**bench.spec(), "image": "other:1"})
    bench.fake.asleep = True
    with pytest.raises(Refused, match="edited by somebody else"):
        bench.run(plan)
    assert bench.fake.orders == []


def test_an_edit_between_the_check_and_the_patch_is_refused_too(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")

    def edit(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "patch"):
            bench.fake.asleep = True
            bench.fake.edit({**bench.spec(), "image": "other:1"})

    result = bench.executor(edit).run(plan)
    assert result.outcome == "refused"
    assert "edited by somebody else" in (result.error or "")
    assert bench.fake.orders == []


def test_status_updates_in_between_are_no_conflict(bench: Bench) -> None:
    bench.fake.conflicts = 3
    assert bench.run(bench.upgrade(image="count:2")).outcome == "verified"


def test_a_field_that_the_schema_does_not_have_is_found_by_the_dry_run(bench: Bench) -> None:
    bench.fake.drops = "parallelism"
    result = bench.run(bench.upgrade(parallelism=4))
    assert (result.outcome, bench.fake.orders) == ("failed", [])
    assert "spec.job.parallelism" in (result.error or "")


def test_an_operator_that_is_down_is_waited_for_and_then_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_TAKEN_UP_WITHIN_SECONDS", 0.05)
    bench.fake.asleep = True
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "timed-out"
    assert "is the operator running?" in (result.error or "")
    assert "action resume p1" in (result.next_command or "")
    bench.fake.asleep = False
    assert bench.executor().resume("p1").outcome == "verified"


def test_when_no_savepoint_can_be_taken_the_old_job_is_left_running(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "_ERROR_HOLDS_SECONDS", 0.0)
    bench.fake.savepoint_error = "the folder is read-only"
    before = copy.deepcopy(bench.spec())
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "rolled-back"
    assert "the folder is read-only" in (result.error or "")
    assert bench.spec() == before
    assert bench.restored() is None  # never stopped
    assert all(one.startswith("patch") for one in bench.fake.orders)


def test_somebody_else_has_the_lease(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")
    other = bench.upgrade("p2", image="count:3")
    with bench.control.lock(other), pytest.raises(Refused, match="another action on default/count is under way: p2"):
        bench.run(plan)
    assert bench.fake.orders == []
    assert bench.run(plan).outcome == "verified"


def test_a_lease_whose_holder_is_gone_is_taken_over(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")
    with bench.control.lock(bench.upgrade("p2", image="count:3")):
        left = copy.deepcopy(bench.fake.leases)
    left["flinkops-flinkdeployment-count"]["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"
    bench.fake.leases = left
    assert bench.run(plan).outcome == "verified"


def test_a_lease_that_was_lost_stops_every_change(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")

    def lose(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "patch"):
            bench.control._lease._lost = "its holder is p9 now"

    result = bench.executor(lose).run(plan)
    assert "its holder is p9 now" in (result.error or "")
    assert bench.fake.orders == []


def edit_at(bench: Bench, step: str, **changed: Any) -> Callable[[Progress], None]:
    """Somebody else changes the spec once this step has ended."""

    def edit(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("outcome", step):
            bench.fake.edit({**bench.spec(), **changed})

    return edit


@pytest.mark.parametrize("minor", variants(15, 7))
def test_somebody_elses_edit_is_kept_and_named_by_the_rollback(bench: Bench, minor: int) -> None:
    bench.fake.minor = minor
    old = copy.deepcopy(bench.spec())
    plan = bench.upgrade(image=BAD_IMAGE)
    settings = {**old["flinkConfiguration"], "metrics.scope.jm": "payments"}
    result = bench.executor(edit_at(bench, "savepoint", flinkConfiguration=settings)).run(plan)
    assert result.outcome == "rolled-back", result.error
    assert (bench.spec()["image"], bench.spec()["flinkConfiguration"]) == (old["image"], settings)
    assert result.seen["kept_edits"] == "spec.flinkConfiguration.metrics.scope.jm"


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.thorough
def test_what_somebody_else_deletes_is_not_created_again(bench: Bench, again: bool) -> None:
    plan = bench.upgrade(image=BAD_IMAGE)

    def delete(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "rollback"):
            resource = bench.fake.resource
            assert resource is not None
            other = {**resource, "metadata": {**resource["metadata"], "uid": "another"}}
            bench.fake.resource = other if again else None
            bench.fake.asleep = True

    result = bench.executor(delete).run(plan)
    assert result.outcome == "failed"
    assert "somebody else" in (result.error or "")
    assert "flinkops history" in (result.error or "") + (result.next_command or "")
    assert not any(one.startswith("create") for one in bench.fake.orders)


def test_what_a_killed_action_left_held_is_told_and_given_back(bench: Bench) -> None:
    plan = bench.upgrade(image="count:2")
    with bench.control.lock(plan):
        left = copy.deepcopy(bench.fake.leases)
    assert bench.run_and_die_at(plan, "patch")
    bench.fake.leases = left
    with pytest.raises(Refused, match="p1 of this job is not finished") as refused:
        bench.run(bench.upgrade("p2", image="count:3"))
    assert "flinkops action resume p1 (or abandon" in refused.value.line()
    bench.executor().abandon("p1")
    assert bench.fake.leases == {}
    assert bench.run(bench.upgrade("p2", image="count:3")).outcome == "verified"


def test_a_restart_and_a_rollback_keep_the_state(bench: Bench) -> None:
    assert bench.run(bench.upgrade(image="count:2")).outcome == "verified"
    assert bench.run(bench.plan(ActionRequest("restart", terms=QUICK), "p2")).outcome == "verified"
    assert bench.spec()["restartNonce"] == 1
    back = bench.run(bench.plan(ActionRequest("rollback", terms=QUICK, undo="p1"), "p3"))
    assert back.outcome == "verified", back.error
    assert (bench.spec()["image"], bench.restored()) == (OLD_IMAGE, "s3://bucket/savepoint-3")


def test_a_backup_is_kept_and_is_not_the_one_that_counts(bench: Bench) -> None:
    request = ActionRequest(
        "upgrade", Change(image="count:2"), Terms(checkpoints=1, watch_seconds=0.0, backup=True), mode="savepoint"
    )
    plan = bench.plan(request)
    names = [step.name for step in plan.steps]
    assert names[names.index("measure") + 1 : names.index("patch")] == [
        "backup-trigger",
        "backup-await",
        "backup-verify",
        "backup",
    ]


def test_a_blue_green_child_is_refused(bench: Bench) -> None:
    assert bench.fake.resource is not None
    bench.fake.resource["metadata"]["ownerReferences"] = [{"kind": "FlinkBlueGreenDeployment", "name": "b"}]
    assert any("FlinkBlueGreenDeployment b" in line for line in bench.upgrade(image="count:2").refused)


def test_claim_mode_and_foreign_finalizers_leave_no_rollback(bench: Bench) -> None:
    bench.spec()["flinkConfiguration"]["execution.savepoint-restore-mode"] = "CLAIM"
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    plan = bench.upgrade(image="count:2")
    assert (plan.rollback, plan.rollback_steps, plan.severe) == ((), (), True)
    assert any("CLAIM" in risk for risk in plan.risks)


@pytest.mark.parametrize("minor", variants(15, 7))
@pytest.mark.parametrize("image", ["count:2", BAD_IMAGE])
def test_downtime_is_measured_by_last_state_too_and_when_it_is_rolled_back(
    bench: Bench, minor: int, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback_steps, "_SILENT_SECONDS", 0.02)
    bench.fake.minor = minor
    bench.spec()["job"]["upgradeMode"] = "last-state"
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    bench.fake.progress()
    request = ActionRequest("upgrade", Change(image=image), QUICK, mode="last-state")
    result = bench.run(bench.plan(request))
    assert result.outcome == ("rolled-back" if image == BAD_IMAGE else "verified"), result.error
    assert float(result.seen["downtime_seconds"]) >= 0


def test_a_backup_is_planned_once_the_operator_sees_the_job_run(bench: Bench) -> None:
    terms = msgspec.structs.replace(QUICK, backup=True)
    request = ActionRequest("upgrade", Change(image="count:2"), terms, mode="savepoint")
    assert bench.plan(request).refused == ()
    assert bench.fake.resource is not None
    bench.fake.asleep = True
    bench.fake.resource["status"]["jobStatus"]["state"] = "CREATED"
    assert any("does not see the job RUNNING yet" in reason for reason in bench.plan(request).refused)
