"""More edges, each of a change of the code that no other test saw."""

from types import SimpleNamespace
from typing import Any

import pytest

from flinkops.assess.catch_up import latency_easing
from flinkops.assess.latency import _highest
from flinkops.assess.rates import rates
from flinkops.assess.skew import _FIRST_MS, _LAST_MS, _time
from flinkops.autoscale.controller import Controller, advise
from flinkops.autoscale.decide import Decision, _Judge, decide
from flinkops.autoscale.memory import Memory, Wanted
from flinkops.autoscale.rates import Rates, _from_source, _reads
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Sample as WindowSample
from flinkops.autoscale.window import Vertex, VertexSample, Window
from flinkops.diagnose.backlog_lines import _of_partition
from flinkops.diagnose.case import Case
from flinkops.diagnose.changes import MANY_CHECKPOINTS, gaps_of_facts
from flinkops.diagnose.partition_pace import MOST_MS, PartitionPace
from flinkops.diagnose.rules.restart_loop import _restarts_since, lost_taskmanager_ms
from flinkops.diagnose.rules.source_idle import _flowed_seconds, _idle_seconds
from flinkops.diagnose.rules.state_bloat import _may_expire
from flinkops.diagnose.rules.watermark_delay import STANDSTILL_SECONDS, _trailing
from flinkops.model.detail import JobDetail, PartitionDetail
from flinkops.model.facts import ClusterFacts, JobKey, SnapshotFacts, Spread
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.blue_green import not_ready
from flinkops.plan.operator.configuration import MAX_AGE, PERIODIC_SAVEPOINTS
from flinkops.plan.operator.decision import EMPTY, Start, StartKind
from flinkops.plan.operator.effective_mode import _last_checkpoint
from flinkops.plan.operator.in_place import in_place_rollback
from flinkops.plan.operator.reading import _quantity
from flinkops.plan.operator.rehearsal_pod import _secrets
from flinkops.plan.operator.rules import NEWEST, OLDEST, features
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.step_inputs import AwaitTakenUp
from flinkops.plan.operator.validation import _needs_savepoints
from flinkops.plan.redeploy import plan_resume
from flinkops.plan.savepoint import _disposes, plan_savepoint
from flinkops.render.glyphs import UNICODE, lanes
from flinkops.render.lines import fit, line, plain
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, spread, with_vertex
from tests.unit.builders import job as any_job
from tests.unit.doctor_cases import detail, evidence, found, job, sample, thrown
from tests.unit.test_doctor_neighbours import BIG, FEW, STORED
from tests.unit.test_doctor_rules import uneven_source
from tests.unit.test_edges_assess import CLASS, falling

STAMP = Stamp("p1", NOW_MS, "flinkops")


def test_a_secret_has_a_name_and_a_path() -> None:
    assert _secrets({"kubernetes.secrets": "one:/a, two, :/c,three:/d"}) == [("one", "/a"), ("three", "/d")]


def test_a_counter_that_began_at_nothing_is_followed_from_there() -> None:
    facts = with_vertex(any_job(), "work", unchanged_dropped=spread(20.0))
    past = [sample(10, unchanged_dropped=0)]
    assert rates(facts, Graph(facts.vertices), past, CLASS).value.records_dropped_per_second == 2.0


@pytest.mark.parametrize(("age_seconds", "caught_up"), [(None, True), (9.9, True), (10.0, False), (11.0, False)])
def test_it_has_caught_up_where_what_it_emits_is_new(age_seconds: float | None, caught_up: bool) -> None:
    age = None if age_seconds is None else spread(age_seconds)
    facts = with_vertex(job(), "src", pending_records=spread(0.0), source_emit_lag_seconds=age)
    assert (Case(evidence(facts, [sample(20, pending_records=9.0)])).caught_up is not None) is caught_up


def test_a_backlog_is_told_with_its_age_to_the_second() -> None:
    facts = with_vertex(job(), "src", pending_records=spread(100.0, sum=100.0))
    told = Case(evidence(facts, [sample(31.5, pending_records=1_000.0)])).working_off
    assert told is not None
    assert told.endswith("1,000 did 32 s ago")


