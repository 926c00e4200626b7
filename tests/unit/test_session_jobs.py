"""Session jobs: predicted together with their cluster, changed by their own resource, told from their neighbours."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flinkops.act.inventory import References, savepoints_of
from flinkops.act.operator import startup
from flinkops.errors import UsageError
from flinkops.model.request import ActionRequest
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.rules import Features
from flinkops.sources.kubernetes.verbs import Leftover
from tests.effort import variants
from tests.unit.fake_operator import LOOPING_IMAGE, WRONG_STATE_IMAGE, operating
from tests.unit.fake_session import BAD_JAR, OTHERS_JOB, OTHERS_SAVEPOINT, FakeSession
from tests.unit.operator_bench import QUICK, SAVEPOINT, Bench
from tests.unit.operator_cases import NEW, OLD, SEEN

NO_DIRECTORY = {"state.savepoints.dir": ""}
OLD_JAR, NEW_JAR = "http://jars/ticks-1.jar", "http://jars/ticks-2.jar"


@pytest.fixture
def fake() -> FakeSession:
    return FakeSession()


@pytest.fixture
def bench(fake: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(startup, "_SUBMISSION_FAILS_SECONDS", 0.0)
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        yield found
        found.control.close()


def jar_of(fake: FakeSession) -> str:
    assert fake.resource is not None
    return str(fake.resource["spec"]["job"]["jarURI"])


def restored(fake: FakeSession) -> Any:
    assert fake.job is not None
    return fake.job["restored"]


def predicted(
    fake: FakeSession, edit: Edit, features: Features = OLD, replaced: Mapping[str, str] | None = None
) -> Prediction:
    """The prediction; `replaced` are settings of the session cluster."""
    assert fake.resource is not None
    assert fake.cluster is not None
    settings = {**fake.cluster["spec"]["flinkConfiguration"], **(replaced or {})}
    on = {**fake.cluster, "spec": {**fake.cluster["spec"], "flinkConfiguration": settings}}
    seen = replace(SEEN, operator_configuration={"kubernetes.operator.user.artifacts.allowed-schemes": "http;https"})
    return predict(fake.resource, edit, observed=seen, features=features, cluster=on)


def test_an_upgrade_is_verified_on_the_job_that_the_operator_recorded(bench: Bench, fake: FakeSession) -> None:
    old_id = fake.job_id
    result = bench.run(bench.upgrade(jar=NEW_JAR, parallelism=2))
    assert (result.outcome, result.error) == ("verified", None)
    assert result.seen["restored_from"] == result.seen["savepoint"] == SAVEPOINT
    assert result.seen["new_job_id"] == fake.job_id != old_id
    assert [one.partition(" ")[0] for one in fake.orders] == ["patch", "stopped", "deployed"]


def test_a_jar_that_cannot_be_had_gives_way_to_the_old_job_from_the_same_savepoint(
    bench: Bench, fake: FakeSession
) -> None:
    result = bench.run(bench.upgrade(jar=BAD_JAR))
    assert result.outcome == "rolled-back", result.error
    assert f"cannot submit the job: {BAD_JAR}: 404" in (result.error or "")
    assert (jar_of(fake), restored(fake)) == (OLD_JAR, SAVEPOINT)
    assert fake.orders[-3:-1] == ["delete", f"create from {SAVEPOINT}"]


@pytest.mark.parametrize("jar", variants(LOOPING_IMAGE, WRONG_STATE_IMAGE))
@pytest.mark.parametrize("redeploys", [False, True])
def test_a_bad_new_job_gives_way_to_the_old_one(bench: Bench, fake: FakeSession, jar: str, redeploys: bool) -> None:
    fake.minor = 14 if redeploys else 7  # 1.15 takes jars by https alone
    result = bench.run(bench.upgrade(jar=jar))
    assert result.outcome == "rolled-back", result.error
    assert (jar_of(fake), restored(fake)) == (OLD_JAR, SAVEPOINT)
    assert ("delete" in fake.orders) is not redeploys


@pytest.mark.parametrize("step", variants("running", "patch", "savepoint", "rollback", "old-remove", "old-create"))
def test_killed_at_any_step_it_goes_on_and_does_nothing_twice(bench: Bench, fake: FakeSession, step: str) -> None:
    assert bench.run_and_die_at(bench.upgrade(jar=BAD_JAR), step)
    result = bench.executor().resume("p1")
    assert result.outcome == "rolled-back", result.error
    assert [one.partition(" ")[0] for one in fake.orders] == ["patch", "stopped", "delete", "create", "deployed"]
    assert restored(fake) == SAVEPOINT


def test_deleting_waits_until_the_job_itself_has_ended(bench: Bench, fake: FakeSession) -> None:
    assert bench.control.leftovers({fake.job_id}) == (Leftover("job", fake.job_id),)
    fake.ended, fake.job = [fake.job_id], None
    assert bench.control.leftovers({fake.job_id}) == ()  # the neighbour's job is none of ours


def test_suspended_and_resumed(bench: Bench, fake: FakeSession) -> None:
    assert bench.run(bench.plan(ActionRequest("suspend"))).seen["savepoint"] == SAVEPOINT
    assert fake.job is None
    assert bench.control.newest() is not None  # as it ended
    fake.late = 20  # and so it is seen for a while yet
    result = bench.run(bench.plan(ActionRequest("resume", terms=QUICK), "p2"))
    assert (result.outcome, restored(fake)) == ("verified", SAVEPOINT), result.error


def test_a_restart_and_a_rollback_keep_the_state(bench: Bench, fake: FakeSession) -> None:
    assert bench.run(bench.upgrade(jar=NEW_JAR)).outcome == "verified"
    assert bench.run(bench.plan(ActionRequest("restart", terms=QUICK), "p2")).outcome == "verified"
    back = bench.run(bench.plan(ActionRequest("rollback", terms=QUICK, undo="p1"), "p3"))
    assert (back.outcome, jar_of(fake), restored(fake)) == ("verified", OLD_JAR, "s3://bucket/savepoint-3"), back.error


def test_settings_come_from_the_session_cluster_where_the_job_has_none(fake: FakeSession) -> None:
    edit = Edit(jar=NEW_JAR, mode="savepoint")
    found = predicted(fake, edit)
    assert found.refused == ()
    without = predicted(fake, edit, replaced=NO_DIRECTORY)
    assert any("no savepoint directory" in line for line in without.refused)
    assert fake.resource is not None
    fake.resource["spec"]["flinkConfiguration"] = {"state.savepoints.dir": "s3://bucket/own"}
    assert predicted(fake, edit, replaced=NO_DIRECTORY).refused  # 1.7.0 asks the cluster's settings alone
    assert not predicted(fake, edit, Features(savepoint_redeploy=True, version="1.8.0"), NO_DIRECTORY).refused


def test_a_session_cluster_that_claims_savepoints_leaves_no_rollback(bench: Bench, fake: FakeSession) -> None:
    assert fake.cluster is not None
    fake.cluster["spec"]["flinkConfiguration"]["execution.savepoint-restore-mode"] = "CLAIM"
    bench.control.session_cluster = copy.deepcopy(fake.cluster)
    plan = bench.upgrade(jar=NEW_JAR)
    assert (plan.rollback, plan.rollback_steps, plan.severe) == ((), (), True)


@pytest.mark.parametrize("manager", ["MISSING", "DEPLOYING", None])
def test_the_operator_waits_for_a_session_cluster_that_is_not_ready(bench: Bench, manager: str | None) -> None:
    cluster = bench.control.session_cluster
    assert cluster is not None
    bench.control.session_cluster = {**cluster, "status": {"jobManagerDeploymentStatus": manager}}
    plan = bench.upgrade(jar=NEW_JAR)
    assert (plan.effective_mode, plan.steps) == ("fail", ())
    assert any(f"session cluster session: JobManager {manager}" in line for line in plan.refused)


def test_a_session_cluster_that_is_not_there(bench: Bench) -> None:
    bench.control.session_cluster = None
    assert any("there is no FlinkDeployment session" in line for line in bench.upgrade(jar=NEW_JAR).refused)


def test_last_state_is_for_newer_operators(fake: FakeSession) -> None:
    edit = Edit(jar=NEW_JAR, mode="last-state")
    assert any("no last-state for session jobs" in line for line in predicted(fake, edit, OLD).refused)
    found = predicted(fake, edit, NEW)
    assert (found.effective_mode, found.refused) == ("last-state", ())


def test_what_a_session_job_does_not_have(fake: FakeSession) -> None:
    with pytest.raises(UsageError, match="no image of its own"):
        predicted(fake, Edit(image="x:1", mode="savepoint"))
    assert fake.resource is not None
    moved = {**fake.resource["spec"], "deploymentName": "another"}
    found = predicted(fake, Edit(manifest=moved, mode="savepoint"))
    assert any("moves no job to another session cluster" in line for line in found.refused)


def test_a_neighbour_in_the_session_cluster_keeps_its_own_name_and_savepoints(bench: Bench, fake: FakeSession) -> None:
    """Both are jobs of one Flink cluster, and Flink calls both the same."""
    own, other = bench.control.job(fake.job_id), bench.control.job(OTHERS_JOB)
    assert own is not None
    assert other is not None
    assert (own.kind, own.namespace) == ("FlinkSessionJob", "default")
    assert (other.kind, other.namespace) == ("rest", None)
    assert savepoints_of(own, bench.journal) == ()
    latest = [why for why in References(bench.control, bench.journal).to(OTHERS_SAVEPOINT) if "latest" in why]
    assert latest == ["it is the latest savepoint of job ticks"]
    (listed,) = savepoints_of(other, bench.journal)
    assert (listed.path, listed.job_id) == (OTHERS_SAVEPOINT, OTHERS_JOB)


def test_its_own_submissions_are_known_by_what_the_operator_recorded(bench: Bench, fake: FakeSession) -> None:
    before = fake.job_id
    assert bench.run(bench.plan(ActionRequest("restart", terms=QUICK))).outcome == "verified"
    names = {one: found.kind for one in (before, fake.job_id) if (found := bench.control.job(one)) is not None}
    assert names == {before: "FlinkSessionJob", fake.job_id: "FlinkSessionJob"}
