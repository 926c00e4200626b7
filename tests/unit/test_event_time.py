"""Event time: who needs it, who holds it back, and a job that has none: not applicable, neither unknown nor ill."""

from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.config.schema import read_policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.evidence_collector import from_observation
from flinkops.model.assessment import JobAssessment, NotApplicable, Unknown
from flinkops.model.event_time import held_back
from flinkops.model.facts import JobFacts, Spread, VertexFacts
from flinkops.model.graph import Graph
from flinkops.model.observation import Observation
from flinkops.render.columns import COLUMNS, RowContext
from flinkops.render.lines import plain
from flinkops.sources.flink import metric_plan as plans
from flinkops.sources.flink import wire
from flinkops.sources.flink.plan_facts import event_time_uses
from flinkops.sources.flink.vertex_facts import vertex_facts
from tests.unit.builders import NOW_MS, checkpoints, job, snapshot, vertex, with_vertex
from tests.unit.doctor_cases import above_info, evidence, found, sample
from tests.unit.test_status_golden import recorded

SKEW = "event_time_skew_seconds"
SILENT: dict[str, Any] = {"watermark_ms": None, "watermark_none_yet": True}
PARTLY: dict[str, Any] = {"watermark_ms": Spread(min=None, max=NOW_MS - 1000.0), "watermark_none_yet": True}


def timeless(**source: Any) -> JobFacts:
    """Runs for an hour at 100 records a second, and no vertex has ever had a watermark."""
    return job(
        vertices=(
            vertex("src", **SILENT, **{"records_in": 360_000, **source}),
            vertex("work", "src", **SILENT, input_ships=("HASH",)),
            vertex("sink", "work", **SILENT, input_ships=("FORWARD",)),
        )
    )


def assessed(facts: JobFacts, *past: Any, policy: Policy | None = None) -> JobAssessment:
    return assess(snapshot(facts), {facts.key: past}, policy or Policy()).jobs[0]


class TestWithoutEventTime:
    def test_skew_does_not_apply_and_the_job_is_healthy(self) -> None:
        shown = assessed(timeless())
        assert shown.health.level == "ok"
        assert isinstance(shown.absent(SKEW), NotApplicable)
        assert isinstance(shown.absent("vertices.1.watermark"), NotApplicable)

    def test_the_doctor_says_so_as_info(self) -> None:
        ill = evidence(timeless())
        finding = found("watermark-delay", ill)
        assert finding is not None
        assert (finding.severity, above_info(diagnose(ill))) == ("info", [])

    @pytest.mark.parametrize(
        "facts",
        [
            pytest.param(with_vertex(timeless(), "work", needs_event_time=True), id="a window needs one"),
            pytest.param(with_vertex(timeless(), "src", makes_watermarks=True), id="the plan makes one"),
            pytest.param(with_vertex(timeless(), "work", **PARTLY), id="one subtask has one"),
            pytest.param(with_vertex(timeless(), "work", watermark_none_yet=False), id="a vertex does not say"),
            pytest.param(timeless(records_in=5_000), id="records have come for less than minutes"),
            pytest.param(timeless(records_in=0, records_out=0), id="no record has come"),
            pytest.param(
                msgspec.structs.replace(timeless(), running_since_ms=NOW_MS - 60_000), id="it runs for a minute"
            ),
            pytest.param(msgspec.structs.replace(timeless(), running_since_ms=None), id="how long it runs is unknown"),
            pytest.param(
                msgspec.structs.replace(timeless(), configuration={"flinkops.watermark-delay": "30 s"}), id="it says so"
            ),
        ],
    )
    def test_unknown_it_is_where_it_may_have_one(self, facts: JobFacts) -> None:
        shown = assessed(facts)
        assert shown.health.level == "unknown"
        assert isinstance(shown.absent(SKEW), Unknown)

    @pytest.mark.parametrize("seen", [{"skew_seconds": 3.0}, {"watermark_seen": True}])
    def test_a_job_that_had_a_watermark_is_unknown_without_it(self, seen: dict[str, Any]) -> None:
        before = sample(60, job_id="b" * 32, **seen)  # an execution before this one
        assert isinstance(assessed(timeless(), before).absent(SKEW), Unknown)

    @pytest.mark.parametrize(
        ("table", "kind"),
        [
            ({"skew": "2 min"}, Unknown),
            ({"watermark_delay": "30 s"}, Unknown),
            ({"skew": "off"}, NotApplicable),
            ({"latency_p99": "1 s"}, NotApplicable),
        ],
    )
    def test_settings_that_name_a_skew_ask_for_one(self, table: dict[str, str], kind: type) -> None:
        policy = read_policy({"classes": {"windowed": table}}, "a test", Policy())
        assert isinstance(assessed(timeless(), policy=policy).absent(SKEW), kind)

    def test_a_sample_remembers_that_a_watermark_was_seen_though_the_skew_was_unknown(self) -> None:
        held = with_vertex(timeless(), "src", **PARTLY)
        remembered = assessed(held).sample
        assert remembered is not None
        assert (remembered.skew_seconds, remembered.watermark_seen) == (None, True)


