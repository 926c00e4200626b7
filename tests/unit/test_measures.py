"""Measures: one entry in model/measures.py, and every face has the number."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.assess import assess, sample
from flinkops.config.load import load_settings
from flinkops.config.policy import JobClass, Policy
from flinkops.config.schema import CLASS_KEYS
from flinkops.config.view import settings_document
from flinkops.errors import UsageError
from flinkops.exporter.families import Options, families
from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobFacts, Spread
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES, PENDING_RECORDS, Measure
from flinkops.model.reasons import ReasonCode, Subject
from flinkops.observability.metrics.measured import metric_name
from flinkops.render.columns import CSV_COLUMNS, TEXT_COLUMNS
from flinkops.render.status_json import JOB_FIELDS, job_document
from flinkops.sources.flink.metric_plan import combined, metric_plan
from flinkops.sources.flink.wire import Aggregate
from tests.goldens import same_as_part
from tests.unit.builders import NOW_MS, job, snapshot, spread, with_vertex
from tests.unit.test_exporter_families import view

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"
FIELDS = msgspec.structs.fields(JobClass)


def table() -> str:
    over = {"max": "the greatest over its subtasks and vertices", "sum": "the sum over its subtasks and vertices"}
    rows = ["| field | is | from Flink's | combined | limit | alert |", "|---|---|---|---|---|---|"]
    for each in MEASURES:
        key = f"`{each.limit.key}`" if each.limit else ""
        alert = each.limit.alert.name if each.limit and each.limit.alert else ""
        called = over[each.over_vertices.__name__]
        rows.append(f"| `{each.name}` | {each.meaning} | `{each.of_flink}` | {called} | {key} | {alert} |")
    return "\n".join(rows) + "\n"


def test_the_page_lists_the_measures() -> None:
    same_as_part(PAGE, "measures", "flinkops/model/measures.py", table())


def of_vertex(measure: Measure, value: Spread | None) -> JobFacts:
    """The healthy job, one of whose vertices says this."""
    if measure.metric is not None:
        return with_vertex(job(), "src", measured={} if value is None else {measure.name: value})
    return with_vertex(job(), "src", **{measure.name: value})


def only_there(measure: Measure, value: Spread | None) -> JobFacts:
    facts = of_vertex(measure, value)
    vertices = tuple(
        each if each.id == "src" or measure.metric else msgspec.structs.replace(each, **{measure.name: None})
        for each in facts.vertices
    )
    return msgspec.structs.replace(facts, vertices=vertices)


def assessed(facts: JobFacts, *, limits: dict[str, float | None] | None = None) -> JobAssessment:
    policy = Policy(classes={"windowed": JobClass(name="windowed", measures=limits or {})})
    return assess(snapshot(facts), {}, policy).jobs[0]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.name)
def test_each_one_is_in_the_document_the_columns_and_the_metrics(measure: Measure) -> None:
    assert measure.name not in JOB_FIELDS
    assert measure.name not in {field.name for field in FIELDS}
    assert not measure.limit or measure.limit.key not in CLASS_KEYS
    known = assessed(only_there(measure, spread(0.25)))
    assert job_document(known)[measure.name] == 0.25
    column = next(each for each in TEXT_COLUMNS if each.id == measure.name)
    assert column in CSV_COLUMNS
    assert column.plain_value(known) == 0.25
    told = view(assess(snapshot(only_there(measure, spread(0.25))), {}, Policy()))
    samples = {each.name: each.samples for each in families(told, Options())}
    assert [one.value for one in samples[metric_name(measure)]] == [0.25]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.name)
def test_what_no_vertex_reports_does_not_apply_and_what_one_withholds_is_unknown(measure: Measure) -> None:
    absent = assessed(only_there(measure, None))
    assert absent.measures[measure.name] is None
    assert absent.not_applicable[measure.name] == f"no vertex reports {measure.of_flink}"
    unasked = only_there(measure, spread(0.25))
    last = unasked.vertices[-1].id
    facts = msgspec.structs.replace(unasked, unknown={f"vertices.{last}": "HTTP 500"})
    facts = with_vertex(facts, last, **({} if measure.metric else {measure.name: None}))
    silent = assessed(facts)
    assert silent.measures[measure.name] is None, "the vertex that did not answer may be the one that matters"
    assert "HTTP 500" in silent.unknown[measure.name]


def test_sums_add_all_subtasks_and_vertices_and_others_take_the_worst() -> None:
    waiting = with_vertex(job(), "src", pending_records=Spread(min=10, max=90, avg=50, sum=100.0))
    waiting = with_vertex(waiting, "work", pending_records=Spread(min=1, max=1, avg=1, sum=1.0))
    assert assessed(waiting).measures["pending_records"] == 101
    busy = with_vertex(job(), "work", busy_ratio=Spread(min=0.1, max=0.95, avg=0.3, sum=1.2))
    assert assessed(busy).measures["busy_ratio"] == 0.95


def of_backlog(found: JobAssessment) -> dict[ReasonCode, str]:
    """What is said about the backlog itself: where records wait, the latency is high, too."""
    return {each.code: each.level for each in found.health.reasons if each.code.subject is Subject.BACKLOG}


@pytest.mark.parametrize(("waiting", "raised"), [(999.0, False), (1000.0, False), (1001.0, True), (5001.0, True)])
def test_a_limit_is_crossed_above_it(waiting: float, raised: bool) -> None:
    facts = of_vertex(PENDING_RECORDS, spread(waiting))
    level = "critical" if waiting > 5000 else "warning"
    expected = {ReasonCode.BACKLOG_HIGH: level} if raised else {}
    assert of_backlog(assessed(facts, limits={"pending_records": 1000.0})) == expected
    assert of_backlog(assessed(facts)) == {}, "not asked by default"


def test_a_limit_of_what_is_not_known_is_unknown_and_never_ok() -> None:
    found = assessed(of_vertex(PENDING_RECORDS, None), limits={"pending_records": 1000.0})
    assert of_backlog(found) == {ReasonCode.BACKLOG_UNKNOWN: "unknown"}
    assert found.health.level == "unknown"
    assert any('set backlog = "off"' in each.text for each in found.health.reasons)
    assert "pending_records" in found.unknown


def test_a_limit_has_hysteresis_like_any_other() -> None:
    policy = Policy(classes={"windowed": JobClass(name="windowed", measures={"pending_records": 10.0})})
    calm, waits = (of_vertex(PENDING_RECORDS, spread(value)) for value in (5.0, 11.0))

    def past(facts: JobFacts, age: int) -> JobSample:
        return msgspec.structs.replace(sample(facts, policy), at_ms=NOW_MS - age * 10_000)

    history = [past(calm, age) for age in (3, 2, 1)]
    one = assess(snapshot(waits), {waits.key: history}, policy).jobs[0]
    assert of_backlog(one) == {}, "one poll over it raises nothing"
    two = assess(snapshot(waits), {waits.key: [*history[1:], past(waits, 1)]}, policy).jobs[0]
    assert of_backlog(two) == {ReasonCode.BACKLOG_HIGH: "warning"}


def test_a_class_sets_its_limit_by_name(tmp_path: Path) -> None:
    file = tmp_path / "flinkops.toml"
    file.write_text('[classes.windowed]\nbacklog = 500\n[classes.other]\nbacklog = "off"\n')
    settings = load_settings({}, config_file=str(file), environ={})
    classes = settings.policy.classes
    assert (classes["windowed"].limit_of(PENDING_RECORDS), classes["other"].limit_of(PENDING_RECORDS)) == (500.0, None)
    shown = {each["key"]: each["value"] for each in settings_document(settings)["settings"]}
    assert (shown["classes.windowed.backlog"], shown["classes.other.backlog"]) == (500.0, "off")
    file.write_text('[classes.windowed]\nbacklog = "many"\n')
    with pytest.raises(UsageError, match="backlog"):
        load_settings({}, config_file=str(file), environ={})


def test_the_metric_that_a_measure_brings_along_is_asked_and_scaled() -> None:
    plan = metric_plan(["mailboxLatencyMs_p99", "busyTimeMsPerSecond"], vertex_name="work", is_source=False)
    assert any("mailboxLatencyMs_p99" in query for query in plan.queries)
    answer: dict[str, Any] = {"mailboxLatencyMs_p99": Aggregate(id="mailboxLatencyMs_p99", max=250.0)}
    assert combined(plan, answer)["mailbox_latency_seconds"].max == 0.25


def test_the_metric_goes_through_a_recording() -> None:
    measure = next(each for each in MEASURES if each.metric)
    facts = of_vertex(measure, Spread(max=0.25))
    again = msgspec.json.decode(msgspec.json.encode(facts), type=JobFacts)
    assert assessed(again).measures[measure.name] == 0.25
    assert json.loads(msgspec.json.encode(job()))["vertices"][0].get("measured") is None
