"""Edges of what the operator would do, each with no more of its view than the question asks for."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from flinkops.autoscale.rates import Rates, evaluate
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Vertex, Window
from flinkops.diagnose.case import Case
from flinkops.diagnose.rules.watermark_delay import _flows
from flinkops.plan.operator.decision import Act, Decision
from flinkops.plan.operator.effective_mode import _by_checkpoint_age, _pending
from flinkops.plan.operator.reasons import ReasonCode, because
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.validation import _spec_change
from tests.unit.builders import NOW_MS, spread, with_vertex
from tests.unit.doctor_cases import evidence, job


@pytest.mark.parametrize(("idle_seconds", "flows"), [(None, True), (9.9, True), (10.0, False), (11.0, False)])
def test_records_flow_where_the_last_one_came_lately(idle_seconds: float | None, flows: bool) -> None:
    idle = None if idle_seconds is None else spread(idle_seconds)
    assert _flows(Case(evidence(with_vertex(job(), "src", source_idle_seconds=idle)))) is flows


@pytest.mark.parametrize(("age_ms", "recent"), [(599_999, True), (600_000, False), (600_200, False)])
def test_a_job_that_was_started_lately_needs_no_young_checkpoint(age_ms: int, recent: bool) -> None:
    observed = ObservedJob(now_ms=NOW_MS, checkpoints_read=True, checkpoint_age_seconds=5.0)
    case = SimpleNamespace(
        observed=observed, job_status={"startTime": str(NOW_MS - age_ms)}, wanted={"job": {"state": "running"}}
    )
    view: Any = SimpleNamespace(
        case=case,
        world=None,
        rules=SimpleNamespace(cancels_over_rest=False),
        deploy=SimpleNamespace(duration=lambda *_: 600.0),
        ha_metadata=lambda _: True,
    )
    assert (_by_checkpoint_age(view).reason.code is ReasonCode.STARTED_RECENTLY) is recent


@pytest.mark.parametrize(
    ("before", "wanted", "said"),
    [
        ({}, {}, []),
        ({}, {"job": {}}, ["Cannot switch from session to job cluster"]),
        ({"job": {}}, {}, ["Cannot switch from job to session cluster"]),
    ],
)
def test_a_session_cluster_stays_one(before: dict[str, Any], wanted: dict[str, Any], said: list[str]) -> None:
    view: Any = SimpleNamespace(case=SimpleNamespace(deployed=before), rules=Rules(15))
    settings: Any = None
    assert list(_spec_change(view, wanted, settings)) == said


@pytest.mark.parametrize(
    ("cancellable", "session", "waits"),
    [(False, False, True), (True, True, True), (False, True, True), (True, False, False)],
)
def test_what_cannot_be_done_now_waits(
    cancellable: bool, session: bool, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Decision(Act.FAIL, because(ReasonCode.CHECKPOINT_OLD))
    monkeypatch.setattr("flinkops.plan.operator.effective_mode._without_jobmanager", lambda *_: other)
    view: Any = SimpleNamespace(
        rules=SimpleNamespace(cancellable_by_jobmanager=cancellable), case=SimpleNamespace(session_job=session)
    )
    reason = because(ReasonCode.CHECKPOINT_IN_PROGRESS)
    assert _pending(view, reason) == (Decision(Act.WAIT, reason) if waits else other)


def test_of_a_vertex_that_has_finished_nothing_comes_any_more() -> None:
    vertex = Vertex("src", "src", 1, 128, finished=True)
    window = Window("orders", "RUNNING", (vertex,), ())
    (found,) = evaluate(window, Settings()).values()
    assert found == Rates(input_rate=0.0, true_rate=math.inf, target_rate=0.0, catch_up_rate=0.0)