class TestBatch:
    def test_what_only_streams_have_does_not_apply(self) -> None:
        facts = msgspec.structs.replace(timeless(), job_type="BATCH", checkpoints=checkpoints(enabled=False))
        facts = msgspec.structs.replace(
            facts, checkpoints=msgspec.structs.replace(checkpoints(enabled=False), latest_completed=None, history=())
        )
        shown = assessed(facts)
        assert shown.health.level == "ok"
        for path in (SKEW, "checkpoints", "state_bytes", "state_growth_bytes_per_hour", "processing_latency_seconds"):
            assert isinstance(shown.absent(path), NotApplicable), path
        assert above_info(diagnose(evidence(facts))) == []

    def test_a_stream_without_checkpoints_is_told_so(self) -> None:
        shown = assessed(job(checkpoints=checkpoints(enabled=False)))
        assert [each.code for each in shown.health.reasons] == ["checkpoints-disabled"]


class TestSourcesWithoutTimestamps:
    def untimed(self, **fields: Any) -> JobFacts:
        return with_vertex(job(), "src", pending_records=None, source_is_timed=False, **fields)

    def test_latency_does_not_apply(self) -> None:
        shown = assessed(self.untimed())
        assert shown.health.level == "ok"
        assert isinstance(shown.absent("processing_latency_seconds.p99"), NotApplicable)

    @pytest.mark.parametrize("timed", [None, True])
    def test_a_source_that_only_does_not_say_leaves_it_unknown(self, timed: bool | None) -> None:
        shown = assessed(with_vertex(self.untimed(), "src", source_is_timed=timed))
        assert isinstance(shown.absent("processing_latency_seconds"), Unknown)

    def test_a_job_that_had_a_latency_is_unknown_without_it(self) -> None:
        shown = assessed(self.untimed(), sample(30, latency_p99_seconds=0.2))
        assert isinstance(shown.absent("processing_latency_seconds"), Unknown)

    def test_beside_one_that_counts_it_adds_no_wait(self) -> None:
        facts = self.untimed()
        other = vertex("other", pending_records=Spread(min=100.0, max=100.0, avg=100.0, sum=200.0))
        joined = msgspec.structs.replace(facts.vertices[1], upstream=("src", "other"))
        shown = assessed(msgspec.structs.replace(facts, vertices=(facts.vertices[0], other, joined, facts.vertices[2])))
        assert shown.processing_latency_seconds is not None
        assert shown.processing_latency_seconds.method == "estimated"


class TestKeys:
    def test_a_job_without_a_keyed_vertex_keeps_no_keys(self) -> None:
        flat = with_vertex(job(), "work", input_ships=("REBALANCE",))
        flat = with_vertex(flat, "sink", input_ships=("FORWARD",))
        assert isinstance(assessed(flat).absent("state_keys"), NotApplicable)
        assert assessed(flat).state_bytes is not None

    @pytest.mark.parametrize("ships", [("HASH",), ()])
    def test_a_keyed_one_or_one_that_may_be_leaves_them_unknown(self, ships: tuple[str, ...]) -> None:
        facts = with_vertex(with_vertex(job(), "work", input_ships=ships), "sink", input_ships=("FORWARD",))
        assert isinstance(assessed(facts).absent("state_keys"), Unknown)


# ---- who holds event time back


def flows(*vertices: VertexFacts) -> JobFacts:
    return job(vertices=vertices)


def dead_letters() -> JobFacts:
    """As the reference job: the watermark is made after the source, and refused records go aside from both."""
    return flows(
        vertex("src", **SILENT),
        vertex("dedup", "src", input_ships=("HASH",)),
        vertex("window", "dedup", input_ships=("HASH",), needs_event_time=True),
        vertex("dead letters", "dedup", "src", **SILENT, input_ships=("FORWARD", "FORWARD")),
    )


def test_a_branch_that_needs_no_event_time_holds_nothing_back() -> None:
    assert held_back(Graph(dead_letters().vertices)) == []
    assert assessed(dead_letters()).event_time_skew_seconds is not None
    assert above_info(diagnose(evidence(dead_letters()))) == []


