"""A JobManager that dies while its job is to be stopped: the state that it lost is noticed, and restored or told."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.executor import Progress
from flinkops.act.operator import rollback_steps, startup, stop
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.model.facts import CheckpointFacts
from flinkops.model.request import ActionRequest, Change
from flinkops.plan.identity import derived_id
from tests.effort import variants
from tests.unit.fake_cluster import JOB_ID
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.fake_storage import FakeObjects, FakeStores
from tests.unit.operator_bench import QUICK, Bench
from tests.unit.rest_bench import Bench as RestBench

INLINE = Path(__file__).parent / "savepoints" / "flink-1.20-hashmap-canonical.metadata"


CHECKPOINT = "s3://bucket/chk-9"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(startup, "_STUCK_SECONDS", {"crash-loop": 0.0})
    monkeypatch.setattr(stop, "_ERROR_HOLDS_SECONDS", 0.0)
    monkeypatch.setattr(rollback_steps, "_SILENT_SECONDS", 0.02)
    fake = FakeOperator()
    fake.vertex_id = parse_metadata(INLINE.read_bytes()).operators[0].operator_id
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        settings = found.spec()["flinkConfiguration"]
        settings["state.savepoints.dir"] = (tmp_path / "savepoints").as_uri()
        del settings["high-availability.type"]
        fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
        yield found
        found.control.close()


def completed(bench: Bench, number: int, path: str | None = CHECKPOINT) -> None:
    """The job has completed this checkpoint."""
    assert bench.fake.job is not None
    bench.fake.job["newest"] = {"id": number, "status": "COMPLETED", "external_path": path}


def checkpoint(number: int, status: Any = "COMPLETED", **more: Any) -> CheckpointFacts:
    return CheckpointFacts(id=number, status=status, **more)


def test_a_job_that_forgot_its_state_comes_back_from_its_last_checkpoint(bench: Bench) -> None:
    completed(bench, 9)
    bench.fake.dies = "forgets"
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "rolled-back", result
    assert "empty state, although checkpoint 9 had been completed" in (result.error or "")
    assert bench.restored() == CHECKPOINT
    assert bench.spec()["image"] == "count:1"


def test_a_savepoint_of_a_job_that_went_back_is_seen_by_its_number(bench: Bench) -> None:
    """It was too quick to be seen running: the number of what the new job was restored from (7 here) tells."""
    completed(bench, 9)
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "rolled-back", result
    assert "went back to checkpoint 7, although 9 had been completed" in (result.error or "")
    ended = bench.fake.orders.index("cancel aaaa")  # before it comes to checkpoint 9 itself
    assert bench.fake.orders[ended + 1] == "delete"
    assert bench.restored() == CHECKPOINT


def test_without_a_place_of_its_state_nothing_is_removed(bench: Bench) -> None:
    completed(bench, 9, None)
    bench.fake.dies = "forgets"
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "failed"
    assert "written before 1970-01-01T00:16:40" in (result.error or "")  # when it restarted empty
    assert "flinkops suspend count; flinkops resume count --from PATH" in (result.error or "")
    assert "delete" not in bench.fake.orders


def test_a_savepoint_of_the_job_that_began_anew_is_not_the_one(bench: Bench, tmp_path: Path) -> None:
    completed(bench, 3, None)
    bench.fake.dies = "forgets"
    plan = bench.upgrade(image="count:2")
    bench.fake.started_ms = plan.created_ms + 5_000
    for name, after_seconds in (("old", 1.0), ("anew", 60.0)):
        folder = tmp_path / "savepoints" / f"savepoint-{bench.fake.job_id[:6]}-{name}"
        folder.mkdir(parents=True)
        (folder / "_metadata").write_bytes(INLINE.read_bytes())
        at_seconds = plan.created_ms / 1000 + after_seconds
        os.utime(folder / "_metadata", (at_seconds, at_seconds))
    result = bench.run(plan)
    assert result.outcome == "rolled-back", result
    assert bench.restored() == f"{(tmp_path / 'savepoints').as_uri()}/savepoint-{bench.fake.job_id[:6]}-old"


@pytest.mark.parametrize(("dies", "words"), [("ended", "Manual restore required"), ("loops", "CrashLoopBackOff")])
def test_a_savepoint_that_nobody_noted_is_found_in_its_folder(
    bench: Bench, tmp_path: Path, dies: str, words: str
) -> None:
    completed(bench, 3)
    bench.fake.dies = dies
    folder = tmp_path / "savepoints" / f"savepoint-{bench.fake.job_id[:6]}-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(INLINE.read_bytes())
    plan = bench.upgrade(image="count:2")
    os.utime(folder / "_metadata", (plan.created_ms / 1000, plan.created_ms / 1000))
    result = bench.run(plan)
    assert result.outcome == "rolled-back", result
    assert words in (result.error or "")
    assert bench.restored() == folder.as_uri()


@pytest.mark.parametrize("job_id", [None, "0" * 32])
def test_a_shared_folder_lends_no_other_applications_savepoint(
    bench: Bench, tmp_path: Path, job_id: str | None
) -> None:
    """Its name and its time are as they should be; its operators are none of the job's."""
    bench.fake.vertex_id = "e" * 32
    bench.fake.job_id = job_id or bench.fake.job_id
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    completed(bench, 3, None)
    bench.fake.dies = "ended"
    folder = tmp_path / "savepoints" / f"savepoint-{bench.fake.job_id[:6]}-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(INLINE.read_bytes())
    plan = bench.upgrade(image="count:2")
    os.utime(folder / "_metadata", (plan.created_ms / 1000, plan.created_ms / 1000))
    result = bench.run(plan)
    assert result.outcome == "failed", result
    assert "look for the newest savepoint-" in (result.error or "")
    assert "delete" not in bench.fake.orders


