"""Upgrades without an operator: whether records flow on afterwards, and jars that come from this machine."""

from pathlib import Path

import pytest

from flinkops.act import flow_steps
from flinkops.act.control import Load
from flinkops.act.executor import Progress
from flinkops.act.rest.launching import known_launch
from flinkops.model.request import Change
from tests.unit.rest_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_records_that_wait_as_before_are_told(bench: Bench) -> None:
    bench.cluster.load_now = Load(records_in=500, pending=40)
    result = bench.executor().run(bench.plan(Change(parallelism=2)))
    assert (result.outcome, result.seen["lag"]) == ("verified", "40 records wait, 40 before the change")


def test_a_new_job_that_takes_no_records_gives_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_steps, "_FLOWS_WITHIN_SECONDS", 0.02)
    bench.cluster.load_now = Load(records_in=500, pending=40)

    def stand_still(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "flow"):
            bench.cluster.load_now = Load(records_in=0, pending=90)
        elif progress.step == "cancel" or progress.step.startswith("old-"):
            bench.cluster.load_now = Load(records_in=500, pending=40)

    result = bench.executor(progress=stand_still).run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "rolled-back", result.error
    assert "90 records wait, and the new job takes none of them" in (result.error or "")


def test_lag_that_does_not_come_back_gives_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_steps, "_CAUGHT_UP_WITHIN_SECONDS", 0.02)
    bench.cluster.load_now = Load(records_in=500, pending=40)

    def fall_behind(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "flow"):
            bench.cluster.load_now = Load(records_in=5, pending=40 + 1001)
        elif progress.step.startswith("old-"):
            bench.cluster.load_now = Load(records_in=500, pending=40)

    result = bench.executor(progress=fall_behind).run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "rolled-back", result.error
    assert "1041 records wait, 40 before the change" in (result.error or "")


def test_a_jar_of_this_machine_is_uploaded_before_the_job_stops(bench: Bench) -> None:
    result = bench.executor().run(bench.plan(Change(jar="file:/builds/new.jar")))
    assert result.outcome == "verified", result.error
    assert [one.partition(" from")[0] for one in bench.cluster.state.orders] == [
        "upload new.jar",
        "stop",
        "run given_new.jar",
    ]
    launch = known_launch(bench.cluster, bench.journal, result.seen["new_job_id"])
    assert launch is not None
    assert launch.jar_id == "given_new.jar"
