"""The verbs: the body that Flink wants, asked once, and its own words when it says no."""

from collections.abc import Iterator

import pytest

from flinkops.errors import Unreachable
from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.flink.http import NotFound, Overdue, Rejected
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Fault, Recording, serving
from tests.patience import EVER_LONGER_SECONDS, PATIENT_SECONDS

JOB = "00000000000000000000000000000abc"
TRIGGER = "7" * 32


@pytest.fixture
def flink() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    cluster.recording.answers |= {
        f"POST /jobs/{JOB}/savepoints": {"request-id": TRIGGER},
        f"POST /jobs/{JOB}/stop": {"request-id": TRIGGER},
        "POST /savepoint-disposal": {"request-id": TRIGGER},
        f"PATCH /jobs/{JOB}": {},
        f"PUT /jobs/{JOB}/resource-requirements": {},
    }
    with serving(cluster):
        yield cluster


@pytest.fixture
def source(flink: FakeFlink) -> Iterator[FlinkRestSource]:
    source = FlinkRestSource(parse_endpoint(flink.url))
    yield source
    source.close()


def test_a_savepoint_is_asked_for(flink: FakeFlink, source: FlinkRestSource) -> None:
    assert source.trigger_savepoint(JOB, "s3://b/é", trigger_id=TRIGGER) == TRIGGER
    assert source.trigger_savepoint(JOB, None, savepoint_format="native") == TRIGGER
    assert flink.bodies == [
        {"cancel-job": False, "formatType": "CANONICAL", "target-directory": "s3://b/é", "triggerId": TRIGGER},
        {"cancel-job": False, "formatType": "NATIVE"},
    ]


def test_a_stop_is_asked_for_in_its_own_spelling(flink: FakeFlink, source: FlinkRestSource) -> None:
    source.stop_with_savepoint(JOB, "file:///sp", drain=True)
    assert flink.bodies == [{"drain": True, "formatType": "CANONICAL", "targetDirectory": "file:///sp"}]


def test_other_verbs(flink: FakeFlink, source: FlinkRestSource) -> None:
    source.cancel(JOB)
    source.set_resource_requirements(JOB, [ResourceRequirement(vertex="v", lower=1, upper=3)])
    source.dispose_savepoint("file:///sp/1")
    assert flink.requests == [
        f"PATCH /jobs/{JOB}?mode=cancel",
        f"PUT /jobs/{JOB}/resource-requirements",
        "POST /savepoint-disposal",
    ]
    assert flink.bodies == [
        {},
        {"v": {"parallelism": {"lowerBound": 1, "upperBound": 3}}},
        {"savepoint-path": "file:///sp/1"},
    ]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": {"id": "IN_PROGRESS"}, "operation": None}, AsyncOutcome(done=False)),
        ({"status": {"id": "COMPLETED"}, "operation": {"location": "x"}}, AsyncOutcome(done=True, location="x")),
        (
            {
                "status": {"id": "COMPLETED"},
                "operation": {
                    "failure-cause": {
                        "class": "java.io.IOException",
                        "stack-trace": "java.io.IOException: at s3://me:pw@b\n\tat a.B.c(B.java:1)\nCaused by: x: y\n",
                        "serialized-throwable": "rO0AB",
                    }
                },
            },
            AsyncOutcome(done=True, failure="java.io.IOException: at s3://me:pw@b\nCaused by: x: y"),
        ),
    ],
)
def test_outcomes(flink: FakeFlink, source: FlinkRestSource, answer: object, outcome: AsyncOutcome) -> None:
    flink.recording.answers[f"/jobs/{JOB}/savepoints/{TRIGGER}"] = answer
    assert source.savepoint_status(JOB, TRIGGER) == outcome


def test_a_forgotten_outcome_is_not_found(source: FlinkRestSource) -> None:
    with pytest.raises(NotFound):
        source.savepoint_status(JOB, TRIGGER)


@pytest.mark.parametrize(("kind", "error"), [("500", Rejected), ("hang-up", Unreachable), ("truncated", Unreachable)])
def test_a_verb_is_never_repeated(flink: FakeFlink, source: FlinkRestSource, kind: str, error: type[Exception]) -> None:
    flink.faults = [Fault(kind, "/savepoints")]
    with pytest.raises(error) as caught:
        source.trigger_savepoint(JOB, None, deadline_seconds=PATIENT_SECONDS)
    assert len(flink.requests) == 1
    assert "\n" not in str(caught.value)


def test_nor_when_its_answer_is_overdue(flink: FakeFlink, source: FlinkRestSource) -> None:
    flink.faults = [Fault("slow", "/savepoints")]
    for seconds in (0.5, *EVER_LONGER_SECONDS):
        with pytest.raises(Overdue) as caught:
            source.trigger_savepoint(JOB, None, deadline_seconds=seconds)
        if flink.requests:  # on a busy machine not even sent within the shortest
            break
    assert len(flink.requests) == 1
    assert "\n" not in str(caught.value)
