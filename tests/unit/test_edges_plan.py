"""The edges of what a plan reckons with: units, versions, periods, counts."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from flinkops.act.step_kinds import known_members, step_kinds
from flinkops.autoscale.explain import Waits
from flinkops.errors import UsageError
from flinkops.model.assessment import Value
from flinkops.model.detail import ResourceRequirement
from flinkops.model.facts import ClusterFacts, RestoredFacts, SnapshotFacts
from flinkops.model.launch import Launch
from flinkops.model.request import Terms
from flinkops.observability.timing import Timing
from flinkops.outside.kubernetes_quantities import Quantity
from flinkops.plan.identity import Stamp, decode_plan_file, encode_plan_file
from flinkops.plan.launch_effect import effect_step
from flinkops.plan.operator.configuration import parse_duration
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.validation_autoscaler import is_cron, is_daily
from flinkops.plan.redeploy import plan_suspend
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.plan.state_loss import why_lost
from flinkops.plan.step_inputs import SubmitJob, VerifyParallelism
from flinkops.plan.waves import max_unavailable
from tests.unit.builders import checkpoints, job, with_vertex


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1n", "1e-9"),
        ("1u", "1e-6"),
        ("1m", "1e-3"),
        ("1", "1"),
        ("1k", "1e3"),
        ("1M", "1e6"),
        ("1G", "1e9"),
        ("1T", "1e12"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("1e2", "1e2"),
        ("1E-12", "1e-12"),
    ],
)
def test_decimal_quantities(text: str, value: str) -> None:
    assert Quantity(text).value == Decimal(value)


@pytest.mark.parametrize(("unit", "power"), [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)])
def test_binary_quantities(unit: str, power: int) -> None:
    assert Quantity(f"3{unit}").value == 3 * Decimal(1024) ** power


@pytest.mark.parametrize(
    ("seconds", "names"),
    [
        (86_400.0, ("d", "day", "days")),
        (3_600.0, ("h", "hour", "hours")),
        (60.0, ("m", "min", "minute", "minutes")),
        (1.0, ("s", "sec", "secs", "second", "seconds")),
        (1e-3, ("", "ms", "milli", "millis", "millisecond", "milliseconds")),
        (1e-6, ("us", "µs", "micro", "micros", "microsecond", "microseconds")),
        (1e-9, ("ns", "nano", "nanos", "nanosecond", "nanoseconds")),
    ],
)
def test_durations_as_flink_reads_them(seconds: float, names: tuple[str, ...]) -> None:
    assert [parse_duration(f"7 {name}".strip()) for name in names] == pytest.approx([7 * seconds] * len(names))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (172_800, "2d"),
        (86_400, "1d"),
        (90_000, "25h"),
        (3_600, "1h"),
        (60, "1m"),
        (61, "61s"),
        (0.25, "250ms"),
        (0, "1ms"),
    ],
)
def test_durations_as_prometheus_reads_them(seconds: float, text: str) -> None:
    assert Timing()(seconds) == text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("9:30-10:50", True),
        ("9:30:30-10:50:20", True),
        ("9:30:30:999-23:59:59:999", True),
        ("9:30:30:1000-10:00", False),
        ("9:60-10:00", False),
        ("9:00:60-10:00", False),
        ("23:59-24:00", False),
        ("10:00-10:00", False),
        ("10:00-10:00:00:001", True),
        ("9-10", False),
        ("9:30:30:1:1-10:00", False),
        ("9:30", False),
        ("9:x-10:00", False),
    ],
)
def test_a_period_of_each_day(text: str, good: bool) -> None:
    assert is_daily(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("* * 9-11 ? * MON", True),
        ("* * 9-11 * * ? 2030", True),
        ("* * 9-11 * * ? 2030 not_read", True),
        ("* * 9-11 ? *", False),
        ("* * 9-11 ? * ?", False),
        ("* * 9-11 * * *", False),
        ("* * 9_11 ? * MON", False),
        ("* * 9-11 * * ? 20_30", False),
    ],
)
def test_a_period_by_cron(text: str, good: bool) -> None:
    assert is_cron(text) is good


def minors(features: Features) -> list[int]:
    return [rules.minor for rules in features.candidates]


def test_a_known_version_has_the_rules_of_the_nearest_known() -> None:
    assert minors(Features(version="1.11.0")) == [11]
    assert minors(Features(version="1.2.0")) == [7]
    assert minors(Features(version="1.99.0")) == [16]


@pytest.mark.parametrize(
    ("version", "beyond"),
    [
        ("1.6.9", True),
        ("1.7.0", False),
        ("1.16.0", False),
        ("1.17.0", True),
        ("2.8.0", True),
        ("0.9.0", True),
        (None, False),
    ],
)
def test_beyond_the_versions_whose_rules_are_known(version: str | None, beyond: bool) -> None:
    assert Features(version=version).beyond is beyond


def test_an_unknown_version_is_told_by_its_schema() -> None:
    assert minors(Features()) == [7]
    assert minors(Features(savepoint_redeploy=True)) == [8, 9]
    assert minors(Features(savepoint_redeploy=True, upgrade_savepoint_path=True)) == list(range(10, 17))
    assert minors(Features(upgrade_savepoint_path=True, oldest=12, newest=13)) == [12, 13]


def test_flink_versions_by_the_operator_that_first_had_them() -> None:
    first = {
        name: min(minor for minor in range(7, 17) if name in Rules(minor).flink_versions)
        for name in Rules(16).flink_versions
    }
    assert {name: minor for name, minor in first.items() if minor > 7} == {
        "v1_20": 10,
        "v2_0": 11,
        "v2_1": 13,
        "v2_2": 13,
        "v2_3": 15,
        "v2_4": 15,
    }


@pytest.mark.parametrize(
    ("text", "jobs", "most"), [("1", 9, 1), ("3", 2, 3), ("1%", 9, 1), ("25%", 9, 2), ("100%", 9, 9), ("34%", 9, 3)]
)
def test_how_many_may_be_down_at_once(text: str, jobs: int, most: int) -> None:
    assert max_unavailable(text, jobs) == most


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "x", "", "%", "1.5", "²"])
def test_no_number_of_jobs(text: str) -> None:
    with pytest.raises(UsageError, match="--max-unavailable"):
        max_unavailable(text, 9)


@pytest.mark.parametrize(("old", "new"), [("a.jar", "b.jar"), ("b.jar", "a.jar")])
def test_another_program_is_read_back(old: str, new: str) -> None:
    found = effect_step("", job(), Launch(kind="jar", jar_id=old), Launch(kind="jar", jar_id=new))
    assert "program" in str(found)
    assert effect_step("", job(), Launch(kind="jar", jar_id=old), Launch(kind="jar", jar_id=old)) == ()


def test_a_savepoint_is_disposed_of_by_one_of_the_resources_that_name_it() -> None:
    def named(name: str, **fields: Any) -> SnapshotFacts:
        return SnapshotFacts(**{"name": name, "kind": "savepoint", "state": "COMPLETED", **fields})

    def steps(*snapshots: SnapshotFacts) -> list[tuple[str, str]]:
        plan = plan_delete(job(), "c", ["s3://b/1"], Stamp("d1", 1), snapshots={"s3://b/1": snapshots})
        return [(step.name, type(step.do).__name__) for step in plan.steps]

    by_flink, by_operator = "DisposeSavepoint", "RemoveSnapshot"
    kept = named("a", dispose_on_delete=False)
    assert [kind for _, kind in steps()] == [by_flink]
    assert [kind for _, kind in steps(kept)] == [by_flink, by_operator]
    assert [kind for _, kind in steps(kept, named("b"))] == [by_operator, by_operator]
    (first, _), (second, _) = steps(kept, named("b"))
    assert second == f"{first}-a"
    assert len({name for name, _ in steps(kept)}) == 2
    for other in (named("a", kind="checkpoint"), named("a", state="FAILED")):
        assert [kind for _, kind in steps(other)] == [by_flink, by_operator]


@pytest.mark.parametrize(("restored", "lost"), [(6, True), (7, False), (8, False)])
def test_state_is_lost_by_a_checkpoint_before_the_last(restored: int, lost: bool) -> None:
    assert (why_lost(7, RestoredFacts(id=restored, at_ms=0, is_savepoint=False)) is not None) is lost


@pytest.mark.parametrize(("most", "planned"), [(None, 8), (3, 3), (8, 8), (128, 8)])
def test_a_vertex_gets_no_more_than_its_own_maximum(most: int | None, planned: int) -> None:
    facts = with_vertex(job(scheduler="adaptive"), "work", max_parallelism=most)
    bounds = [ResourceRequirement(vertex=each.id, lower=1, upper=2) for each in facts.vertices]
    plan = plan_rescale(facts, bounds, ClusterFacts("prod", "2.3.0", 1, 20, 20), Stamp("p", 1), parallelism=8)
    (wanted,) = (step.do.parallelism for step in plan.steps if isinstance(step.do, VerifyParallelism))
    assert wanted == {"src": 8, "work": planned, "sink": 8}


@pytest.mark.parametrize(
    ("p99", "limit", "told"), [(8.0, 10.0, False), (8.1, 10.0, True), (None, 10.0, False), (9.0, None, False)]
)
def test_a_savepoint_may_run_out_of_time_where_checkpoints_nearly_do(
    p99: float | None, limit: float | None, told: bool
) -> None:
    facts = job(checkpoints=checkpoints(duration_p99_seconds=p99, timeout_seconds=limit))
    plan = plan_suspend(facts, Launch(kind="jar", jar_id="a.jar"), Stamp("p", 1), Terms())
    assert any("the savepoint may run out of time" in risk for risk in plan.risks) is told


def test_a_plan_file_of_today_has_its_numbers_as_numbers() -> None:
    content = encode_plan_file(plan_savepoint(job(), Stamp("p", 1)))
    assert b'"created_ms": 1,' in content
    with pytest.raises(UsageError, match="is not a saved plan"):
        decode_plan_file(content.replace(b'"created_ms": 1,', b'"created_ms": "1",'), "f", known_members())


def test_a_job_is_submitted_with_all_its_state_unless_it_is_said() -> None:
    assert SubmitJob("j", Launch(kind="jar")).drops_state is False


def test_what_a_saved_plan_does_not_say_of_a_step_is_not_asked_of_it() -> None:
    """So that a plan of an older version is carried out as it was meant."""
    asked = {
        (kind.input.__name__, field.name)
        for kind in step_kinds().values()
        for field in msgspec.structs.fields(kind.input)
        if not field.required and (field.default if field.default is not msgspec.NODEFAULT else None)
    }
    assert asked == {("VerifyStable", "checkpoints")}


def below(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    direct: list[type[msgspec.Struct]] = base.__subclasses__()
    for each in direct:
        yield each
        yield from below(each)


def test_no_value_is_ever_changed() -> None:
    known_members()  # imports all that plans and journals hold
    core = tuple(f"flinkops.{name}." for name in ("assess", "autoscale", "diagnose", "model", "plan"))
    found = {each for each in below(msgspec.Struct) if each.__module__.startswith(core) or issubclass(each, Value)}
    assert Waits in found
    assert [each.__name__ for each in found if not each.__struct_config__.frozen] == []
