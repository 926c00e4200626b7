"""Jobs of 2,000 subtasks: what one request cannot hold is asked in several, or is unknown; never fine."""

import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.errors import Unreachable
from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobFacts
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import metric_plan, wire
from flinkops.sources.flink.details import MAX_TASKMANAGERS, FlinkDetails
from flinkops.sources.flink.http import RestClient
from flinkops.sources.flink.metric_plan import MAX_URL_CHARACTERS
from flinkops.sources.flink.settings_facts import job_settings
from flinkops.sources.flink.vertex_facts import vertex_facts
from flinkops.sources.flink.vertex_poller import MAX_REFINING_REQUESTS, VertexWatch
from tests.unit.builders import NOW_MS, job, snapshot, spread, vertex, with_vertex
from tests.unit.doctor_cases import CLUSTER, above_info, detail, evidence, found, manager, why_not

WATERMARK = "Source__orders_of_all_shops_in_all_countries.currentOutputWatermark"
NONE_YET = -(2**63)
WIDE = 2_000


def last_is_an_hour_behind(parallelism: int, *, silent: int | None = None) -> Callable[[int], int | None]:
    """Watermarks by subtask; the first has none yet, and of `silent` Flink does not tell."""

    def watermark(subtask: int) -> int | None:
        if subtask == silent:
            return None
        return NONE_YET if subtask == 0 else NOW_MS - (3_600_000 if subtask == parallelism - 1 else 1_000)

    return watermark


class Stub:
    """Flink's answers about one vertex, whose subtasks have these watermarks; None: it does not tell."""

    def __init__(self, parallelism: int, watermark: Callable[[int], int | None], *, fails_at: int = 10**9) -> None:
        self.parallelism, self.watermark, self.fails_at = parallelism, watermark, fails_at
        self.single: list[str] = []

    def get(self, path: str, decoder: "msgspec.json.Decoder[Any]", deadline: Deadline) -> Any:
        return decoder.decode(msgspec.json.encode(self.answer(path)))

    def answer(self, path: str) -> list[dict[str, object]]:
        query = parse_qs(urlsplit(path).query).get("get", [""])[0]
        known = [each for each in map(self.watermark, range(self.parallelism)) if each is not None]
        if path.endswith("/subtasks/metrics"):
            return [{"id": WATERMARK}]
        if "/subtasks/metrics?" in path:
            return [{"id": WATERMARK, "min": min(known), "max": max(known), "avg": 0.0, "sum": 0.0}]
        assert len(path) < 4_096
        self.single.append(path)
        if len(self.single) > self.fails_at:
            raise Unreachable("no answer")
        subtasks = [int(name.partition(".")[0]) for name in unquote(query).split(",")]
        values = [(each, self.watermark(each)) for each in subtasks]
        return [{"id": f"{each}.{WATERMARK}", "value": str(value)} for each, value in values if value is not None]


def read(stub: Stub) -> VertexWatch:
    answer = wire.JobVertex(id="src", name="Source: orders", parallelism=stub.parallelism, status="RUNNING")
    watch = VertexWatch("/jobs/a", answer, is_source=True)
    watch.read(cast("RestClient", stub), Deadline(10.0))
    return watch


def assessed(watch: VertexWatch, parallelism: int) -> JobAssessment:
    answer = wire.JobVertex(id="src", name="Source: orders", parallelism=parallelism, status="RUNNING")
    source = vertex_facts(answer, (), watch.spreads, watch.watermark)
    waits = vertex("window", "src", watermark_ms=None, watermark_none_yet=True, needs_event_time=True)
    return assess(snapshot(job(vertices=(source, waits))), {}, Policy()).jobs[0]


@pytest.mark.parametrize("parallelism", [2, 60, 300])
def test_all_subtasks_are_asked_in_as_many_requests_as_it_takes(parallelism: int) -> None:
    stub = Stub(parallelism, last_is_an_hour_behind(parallelism))
    watch = read(stub)
    assert watch.watermark is not None
    assert watch.watermark.spread is not None
    assert watch.watermark.spread.min == NOW_MS - 3_600_000
    asked = [subtask for path in stub.single for subtask in re.findall(r"[=,](\d+)\.", unquote(path))]
    assert asked == [str(each) for each in range(parallelism)]
    assert (len(stub.single) == 1) is (parallelism * (len(WATERMARK) + 3) < MAX_URL_CHARACTERS)


def test_of_two_thousand_the_least_is_unknown_not_that_of_the_first() -> None:
    stub = Stub(WIDE, last_is_an_hour_behind(WIDE))
    watch = read(stub)
    assert stub.single == []
    assert watch.watermark is not None
    assert watch.watermark.spread is not None
    assert (watch.watermark.none_yet, watch.watermark.spread.min) == (True, None)
    assert "2000 subtasks" in watch.unknown_fields["watermark_ms"]
    shown = assessed(watch, WIDE)
    assert shown.event_time_skew_seconds is None
    assert shown.health.level == "unknown"


@pytest.mark.parametrize("stub", [
    pytest.param(Stub(300, last_is_an_hour_behind(300), fails_at=2), id="a request fails"),
    pytest.param(Stub(300, last_is_an_hour_behind(300, silent=299)), id="one is silent"),
])  # fmt: skip
def test_what_is_not_known_of_all_is_not_said_of_any(stub: Stub) -> None:
    watch = read(stub)
    assert watch.watermark is not None
    assert watch.watermark.spread is not None
    assert watch.watermark.spread.min is None
    assert "watermark_ms" in watch.unknown_fields