def test_of_the_real_reference_job_in_good_health_nothing_is_said() -> None:
    fleet = recorded("flink-2.3-prices")
    jobs = [each for each in fleet.jobs if each.facts is not None]
    snap = msgspec.structs.replace(snapshot(*[each.facts for each in jobs if each.facts]), taken_ms=fleet.taken_ms)
    found_now = [diagnose(each) for each in from_observation(Observation(snap, fleet, {}))]
    assert [above_info(each) for each in found_now] == [[]]
    assert [each.event_time_skew_seconds is not None for each in fleet.jobs] == [True]


@pytest.mark.parametrize(
    ("join", "named"),
    [
        pytest.param({"needs_event_time": True}, True, id="a window join waits for its silent input"),
        pytest.param({"needs_event_time": None}, True, id="a keyed operator of its own may"),
        pytest.param({"needs_event_time": False}, False, id="a regular join does not"),
        pytest.param({"needs_event_time": None, "input_ships": ("REBALANCE", "REBALANCE")}, False, id="nor a map"),
    ],
)
def test_a_silent_input_matters_to_those_that_need_event_time(join: dict[str, Any], named: bool) -> None:
    facts = flows(
        vertex("moving"),
        vertex("silent", **SILENT),
        vertex("join", "moving", "silent", **SILENT, **{"input_ships": ("HASH", "HASH"), **join}),
    )
    finding = found("watermark-delay", evidence(facts))
    assert (finding is not None) is named
    assert (assessed(facts).event_time_skew_seconds is None) is named
    if finding is not None:
        assert (finding.severity, finding.vertex) == ("warning", "vertex silent")


def test_the_culprit_is_the_source_with_the_silent_partition_not_what_waits_for_it() -> None:
    facts = flows(
        vertex("src", **PARTLY),
        vertex("map", "src", **SILENT, input_ships=("REBALANCE",)),
        vertex("window", "map", **SILENT, input_ships=("HASH",), needs_event_time=True),
    )
    finding = found("watermark-delay", evidence(facts))
    assert finding is not None
    assert finding.vertex == "vertex src"
    assert any("vertex window" in each.text for each in finding.evidence)


def test_a_forgotten_watermark_strategy_is_named_at_the_window_that_never_fires() -> None:
    forgotten = with_vertex(timeless(), "work", needs_event_time=True)
    finding = found("watermark-delay", evidence(forgotten))
    assert finding is not None
    assert (finding.severity, finding.vertex) == ("warning", "vertex work")
    quiet = with_vertex(forgotten, "src", records_in_per_second=Spread(0.0, 0.0, 0.0, 0.0), records_out_per_second=None)
    assert found("watermark-delay", evidence(quiet)) is None


def test_subtasks_without_a_partition_are_info_where_nobody_needs_event_time() -> None:
    few = with_vertex(timeless(), "src", source_partitions=1)
    finding = found("partitions-below-parallelism", evidence(few))
    assert finding is not None
    assert finding.severity == "info"
    held = with_vertex(with_vertex(few, "src", **PARTLY), "work", needs_event_time=True)
    finding = found("partitions-below-parallelism", evidence(held))
    assert finding is not None
    assert finding.severity == "warning"


# ---- the plan, and timers


def of_timers(event: float, processing: float) -> bool | None:
    """What RocksDB's own metrics of timers say of a vertex of which the plan says nothing."""
    names = {f"op._timer_state/{kind}_user-timers.rocksdb_estimate-num-keys": kind for kind in ("event", "processing")}
    plan = plans.metric_plan(names, vertex_name="op", is_source=False)
    asked = [name for query in plan.queries for name in unquote(query).split(",")]
    numbers = {"event": event, "processing": processing}
    answer = {name: wire.Aggregate(id=name, sum=numbers[names[name]], min=0.0, max=1.0) for name in asked}
    vertex = wire.JobVertex(id="v", name="op", parallelism=2, status="RUNNING")
    return vertex_facts(vertex, (), plans.combined(plan, answer), None).needs_event_time


@pytest.mark.parametrize(("event", "processing", "needs"), [(3.0, 0.0, True), (0.0, 5.0, None), (0.0, 0.0, None)])
def test_timers_that_wait_for_a_watermark_need_one(event: float, processing: float, needs: bool | None) -> None:
    assert of_timers(event, processing) is needs


