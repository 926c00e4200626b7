"""The pure parts of the REST source: endpoints, metric choice, circuit, masking."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import FleetSnapshot
from flinkops.outside.masking import masked_setting, masked_text
from flinkops.sources.circuit import Circuit
from flinkops.sources.flink import metric_plan, wire
from flinkops.sources.flink.vertex_facts import Watermark


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("localhost:8081", "http://localhost:8081", "localhost:8081"),
        ("https://flink.example/team/", "https://flink.example/team", "flink.example/team"),
        ("http://[::1]:8081", "http://[::1]:8081", "[::1]:8081"),
        (" HTTP://Flink.Example:1/#frag?q ", "http://flink.example:1", "flink.example:1"),
    ],
)
def test_endpoints_as_people_type_them(text: str, url: str, name: str) -> None:
    endpoint = parse_endpoint(text)
    assert (endpoint.url, endpoint.name) == (url, name)


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://", "http://x:port", "http://a b", "http://me:hunter2@:99999999"]
)
def test_what_is_no_endpoint_is_said_without_the_password(text: str) -> None:
    with pytest.raises(ValueError, match="not a URL of a Flink REST API") as caught:
        parse_endpoint(text)
    assert "hunter2" not in str(caught.value)


def test_an_endpoint_shows_no_password() -> None:
    endpoint = parse_endpoint("http://me:hunter2@x:1", headers={"Authorization": "hunter2"})
    assert "hunter2" not in repr(endpoint)


def aggregate(name: str, **values: float | str) -> wire.Aggregate:
    return msgspec.convert({"id": name, **values}, wire.Aggregate)


NAMES = [
    "busyTimeMsPerSecond",
    "numRecordsInPerSecond",
    "currentInputWatermark",
    "Source__a_b.numRecordsInPerSecond",
    "Source__a_b.pendingRecords",
    "Source__a_b.currentOutputWatermark",
    "Calc[2].currentOutputWatermark",
    "op.flinkops.processingLatencyMs_p99",
    "op.flinkops.malformed_not_json",
    "op.flinkops.malformed.negative",
    "other.unwanted",
]


def test_a_source_counts_at_its_operator() -> None:
    plan = metric_plan.metric_plan(NAMES, vertex_name="Source: a.b -> Calc[2]", is_source=True)
    assert "numRecordsInPerSecond" not in plan.wanted
    assert plan.wanted["Source__a_b.numRecordsInPerSecond"].field == "records_in_per_second"
    assert plan.watermark == "Calc[2].currentOutputWatermark"
    assert "other.unwanted" not in ",".join(plan.queries)


def test_malformed_is_the_sum_over_reasons() -> None:
    plan = metric_plan.metric_plan(NAMES, vertex_name="op", is_source=False)
    facts = metric_plan.combined(
        plan,
        {
            "op.flinkops.malformed_not_json": aggregate("x", min=1, max=2, sum=3, avg=1.5),
            "op.flinkops.malformed.negative": aggregate("x", min=0, max=4, sum=4, avg=2),
        },
    )
    assert facts["malformed"].sum == 7
    assert "busy_ratio" not in facts


def test_the_number_of_names_does_not_grow_with_parallelism() -> None:
    def asked(parallelism: int) -> int:
        markers = [
            f"latency.source_id.{'a' * 32}.operator_id.{'b' * 32}.operator_subtask_index.{index}.latency_{kind}"
            for index in range(parallelism)
            for kind in ("p99", "median", "max")
        ]
        return len(metric_plan.metric_plan(NAMES + markers, vertex_name="op", is_source=False).wanted)

    assert asked(4) < asked(metric_plan.MAX_MARKER_SUBTASKS) == asked(500)


def test_too_many_splits_are_not_asked() -> None:
    def plan(splits: int) -> metric_plan.MetricPlan:
        names = [
            f"Source__a.split.t-{index}.watermark.{kind}TimeMsPerSecond"
            for index in range(splits)
            for kind in ("paused", "idle")
        ]
        return metric_plan.metric_plan(names, vertex_name="Source: a", is_source=True)

    assert len(plan(metric_plan.MAX_SPLITS).wanted) == 2 * metric_plan.MAX_SPLITS
    assert plan(metric_plan.MAX_SPLITS + 1).wanted == {}
    assert plan(metric_plan.MAX_SPLITS + 1).too_many_splits == metric_plan.MAX_SPLITS + 1


@given(st.lists(st.text(min_size=1, max_size=300), max_size=40))
def test_no_query_is_longer_than_flink_takes(operators: list[str]) -> None:
    names = [f"{operator}.numLateRecordsDropped" for operator in operators]
    plan = metric_plan.metric_plan(names, vertex_name="x", is_source=False)
    longest = max((len(name.encode()) * 3 for name in names), default=0)
    assert all(len(query) <= max(metric_plan.MAX_URL_CHARACTERS, longest) for query in plan.queries)
    assert all(set(query).isdisjoint(" #?&") for query in plan.queries)


def test_nan_is_not_a_number() -> None:
    spread = metric_plan.spread(aggregate("x", min="NaN", max="Infinity", sum=3.0))
    assert (spread.min, spread.max, spread.sum) == (None, None, 3.0)


@pytest.mark.parametrize(
    ("lowest", "highest", "none_yet", "finished", "times"),
    [
        (-(2.0**63), -(2.0**63), True, False, None),
        (2.0**63, 2.0**63, False, True, None),
        (-(2.0**63), 5.0, True, False, (None, 5.0)),
        (5.0, 2.0**63, False, False, (5.0, None)),
        (5.0, 9.0, False, False, (5.0, 9.0)),
        (None, None, False, False, None),
    ],
)
def test_watermark_states(
    lowest: float | None, highest: float | None, none_yet: bool, finished: bool, times: tuple[object, object] | None
) -> None:
    watermark = Watermark(lowest, highest)
    assert (watermark.none_yet, watermark.finished) == (none_yet, finished)
    assert (watermark.spread and (watermark.spread.min, watermark.spread.max)) == times


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_circuit_opens_waits_longer_each_time_and_closes() -> None:
    clock = Clock()
    circuit = Circuit(failures_to_open=2, first_wait_seconds=5, longest_wait_seconds=15, monotonic=clock, spread=float)
    circuit.failed()
    assert circuit.wait_seconds == 0
    waits = []
    for _ in range(4):
        circuit.failed()
        waits.append(circuit.wait_seconds)
        clock.now += circuit.wait_seconds
        assert circuit.wait_seconds == 0
    assert waits == [5, 10, 15, 15]
    circuit.succeeded()
    circuit.failed()
    assert circuit.wait_seconds == 0


def test_the_circuit_spreads_its_waits() -> None:
    clock = Clock()
    circuit = Circuit(failures_to_open=1, first_wait_seconds=8, monotonic=clock, spread=lambda: 0.5)
    circuit.failed()
    assert circuit.wait_seconds == 6
    circuit.retry_now()
    assert circuit.wait_seconds == 0


@pytest.mark.parametrize(
    "key",
    ["s3.secret-key", "security.ssl.rest.key-password", "fs.azure.account.key.x", "my.apiKey", "x.token", "SASL.jaas"],
)
def test_secret_settings(key: str) -> None:
    assert masked_setting(key, "hunter2") == "******"


@pytest.mark.parametrize("key", ["parallelism.default", "taskmanager.numberOfTaskSlots", "state.backend.type"])
def test_other_settings(key: str) -> None:
    assert masked_setting(key, "4") == "4"


def test_secrets_in_text() -> None:
    text = masked_text("connect to https://me:hunter2@x/y?token=hunter2&a=1 with password: hunter2, apiKey='hunter2 2'")
    assert "hunter2" not in text
    assert "a=1" in text


@pytest.mark.parametrize(
    "text",
    ['{"password": "hunter2-hunter2"}', "Authorization: Bearer hunter2-hunter2", "bearer hunter2.hunter2 refused"],
)
def test_secrets_in_headers_and_json(text: str) -> None:
    assert "hunter2" not in masked_text(text)
    assert "******" in masked_text(text)


def test_a_snapshot_goes_through_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(FleetSnapshot(taken_ms=1)), type=FleetSnapshot).taken_ms == 1
