"""What waits before the sources: its change, the time to catch up, and sources that fall behind what arrives."""

import pytest

from flinkops.assess.backlog import backlog
from flinkops.assess.backpressure import falls_behind
from flinkops.assess.signals import signals
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.model.assessment import Backlog
from flinkops.model.facts import JobFacts, Spread
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, job, spread, with_vertex
from tests.unit.doctor_cases import above_info, evidence, found, held_up, sample
from tests.unit.doctor_cases import job as even_job


def polls(*values: float, field: str = "pending_records", each_seconds: float = 10.0) -> list[JobSample]:
    """The last values before now, that many seconds apart."""
    return [sample(each_seconds * (len(values) - place), **{field: value}) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((4_000.0, 3_000.0), 2_000.0, Backlog(2_000.0, -100.0, 20.0)),
        ((1_000.0, 2_000.0), 3_000.0, Backlog(3_000.0, 100.0, None)),
        ((1_000.0, 1_000.0), 1_000.0, Backlog(1_000.0, 0.0, None)),
        ((1_000.0,), 900.0, Backlog(900.0, None, None)),
        ((20.0, 10.0), 0.0, Backlog(0.0, -1.0, 0.0)),
        ((), 0.0, Backlog(0.0, None, 0.0)),
    ],
)
def test_change_and_time_to_catch_up(before: tuple[float, ...], now: float, expected: Backlog) -> None:
    signal = backlog(job(), now, {}, {}, polls(*before))
    assert signal.value == expected
    for part in ("change_per_second", "catch_up_seconds"):
        told = f"backlog.{part}" in {**signal.unknown, **signal.not_applicable}
        assert told is (getattr(expected, part) is None)


def test_what_falls_slower_than_a_hundredth_a_minute_is_steady() -> None:
    barely = backlog(job(), 9_900.0, {}, {}, polls(9_901.0, 9_900.5)).value
    assert barely is not None
    assert barely.catch_up_seconds is None


def test_polls_of_more_than_a_minute_ago_do_not_count() -> None:
    found_ = backlog(job(), 10.0, {}, {}, polls(900.0, 30.0, 20.0, each_seconds=25.0)).value
    assert found_ == Backlog(10.0, -0.4, 25.0)


def test_without_a_number_there_is_the_reason_of_the_number() -> None:
    assert backlog(job(), None, {"pending_records": "timed out"}, {}, ()).unknown == {"backlog": "timed out"}
    assert backlog(job(), None, {}, {"pending_records": "none"}, ()).not_applicable == {"backlog": "none"}


def late(lag_seconds: float, busy: float = 0.99) -> JobFacts:
    """Its slow work is chained to its source: the records that it emits are so old."""
    return with_vertex(
        even_job(),
        "src",
        source_emit_lag_seconds=Spread(max=lag_seconds, min=lag_seconds),
        busy_ratio=spread(busy),
        pending_records=Spread(sum=900.0, max=900.0),
    )


STAIRS = (5.8, 5.7, 10.9, 11.1, 10.9, 17.1, 16.9, 16.4, 20.1, 20.0, 19.7, 26.5, 26.3, 25.9, 25.7, 25.2, 25.0)
"""The age of what a source emitted in the lab, each three seconds: it falls within a fetch, and rises by the minute."""


@pytest.mark.parametrize(
    ("before", "now", "each_seconds", "behind"),
    [
        (STAIRS, 37.0, 3.0, True),
        (STAIRS[3:10], 26.5, 5.0, True),
        (STAIRS[3:10], 26.5, 4.0, False),
        (STAIRS[4:10], 26.5, 6.0, False),
        ((5.0, 6.0, 5.5, 7.0, 6.5, 8.0, 7.5), 9.9, 5.0, False),
        ((20.0, 29.0, 21.0, 30.0, 20.0, 29.0, 21.0, 30.0, 20.0), 29.0, 6.0, False),
        (tuple(reversed(STAIRS)), 20.0, 3.0, False),
    ],
)
def test_a_source_falls_behind_by_the_trend_of_what_rises_and_falls(
    before: tuple[float, ...], now: float, each_seconds: float, behind: bool
) -> None:
    facts, past = late(now), polls(*before, field="emit_lag_seconds", each_seconds=each_seconds)
    assert (falls_behind(Graph(facts.vertices), past, facts.seen_ms) is not None) is behind
    assert bool(found("backpressure", evidence(facts, past))) is behind


