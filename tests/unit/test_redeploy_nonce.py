"""A savepointRedeployNonce is never changed without the word for it: recorded objects, and the fake operator's acts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.executor import Progress
from flinkops.act.operator.redeploy import NonceChoice, settle_nonce, what_is_lost
from flinkops.act.operator.spec_steps import new_savepoint
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.errors import Refused, UsageError
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.operator.bookkeeping import (
    keeping_nonce,
    next_redeploy_nonce,
    next_restart_nonce,
    with_bookkeeping_of,
    without_bookkeeping,
)
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.spec import job_of
from flinkops.sources.storage.stores import Stores
from tests.unit.cr_samples import case
from tests.unit.fake_operator import BAD_IMAGE, FakeOperator
from tests.unit.operator_bench import QUICK, Bench, impatient_bench
from tests.unit.operator_cases import NEW, SEEN

INLINE = Path(__file__).parent / "savepoints" / "flink-1.20-hashmap-canonical.metadata"
OLD_SAVEPOINT = "file:/flink-data/savepoints/savepoint-bbb5e8-08e3adcdb52a"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    fake = FakeOperator()
    fake.minor = 15
    with impatient_bench(fake, tmp_path, monkeypatch) as found:
        yield found


def predicted(resource: dict[str, Any], wanted: dict[str, Any], *accepted: str) -> Prediction:
    edit = Edit(manifest=wanted, mode="savepoint")
    return predict(resource, edit, observed=SEEN, features=NEW, accepted=frozenset(accepted))


# --- recorded objects ---------------------------------------------------------------------------------------------


def test_a_rollback_of_the_recorded_job_keeps_its_nonce_and_takes_a_savepoint() -> None:
    """As it happened: the old spec brought nonce 1 and its path back, and twelve minutes of state were lost."""
    resource, before = case("rollback-before"), case("rollback-after")["spec"]
    assert predicted(resource, before, "savepoint-redeploy").effective_mode == "savepoint-redeploy"
    found = predicted(resource, with_bookkeeping_of(resource["spec"], before))
    assert (found.change, found.effective_mode, found.refused) == ("upgrade", "savepoint", ())
    job = found.patch["spec"]["job"]
    assert job == {"parallelism": before["job"]["parallelism"]}


def test_a_manifest_with_another_nonce_is_refused_with_both_ways_on() -> None:
    resource, wanted = case("nonce-changed-before"), case("nonce-changed-after")["spec"]
    refused = " ".join(predicted(resource, wanted).refused)
    assert "--keep-nonce" in refused
    assert f"--redeploy-from {wanted['job']['initialSavepointPath']}" in refused


@pytest.mark.parametrize("nonce", [None, "absent"])
def test_a_manifest_without_a_nonce_keeps_the_one_there_is(nonce: str | None) -> None:
    resource, wanted = case("nonce-changed-before"), case("nonce-changed-after")["spec"]
    wanted["job"]["savepointRedeployNonce"] = None
    if nonce == "absent":
        del wanted["job"]["savepointRedeployNonce"]
    settled = settle_nonce(resource["spec"], wanted, next_redeploy_nonce(resource), NonceChoice())
    assert (settled.orders, settled.warning) == (None, None)
    assert job_of(settled.spec)["savepointRedeployNonce"] == 2
    found = predicted(resource, settled.spec)
    assert (found.effective_mode, found.refused) == ("savepoint", ())


def test_keep_nonce_takes_the_rest_of_the_manifest_and_warns_of_other_tools() -> None:
    resource, wanted = case("nonce-changed-before"), case("nonce-changed-after")["spec"]
    settled = settle_nonce(resource["spec"], wanted, next_redeploy_nonce(resource), NonceChoice(keep_nonce=True))
    assert settled.warning is not None
    assert "applied by another tool it redeploys" in settled.warning
    found = predicted(resource, settled.spec)
    assert (found.effective_mode, found.refused) == ("savepoint", ())
    assert "savepointRedeployNonce" not in found.patch["spec"]["job"]


def test_redeploy_from_starts_from_that_path_and_says_what_is_lost() -> None:
    resource, wanted = case("nonce-changed-before"), case("nonce-changed-after")["spec"]
    choice = NonceChoice(redeploy_from="s3://b/sp-9")
    settled = settle_nonce(resource["spec"], wanted, next_redeploy_nonce(resource), choice)
    found = predicted(resource, settled.spec, "savepoint-redeploy")
    assert (found.effective_mode, found.refused) == ("savepoint-redeploy", ())
    assert "what the job did since s3://b/sp-9 is lost" in found.risks
    with pytest.raises(UsageError, match="not both"):
        settle_nonce(resource["spec"], wanted, 3, NonceChoice("s3://b/sp-9", keep_nonce=True))


def test_the_path_of_a_redeployment_is_no_savepoint_of_a_stop() -> None:
    """Operator 1.15 writes it where the savepoint of a stop would be."""
    after = case("nonce-changed-after")
    recorded = after["status"]["jobStatus"]["upgradeSavepointPath"]
    assert recorded == after["spec"]["job"]["initialSavepointPath"] == OLD_SAVEPOINT
    assert new_savepoint(after, set()) is None
    after["spec"]["job"]["initialSavepointPath"] = OLD_SAVEPOINT.replace("file:/", "file:///") + "/"
    assert new_savepoint(after, set()) is None
    after["status"]["jobStatus"]["upgradeSavepointPath"] = "file:/flink-data/savepoints/savepoint-aaaaaa-1"
    assert new_savepoint(after, set()) == "file:/flink-data/savepoints/savepoint-aaaaaa-1"


@pytest.mark.parametrize("age_minutes", [12, None])
def test_what_is_lost_names_age_and_checkpoints(bench: Bench, age_minutes: int | None) -> None:
    now_ms = 1795878700000
    old = CheckpointFacts(id=101, status="COMPLETED", is_savepoint=True, external_path=OLD_SAVEPOINT)
    if age_minutes is not None:
        old = CheckpointFacts(
            id=101,
            status="COMPLETED",
            is_savepoint=True,
            external_path=OLD_SAVEPOINT,
            triggered_ms=now_ms - age_minutes * 60_000,
        )
    newest = CheckpointFacts(id=124, status="COMPLETED")
    points = CheckpointsFacts(enabled=True, history=(newest, old), latest_completed=newest)
    job = JobFacts(id="a", name="count", cluster="prod", seen_ms=now_ms, state="RUNNING", checkpoints=points)
    said = what_is_lost(OLD_SAVEPOINT, job, case("nonce-changed-before"), bench.journal, Stores())
    assert ("12m old" if age_minutes else "of unknown age") in said
    assert "checkpoint 101; checkpoint 124 has been completed since" in said
    assert "all state is lost" in what_is_lost("", job, case("nonce-changed-before"), bench.journal, Stores())


def test_nonces_are_above_the_spec_and_what_was_reconciled_last() -> None:
    """As it happened: the spec had none, the operator had acted on 1, and 1 again was no change."""
    assert next_restart_nonce(case("restart-after-nonce-removed")) == 2
    assert next_restart_nonce(case("restart-nonce-removed")) == 2
    assert next_redeploy_nonce(case("nonce-changed-before")) == 3
    assert next_redeploy_nonce({"spec": {"job": {}}}) == 1


JOBS = st.fixed_dictionaries(
    {},
    optional={
        "savepointRedeployNonce": st.none() | st.integers(0, 3),
        "initialSavepointPath": st.none() | st.sampled_from(["s3://b/1", "s3://b/2"]),
        "state": st.sampled_from(["running", "suspended"]),
        "parallelism": st.integers(1, 3),
        "savepointTriggerNonce": st.integers(0, 3),
    },
)
SPECS = st.builds(
    lambda job, nonce, image: {"job": {"upgradeMode": "savepoint", **job}, "restartNonce": nonce, "image": image},
    JOBS,
    st.none() | st.integers(0, 3),
    st.sampled_from(["a:1", "a:2"]),
)


@given(SPECS, SPECS)
def test_an_old_spec_with_the_bookkeeping_of_now_gives_no_order_of_its_own(now: Any, old: Any) -> None:
    mixed = with_bookkeeping_of(now, old)
    assert without_bookkeeping(mixed) == without_bookkeeping(old)
    assert with_bookkeeping_of(now, mixed) == mixed
    for key in ("savepointRedeployNonce", "initialSavepointPath", "savepointTriggerNonce", "state"):
        assert mixed["job"].get(key) == now["job"].get(key)
    assert mixed.get("restartNonce") == now.get("restartNonce")
    assert keeping_nonce(now, old)["job"].get("savepointRedeployNonce") == now["job"].get("savepointRedeployNonce")


# --- acts on the fake operator ------------------------------------------------------------------------------------


MINE = Terms(checkpoints=1, watch_seconds=0.0, redeploy_from="s3://bucket/mine")


def manifest(bench: Bench, **job: Any) -> dict[str, Any]:
    spec = json.loads(json.dumps(bench.spec()))
    spec["job"].update(job)
    found: dict[str, Any] = spec
    return found


@pytest.mark.thorough
def test_bad_good_bad_rollback_never_goes_back_in_state(bench: Bench) -> None:
    assert bench.run(bench.upgrade("p1", image=BAD_IMAGE)).outcome == "rolled-back"
    assert bench.run(bench.upgrade("p2", image="count:2")).outcome == "verified"
    assert bench.run(bench.upgrade("p3", image=BAD_IMAGE)).outcome == "rolled-back"
    nonce = bench.spec()["job"]["savepointRedeployNonce"]
    plan = bench.plan(ActionRequest("rollback", terms=QUICK), "p4")
    assert (plan.change, plan.effective_mode, plan.refused) == ("upgrade", "savepoint", ())
    result = bench.run(plan)
    assert result.outcome == "verified", result.error
    assert bench.spec()["image"] == "count:1"
    assert bench.spec()["job"]["savepointRedeployNonce"] == nonce
    newest = f"s3://bucket/savepoint-{bench.fake.savepoints}"
    assert bench.restored() == newest == result.seen["savepoint"]


@pytest.mark.thorough
def test_suspend_edit_resume_rollback_undoes_the_edit_and_leaves_the_job_running(bench: Bench) -> None:
    assert bench.run(bench.plan(ActionRequest("suspend"), "p1")).outcome == "verified"
    assert bench.run(bench.upgrade("p2", image="count:2")).outcome == "verified"
    assert bench.run(bench.plan(ActionRequest("resume", terms=QUICK), "p3")).outcome == "verified"
    plan = bench.plan(ActionRequest("rollback", terms=QUICK), "p4")
    assert plan.diff == ("image : count:2 -> count:1",)
    assert bench.run(plan).outcome == "verified"
    assert (bench.spec()["image"], bench.spec()["job"].get("state", "running")) == ("count:1", "running")
    assert bench.restored() == "s3://bucket/savepoint-2"


@pytest.mark.thorough
def test_a_second_rollback_goes_back_one_change_more(bench: Bench) -> None:
    for number, image in (("p1", "count:2"), ("p2", "count:3")):
        assert bench.run(bench.upgrade(number, image=image)).outcome == "verified"
    for number, image in (("p3", "count:2"), ("p4", "count:1")):
        plan = bench.plan(ActionRequest("rollback", terms=QUICK), number)
        assert bench.run(plan).outcome == "verified"
        assert bench.spec()["image"] == image
    with pytest.raises(UsageError, match="knows no change of count"):
        bench.plan(ActionRequest("rollback", terms=QUICK), "p5")


def test_a_manifest_with_another_nonce_is_not_carried_out(bench: Bench) -> None:
    asked = ActionRequest("upgrade", Change(manifest=manifest(bench, savepointRedeployNonce=7)), QUICK)
    plan = bench.plan(asked)
    assert any("--keep-nonce" in line for line in plan.refused)
    with pytest.raises(Refused):
        bench.run(plan)
    assert bench.fake.orders == []


def test_redeployed_from_a_named_savepoint_is_verified_by_what_was_restored(bench: Bench) -> None:
    request = ActionRequest("upgrade", terms=MINE)
    plan = bench.plan(request)
    assert (plan.effective_mode, plan.refused, plan.severe) == ("savepoint-redeploy", (), True)
    assert any("s3://bucket/mine is of unknown age" in risk for risk in plan.risks)
    assert bench.run(plan).outcome == "verified"
    assert bench.restored() == "s3://bucket/mine"


def test_a_redeployment_that_starts_from_elsewhere_is_not_verified(bench: Bench) -> None:
    spec = manifest(bench)
    spec["image"] = "forgets:1"
    request = ActionRequest("upgrade", Change(manifest=spec), MINE)
    result = bench.run(bench.plan(request))
    assert result.outcome == "failed"
    assert "restored from s3://bucket/another, not from s3://bucket/mine" in (result.error or "")


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_brings_it_back_the_newest_checkpoint_that_exists_is_named(
    bench: Bench, tmp_path: Path, there: bool
) -> None:
    for number in (8, 9) if there else ():
        folder = tmp_path / f"chk-{number}"
        folder.mkdir()
        shutil.copy(INLINE, folder / "_metadata")
    assert bench.fake.job is not None
    bench.fake.vertex_id = parse_metadata(INLINE.read_bytes()).operators[0].operator_id
    bench.fake.job["newest"] = {"id": 8, "status": "COMPLETED", "external_path": (tmp_path / "chk-8").as_uri()}
    spec = manifest(bench)
    spec["image"] = "forgets:1"
    request = ActionRequest("upgrade", Change(manifest=spec), MINE)
    result = bench.run(bench.plan(request))
    newest = (tmp_path / "chk-9").as_uri()
    told = f"flinkops suspend count, then flinkops resume count --from {newest}" in (result.error or "")
    assert told == there, result.error
    assert there or "chk-" not in (result.error or "")


def test_an_operator_without_the_nonce_names_the_other_way(bench: Bench) -> None:
    bench.fake.minor = 7
    request = ActionRequest("upgrade", terms=MINE)
    assert any("resume count --from PATH" in line for line in bench.plan(request).refused)


def test_a_manifest_with_a_nonce_for_an_operator_without_it_is_refused_before_the_dry_run(bench: Bench) -> None:
    bench.fake.minor = 7
    asked = ActionRequest("upgrade", Change(manifest=manifest(bench, savepointRedeployNonce=7)), QUICK)
    plan = bench.plan(asked)
    assert any("this operator has no savepointRedeployNonce" in line for line in plan.refused)
    assert plan.steps == ()


def test_the_downtime_of_a_start_without_a_stop_savepoint_is_measured(bench: Bench) -> None:
    """No step waits for a stop there: the old job is seen running until the operator ends it."""
    plan = bench.plan(ActionRequest("upgrade", terms=MINE))
    bench.fake.asleep = True

    def wake(progress: Progress) -> None:
        if progress.kind == "note":
            bench.fake.asleep = False

    result = bench.executor(wake).run(plan)
    assert result.outcome == "verified", result.error
    assert float(result.seen["downtime_seconds"]) >= 0