@pytest.mark.parametrize("lifecycle", ["UPGRADING", "SUSPENDED", "DEPLOYED", None])
def test_a_child_is_ready_when_it_is_stable(lifecycle: str | None) -> None:
    child = {"metadata": {"name": "blue"}, "status": {"lifecycleState": lifecycle, "jobStatus": {"state": "RUNNING"}}}
    assert not_ready(child) == f"blue is {lifecycle}, its job RUNNING; it has to be STABLE and RUNNING"
    child["status"]["lifecycleState"] = "STABLE"  # type: ignore[index]
    assert not_ready(child) is None


def test_advice_counts_from_the_end_of_the_stabilization(monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[float] = []

    def noted(window: Window, settings: Settings, memory: Memory, now_ms: int) -> Any:
        windows.append(settings.metrics_window_seconds)
        return decide(window, settings, memory, now_ms)

    monkeypatch.setattr("flinkops.autoscale.controller.decide", noted)
    polls = [
        any_job(seen_ms=NOW_MS + 1_000 * second, running_since_ms=NOW_MS, vertices=()) for second in range(0, 61, 10)
    ]
    advise(polls, Settings(stabilization_seconds=20.0))
    assert windows == [40.0]


def test_of_two_vertices_with_one_p99_the_one_with_the_higher_p50_counts() -> None:
    highest = _highest([(None, 2.0), (0.5, 2.0)], "measured")
    assert highest is not None
    assert (highest.p50, highest.p99) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ["records wait"]),
        ({"read_per_second": 0.0}, ["records wait", "read from"]),
        ({"pending_change_per_second": 0.0}, ["records wait", "change of what waits"]),
        ({"catch_up_seconds": 5.0}, ["records wait", "seconds until"]),
        ({"catch_up_seconds": 0.0}, ["records wait"]),
    ],
)
def test_of_a_partition_what_is_known_is_told(fields: dict[str, float], lines: list[str]) -> None:
    told = _of_partition(PartitionDetail("src", "orders", 1, 0, **fields), 7.0)  # type: ignore[arg-type]
    assert [each.text.startswith(begin) for each, begin in zip(told, lines, strict=True)] == [True] * len(lines)


def test_state_that_is_not_of_sql_has_no_hidden_time_to_live() -> None:
    assert _may_expire(Case(evidence(job(running_since_ms=NOW_MS - 60_000))), 1.0, 1.0) is None


@pytest.mark.parametrize(("seconds", "known"), [(1.0, True), (900.0, True), (900.001, False)])
def test_the_loss_of_a_taskmanager_matters_while_it_is_recent(seconds: float, known: bool) -> None:
    lost = thrown(seconds, "Heartbeat of TaskManager with id tm-1 timed out.")
    assert lost_taskmanager_ms(job(exceptions=(lost,))) == (lost.at_ms if known else None)
    assert lost_taskmanager_ms(job(exceptions=(thrown(seconds),))) is None


def test_restarts_are_counted_from_polls_of_the_same_job() -> None:
    past = [sample(30, restarts=3), sample(20, restarts=0, job_id="b" * 32), sample(10, restarts=0, job_id="0" * 32)]
    assert _restarts_since(Case(evidence(job(restarts=5), past))) == 2


@pytest.mark.parametrize(("at_ms", "known"), [(_FIRST_MS - 1, False), (_FIRST_MS, True), (_LAST_MS, True)])
def test_a_watermark_is_a_time_that_a_calendar_has(at_ms: int, known: bool) -> None:
    assert _time(float(at_ms)) == (at_ms if known else None)
    assert _time(float(_LAST_MS + 1)) is None


def test_what_was_told_of_a_job_that_is_gone_is_forgotten() -> None:
    def told(name: str, at_ms: int) -> None:
        parts = (PartitionDetail("src", "orders", 1, 0, offset=1),)
        pace.told(JobKey("prod", "shop", name), JobDetail(name, at_ms, partitions=parts))

    pace = PartitionPace()
    told("gone", NOW_MS)
    told("stays", NOW_MS + MOST_MS)
    assert len(pace._told) == 2
    told("stays", NOW_MS + MOST_MS + 1)
    assert len(pace._told) == 1