@pytest.mark.parametrize(
    ("before", "now", "behind"),
    [
        ((10.0, 12.0, 15.0), 18.0, True),
        ((2.0, 4.0, 6.0), 9.9, False),
        ((97.0, 98.0, 99.0), 100.0, True),
        ((15.1, 16.0, 17.0), 18.0, False),
        ((10.0, 19.0, 15.0), 18.0, False),
        ((12.0, 15.0), 18.0, False),
    ],
)
def test_a_source_falls_behind_when_what_it_emits_gets_older(
    before: tuple[float, ...], now: float, behind: bool
) -> None:
    facts, past = late(now), polls(*before, field="emit_lag_seconds")
    assert (falls_behind(Graph(facts.vertices), past, facts.seen_ms) is not None) is behind
    finding = found("backpressure", evidence(facts, past))
    assert (finding is not None) is behind
    if finding:
        assert finding.title.startswith("Too slow a source")
        assert finding.severity == "warning"


def test_a_source_that_has_time_left_is_not_the_one() -> None:
    past = polls(10.0, 12.0, 15.0, field="emit_lag_seconds")
    assert found("backpressure", evidence(late(18.0, busy=0.89), past)) is None


def test_a_falling_lag_of_the_last_fetch_is_no_catching_up() -> None:
    """Kafka's consumer reads on in what it has fetched, while the records get older and more come."""
    past = [
        sample(10.0 * each, pending_records=1_000.0 + 1_000 * each, emit_lag_seconds=20.0 - each) for each in (3, 2, 1)
    ]
    assert "backpressure" in above_info(diagnose(evidence(late(20.0), past)))


class TestSkewBehindAnotherBottleneck:
    """One subtask gets nearly all, and works all the time that the sink behind it leaves it."""

    def facts(self, **work: object) -> JobFacts:
        facts = with_vertex(held_up(), "src", backpressured_ratio=spread(0.95))
        hot = {
            "records_in_per_second": Spread(min=2.0, max=98.0, avg=50.0, sum=100.0),
            "busy_ratio": Spread(min=0.01, max=0.66, avg=0.33, sum=0.67),
            "backpressured_ratio": spread(0.34),
            **work,
        }
        return with_vertex(facts, "work", **hot)

    def test_it_is_named(self) -> None:
        finding = found("key-skew", evidence(self.facts()))
        assert finding is not None
        assert (finding.severity, finding.vertex) == ("warning", "vertex work")

    @pytest.mark.parametrize(
        "work",
        [
            {"backpressured_ratio": spread(0.51)},
            {"busy_ratio": Spread(min=0.01, max=0.58, avg=0.3, sum=0.6)},
            {"busy_ratio": Spread(min=0.6, max=0.66, avg=0.63, sum=1.26)},
            {"records_in_per_second": Spread(min=30.0, max=70.0, avg=50.0, sum=100.0)},
        ],
    )
    def test_it_is_left_alone(self, work: dict[str, object]) -> None:
        finding = found("key-skew", evidence(self.facts(**work)))
        assert finding is None or finding.severity == "info"


def test_the_backlog_of_a_job_is_in_its_signals() -> None:
    facts = with_vertex(job(), "src", pending_records=Spread(sum=500.0, max=500.0))
    assert signals(facts, (), Policy().class_of(facts)).backlog == Backlog(500.0)
    assert facts.seen_ms == NOW_MS
