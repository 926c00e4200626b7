"""Laws that hold for any facts at all."""

import enum
import json
import math
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flinkops.assess import assess, sample
from flinkops.config.policy import Policy
from flinkops.model.assessment import LEVEL_ORDER
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.model.history import JobSample
from flinkops.render.status_json import status_json
from flinkops.render.table import FORMATS
from tests.unit.builders import NOW_MS, job, snapshot, spread, with_vertex

POLICY = Policy()
ODD_NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, float(-(2**63)), float(2**63 - 1), 1e308, 5e-324, 1.0]
    ),
)
LONGS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, -1, -(2**63), 2**63 - 1]))
TEXTS = st.text(max_size=12) | st.sampled_from(["a", "b", "c", "\x1b[31mred", "[bold]", "\u202eevil", ""])
ROUGH = settings(suppress_health_check=[HealthCheck.too_slow])


def any_value(kind: Any) -> st.SearchStrategy[Any]:
    """Whatever fits a field's type; hypothesis by itself leaves fields with a default alone."""
    if kind in LEAVES:
        return LEAVES[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([any_value(each) for each in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(any_value(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_value, arguments))
    if origin is dict:
        return st.dictionaries(any_value(arguments[0]), any_value(arguments[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    return any_struct(kind)


def any_struct(kind: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    parts = {name: any_value(of) for name, of in fields.items()}
    return st.builds(kind, **{**parts, **fixed})


LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    float: ODD_NUMBERS,
    int: LONGS,
    str: TEXTS,
    bool: st.booleans(),
    type(None): st.none(),
}


def any_facts() -> st.SearchStrategy[JobFacts]:
    """Anything that has the type of a job: ids that repeat, edges to nowhere, NaN, Long.MIN, no text or too much."""
    state = st.sampled_from(["RUNNING", "RUNNING", "RUNNING", "RESTARTING", "FAILED", "FINISHED", "UNKNOWN", "odd"])
    return any_struct(JobFacts, state=state, cluster=st.just("prod"))


def any_history() -> st.SearchStrategy[list[JobSample]]:
    return st.lists(any_struct(JobSample), max_size=6)


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of every null below a job of the document."""
    if value is None:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if path or key not in ("unknown", "not_applicable"):
            yield from nulls(item, f"{path}.{key}" if path else str(key))


def numbers(value: Any) -> Iterator[float]:
    """Every number in a struct."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from numbers(getattr(value, field))
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)


@ROUGH
@given(any_facts(), any_history())
def test_every_null_has_a_reason_and_every_reason_a_null(facts: JobFacts, history: list[JobSample]) -> None:
    fleet = assess(snapshot(facts), {facts.key: history}, POLICY)
    for shown in json.loads(status_json(fleet))["jobs"]:
        assert set(nulls(shown)) == set(shown["unknown"]) ^ set(shown["not_applicable"])
        assert all(isinstance(why, str) and why for why in shown["unknown"].values())


@ROUGH
@given(any_facts(), any_history())
def test_every_form_can_be_written_and_no_number_is_odd(facts: JobFacts, history: list[JobSample]) -> None:
    fleet = assess(snapshot(facts), {facts.key: history}, POLICY)
    for name, write in FORMATS.items():
        text = write(fleet)
        assert "\x1b" not in text, name
        assert "\u202e" not in text, name
    for number in numbers(sample(facts, POLICY)):
        assert math.isfinite(number)


@ROUGH
@given(any_facts(), any_history())
def test_the_worst_reason_wins(facts: JobFacts, history: list[JobSample]) -> None:
    for shown in assess(snapshot(facts), {facts.key: history}, POLICY).jobs:
        found = shown.health
        worst = min((LEVEL_ORDER[reason.level] for reason in found.reasons), default=LEVEL_ORDER["ok"])
        assert found.level == "unknown" or LEVEL_ORDER[found.level] == worst
        assert LEVEL_ORDER[found.level] <= max(worst, LEVEL_ORDER["unknown"])


@ROUGH
@given(any_facts())
def test_what_nobody_answers_for_is_unknown(facts: JobFacts) -> None:
    for shown in assess(snapshot(facts, state="unreachable"), {}, POLICY).jobs:
        assert shown.health.level == "unknown"


VERTEX_SIGNALS = ("pending_records", "consume_buffers_seconds", "watermark_ms", "backpressured_ratio")


@given(
    st.sampled_from(["src", "work", "sink"]),
    st.sets(st.sampled_from(VERTEX_SIGNALS), min_size=1),
    st.sampled_from([0.1, 2.0, 60.0]),
    st.floats(0, 1),
)
def test_taking_data_away_never_improves_health(gone: str, fields: set[str], wait: float, held: float) -> None:
    """A level may turn to unknown, which is never better than what was known; ok needs every signal."""
    facts = with_vertex(job(), "work", consume_buffers_seconds=spread(wait), backpressured_ratio=spread(held))
    less = with_vertex(facts, gone, **dict.fromkeys(fields))
    before = assess(snapshot(facts), {}, POLICY).jobs[0].health.level
    after = assess(snapshot(less), {}, POLICY).jobs[0].health.level
    allowed = {"ok": {"ok", "unknown"}, "warning": {"warning", "unknown"}, "critical": {"critical", "unknown"}}
    assert after in allowed[before]


JOB_SIGNALS = ("checkpoints", "running_since_ms", "restarts", "flink_version", "configuration")


@given(st.sampled_from(JOB_SIGNALS))
def test_taking_a_part_of_the_job_away_never_makes_it_ok(part: str) -> None:
    facts = with_vertex(job(), "work", consume_buffers_seconds=spread(30.0))
    less = msgspec.structs.replace(facts, **{part: {} if part == "configuration" else None})
    assert assess(snapshot(less), {}, POLICY).jobs[0].health.level != "ok"


def with_signal(name: str, value: float) -> JobFacts:
    if name == "latency":
        return with_vertex(job(), "work", latency_p99_seconds=spread(value))
    if name == "skew":
        moved = int(NOW_MS - value * 1000)
        return with_vertex(job(), "sink", watermark_ms=spread(moved))
    if name == "backpressure":
        return with_vertex(job(), "src", backpressured_ratio=spread(min(1.0, value / 1000)))
    facts = job()
    assert facts.checkpoints is not None
    assert facts.checkpoints.latest_completed is not None
    done = msgspec.structs.replace(facts.checkpoints.latest_completed, acknowledged_ms=int(NOW_MS - value * 1000))
    return job(checkpoints=msgspec.structs.replace(facts.checkpoints, latest_completed=done))


@given(
    st.sampled_from(["latency", "skew", "backpressure", "checkpoint age"]),
    st.floats(0, 5_000),
    st.floats(0, 5_000),
    st.lists(st.booleans(), max_size=6),
)
def test_worse_never_polls_better(name: str, one: float, other: float, breaches: list[bool]) -> None:
    past = [
        JobSample(
            at_ms=NOW_MS - 10_000 * (len(breaches) - index),
            state="RUNNING",
            job_id="a" * 32,
            latency_p99_seconds=1.0,
            skew_seconds=1.0,
            backpressured_ratio=0.1,
            checkpoint_age_seconds=1.0,
            breached=("latency-high", "skew-high", "backpressure-high", "checkpoint-age") if breached else (),
        )
        for index, breached in enumerate(breaches)
    ]
    levels = []
    for value in sorted((one, other)):
        facts = with_signal(name, value)
        levels.append(LEVEL_ORDER[assess(snapshot(facts), {facts.key: past}, POLICY).jobs[0].health.level])
    assert levels[0] >= levels[1]


@ROUGH
@given(any_facts(), any_history())
def test_the_same_poll_always_means_the_same(facts: JobFacts, history: list[JobSample]) -> None:
    polled: FleetSnapshot = snapshot(facts)
    first, second = (status_json(assess(polled, {facts.key: history}, POLICY)) for _ in range(2))
    assert first == second
    assert not math.isnan(len(first))