@pytest.mark.parametrize(
    ("parts", "text"),
    [({"amount": "1", "format": "Gi"}, "1Gi"), ({"amount": "7"}, "7"), ({"amount": "7", "format": None}, "7")],
)
def test_a_quantity_may_come_in_parts(parts: dict[str, Any], text: str) -> None:
    assert _quantity(parts) == _quantity(text)
    assert _quantity(parts) != _quantity("8")


def test_what_has_no_room_is_cut_to_the_ellipsis() -> None:
    assert [plain(fit(line("abc"), cells)) for cells in (0, 1, 2, 3)] == ["", "…", "a…", "abc"]


@pytest.mark.parametrize(
    ("observed", "start"),
    [
        (ObservedJob(now_ms=1, checkpoints_read=True), EMPTY),
        (ObservedJob(now_ms=1, checkpoints_read=False), Start(StartKind.LAST_CHECKPOINT, "")),
        (ObservedJob(now_ms=1, checkpoint_age_seconds=5.0), Start(StartKind.LAST_CHECKPOINT, "")),
        (ObservedJob(now_ms=1, checkpoint_path="s3://b/chk-1"), Start(StartKind.LAST_CHECKPOINT, "s3://b/chk-1")),
    ],
)
def test_whether_there_is_a_checkpoint_is_asked_where_it_was_not_read(observed: ObservedJob, start: Start) -> None:
    world = SimpleNamespace(ask=lambda fact, answers: answers[0])
    view: Any = SimpleNamespace(case=SimpleNamespace(observed=observed, status={}), world=world)
    assert _last_checkpoint(view) == start


@pytest.mark.parametrize(("seconds", "told"), [(25.0, True), (None, False)])
def test_the_age_of_what_an_uneven_source_emits_is_told_where_it_is_known(seconds: float | None, told: bool) -> None:
    lag = None if seconds is None else Spread(min=0.05, max=seconds)
    finding = found("key-skew", evidence(uneven_source(source_emit_lag_seconds=lag)))
    assert finding is not None
    assert any(each.text.startswith("age of the oldest") for each in finding.evidence) is told


@pytest.mark.parametrize(("key", "needs"), [(PERIODIC_SAVEPOINTS.key, True), (MAX_AGE.key, True), ("other", False)])
def test_a_setting_alone_may_need_a_savepoint_directory(key: str, needs: bool) -> None:
    assert _needs_savepoints({"upgradeMode": "last-state"}, {key: "1h"}) is needs


@pytest.mark.parametrize(
    ("settings", "patch"),
    [
        ({"a": {"b": "1"}}, {"flinkConfiguration": {"x": "1"}}),
        ({"a": "1"}, {"flinkConfiguration": {"x": {"y": "1"}}}),
        ({"a": "1"}, {"flinkConfiguration": {"x": "1"}, "image": "other"}),
    ],
)
def test_only_settings_that_are_not_nested_are_set_back(settings: dict[str, Any], patch: dict[str, Any]) -> None:
    before = {"spec": {"flinkConfiguration": settings}}
    assert in_place_rollback(before, patch, {}, AwaitTakenUp("a"), {"src": 2}, 1) == ()
    plain_patch = {"flinkConfiguration": {"x": "1"}}
    assert in_place_rollback({"spec": {}}, plain_patch, {}, AwaitTakenUp("a"), {"src": 2}, 1) != ()