def test_the_requests_are_bounded() -> None:
    stub = Stub(450, last_is_an_hour_behind(450))
    read(stub)
    assert len(stub.single) <= MAX_REFINING_REQUESTS


# ---- latency markers


def markers(parallelism: int) -> list[str]:
    stem = f"latency.source_id.{'a' * 32}.operator_id.{'b' * 32}.operator_subtask_index"
    return [f"{stem}.{index}.latency_{kind}" for index in range(parallelism) for kind in ("p99", "median")]


@pytest.mark.parametrize(("parallelism", "left_out"), [(4, 0), (32, 0), (33, 1), (WIDE, WIDE - 32)])
def test_markers_of_subtasks_that_are_not_asked_are_counted(parallelism: int, left_out: int) -> None:
    plan = metric_plan.metric_plan(markers(parallelism), vertex_name="op", is_source=False)
    asked = sum(name.endswith("p99") for name in plan.wanted)
    assert asked + plan.markers_left_out == parallelism
    assert plan.markers_left_out == left_out


def marked(p99: float, **fields: Any) -> JobFacts:
    facts = with_vertex(job(), "sink", marker_p50_seconds=p99 / 2, marker_p99_seconds=p99, markers_left_out=1_968)
    return with_vertex(facts, "src", **fields)


def test_markers_of_some_subtasks_are_only_a_lower_bound() -> None:
    without = {"pending_records": None, "source_is_timed": True}
    unknown = assess(snapshot(marked(0.01, **without)), {}, Policy()).jobs[0]
    assert unknown.processing_latency_seconds is None
    assert unknown.health.level == "unknown"
    high = assess(snapshot(marked(7.0)), {}, Policy()).jobs[0].processing_latency_seconds
    assert high is not None
    assert (high.method, high.p99) == ("estimated", 7.0)
    low = assess(snapshot(with_vertex(marked(0.01), "work", consume_buffers_seconds=spread(3.0))), {}, Policy()).jobs[0]
    assert low.processing_latency_seconds is not None
    assert low.processing_latency_seconds.p99 is not None
    assert low.processing_latency_seconds.p99 >= 3.0


# ---- TaskManagers


class ManyTaskManagers:
    """A cluster of 500 TaskManagers, the last 30 of which run the job; one of those collects garbage."""

    def __init__(self, gc_ms: float) -> None:
        self.gc_ms = gc_ms
        self.asked: list[str] = []

    def get(self, path: str, decoder: "msgspec.json.Decoder[Any]", deadline: Deadline) -> Any:
        self.asked.append(path)
        if path == "/taskmanagers":
            answer: object = {"taskmanagers": [{"id": f"tm-{number}", "slotsNumber": 4} for number in range(500)]}
        elif path.startswith("/taskmanagers/metrics?"):
            answer = [{"id": "Status.JVM.GarbageCollector.All.TimeMsPerSecond", "max": self.gc_ms}]
        else:
            answer = [{"id": "Status.JVM.GarbageCollector.All.TimeMsPerSecond", "value": "1"}]
        return decoder.decode(msgspec.json.encode(answer))


def managers_of(gc_ms: float) -> tuple[Any, ManyTaskManagers]:
    stub = ManyTaskManagers(gc_ms)
    details = FlinkDetails.__new__(FlinkDetails)
    details._client = cast("RestClient", stub)
    ours = frozenset(f"tm-{number}" for number in range(470, 500))
    return details._with_most_gc(details._taskmanagers(ours, Deadline(10.0)), Deadline(10.0)), stub


def test_those_that_run_the_job_are_asked_first_and_the_rest_by_one_request() -> None:
    managers, stub = managers_of(400.0)
    assert [each.id for each in managers.asked] == [f"tm-{number}" for number in range(470, 470 + MAX_TASKMANAGERS)]
    assert (managers.left_out, managers.most_gc_ratio) == (30 - MAX_TASKMANAGERS, 0.4)
    assert len(stub.asked) == MAX_TASKMANAGERS + 2


@pytest.mark.parametrize(("most", "why"), [(0.4, "collects for 40%"), (None, "16 of the 30"), (0.02, None)])
def test_garbage_collection_of_taskmanagers_left_out_is_not_called_fine(most: float | None, why: str | None) -> None:
    asked = tuple(msgspec.structs.replace(manager(0.01), id=f"tm-{number}") for number in range(16))
    wide = detail(taskmanagers=asked, taskmanagers_left_out=14, most_gc_ratio=most)
    told = why_not("gc-pressure", evidence(detail=wide))
    assert (told is None) is (why is None)
    assert why is None or why in (told or "")
    assert found("gc-pressure", evidence(detail=wide)) is None


def test_memory_of_taskmanagers_left_out_is_not_missing_memory() -> None:
    """Less memory than there is would be a false alarm."""
    facts = job(configuration={"state.backend.type": "rocksdb"})
    asked = (msgspec.structs.replace(manager(0.01), managed_total_bytes=1_000),)
    ill = evidence(facts, detail=detail(taskmanagers=asked, taskmanagers_left_out=100), cluster=CLUSTER)
    assert above_info(diagnose(ill)) == []
    assert "not asked" in (why_not("managed-memory-full", ill) or "")


# ---- settings


def test_a_long_list_of_overrides_is_read_to_its_end() -> None:
    text = ",".join(f"{number:032x}:{number % 90 + 10}" for number in range(WIDE // 4))
    config = wire.JobConfig(wire.ExecutionConfig(user_config={"pipeline.jobvertex-parallelism-overrides": text}))
    assert job_settings({}, config, None)["pipeline.jobvertex-parallelism-overrides"] == text
