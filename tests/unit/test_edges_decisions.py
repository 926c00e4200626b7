"""The edges of what is assessed, decided, planned and shown: each limit at itself, each default where it decides."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from flinkops.assess.availability import WINDOW_SECONDS, _down_seconds
from flinkops.assess.backpressure import _blames_another
from flinkops.assess.rates import RATE_WINDOW_MS, _earlier
from flinkops.assess.skew import _has_flowed
from flinkops.autoscale.alignment import aligned
from flinkops.autoscale.controller import Controller, advise
from flinkops.autoscale.decide import Decision, VertexAdvice, _Judge, scalings
from flinkops.autoscale.document import RIGHT
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.simulate import Stage
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.launch import Launch
from flinkops.model.timeline import Entry, Timeline
from flinkops.observability.slo import _within
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.checks import MAX_CHECKPOINT_AGE_SECONDS, ProposedChange, _max_parallelism
from flinkops.plan.operator.downtime_trace import downtime_phases
from flinkops.plan.operator.map_option import _split
from flinkops.plan.operator.reading import Unreadable, _switch
from flinkops.plan.operator.recorded import TakenSavepoint, recorded_savepoints
from flinkops.plan.operator.rehearsal_pod import _scratch
from flinkops.plan.operator.rules import features
from flinkops.plan.orphans import References, SnapshotContent, StoredFile, decide
from flinkops.plan.preconditions import OperatorIdle
from flinkops.plan.redeploy import _refusals
from flinkops.plan.rehearsal_size import _BYTES_PER_SECOND, _START_SECONDS, _seconds, refuse_too_large
from flinkops.plan.storage import FolderDeletion, plan_deletion
from flinkops.render.doctor import _number
from flinkops.render.text import truncate
from flinkops.render.timeline import timeline_lines
from tests.unit.builders import NOW_MS, job, spread, vertex, with_vertex
from tests.unit.doctor_cases import CLUSTER
from tests.unit.test_downtime_trace import MANAGER, STOPPED, WORKER


def at(seconds_ago: float, state: str = "RUNNING", **fields: Any) -> JobSample:
    return JobSample(at_ms=NOW_MS - round(seconds_ago * 1000), **{"state": state, "job_id": "a" * 32, **fields})


# ---- assessed


@pytest.mark.parametrize(("ago", "down"), [(WINDOW_SECONDS, 5.0), (WINDOW_SECONDS + 0.001, 0.0)])
def test_time_down_counts_from_polls_within_the_hour(ago: float, down: float) -> None:
    assert WINDOW_SECONDS == 3600
    past = [at(3700), at(ago, "FAILED"), at(ago - 5)]
    assert _down_seconds(job(), past)[0] == down


@pytest.mark.parametrize("busier", ["b", "z"])
def test_a_sibling_takes_the_blame_whatever_its_id(busier: str) -> None:
    held = vertex("a", backpressured_ratio=spread(0.9))
    mine, other = vertex("m", "a", busy_ratio=spread(0.2)), vertex(busier, "a", busy_ratio=spread(1.0))
    graph = Graph((held, mine, other))
    assert _blames_another(mine, graph)
    assert not _blames_another(other, graph)


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({}, True),
        ({"job_id": "b" * 32}, False),
        ({"seconds_ago": RATE_WINDOW_MS / 1000}, True),
        ({"seconds_ago": RATE_WINDOW_MS / 1000 + 0.001}, False),
    ],
)
def test_a_counter_is_compared_with_polls_of_its_run_within_the_window(fields: dict[str, Any], known: bool) -> None:
    ago = fields.pop("seconds_ago", 10.0)
    assert (_earlier(job(), 9, [at(ago, unchanged_dropped=5, **fields)]) is not None) is known


def test_records_have_flowed_where_none_come_any_more() -> None:
    facts = with_vertex(
        job(), "src", records_in_per_second=spread(0.0), records_out_per_second=spread(0.0), records_in=1
    )
    facts = msgspec.structs.replace(facts, running_since_ms=NOW_MS - 3_600_000)
    assert _has_flowed(facts, Graph(facts.vertices))


# ---- decided


def test_many_key_groups_are_dealt_out_by_their_number() -> None:
    assert aligned(100, 32_768, 1, 110, "evenly-spread") == 100


@pytest.mark.parametrize(("seconds", "verdict"), [(59.999, "blocked"), (60.0, "scale")])
def test_a_rescale_cools_down_to_the_second(seconds: float, verdict: str) -> None:
    controller = Controller(Settings(cool_down_seconds=60.0))
    controller._rescaled_ms = NOW_MS
    decision = Decision("orders", NOW_MS + round(seconds * 1000), "scale", (), ())
    assert controller._cooled_down(decision).verdict == verdict


@pytest.mark.parametrize(("span_ms", "young"), [(29_499, True), (29_500, False)])
def test_advice_wants_half_a_minute_of_metrics_but_for_what_clocks_differ(span_ms: int, young: bool) -> None:
    polls = [job(seen_ms=NOW_MS), job(seen_ms=NOW_MS + span_ms)]
    found = advise(polls, Settings(stabilization_seconds=0.0))
    assert any("too young" in each.why for each in found.vertices) is young or (
        any("too young" in why for why in found.blocked_by) is young
    )


def test_what_was_not_rescaled_is_not_remembered() -> None:
    def of(number: str, wanted: str) -> VertexAdvice:
        return VertexAdvice(number, number, int(number), int(wanted), 1.0, 1.0, 1.0, 0.5, 0.0, "", False, None)

    found = scalings(Decision("orders", 1, "scale", (), (of("300", "300"), of("300", "301"))))
    assert [(each.before, each.after) for each in found] == [(300, 301)]


def test_defaults_that_no_other_test_states() -> None:
    assert Stage("a", 1.0).parallelism == 1
    assert (False, *[True] * 6, False) == RIGHT
    assert MAX_CHECKPOINT_AGE_SECONDS == 900


@pytest.mark.parametrize(
    ("value", "limit", "met"), [(5.0, 5.0, 1.0), (5.1, 5.0, 0.0), (None, 5.0, None), (5.0, None, None)]
)
def test_an_objective_is_met_at_its_limit(value: float | None, limit: float | None, met: float | None) -> None:
    assert _within(value, limit) == met


# ---- planned


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [("8", None, "8 -> default"), (None, "8", "default -> 8"), ("8", "9", "8 -> 9"), ("8", "8", None)],
)
def test_max_parallelism_that_is_changed_loses_state(before: str | None, after: str | None, said: str | None) -> None:
    def spec(value: str | None) -> dict[str, Any]:
        return {"flinkConfiguration": {} if value is None else {"pipeline.max-parallelism": value}, "job": {}}

    proposed = SimpleNamespace(
        decision=SimpleNamespace(mode="savepoint"),
        deployed=spec(before),
        wanted=spec(after),
        situation=SimpleNamespace(observed=SimpleNamespace(max_parallelism=None)),
    )
    found = list(_max_parallelism(cast("ProposedChange", proposed)))
    assert found == ([] if said is None else [f"pipeline.max-parallelism {said}: state does not survive that"])


def test_the_last_phase_of_a_downtime_is_told_and_an_early_one_is_not() -> None:
    worker = msgspec.structs.replace(WORKER, started_ms=STOPPED + 1_000)
    found = downtime_phases(
        [MANAGER, worker], stopped_ms=STOPPED, job_started_ms=STOPPED + 10_500, all_running_ms=STOPPED + 7_000
    )
    phases = [one.phase for one in found]
    assert phases[-1] == "their JVMs, the restore, all tasks run"
    assert "their containers start" not in phases


@pytest.mark.parametrize(
    ("text", "parts"), [("''", [""]), ('""', [""]), (" ; a", ["a"]), ("'a' ; b", ["a", "b"]), ("", [])]
)
def test_a_part_in_quotes_may_be_empty(text: str, parts: list[str]) -> None:
    assert list(_split(text, ";")) == parts


@pytest.mark.parametrize(
    ("value", "read"),
    [(True, True), (False, False), (1, True), (0, False), ("true", True), ("False", False), (" ", None)],
)
def test_a_switch_is_read_as_the_operator_reads_it(value: Any, read: bool | None) -> None:
    assert _switch(value) is read
    with pytest.raises(Unreadable):
        _switch("on")


@pytest.mark.parametrize(("stamp", "at_ms"), [(1, 1), (0, 0), (-1, 0), ("1", 0), (None, 0)])
def test_a_savepoint_is_dated_by_a_time_that_is_one(stamp: Any, at_ms: int) -> None:
    status = {"jobStatus": {"savepointInfo": {"lastSavepoint": {"location": "s3://a", "timeStamp": stamp}}}}
    assert recorded_savepoints(status) == [TakenSavepoint("s3://a", at_ms)]


def test_a_rehearsal_has_room_for_the_state_twice_and_a_gibibyte() -> None:
    assert [_scratch(size)["emptyDir"]["sizeLimit"] for size in (None, 10)] == [str(1 << 30), str((1 << 30) + 20)]


def test_a_schema_without_flink_versions_is_none_to_hold_a_spec_against() -> None:
    def seen(spec: dict[str, Any]) -> Any:
        schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": spec}}}}
        return features({"spec": {"versions": [{"served": True, "schema": schema}]}}).spec_schema

    assert seen({"job": {}}) == {}
    assert seen({"flinkVersion": {"enum": []}}) == {"properties": {"flinkVersion": {"enum": []}}}


@pytest.mark.parametrize(
    ("status", "unmet"),
    [
        ({"reconciliationStatus": {"state": "UPGRADING"}}, "another upgrade is running (UPGRADING)"),
        ({"reconciliationStatus": {"state": "DEPLOYED"}}, None),
        ({}, None),
    ],
)
def test_an_operator_in_the_middle_of_an_upgrade_is_not_idle(status: dict[str, Any], unmet: str | None) -> None:
    assert OperatorIdle().unmet({"status": status}) == unmet


@pytest.mark.parametrize(("most", "refused"), [(2, True), (3, False), (1, False), (-1, False), (None, False)])
def test_no_vertex_gets_more_subtasks_than_its_state_has_groups(most: int | None, refused: bool) -> None:
    facts = with_vertex(job(), "work", max_parallelism=most)
    found = _refusals(facts, None, Launch("jar", jar_id="x", parallelism=3), CLUSTER, "s3://savepoints")
    assert any("can have at most" in each for each in found) is refused


def test_a_state_of_unknown_size_is_rehearsed_and_takes_what_it_takes_to_start() -> None:
    refuse_too_large(None, 0, "/tmp", sample=False)
    assert _seconds(_BYTES_PER_SECOND / 2) == _START_SECONDS + 0.5


def test_who_deletes_files_is_told_that_they_do_not_come_back() -> None:
    deletion = FolderDeletion("s3://a", (), "list", "digest")
    assert plan_deletion([deletion], Stamp("x", 1), why=(), refused=()).risks
    assert not plan_deletion([], Stamp("x", 1), why=(), refused=()).risks


def test_the_folders_that_files_are_deleted_of_are_counted_from_one() -> None:
    deletions = [FolderDeletion(f"s3://{name}", (), "list", "digest") for name in "ab"]
    steps = plan_deletion(deletions, Stamp("x", 1), why=(), refused=()).steps
    assert [one.name for one in steps] == ["delete-1", "delete-2"]


# ---- shown


@pytest.mark.parametrize(("value", "text"), [(9.5, "9.50"), (11.25, "11.2"), (-9.5, "-9.50"), (9.0, "9"), (0.0, "0")])
def test_a_small_number_keeps_its_decimals(value: float, text: str) -> None:
    assert _number(value, None) == text


@pytest.mark.parametrize(("cells", "cut"), [(0, ""), (1, "…"), (2, "ä…"), (3, "äöü")])
def test_a_text_of_any_letters_is_cut_to_its_cells(cells: int, cut: str) -> None:
    assert truncate("äöü", cells) == cut


def test_a_day_is_written_once() -> None:
    one = Entry(at_ms=NOW_MS, cluster="c", namespace=None, job="a", kind="restart", source="journal", text="x")
    entries = (one, msgspec.structs.replace(one, kind="end"))
    lines = list(timeline_lines(Timeline(since_ms=0, until_ms=NOW_MS, entries=entries, not_covered=())))
    assert lines.count("2027-01-15") == 1
    assert len(lines) == 3


# ---- decided: ties


@pytest.mark.parametrize(
    ("rate", "outside"),
    [(100.0 * (1 + part), abs(part) > 1e-9) for part in (-2e-9, -5e-10, 0.0, 5e-10, 2e-9)],
)
def test_a_rate_at_a_bound_is_within_it(rate: float, outside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.autoscale.decide.capacity", lambda *_, **__: 100.0)
    judge = SimpleNamespace(_backlog=False, _settings=Settings(), _rates=None)
    assert _Judge._is_outside(cast("_Judge", judge), rate) is outside


def test_of_a_job_that_nobody_knows_the_newest_whole_snapshot_is_kept() -> None:
    job_id = "1" * 32
    files = [StoredFile(f"c/{job_id}/chk-{number}/_metadata", 10, 0) for number in (1, 2, 3)]
    contents = {
        f"c/{job_id}/chk-1": SnapshotContent(modified_ms=1),
        f"c/{job_id}/chk-2": SnapshotContent(modified_ms=2),
        f"c/{job_id}/chk-3": SnapshotContent(modified_ms=3, problem="cut off"),
    }
    kept = decide(files, contents, References({}, {}, {}))
    gone = {one.path for unit in kept.orphans for one in unit.files}
    assert gone == {f"c/{job_id}/chk-1/_metadata"}