def test_nor_does_a_shared_folder_of_checkpoints(bench: Bench, tmp_path: Path) -> None:
    bench.fake.vertex_id = "e" * 32
    folder = tmp_path / "checkpoints" / "chk-10"
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(INLINE.read_bytes())
    completed(bench, 9, f"{(tmp_path / 'checkpoints').as_uri()}/chk-9")
    bench.fake.dies = "forgets"
    bench.run(bench.upgrade(image="count:2"))
    assert not any("chk-10" in order for order in bench.fake.orders)


def test_the_next_checkpoint_is_taken_where_the_last_that_was_seen_has_given_way_to_it(
    bench: Bench, tmp_path: Path
) -> None:
    for name in ("chk-1", "chk-10", "chk-11", "chk-x", "shared"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    for name in ("chk-1", "chk-10", "chk-x"):  # 11 is not complete
        (tmp_path / "checkpoints" / name / "_metadata").write_bytes(INLINE.read_bytes())
    completed(bench, 9, f"{(tmp_path / 'checkpoints').as_uri()}/chk-9")
    bench.fake.dies = "forgets"
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "rolled-back", result
    assert bench.restored() == f"{(tmp_path / 'checkpoints').as_uri()}/chk-10"


def test_a_savepoint_that_nobody_noted_is_found_in_a_bucket(bench: Bench) -> None:
    completed(bench, 3)
    bench.fake.dies = "loops"
    bench.spec()["flinkConfiguration"]["state.savepoints.dir"] = "s3://bucket/_entropy_/savepoints"
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    name = f"savepoint-{bench.fake.job_id[:6]}-0123456789ab"
    objects = FakeObjects({f"savepoints/{name}/_metadata": INLINE.read_bytes()})
    bench.stores = FakeStores(bucket=objects)
    plan = bench.upgrade(image="count:2")
    objects.modified_ms = plan.created_ms
    result = bench.run(plan)
    assert result.outcome == "rolled-back", result
    assert bench.restored() == f"s3://bucket/savepoints/{name}"
    assert "all there" in result.seen["files"]


def test_the_next_checkpoint_is_taken_in_a_bucket_too(bench: Bench) -> None:
    bench.stores = FakeStores(
        bucket=FakeObjects({"c/chk-10/_metadata": INLINE.read_bytes(), "c/chk-11/1.sst": 4, "c/shared/1": 4})
    )
    completed(bench, 9, "s3://bucket/c/chk-9")
    bench.fake.dies = "forgets"
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "rolled-back", result
    assert bench.restored() == "s3://bucket/c/chk-10"


def test_a_savepoint_that_is_cut_off_in_its_bucket_is_not_passed_over(bench: Bench) -> None:
    objects = FakeObjects({"savepoint-1/_metadata": INLINE.read_bytes()[:-1]})
    bench.stores = FakeStores(bucket=objects)
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "failed", result
    assert "s3://bucket/savepoint-1 is not whole" in (result.error or "")


def test_where_it_cannot_be_seen_the_message_says_where_the_next_one_lies(bench: Bench) -> None:
    completed(bench, 9)
    bench.fake.dies = "forgets"
    bench.fake.lost_states.append(CHECKPOINT)
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "failed"
    assert f"if {CHECKPOINT} is gone, the next chk-… lies beside it" in (result.error or "")


def test_where_no_state_can_be_seen_the_command_that_goes_on_is_told(bench: Bench) -> None:
    bench.spec()["flinkConfiguration"]["high-availability.type"] = "kubernetes"
    bench.fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    completed(bench, 3)  # Flink has dropped it with the end of the job
    bench.fake.dies = "ended"
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "failed"
    assert f"savepoint-{bench.fake.job_id[:6]}-" in (result.error or "")
    assert "flinkops resume count --from PATH" in (result.error or "")
    assert "delete" not in bench.fake.orders


def test_resumed_from_a_savepoint_that_is_named(bench: Bench) -> None:
    request = ActionRequest("resume", terms=QUICK, start_from=CHECKPOINT)
    assert any("the job runs" in line for line in bench.plan(request).refused)
    bench.fake.job = None
    assert bench.fake.resource is not None
    bench.fake.resource["status"]["reconciliationStatus"]["state"] = "UPGRADING"
    bench.fake.asleep = True  # it would deploy at the next poll
    plan = bench.plan(request, "p2")
    assert (plan.refused, plan.effective_mode) == ((), "savepoint")
    bench.fake.asleep = False
    assert bench.run(plan).outcome == "verified"
    assert bench.restored() == CHECKPOINT


@pytest.mark.parametrize(
    ("path", "state", "outcome", "words"),
    [
        (CHECKPOINT, None, "rolled-back", "does not know the job any more"),
        (None, None, "failed", "look for the newest savepoint-"),
        (CHECKPOINT, "CANCELED", "failed", "somebody has cancelled the job"),
        (CHECKPOINT, "FINISHED", "failed", "look for the newest savepoint-"),  # Flink drops it with the end of the job
    ],
)
def test_a_cluster_without_the_operator_that_lost_its_jobmanager(
    tmp_path: Path, path: str | None, state: str | None, outcome: str, words: str
) -> None:
    found = RestBench(tmp_path)
    found.cluster.last_checkpoint = checkpoint(9, external_path=path)
    found.cluster.hides_savepoints = True

    def die(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "savepoint"):
            found.cluster.forgets = True
            if state is None:
                del found.cluster.state.jobs[JOB_ID]
            else:
                found.cluster.state.jobs[JOB_ID].state = state

    result = found.executor(die).run(found.plan(Change(parallelism=2)))
    assert (result.outcome, words in (result.error or "")) == (outcome, True), result
    if outcome == "rolled-back":
        assert found.cluster.state.jobs[derived_id("p1", "old job")].restored == CHECKPOINT
    else:
        assert found.live() == []


def test_a_jobmanager_lost_with_the_savepoint_in_hand_is_not_waited_for(tmp_path: Path) -> None:
    """It answers again, and does not know the job: the upgrade continues from the savepoint, at once."""
    found = RestBench(tmp_path)

    def lose(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("outcome", "savepoint"):
            del found.cluster.state.jobs[JOB_ID]

    plan = found.plan(Change(parallelism=2))
    assert [step.action for step in plan.steps if step.name == "stopped"] == ["await-end"]
    result = found.executor(lose).run(plan)
    assert (result.outcome, result.error) == ("verified", None)
    assert result.seen["restored_from"] == result.seen["savepoint"]
    assert "its JobManager was lost" in result.seen["end"]


def kept_here(bench: Bench, folder: Path, number: int) -> str:
    """The job has completed this checkpoint, and its files can be seen from here."""
    place = folder / f"chk-{number}"
    place.mkdir()
    (place / "_metadata").write_bytes(INLINE.read_bytes())
    completed(bench, number, place.as_uri())
    return place.as_uri()


@pytest.mark.parametrize("minor", variants(15, 7))
def test_a_start_by_last_state_that_was_empty_comes_back_from_the_last_checkpoint(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minor: int
) -> None:
    """Somebody deletes the HA metadata in the moment of the start: by last-state it would only start empty again."""
    fake = bench.fake
    fake.minor = minor
    bench.spec()["flinkConfiguration"]["high-availability.type"] = "kubernetes"
    fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    fake.metadata = newest = kept_here(bench, tmp_path, 9)
    submit = fake.submit

    def without_metadata(spec: Any, path: str | None, *, from_metadata: bool) -> None:
        fake.metadata = "" if from_metadata else fake.metadata
        submit(spec, path, from_metadata=from_metadata)

    monkeypatch.setattr(fake, "submit", without_metadata)
    asked = ActionRequest("upgrade", Change(image="count:2"), QUICK, mode="last-state")
    result = bench.run(bench.plan(asked))
    assert "the new job misses state" in (result.error or ""), result.error
    assert (result.outcome, bench.restored()) == ("rolled-back", newest)


def test_where_the_rollback_fails_as_well_the_savepoint_of_the_stop_is_named_with_the_command(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a checkpoint, which is older; nor `suspend`, which refuses a job that does not run: seen on operator 1.15."""
    kept_here(bench, tmp_path, 9)
    fake = bench.fake
    monkeypatch.setattr(fake, "begin", lambda *_, **__: fake.loop())
    result = bench.run(bench.upgrade(image="count:2"))
    assert result.outcome == "failed"
    assert "flinkops resume count --from s3://bucket/savepoint-1" in (result.error or "")
    assert "flinkops suspend count, then" not in (result.error or "")


def test_where_a_start_by_last_state_fails_for_good_the_checkpoint_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = bench.fake
    bench.spec()["flinkConfiguration"]["high-availability.type"] = "kubernetes"
    fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    fake.metadata = newest = kept_here(bench, tmp_path, 9)
    monkeypatch.setattr(fake, "begin", lambda *_, **__: fake.loop())
    asked = ActionRequest("upgrade", Change(image="count:2"), QUICK, mode="last-state")
    result = bench.run(bench.plan(asked))
    assert result.outcome == "failed"
    assert f"flinkops resume count --from {newest}" in (result.error or "")
    assert "flinkops suspend count, then" not in (result.error or "")
