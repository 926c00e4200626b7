"""Edges of what the operator would do, each with no more of its view than the question asks for."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from flinkops.assess.backpressure import _takes_turns_with
from flinkops.autoscale.decide import _Judge
from flinkops.autoscale.memory import Memory, Scaling
from flinkops.autoscale.rates import Rates, evaluate
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Vertex, Window
from flinkops.diagnose.case import Case
from flinkops.diagnose.changes import current
from flinkops.diagnose.kept import _kept
from flinkops.diagnose.rules.watermark_delay import STANDSTILL_SKEW_SECONDS, _flows, _skew_worth
from flinkops.model.request import Terms
from flinkops.observability.reporter import _compare
from flinkops.observability.rules import to_yaml
from flinkops.plan.operator.blue_green import outlook, template_of
from flinkops.plan.operator.blue_green_plan import _transition_steps
from flinkops.plan.operator.decision import Act, Decision
from flinkops.plan.operator.effective_mode import _by_checkpoint_age, _pending
from flinkops.plan.operator.reasons import ReasonCode, because
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import compared
from flinkops.plan.operator.validation import _spec_change
from flinkops.plan.orphans import References, StoredFile, decide
from flinkops.plan.rehearsal_size import SAMPLE_BYTES, _restored_bytes
from flinkops.plan.state_layout import tail_of
from flinkops.plan.step_inputs import CheckFiles
from tests.unit.builders import NOW_MS, snapshot, spread, with_vertex
from tests.unit.doctor_cases import evidence, job, sample
from tests.unit.test_blue_green_plan import active, child


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


@pytest.mark.parametrize(("mode", "native"), [("standalone", False), ("native", True), (None, True)])
def test_how_a_cluster_is_run_is_the_specs_unless_it_is_told(mode: str | None, native: bool) -> None:
    before = {"mode": mode, "flinkVersion": "v1_20", "job": {"parallelism": 1}}
    after = {**before, "job": {"parallelism": 2}}
    by_itself, told, otherwise = (
        compared(before, after, Rules(15), native=each).fields for each in (None, native, not native)
    )
    assert by_itself == told
    assert told != otherwise


@pytest.mark.parametrize(("mode", "checks"), [("savepoint", True), ("stateless", False), ("last-state", False)])
def test_files_are_checked_where_there_is_a_savepoint(mode: Any, checks: bool) -> None:
    pair = active()
    seen = outlook(pair, {**template_of(pair), "image": "count:2"}, child(), Rules(15))
    patch = {"spec": {"template": {"spec": {"image": "count:2"}}}}
    steps = _transition_steps(pair, template_of(pair), patch, seen, job(), mode, None, Terms())
    assert any(isinstance(step.do, CheckFiles) for step in steps) is checks


@pytest.mark.parametrize(
    ("state_bytes", "sample", "restored"), [(None, True, 0), (None, False, 0), (7, True, 7), (7, False, 7)]
)
def test_of_a_state_of_unknown_size_nothing_is_counted(state_bytes: int | None, sample: bool, restored: int) -> None:
    assert _restored_bytes(state_bytes, sample=sample) == restored
    assert _restored_bytes(SAMPLE_BYTES + 1, sample=sample) == SAMPLE_BYTES + (not sample)


@pytest.mark.parametrize(
    ("leaders", "other"), [("abab", "a"), ("aab", None), ("aba", None), ("bbab", None), ("ababab", "a"), ("acac", None)]
)
def test_vertices_take_turns_when_the_busiest_changed_three_times(leaders: str, other: str | None) -> None:
    past = [sample(60 - 10 * at, busiest=((each, 0.9), ("x", 0.1))) for at, each in enumerate(leaders)]
    assert _takes_turns_with("b", past) == other


@pytest.mark.parametrize(("hoped", "came", "useless"), [(0.5, 0.0, True), (0.5, 0.4, False), (0.0, 0.0, False)])
def test_a_scale_up_that_brought_nothing_is_told_however_slow_the_vertex(
    hoped: float, came: float, useless: bool
) -> None:
    last = Scaling(NOW_MS, "src", 1, 2, 2.0, 2.0 + hoped)
    judge = _Judge(Vertex("src", "src", 2, 128), Rates(), Settings(), Memory(scalings=(last,)), False, NOW_MS)
    assert (judge._ineffective(2.0 + came) is not None) is useless


def test_a_pattern_is_added_to_the_labels_that_a_metric_has() -> None:
    assert _compare('m{a="b"}', {"job": "x*"}, 1.0) == '(m{a="b", job=~"x.*"} <= bool 1)'
    assert _compare("m", {"job": "x*", "namespace": ""}, 1.0) == '(m{job=~"x.*"} <= bool 1)'
    assert _compare("m", {}, None) == "(m * 0 + 1)"


def test_less_than_a_byte_that_each_record_leaves_is_something() -> None:
    sizes = [*range(0, 300, 50), *range(275, 425, 25)]
    polls = [sample(120 - n, accepted_records=100 * n, state_bytes=size) for n, size in enumerate(sizes)]
    assert _kept(polls) == pytest.approx(0.5)


def test_letters_of_any_language_stay_in_a_rule_file() -> None:
    assert to_yaml({"a": "Größe"}) == "a: Größe\n"


def test_of_two_jobs_of_one_name_the_one_that_was_started_last_is_the_current_one() -> None:
    jobs = [job(id=name * 32, started_ms=at_ms) for name, at_ms in (("b", 3), ("c", None), ("d", 2))]
    assert [each.id[0] for each in current(snapshot(*jobs)).values()] == ["b"]


@pytest.mark.parametrize(
    ("own", "limit", "worth"), [("1 min", 4_000.0, 2_000.0), ("1 min", 1.0, STANDSTILL_SKEW_SECONDS), (None, 9e9, None)]
)
def test_a_skew_is_worth_it_from_half_of_the_jobs_own_limit_on(
    own: str | None, limit: float, worth: float | None
) -> None:
    assessment = SimpleNamespace(limits=SimpleNamespace(skew_seconds=limit))
    case: Any = SimpleNamespace(setting=lambda _: own, evidence=SimpleNamespace(assessment=assessment))
    assert _skew_worth(case) == (STANDSTILL_SKEW_SECONDS if worth is None else worth)


def test_what_a_snapshot_elsewhere_names_is_kept() -> None:
    path = f"c/{'a' * 32}/shared/f1"
    kept = {}
    for name, files in (("named", {tail_of(path): "elsewhere"}), ("not", {})):
        kept[name] = [each.kept for each in decide([StoredFile(path, 1)], {}, References(files=files)).units]
    assert kept == {"named": ["elsewhere"], "not": [None]}