@pytest.mark.parametrize(
    ("descriptions", "needs", "makes"),
    [
        (["Window(TumblingEventTimeWindows(5000), EventTimeTrigger, Sum)<br/>+- out: Writer<br/>"], [True], [False]),
        (["Window(TumblingProcessingTimeWindows(5000), ProcessingTimeTrigger, Sum)"], [False], [False]),
        (["Window(EventTimeSessionWindows(5000), ProcessingTimeTrigger, Sum)"], [True], [False]),
        (["Window(GlobalWindows(), ContinuousEventTimeTrigger, Sum)"], [True], [False]),
        (
            ["Interval Join", "totals", "Source: orders<br/>+- Timestamps/Watermarks<br/>"],
            [True, None, None],
            [False, False, True],
        ),
        (["dedup<br/>+- [2]:Calc(select=[a])"], [None], [False]),
        (
            ["[1]:TableSourceScan(table=[[a]], fields=[k])", "[3]:GroupAggregate(groupBy=[k])"],
            [False, False],
            [False] * 2,
        ),
        (
            [
                "[2]:WatermarkAssigner(rowtime=[ts], watermark=[(ts - 2000)])",
                "[4]:WindowAggregate(groupBy=[k], window=[TUMBLE(time_col=[ts], size=[5 min])])",
            ],
            [False, True],
            [True, False],
        ),
        (
            [
                "[2]:Calc(select=[k, PROCTIME() AS p])<br/>+- [3]:WatermarkAssigner(rowtime=[ts], watermark=[ts])",
                "[4]:WindowAggregate(groupBy=[k], window=[TUMBLE(time_col=[p], size=[5 min])])",
            ],
            [False, False],
            [True, False],
        ),
        (["[4]:WindowAggregate(groupBy=[k], window=[TUMBLE(time_col=[p], size=[5 min])])"], [False], [False]),
        (["[5]:IntervalJoin(joinType=[InnerJoin], windowBounds=[isRowTime=true, leftLowerBound=-1])"], [True], [False]),
        (["[5]:IntervalJoin(joinType=[InnerJoin], windowBounds=[isRowTime=false])"], [False], [False]),
        (["[6]:Join(joinType=[InnerJoin], where=[(a = b)])"], [False], [False]),
        (["[6]:Match(orderBy=[ts ASC], pattern=[a b])"], [True], [False]),
        (
            ["[2]:Calc(select=[k, PROCTIME() AS p])", "[6]:Match(partitionBy=[k], orderBy=[p ASC], pattern=[a b])"],
            [False, False],
            [False, False],
        ),
        (
            ["[2]:Calc(select=[k, PROCTIME() AS p])", "[3]:TemporalSort(orderBy=[p ASC, k ASC])", "[4]:Sort()"],
            [False] * 3,
            [False] * 3,
        ),
    ],
)
def test_what_the_plan_says(descriptions: list[str], needs: list[bool | None], makes: list[bool]) -> None:
    uses = event_time_uses((str(number), text) for number, text in enumerate(descriptions))
    assert [each.needs for each in uses.values()] == needs
    assert [each.makes for each in uses.values()] == makes


def test_screens_show_a_dash_for_what_does_not_apply_and_a_question_mark_for_what_is_unknown() -> None:
    skew = next(each for each in COLUMNS if each.path == SKEW)
    without, unknown = assessed(timeless()), assessed(timeless(records_in=5_000))
    assert [plain(skew.shown(each, RowContext())) for each in (without, unknown)] == ["–", "?"]
    assert skew.plain_value(without) is None


def test_an_ended_job_has_no_rates_rather_than_unknown_ones() -> None:
    shown = assessed(msgspec.structs.replace(job(), state="FINISHED", ended_ms=NOW_MS))
    for path in ("records_in_per_second", "backpressure", SKEW, "uptime_seconds", "vertices.0.busy_ratio"):
        assert isinstance(shown.absent(path), NotApplicable), path
    restarting = assessed(msgspec.structs.replace(job(), state="RESTARTING"))
    assert isinstance(restarting.absent("records_in_per_second"), Unknown)


@pytest.mark.parametrize(
    ("description", "seconds"),
    [
        ("[1]:WindowAggregate(window=[HOP(time_col=[ts], size=[10 min], slide=[10 s])])", 600.0),
        ("[1]:WindowAggregate(window=[CUMULATE(time_col=[ts], max_size=[1 h], step=[1 min])])", 3600.0),
        ("[1]:GlobalWindowAggregate(window=[TUMBLE(slice_end=[$e], size=[10 s])])<br/>+- [2]:Calc(select=[a])", 10.0),
        ("[1]:WindowAggregate(window=[SESSION(time_col=[ts], gap=[10 s])])", 10.0),
        ("[1]:IntervalJoin(windowBounds=[isRowTime=true, leftLowerBound=-5000, leftUpperBound=0])", 5.0),
        ("Window(SlidingEventTimeWindows(600000, 10000), EventTimeTrigger, ReduceFunction)", 600.0),
        ("Window(EventTimeSessionWindows(30000), EventTimeTrigger, ReduceFunction)", 30.0),
        ("[1]:WindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 moons])])", None),
        ("count", None),
    ],
)
def test_how_long_windows_keep_what_came(description: str, seconds: float | None) -> None:
    assert event_time_uses([("v", description)])["v"].window_seconds == seconds
