"""Whose savepoints they are: grouped by the job over all its submissions, never by its name."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.inventory import References, savepoints_of
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.lineage import Lineage
from flinkops.act.outcomes import FilesChecked, SavepointCompleted
from flinkops.act.rest.outcomes import JobSubmitted
from flinkops.clock import FixedClock
from flinkops.model.facts import CheckpointsFacts, JobFacts, RestoredFacts
from flinkops.model.plan import Plan, Target
from flinkops.model.request import Change, Terms
from flinkops.model.steps import StepOutcome
from flinkops.plan.identity import Stamp
from flinkops.plan.redeploy import plan_suspend
from flinkops.plan.retention import prunable
from flinkops.plan.savepoint import plan_savepoint
from tests.unit.fake_cluster import JOB_ID, NAME, SAVEPOINTS, FakeJob
from tests.unit.rest_bench import OLD
from tests.unit.rest_bench import Bench as RedeployBench
from tests.unit.test_executor import Bench

OTHER_ID = "b" * 32


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two running jobs of one name; the first has taken one savepoint, then the second one another."""
    found = Bench(tmp_path)
    found.cluster.state.jobs[OTHER_ID] = FakeJob(OTHER_ID, "prices")
    found.executor().run(found.plan("p1"))
    found.executor().run(found.plan("p2", job_id=OTHER_ID))
    return found


def facts(bench: Bench | RedeployBench, job_id: str) -> JobFacts:
    found = bench.cluster.job(job_id)
    assert found is not None
    return found


def test_the_only_savepoint_of_a_running_job_stays_although_another_job_has_its_name(bench: Bench) -> None:
    references = References(bench.cluster, bench.journal)
    for number in (1, 2):
        assert any("latest savepoint" in why for why in references.to(f"{SAVEPOINTS}/savepoint-{number}"))


def test_each_job_lists_and_prunes_its_own(bench: Bench) -> None:
    references = References(bench.cluster, bench.journal)
    for job_id, number in ((JOB_ID, 1), (OTHER_ID, 2)):
        listed = savepoints_of(facts(bench, job_id), bench.journal)
        assert [one.path for one in listed] == [f"{SAVEPOINTS}/savepoint-{number}"]
        gone, kept = prunable(references.noted_on(listed), 1)
        assert (gone, len(kept)) == ((), 1)


def record(job_id: str, new_id: str | None = None, savepoint: str | None = None, **target: Any) -> ActionRecord:
    about = {"source": NAME, "job_name": "prices", **target}
    found: list[StepOutcome] = [SavepointCompleted(savepoint)] if savepoint else []
    found += [JobSubmitted(new_id)] if new_id else []
    plan = Plan(id=job_id, verb="upgrade", target=Target(job_id=job_id, **about), created_ms=1)
    return ActionRecord(plan, "", 1, "me", "here", 1, "verified", outcomes=tuple(found))


def running(job_id: str, restored: str | None = None, **fields: Any) -> JobFacts:
    origin = None if restored is None else RestoredFacts(id=1, at_ms=1, is_savepoint=True, external_path=restored)
    points = CheckpointsFacts(enabled=True, restored=origin)
    return JobFacts(id=job_id, cluster=NAME, seen_ms=1, checkpoints=points, **{"name": "prices", **fields})


def test_a_job_is_the_same_over_upgrades_and_by_hand_from_its_savepoint() -> None:
    records = [record("a", "b"), record("b", "c", savepoint="s3://b/1"), record("x")]
    by_hand, stranger = running("d", restored="s3://b/1/_metadata"), running("e", restored="s3://b/9")
    lineage = Lineage([by_hand, stranger], records)
    assert lineage.of_record(records[0]) == lineage.of_record(records[1]) == lineage.of_job(by_hand)
    assert lineage.of_job(running("c")) == lineage.of_record(records[0])
    assert len({lineage.of_job(by_hand), lineage.of_job(stranger), lineage.of_record(records[2])}) == 3


def test_a_clone_with_another_name_is_another_job() -> None:
    records = [record("a", savepoint="s3://b/1")]
    clone = msgspec.structs.replace(running("z", restored="s3://b/1"), name="prices-test")
    assert Lineage([clone], records).of_job(clone) != Lineage([clone], records).of_record(records[0])


def test_resources_are_told_by_namespace_kind_and_name_whatever_their_ids() -> None:
    kinds = [("FlinkDeployment", "shop"), ("FlinkDeployment", "pricing"), ("FlinkSessionJob", "shop")]
    records = [record("0" * 32, kind=kind, namespace=namespace) for kind, namespace in kinds]
    jobs = [running("0" * 32, kind=kind, namespace=namespace) for kind, namespace in kinds]
    lineage = Lineage(jobs, records)
    identities = [lineage.of_record(one) for one in records]
    assert len(set(identities)) == 3
    assert [lineage.of_job(one) for one in jobs] == identities


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12), st.integers(0, 9), st.integers(0, 9))
def test_two_submissions_are_one_job_when_a_chain_of_actions_leads_from_one_to_the_other(
    links: list[tuple[int, int]], one: int, other: int
) -> None:
    lineage = Lineage([], [record(str(old), str(new)) for old, new in links])
    reached = {one}
    while more := {b for a, b in [*links, *((b, a) for a, b in links)] if a in reached} - reached:
        reached |= more
    assert (lineage.of_job(running(str(one))) == lineage.of_job(running(str(other)))) == (other in reached)


@pytest.mark.thorough
@given(ahead_ms=st.integers(-(10**13), 10**13), again=st.integers(0, 2))
def test_the_latest_is_the_latest_though_flink_s_clock_and_ours_differ(
    tmp_path_factory: pytest.TempPathFactory, ahead_ms: int, again: int
) -> None:
    """Flink's clock says 1970 here: an upgrade's savepoint in the journal is not newer than the stop after it."""
    bench = RedeployBench(tmp_path_factory.mktemp("skewed"))
    bench.journal = Journal(bench.folder / "journal", FixedClock(max(1, 10_000 + ahead_ms)))
    assert bench.executor().run(bench.plan(Change(parallelism=2))).outcome == "verified"
    (job_id,) = bench.live()
    for number in range(again):
        plan = plan_savepoint(facts(bench, job_id), Stamp(f"create{number}", 10_000))
        assert bench.executor().run(plan).outcome == "verified"
    stop = plan_suspend(facts(bench, job_id), OLD, Stamp("suspend", 10_000), Terms())
    assert bench.executor().run(stop).outcome == "verified"
    bench.journal.append("planned", plan := msgspec.structs.replace(stop, id="resume", verb="resume"), "h")
    named = FilesChecked("s3://by/hand", "not seen")
    bench.journal.append("outcome", plan, "h", step="check", outcome="ok", found=[named])
    bench.journal.append("finished", plan, "h", outcome="failed")
    listed = savepoints_of(facts(bench, job_id), bench.journal)
    last = f"{SAVEPOINTS}/savepoint-{2 + again}"
    assert listed[0].path == last
    assert listed[-1].path == f"{SAVEPOINTS}/savepoint-1"
    references = References(bench.cluster, bench.journal)
    assert any("latest savepoint" in why for why in references.to(last))
    del bench.cluster.state.jobs[job_id]  # Flink has forgotten it: the journal alone knows
    ended = running(job_id, ended_ms=9, state="FINISHED")
    assert savepoints_of(ended, bench.journal)[0].path == last
