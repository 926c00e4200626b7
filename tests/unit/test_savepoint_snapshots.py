"""FlinkStateSnapshots beside what Flink and the journal know: listed, removed with their savepoints."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flinkops.act.control import RecordedSavepoint, Snapshots
from flinkops.act.inventory import savepoints_of, unknown_snapshots
from flinkops.act.operator import snapshot_steps
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts, SnapshotFacts
from flinkops.model.operator_marks import LAST_STATE_DUMMY
from flinkops.model.plan import Plan
from flinkops.plan.identity import Stamp
from flinkops.plan.savepoint import plan_delete
from tests.unit.fake_operator import SNAPSHOTS, FakeOperator, operating
from tests.unit.operator_bench import Bench

OLD, NEW = "s3://bucket/savepoint-old", "s3://bucket/savepoint-new"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    fake = FakeOperator(15)
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        yield found
        found.control.close()


def job(bench: Bench) -> JobFacts:
    found = bench.control.job(bench.fake.job_id)
    assert found is not None
    return found


def removal(bench: Bench, path: str, plan_id: str = "d1") -> Plan:
    snapshots = bench.control.snapshots()
    refused = unknown_snapshots(snapshots)
    named = {path: snapshots.of(path)}
    return plan_delete(job(bench), bench.control.name, [path], Stamp(plan_id, 1), refused=refused, snapshots=named)


def test_an_operator_without_the_resource_is_not_asked_for_it(bench: Bench) -> None:
    bench.fake.denied = SNAPSHOTS  # would be told
    assert bench.control.snapshots()[:3] == ((), (), None)


def test_they_are_listed_with_what_the_job_knows_and_only_its_own(bench: Bench) -> None:
    bench.fake.snapshot("periodic-1", OLD)
    bench.fake.snapshot("of-another", NEW, job="other")
    found = bench.control.snapshots()
    (listed,) = savepoints_of(job(bench), bench.journal, Snapshots(found.own))
    assert (listed.path, listed.snapshot, listed.known_from) == (OLD, "periodic-1", "FlinkStateSnapshot periodic-1")
    assert [one.name for one in found.of(f"{NEW}/")] == ["of-another"]  # however its path is written


@pytest.mark.parametrize("state", ["IN_PROGRESS", "FAILED", "ABANDONED"])
def test_what_is_not_complete_is_no_savepoint(bench: Bench, state: str) -> None:
    snapshots = (
        SnapshotFacts("s", "savepoint", state, path=OLD),
        SnapshotFacts("c", "checkpoint", "COMPLETED", path=NEW),
    )
    assert savepoints_of(job(bench), bench.journal, Snapshots(snapshots)) == ()


def test_one_that_disposes_is_removed_by_its_resource_alone(bench: Bench) -> None:
    bench.fake.snapshot("periodic-1", OLD)
    result = bench.run(removal(bench, OLD))
    assert result.outcome == "verified", result.error
    assert bench.fake.orders == ["delete snapshot periodic-1", f"operator disposes of {OLD}"]
    assert bench.control.snapshots().own == ()


def test_one_that_does_not_dispose_goes_after_flink_has_removed_the_files(bench: Bench) -> None:
    bench.fake.snapshot("by-hand", OLD, dispose=False)
    result = bench.run(removal(bench, OLD))
    assert result.outcome == "verified", result.error
    assert bench.fake.orders == [f"flink disposes of {OLD}", "delete snapshot by-hand"]


def test_without_a_resource_flink_removes_it(bench: Bench) -> None:
    bench.fake.snapshots = {}
    assert bench.run(removal(bench, OLD)).outcome == "verified"
    assert bench.fake.orders == [f"flink disposes of {OLD}"]


def test_two_that_name_one_savepoint_both_go(bench: Bench) -> None:
    bench.fake.snapshot("by-hand", OLD, dispose=False)
    bench.fake.snapshot("periodic-1", f"{OLD}/")
    assert bench.run(removal(bench, OLD)).outcome == "verified"
    assert bench.fake.snapshots == {}
    assert not any(order.startswith("flink") for order in bench.fake.orders)


def test_not_allowed_to_see_them_nothing_is_removed(bench: Bench) -> None:
    bench.fake.snapshot("periodic-1", OLD)
    bench.fake.denied = SNAPSHOTS
    (why,) = removal(bench, OLD).refused
    assert why.startswith("whether a FlinkStateSnapshot names it is not known: ")


def test_while_the_job_does_not_run_the_operator_would_not_dispose(bench: Bench) -> None:
    stopped = JobFacts(id="a" * 32, name="count", cluster="prod", seen_ms=1, state="FINISHED")
    named = {OLD: (SnapshotFacts("periodic-1", "savepoint", "COMPLETED", path=OLD),)}
    (why,) = plan_delete(stopped, "prod", [OLD], Stamp("d1", 1), snapshots=named).refused
    assert "only while the job runs" in why


def test_an_operator_that_is_down_leaves_the_action_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_steps, "_GONE_WITHIN_SECONDS", 0.1)
    bench.fake.snapshot("periodic-1", OLD)
    plan = removal(bench, OLD)
    bench.fake.asleep = True
    result = bench.run(plan)
    assert (result.outcome, "periodic-1 is gone" in (result.error or "")) == ("timed-out", True)
    bench.fake.snapshots = {}
    assert bench.executor().resume("d1").outcome == "verified"


def recorded(*listed: tuple[str, int | None]) -> Snapshots:
    return Snapshots(recorded=tuple(RecordedSavepoint(*one) for one in listed))


def test_what_the_operator_has_recorded_is_known_while_flink_does_not_answer(bench: Bench) -> None:
    """The last one first; and it is what a stopped job starts from, where the resource gives no time."""
    away = msgspec.structs.replace(job(bench), checkpoints=None)
    listed = savepoints_of(away, bench.journal, recorded((OLD, 1_000), (NEW, 2_000)))
    assert [(one.path, one.taken_ms, one.known_from) for one in listed] == [
        (NEW, 2_000, "the operator"),
        (OLD, 1_000, "the operator"),
    ]
    listed = savepoints_of(away, bench.journal, recorded((OLD, 1_000), (NEW, None)))
    assert [(one.path, one.taken_ms) for one in listed] == [(NEW, None), (OLD, 1_000)]


def test_what_flink_lists_since_is_newer_than_what_the_job_was_started_from(bench: Bench) -> None:
    running = job(bench)
    began_ms = running.started_ms or 0
    taken = CheckpointFacts(7, "COMPLETED", is_savepoint=True, triggered_ms=began_ms + 5, external_path=NEW)
    running = msgspec.structs.replace(running, checkpoints=CheckpointsFacts(enabled=True, history=(taken,)))
    for at_ms in (None, began_ms - 5):
        listed = savepoints_of(running, bench.journal, recorded((f"{NEW}/", at_ms), (OLD, at_ms)))
        assert [(one.path, one.known_from) for one in listed] == [(NEW, "Flink"), (OLD, "the operator")]


def test_a_status_names_the_savepoint_of_the_last_stop_and_those_before_it(bench: Bench) -> None:
    assert bench.fake.resource is not None
    job_status = bench.fake.resource["status"]["jobStatus"]
    job_status["savepointInfo"] = {
        "lastSavepoint": {"location": NEW, "timeStamp": 9},
        "savepointHistory": [{"location": NEW, "timeStamp": 9}, {"timeStamp": 3}, {"location": 5}],
    }
    assert bench.control.snapshots().recorded == ((NEW, 9),)
    job_status["upgradeSavepointPath"] = OLD
    assert bench.control.snapshots().recorded == ((OLD, None), (NEW, 9))
    job_status["upgradeSavepointPath"] = LAST_STATE_DUMMY
    assert bench.control.snapshots().recorded == ((NEW, 9),)
