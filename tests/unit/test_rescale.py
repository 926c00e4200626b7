"""Rescaling in place: the bounds that are required, seen to hold, and undone."""

from pathlib import Path

import msgspec
import pytest

from flinkops.plan.identity import Stamp
from flinkops.plan.rescale import plan_rescale
from tests.unit.fake_cluster import JOB_ID
from tests.unit.rest_bench import Bench, rescale


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_rescaled_in_place(bench: Bench) -> None:
    result = bench.executor().run(rescale(bench, 3))
    assert result.outcome == "verified"
    assert bench.cluster.state.jobs[JOB_ID].parallelism == 3
    assert bench.cluster.state.orders == ["require 3"]


def test_a_rescale_that_does_not_take_is_undone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.act.stability_steps._RESCALED_WITHIN_SECONDS", 0.05)
    plan = rescale(bench, 4)
    bench.cluster.state.slots_total = 2
    result = bench.executor().run(plan)
    assert result.outcome == "rolled-back"
    assert bench.cluster.state.orders == ["require 4", "require 1"]
    assert bench.cluster.state.jobs[JOB_ID].parallelism == 1


@pytest.mark.parametrize(("parallelism", "word"), [(1, "already"), (9, "slots"), (0, "at least 1")])
def test_refused_rescales(bench: Bench, parallelism: int, word: str) -> None:
    plan = rescale(bench, parallelism)
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == plan.rollback_steps == ()


def test_a_reactive_cluster_is_not_rescaled(bench: Bench) -> None:
    """It takes all slots there are: bounds that are required mean nothing to it."""
    bench.cluster.configuration = {**bench.cluster.configuration, "scheduler-mode": "REACTIVE"}
    plan = rescale(bench, 3)
    assert any("scheduler-mode is reactive" in reason for reason in plan.refused)
    assert plan.steps == ()


def test_a_rescale_without_checkpoints_or_with_unknown_slots_is_refused(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    unknown = msgspec.structs.replace(bench.cluster.cluster(), slots_available=None)
    plan = plan_rescale(facts, bench.cluster.requirements(JOB_ID), unknown, Stamp("x", 1), parallelism=2)
    assert any("not known" in reason for reason in plan.refused)
    blind = msgspec.structs.replace(facts, checkpoints=None)
    plan = plan_rescale(
        blind, bench.cluster.requirements(JOB_ID), bench.cluster.cluster(), Stamp("x", 1), parallelism=2
    )
    assert any("checkpoints" in reason for reason in plan.refused)