@pytest.mark.parametrize(
    ("seconds", "catches_up"), [(STANDSTILL_SECONDS / 2 - 0.1, False), (STANDSTILL_SECONDS / 2, True)]
)
def test_a_watermark_catches_up_when_it_was_seen_to_for_long_enough(
    seconds: float, catches_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flinkops.diagnose.rules.watermark_delay.pace_of", lambda polls: (9.0, seconds))
    facts = job()
    for each in facts.vertices:
        facts = with_vertex(facts, each.id, watermark_ms=Spread(min=NOW_MS - 400_000, max=NOW_MS - 400_000))
    cause = _trailing(Case(evidence(facts)))
    assert cause is not None
    assert cause.severity_info is catches_up


def test_a_source_of_which_no_backlog_is_told_has_none() -> None:
    vertex = Vertex("src", "src", 1, 128)
    rates_of = _from_source(vertex, Rates(input_rate=10.0), [WindowSample(NOW_MS, {"src": VertexSample()})], Settings())
    assert (rates_of.lag_records, rates_of.catch_up_rate, rates_of.target_rate) == (0.0, 0.0, 10.0)


@pytest.mark.parametrize("state", ["ABANDONED", "FAILED", "IN_PROGRESS", "COMPLETED"])
def test_the_operator_disposes_of_what_is_complete(state: str) -> None:
    assert _disposes(SnapshotFacts("s", "savepoint", state, dispose_on_delete=True)) is (state == "COMPLETED")


def test_records_that_came_once_flowed_for_no_time() -> None:
    polls = [sample(30, accepted_records=0), sample(20, accepted_records=5), sample(10, accepted_records=5)]
    assert _flowed_seconds(Case(evidence(job(), polls)), 0.0) == 0.0


@pytest.mark.parametrize(
    ("count", "gap"), [(MANY_CHECKPOINTS - 1, False), (MANY_CHECKPOINTS, True), (MANY_CHECKPOINTS + 1, True)]
)
def test_many_checkpoints_are_all_that_flink_remembers(count: int, gap: bool) -> None:
    history = tuple(checkpoint(number, NOW_MS - number) for number in range(count))
    facts = any_job(checkpoints=checkpoints(history=history))
    assert bool(list(gaps_of_facts(facts, NOW_MS - 1_000_000))) is gap


def test_the_newest_poll_counts_once() -> None:
    past = [*falling(NOW_MS - 60_000), JobSample(NOW_MS, "RUNNING", job_id=any_job().id, pending_records=1_000.0)]
    assert "gone in about 20 s" in latency_easing(any_job(), 1_000.0, past)


@pytest.mark.parametrize(("share", "sure"), [(0.5, 0.75), (0.95, 0.95), (1.0, 0.95)])
def test_no_full_memory_is_more_than_nearly_sure(share: float, sure: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.diagnose.rules.managed_memory._slowed", lambda case, vertex: share)
    finding = found("managed-memory-full", evidence(BIG, detail=detail(taskmanagers=(FEW,)), flame_graphs=[STORED]))
    assert finding is not None
    assert finding.confidence == pytest.approx(sure)


def test_a_job_whose_launch_is_not_known_needs_one_slot_at_least() -> None:
    stopped = any_job(state="CANCELED", ended_ms=NOW_MS)
    told = {
        free: plan_resume(stopped, None, "s3://b/sp", ClusterFacts("prod", "2.3.0", 1, 8, free), STAMP, Terms()).refused
        for free in (0, 1)
    }
    assert [any("slots are needed" in each for each in told[free]) for free in (0, 1)] == [True, False]
    assert "1 slots are needed, the job has 0 and 0 are free" in told[0]


@pytest.mark.parametrize(("ratio", "told"), [(0.5, False), (0.51, True), (None, False)])
def test_a_savepoint_of_a_job_that_is_held_up_takes_its_time(ratio: float | None, told: bool) -> None:
    facts = with_vertex(any_job(), "work", backpressured_ratio=None if ratio is None else spread(ratio))
    plan = plan_savepoint(facts, STAMP, target_directory="s3://b/sp")
    assert any("backpressured" in each for each in plan.risks) is told


@pytest.mark.parametrize(("rates_told", "reads"), [((0.5, 0.5), True), ((0.0, 0.5), False), ((None, 0.5), False)])
def test_a_source_reads_when_flinks_own_rate_says_so_throughout(
    rates_told: tuple[float | None, ...], reads: bool
) -> None:
    samples = [WindowSample(NOW_MS, {"src": VertexSample(records_in_per_second=each)}) for each in rates_told]
    assert _reads(Vertex("src", "src", 1, 128), samples) is reads


@pytest.mark.parametrize(("at_ms", "verdict"), [(60_999, "blocked"), (61_000, "scale"), (900_000, "scale")])
def test_the_cool_down_ends_by_any_clock(at_ms: int, verdict: str) -> None:
    controller = Controller(Settings(cool_down_seconds=60.0))
    decision = Decision("orders", at_ms, "scale", (), ())
    controller.rescaled(decision, 1_000)
    assert controller._cooled_down(decision).verdict == verdict


def test_an_edge_to_a_lane_that_goes_on_has_its_own_corner() -> None:
    graph = [("a", []), ("b", []), ("c", ["a", "b"]), ("d", ["b"])]
    assert lanes(graph, UNICODE)[2] == "●─┤"
    graph = [("a", []), ("b", []), ("c", ["a", "b"]), ("d", ["a"])]
    assert lanes(graph, UNICODE)[2] == "├─●"


def test_a_source_is_idle_since_the_poll_after_its_last_records() -> None:
    polls = [sample(ago, records_in_per_second=rate) for ago, rate in ((30, 0.0), (20, 5.0), (10, 0.0))]
    facts = with_vertex(job(), "src", records_in_per_second=spread(0.0), source_idle_seconds=None)
    facts = with_vertex(facts, "src", records_out_per_second=spread(0.0))
    case = Case(evidence(facts, polls))
    assert _idle_seconds(case, list(case.graph.sources)) == 10.0


@pytest.mark.parametrize(("ended_ms", "down_seconds"), [(NOW_MS - 500, 0.5), (NOW_MS, 0.0), (NOW_MS + 5_000, 0.0)])
def test_a_job_is_down_since_its_end_by_clocks_that_may_differ(
    ended_ms: int, down_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def noted(*_: object, down_seconds: float, **__: object) -> tuple[str, ...]:
        told.append(down_seconds)
        return ()

    monkeypatch.setattr("flinkops.plan.redeploy.transaction_risks", noted)
    stopped = any_job(state="CANCELED", ended_ms=ended_ms)
    plan_resume(stopped, None, "s3://b/sp", ClusterFacts("prod", "2.3.0", 1, 8, 8), STAMP, Terms())
    assert told == [down_seconds]


def test_a_wish_a_whole_window_after_the_first_is_no_blend() -> None:
    vertex, wishes = Vertex("src", "src", 9, 128), (Wanted(NOW_MS, 5, True), Wanted(NOW_MS + 60_000, 3, True))
    chosen = Settings(metrics_window_seconds=60.0, scale_down_interval_seconds=120.0)
    judge = _Judge(vertex, Rates(), chosen, Memory(waiting={"src": wishes}), False, NOW_MS + 120_000)
    told, kept = judge._downwards(2, "less comes in", outside=True)
    assert told.recommended == 3
    assert len(kept) == 3


def test_an_operator_with_all_marks_of_the_newest_is_the_newest() -> None:
    whole: dict[str, Any] = {
        "spec": {
            "properties": {
                "job": {"properties": {"savepointRedeployNonce": {}, "autoscalerResetNonce": {}}},
                "flinkConfiguration": {"x-kubernetes-preserve-unknown-fields": True},
                "flinkVersion": {"enum": ["v2_3"]},
                "jobManager": {"properties": {"resources": {}}},
            }
        },
        "status": {"properties": {"jobStatus": {"properties": {"upgradeSavepointPath": {}}}}},
    }

    def between(properties: Any) -> tuple[int, int]:
        served = {"served": True, "schema": {"openAPIV3Schema": {"properties": properties}}}
        found = features({"spec": {"versions": [served]}})
        return found.oldest, found.newest

    assert between(whole) == (NEWEST, NEWEST)
    del whole["spec"]["properties"]["jobManager"]
    assert between(whole) == (15, 15)
    assert between({}) == (OLDEST, OLDEST)
