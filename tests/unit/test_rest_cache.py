"""Unknown waits, known decides: a null out of Flink's 3-second cache is no verdict."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.act import rest_cache
from flinkops.act.rest_cache import Absence
from flinkops.clock import FixedClock
from flinkops.model.facts import JobFacts
from flinkops.model.request import Change
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import SAVEPOINT, Bench
from tests.unit.rest_bench import Bench as RestBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    fake = FakeOperator()
    with operating(fake) as url:
        found = Bench(fake, url, tmp_path)
        yield found
        found.control.close()


def test_a_job_is_not_called_empty_by_an_answer_of_before_it_was_restored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it happened: latest.restored was still null, "restored from nothing", although it had been restored."""
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 60.0)
    bench.fake.cached_answers = 5
    result = bench.run(bench.upgrade(image="count:2"))
    assert (result.outcome, result.error) == ("verified", None)
    assert result.seen["restored_from"] == SAVEPOINT


def test_nor_on_a_cluster_without_the_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 60.0)
    bench = RestBench(tmp_path)
    bench.cluster.cached_polls = 5
    result = bench.executor().run(bench.plan(Change(parallelism=2)))
    assert (result.outcome, result.error) == ("verified", None)


def test_what_stays_empty_is_empty(bench: Bench) -> None:
    bench.fake.cached_answers = 10**9
    result = bench.run(bench.upgrade(image="count:2"))
    assert "it was restored from nothing, not from" in (result.error or "")


def test_an_absence_is_known_of_each_subject_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    absence = Absence(FixedClock(0))
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 60.0)
    assert not absence.is_known("a")
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 0.0)
    assert absence.is_known("a")
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 60.0)
    assert not absence.is_known("b")


def test_the_end_of_a_job_is_not_read_from_what_flink_remembers_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What /jobs/ID says is up to three seconds old; the list of jobs is not: the job is down meanwhile."""
    bench = RestBench(tmp_path)
    plan, job = bench.plan(Change(parallelism=2)), bench.cluster.job
    running = job(plan.target.job_id)

    def remembered(job_id: str) -> JobFacts | None:
        known = job(job_id)
        return running if known is not None and known.ended_ms is not None else known

    monkeypatch.setattr(bench.cluster, "job", remembered)
    result = bench.executor(seconds=2.0).run(plan)
    assert "stopped" in {step.name for step in result.steps if step.outcome == "ok"}
