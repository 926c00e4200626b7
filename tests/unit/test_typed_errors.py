"""What a refusal means is its class and its HTTP status: no decision reads the words of an answer."""

from collections.abc import Iterator

import pytest

from flinkops.act.rest.control import RestControl
from flinkops.act.running import StepRun
from flinkops.clock import SystemClock
from flinkops.errors import Denied, NotInTime, OperationFailed, TimedOut, Unreachable
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.plan import Plan, Target
from flinkops.sources.flink.http import Rejected
from tests.fake_flink import FakeFlink, Recording, serving

JOB = "0" * 31 + "b"
PLAN = Plan(id="p1", verb="upgrade", target=Target("c", "prices", JOB), created_ms=1)


@pytest.fixture
def flink() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster):
        yield cluster


@pytest.fixture
def control(flink: FakeFlink) -> Iterator[RestControl]:
    made = RestControl(parse_endpoint(flink.url), SystemClock())
    yield made
    made.close()


@pytest.mark.parametrize(("status", "kind"), [(503, Rejected), (400, OperationFailed), (500, OperationFailed)])
def test_what_is_not_ready_is_asked_again_and_all_other_refusals_are_final(
    flink: FakeFlink, control: RestControl, status: int, kind: type[Exception]
) -> None:
    flink.recording.answers[f"PATCH /jobs/{JOB}"] = {"status": status, "errors": ["no (HTTP 503, HTTP 400)"]}
    with pytest.raises(kind) as caught:
        control.cancel(JOB)
    assert isinstance(caught.value, Unreachable) == (status == 503)
    assert getattr(caught.value, "http_status", None) == (503 if status == 503 else None)


@pytest.mark.parametrize(("status", "logged_in"), [(401, False), (403, True), (None, True)])
def test_credentials_and_permissions_are_told_apart(status: int | None, logged_in: bool) -> None:
    assert Denied("HTTP 401 or so", http_status=status).logged_in == logged_in


def test_a_limit_of_a_step_is_not_a_refusal(control: RestControl) -> None:
    run = StepRun(control, PLAN, SystemClock(), float("inf"), 0.001, lambda _: None)
    with pytest.raises(NotInTime, match="not within"):
        run.until("the end", lambda: None, within_seconds=0.0)
    out_of_time = StepRun(control, PLAN, SystemClock(), 0.0, 0.001, lambda _: None)
    with pytest.raises(TimedOut):
        out_of_time.until("waiting for the end", lambda: None)
