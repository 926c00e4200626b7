"""What a dispatcher measures, from its metrics to the document, the card, and the reasons where it is not known."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.errors import FlinkopsError
from flinkops.model.assessment import Delivery, JobAssessment
from flinkops.model.facts import DeliveryFacts, JobFacts, SourceStatus
from flinkops.render.delivery_card import card_lines, card_text, delivers
from flinkops.sources.delivery import URL_KEY, Deliveries, read_quantiles
from flinkops.sources.protocol import SourceSnapshot
from tests.served import served
from tests.unit.builders import job, snapshot

METRICS = """# TYPE flinkops_alerts_delivery_latency_recent_seconds gauge
flinkops_alerts_delivery_latency_recent_seconds{quantile="0.5"} 0.012
flinkops_alerts_delivery_latency_recent_seconds{quantile="0.99"} 0.038
"""
NOTHING_YET = METRICS.splitlines()[0]


@contextmanager
def serving(status: int, body: str) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", "/elsewhere/metrics")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    with served(Handler) as url:
        yield f"{url}/metrics", asked


def named(url: str, **fields: object) -> JobFacts:
    return job(configuration={URL_KEY: url}, **fields)


def polled(*jobs: JobFacts) -> tuple[JobFacts, ...]:
    return Deliveries().add_to(SourceSnapshot(SourceStatus(name="a", kind="rest", state="ok"), jobs=jobs)).jobs


def assessed(facts: JobFacts) -> JobAssessment:
    return assess(snapshot(facts), {}, Policy()).jobs[0]


def test_the_latency_of_the_last_minute() -> None:
    with serving(200, METRICS) as (url, _):
        other, found = polled(job(name="other"), named(url))
    assert found.delivery == DeliveryFacts(p50_seconds=0.012, p99_seconds=0.038)
    assert other.delivery is None
    assert assessed(found).delivery_latency_seconds == Delivery(p50=0.012, p99=0.038)
    assert "delivery_latency_seconds" not in assessed(found).unknown


def test_no_delivery_is_not_a_latency_of_zero() -> None:
    with serving(200, NOTHING_YET) as (url, _):
        (found,) = polled(named(url))
    assert assessed(found).delivery_latency_seconds is None
    assert assessed(found).unknown["delivery_latency_seconds"] == "nothing was delivered in the last minute"
    assert "names no dispatcher" in assessed(job()).not_applicable["delivery_latency_seconds"]


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [(500, "", "HTTP 500"), (307, METRICS, "redirects"), (200, "up 1", "does not publish"), (404, "", "404")],
)
def test_what_is_wrong_is_said_and_not_asked_again_at_once(status: int, body: str, why: str) -> None:
    with serving(status, body) as (url, asked):
        deliveries = Deliveries()
        polled = SourceSnapshot(SourceStatus(name="a", kind="rest", state="ok"), jobs=(named(url),))
        (first,), (second,) = deliveries.add_to(polled).jobs, deliveries.add_to(polled).jobs
    assert why in first.unknown["delivery"]
    assert second.unknown == first.unknown
    assert asked == ["/metrics"]
    assert why in assessed(first).unknown["delivery_latency_seconds"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/metrics", "http://127.0.0.1:1/", "file:///etc/metrics", "x", "/metrics"]
)
def test_an_address_that_is_none_is_a_reason(url: str) -> None:
    (found,) = polled(named(url))
    assert found.delivery is None
    assert found.unknown["delivery"]


def test_a_dispatcher_that_is_away_is_what_the_advice_is_about() -> None:
    (found,) = polled(named("http://127.0.0.1:1/metrics"))
    why = found.unknown["delivery"]
    assert "is the dispatcher running" in why
    assert "JobManager" not in why


def test_only_a_running_job_is_asked() -> None:
    with serving(200, METRICS) as (url, asked):
        (found,) = polled(named(url, state="CANCELED"))
    assert (found.delivery, asked) == (None, [])


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for metrics in (text, METRICS + text, METRICS.replace("0.038", text)):
        try:
            found = read_quantiles(metrics)
        except FlinkopsError:
            continue
        assert found.p99_seconds is None or found.p99_seconds >= 0


def test_the_card() -> None:
    with serving(200, METRICS) as (url, _):
        (found,) = polled(named(url, name="alerts\x1b[31m"))
    shown = assessed(found)
    assert delivers(shown)
    assert not delivers(assessed(job()))
    labels = "name uptime throughput backpressure checkpoint_status late_records delivery_latency"
    assert [line.label for line in card_lines(shown)] == [label.replace("_", " ") for label in labels.split()]
    assert "delivery latency    12 ms (p99 38 ms)" in card_text(shown)
    assert "\x1b" not in card_text(shown)


def test_on_the_card_what_is_not_known_has_its_reason() -> None:
    (found,) = polled(named("http://127.0.0.1:1/metrics"))
    (line,) = [line for line in card_lines(assessed(found)) if line.label == "delivery latency"]
    assert (line.value, bool(line.why)) == ("?", True)
