"""How long a new job is waited for: to restore much state takes longer than any limit of ours, so --timeout counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.operator import startup
from flinkops.act.rest import steps as rest_steps
from flinkops.act.running import ACTION_SECONDS, StepRun
from flinkops.model.request import ActionRequest, Change
from tests.effort import variants
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.operator_bench import QUICK
from tests.unit.operator_bench import Bench as OperatorBench
from tests.unit.rest_bench import Bench as RestBench

Waits = dict[str, float | None]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """For what, and how long at most."""
    found: Waits = {}
    until = StepRun.until

    def noted(run: StepRun, what: str, ask: Callable[[], Any], *, within_seconds: float | None = None) -> Any:
        found[what] = within_seconds
        return until(run, what, ask, within_seconds=within_seconds)

    monkeypatch.setattr(StepRun, "until", noted)
    return found


@pytest.mark.parametrize(("seconds", "times"), variants((4 * ACTION_SECONDS, 4), (60.0, 1), (ACTION_SECONDS, 1)))
def test_the_operators_job(waits: Waits, tmp_path: Path, seconds: float, times: int) -> None:
    fake = FakeOperator(15)
    with operating(fake) as url:
        bench = OperatorBench(fake, url, tmp_path)
        plan = bench.plan(ActionRequest("upgrade", Change(parallelism=3), QUICK, mode="savepoint"))
        result = bench.run(plan, seconds=seconds)
        bench.control.close()
    assert result.outcome == "verified", result.error
    assert waits["waiting until the new job runs"] == times * startup._RUNNING_WITHIN_SECONDS


@pytest.mark.parametrize(("seconds", "times"), [(60.0, 1), (ACTION_SECONDS, 1), (4 * ACTION_SECONDS, 4)])
def test_a_job_over_rest(waits: Waits, tmp_path: Path, seconds: float, times: int) -> None:
    bench = RestBench(tmp_path)
    result = bench.executor(seconds=seconds).run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "verified", result.error
    assert waits["waiting until all tasks run"] == times * rest_steps._RUNNING_WITHIN_SECONDS
