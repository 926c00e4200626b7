"""The edges of the signals' limits, windows and defaults: at them, just below and just above."""

from typing import Any

import msgspec
import pytest

from flinkops.assess.availability import BURN_RATE, WINDOW_SECONDS, availability
from flinkops.assess.backpressure import HIGH, backpressure, falls_behind
from flinkops.assess.catch_up import (
    latency_easing,
    markers_hold_the_start,
    skew_easing,
    started_lately,
    starts_on_old_events,
)
from flinkops.assess.checkpoints import AGE_GRACE_SECONDS, age_limit_seconds
from flinkops.assess.fleet import assess, current_jobs
from flinkops.assess.health import worst_wins
from flinkops.assess.latency import latency
from flinkops.assess.lifecycle import lifecycle
from flinkops.assess.limits import Check, judge, raised
from flinkops.assess.rates import LATE, LATE_RATIO, rates
from flinkops.assess.skew import event_time
from flinkops.assess.state import MIN_POINTS, MIN_SPAN_SECONDS, state_size
from flinkops.config.policy import Policy
from flinkops.model.assessment import JobAssessment, Latency, NotApplicable, Reason, Unknown
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.reasons import ReasonCode
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot, spread, vertex, with_vertex

CLASS = Policy().class_of(job())
OBJECTIVE = 1 - 1 / 64


def falling(first_ms: int) -> list[JobSample]:
    """Three polls at which ever less waits; the first at this time."""
    times = (first_ms, NOW_MS - 20_000, NOW_MS - 10_000)
    return [
        JobSample(at_ms=at_ms, state="RUNNING", job_id=job().id, pending_records=pending)
        for at_ms, pending in zip(times, (4_000.0, 3_000.0, 2_000.0), strict=True)
    ]


class TestCatchUp:
    def test_the_pace_is_that_of_the_last_minute(self) -> None:
        # From 4000 to 1000 in the minute: 20 seconds more. A poll from before it is left out: 100 records a second.
        assert "gone in about 20 s" in latency_easing(job(), 1_000.0, falling(NOW_MS - 60_000))
        assert "gone in about 10 s" in latency_easing(job(), 1_000.0, falling(NOW_MS - 60_001))

    @pytest.mark.parametrize(("limit", "left"), [(None, "20 s"), (500.0, "10 s"), (1_000.0, "0 ms")])
    def test_a_skew_is_over_at_its_limit(self, limit: float | None, left: str) -> None:
        """From 4000 to 1000 in the minute: 50 a second."""
        past = [msgspec.structs.replace(each, skew_seconds=each.pending_records) for each in falling(NOW_MS - 60_000)]
        assert f"within its limit in about {left} at" in skew_easing(job(), 1_000.0, limit, past)

    @pytest.mark.parametrize(("seconds", "known"), [(-0.001, None), (0.0, 0.0), (119.999, 119.999), (120.0, None)])
    def test_a_start_is_late_for_two_minutes(self, seconds: float, known: float | None) -> None:
        assert started_lately(job(running_since_ms=NOW_MS - round(seconds * 1000))) == known

    @pytest.mark.parametrize(
        ("seconds", "restarts", "before", "now", "expected"),
        [
            (30.0, 0, (9.0, 8.0), 7.0, True),
            (30.0, 0, (9.0, 7.0), 7.0, True),
            (30.0, 0, (), 7.0, True),
            (30.0, 0, (7.0, 6.9), 7.0, False),
            (30.0, 1, (9.0, 8.0), 7.0, False),
            (120.0, 0, (9.0, 8.0), 7.0, False),
            (30.0, 0, (9.0, 8.0), None, False),
        ],
    )
    def test_a_first_start_is_expected_to_be_behind_while_that_does_not_rise(
        self, seconds: float, restarts: int, before: tuple[float, ...], now: float | None, expected: bool
    ) -> None:
        past = [
            JobSample(
                at_ms=NOW_MS - 5_000 * (len(before) - place), state="RUNNING", job_id=job().id, skew_seconds=value
            )
            for place, value in enumerate(before)
        ]
        facts = job(running_since_ms=NOW_MS - round(seconds * 1000), restarts=restarts)
        assert starts_on_old_events(facts, now, past) is expected
        other = [msgspec.structs.replace(each, job_id="another", skew_seconds=0.0) for each in past]
        if expected:
            assert starts_on_old_events(facts, now, other)

    @pytest.mark.parametrize(
        ("seconds", "p50", "restarts", "settings", "expected"),
        [
            (375.9, 0.1, 0, {}, True),
            (376.0, 0.1, 0, {}, False),
            (130.0, 1.0, 0, {}, True),
            (130.0, 1.1, 0, {}, False),
            (130.0, None, 0, {}, False),
            (130.0, 0.1, 1, {}, False),
            (139.9, 0.1, 0, {"metrics.latency.history-size": "10"}, True),
            (140.0, 0.1, 0, {"metrics.latency.history-size": "10"}, False),
            (130.0, 0.1, 0, {"metrics.latency.interval": "soon"}, False),
        ],
    )
    def test_markers_of_the_start_stay_in_their_distribution(
        self, seconds: float, p50: float | None, restarts: int, settings: dict[str, str], expected: bool
    ) -> None:
        facts = job(
            running_since_ms=NOW_MS - round(seconds * 1000),
            restarts=restarts,
            configuration={"metrics.latency.interval": "2 s", **settings},
        )
        assert markers_hold_the_start(facts, Latency(p50=p50, p99=9.0, method="markers"), 1.0) is expected
        assert not markers_hold_the_start(facts, Latency(p50=p50, p99=9.0, method="measured"), 1.0)
        assert not markers_hold_the_start(facts, None, 1.0)


class TestRestarts:
    def codes(self, facts: JobFacts, past: tuple[JobSample, ...] = ()) -> list[ReasonCode]:
        return [reason.code for reason in lifecycle(facts, past, CLASS)]

    @pytest.mark.parametrize(("age_ms", "loop"), [(600_000, True), (600_001, False)])
    def test_a_loop_is_three_within_ten_minutes(self, age_ms: int, loop: bool) -> None:
        times = (NOW_MS - 1_000, NOW_MS - 2_000, NOW_MS - age_ms)
        facts = job(restarts=3, exceptions=tuple(ExceptionFacts(at_ms=at_ms, name="E", message="") for at_ms in times))
        assert (ReasonCode.RESTART_LOOP in self.codes(facts)) is loop

    @pytest.mark.parametrize(("age_ms", "loop"), [(600_000, True), (600_001, False)])
    def test_a_loop_that_polls_counted(self, age_ms: int, loop: bool) -> None:
        past = (JobSample(at_ms=NOW_MS - age_ms, state="RUNNING", job_id=job().id, restarts=0),)
        assert (ReasonCode.RESTART_LOOP in self.codes(job(restarts=3), past)) is loop

    @pytest.mark.parametrize(("age_ms", "told"), [(0, True), (299_999, True), (300_000, False)])
    def test_a_restart_is_told_for_five_minutes(self, age_ms: int, told: bool) -> None:
        facts = job(restarts=1, running_since_ms=NOW_MS - age_ms)
        assert (ReasonCode.JOB_RESTARTED in self.codes(facts)) is told


class TestAvailability:
    """At 14.4 times its pace, this objective leaves 810 of 3600 seconds, to the last bit."""

    def down(self, *spans: tuple[int, int], state: str = "RUNNING") -> list[Reason]:
        """So many seconds ago it went down, and was seen up again."""
        past: list[JobSample] = []
        for from_seconds, to_seconds in spans:
            down_at = range(from_seconds, to_seconds, -100)
            past += [JobSample(at_ms=NOW_MS - 1_000 * seconds, state="FAILING") for seconds in down_at]
            past.append(JobSample(at_ms=NOW_MS - 1_000 * to_seconds, state="RUNNING"))
        job_class = msgspec.structs.replace(CLASS, availability_ratio=OBJECTIVE)
        return availability(job(state=state), past, job_class)

    def test_as_much_as_is_left_is_not_too_much(self) -> None:
        allowed = BURN_RATE * (1.0 - OBJECTIVE) * WINDOW_SECONDS
        assert allowed == 810.0
        assert self.down((910, 100)) == []
        (reason,) = self.down((911, 100))
        assert (reason.value, reason.limit, reason.since_ms) == (811.0, 810.0, NOW_MS - 911_000)

    def test_polls_too_far_apart_say_nothing_of_the_time_between(self) -> None:
        def found(apart_ms: int) -> list[Reason]:
            past = [JobSample(at_ms=NOW_MS - apart_ms * age, state="FAILING") for age in range(8, 0, -1)]
            return availability(job(), past, msgspec.structs.replace(CLASS, availability_ratio=OBJECTIVE))

        assert found(120_000)[0].value == 960.0
        assert found(120_001) == []

    def test_only_the_last_hour_counts(self) -> None:
        (reason,) = self.down((3_700, 2_500))
        assert (reason.since_ms, reason.value) == (NOW_MS - 3_600_000, 1_100.0)

    def test_without_an_objective_there_is_none(self) -> None:
        past = [JobSample(at_ms=NOW_MS - 100_000 * age, state="FAILING") for age in range(30, 0, -1)]
        assert availability(job(), past, msgspec.structs.replace(CLASS, availability_ratio=None)) == []


class TestBackpressure:
    def test_a_sibling_of_which_nothing_is_known_is_not_to_blame(self) -> None:
        facts = job(
            vertices=(
                vertex("src", backpressured_ratio=spread(0.9)),
                vertex("waits", "src", busy_ratio=spread(0.1)),
                vertex("silent", "src", backpressured_ratio=None, busy_ratio=None),
            )
        )
        found = backpressure(facts, Graph(facts.vertices), ()).value
        assert found is not None
        assert found.bottleneck is not None
        assert "waits" in f"{found.bottleneck.vertex} {found.bottleneck.why}"

    def test_a_slow_source_is_told_with_what_waits_now(self) -> None:
        facts = with_vertex(job(), "src", busy_ratio=spread(0.97), pending_records=spread(3_000))
        past = [
            JobSample(at_ms=NOW_MS - 10_000 * age, state="RUNNING", pending_records=pending)
            for age, pending in ((2, 1_000.0), (1, 2_000.0))
        ]
        found = backpressure(facts, Graph(facts.vertices), past).value
        assert found is not None
        assert found.bottleneck is not None
        assert "3000 records wait" in found.bottleneck.why


class TestLimits:
    POLICY = msgspec.structs.replace(Policy(), raise_after_polls=2, clear_after_polls=2)
    CHECK = Check(
        code=ReasonCode.LATENCY_HIGH,
        code_unknown=ReasonCode.LATENCY_UNKNOWN,
        what="latency",
        unit="seconds",
        value=2.0,
        limit=1.0,
        critical=None,
        sampled=lambda sample: sample.latency_p99_seconds,
        setting="latency",
    )

    def past(self, *breached: bool) -> list[JobSample]:
        """Polls with a known number each, the oldest first."""
        return [
            JobSample(
                at_ms=NOW_MS - 10_000 * age,
                state="RUNNING",
                latency_p99_seconds=1.0,
                breached=(ReasonCode.LATENCY_HIGH,) if each else (),
            )
            for age, each in zip(range(len(breached), 0, -1), breached, strict=True)
        ]

    def test_one_breach_before_a_clean_poll_is_not_yet_a_run(self) -> None:
        clean = self.CHECK._replace(value=0.5)
        assert not raised(clean, self.past(False, False, True), self.POLICY)
        assert raised(clean, self.past(False, True, True), self.POLICY)

    def test_it_stands_since_the_first_of_the_newest_run(self) -> None:
        def since(*breached: bool) -> int | None:
            reason = judge(self.CHECK, self.past(*breached), self.POLICY, NOW_MS)
            return reason.since_ms if reason else None

        assert since(True, False, True, True) == NOW_MS - 20_000
        assert since(True, True, False) == NOW_MS - 30_000  # now is the second breach: what was clean between is noise


class TestRates:
    def test_a_sink_takes_in_what_its_inputs_send(self) -> None:
        facts = with_vertex(job(), "sink", records_in_per_second=spread(70.0), records_out_per_second=spread(30.0))
        assert rates(facts, Graph(facts.vertices), (), CLASS).value.records_out_per_second == 70.0

    def test_a_counter_is_followed_back_to_its_reset(self) -> None:
        facts = with_vertex(job(), "work", unchanged_dropped=spread(20.0))
        past = [
            JobSample(at_ms=NOW_MS - age_ms, state="RUNNING", job_id=job().id, unchanged_dropped=count)
            for age_ms, count in ((50_000, 5), (40_000, 500), (20_000, 10))
        ]
        assert rates(facts, Graph(facts.vertices), past, CLASS).value.records_dropped_per_second == (20 - 10) / 20

    @pytest.mark.parametrize(
        ("limit", "late", "accepted", "absent"),
        [
            (None, None, None, {LATE, LATE_RATIO}),
            (0.1, None, None, set()),  # asked for: not known is not fine
            (None, 3.0, None, set()),  # counted, and of how many nobody knows
        ],
    )
    def test_late_records_do_not_apply_where_none_counts_them_and_nobody_asks(
        self, limit: float | None, late: float | None, accepted: float | None, absent: set[str]
    ) -> None:
        facts = with_vertex(job(), "src", records_in=None)
        if late is not None:
            facts = with_vertex(facts, "work", late_records=spread(late))
        found = rates(facts, Graph(facts.vertices), (), msgspec.structs.replace(CLASS, late_ratio=limit))
        assert found.not_applicable.keys() & {LATE, LATE_RATIO} == absent
        assert (LATE_RATIO in found.unknown) is not bool(absent)


@pytest.mark.parametrize(("span_seconds", "known"), [(MIN_SPAN_SECONDS - 0.001, False), (MIN_SPAN_SECONDS, True)])
@pytest.mark.parametrize(("count", "enough"), [(MIN_POINTS - 1, False), (MIN_POINTS, True)])
def test_a_slope_needs_so_many_checkpoints_over_so_long(
    span_seconds: float, known: bool, count: int, enough: bool
) -> None:
    times = [NOW_MS - round(1_000 * span_seconds * place / (count - 1)) for place in range(count)]
    history = tuple(checkpoint(place, at_ms, state_size_bytes=1_000) for place, at_ms in enumerate(times))
    found = state_size(job(checkpoints=checkpoints(history=history, latest_completed=history[0])), (), CLASS)
    assert (found.value.growth_bytes_per_hour is not None) is (known and enough)


def test_the_worst_level_stands_since_the_first_of_its_reasons() -> None:
    """A level that was read from a file is equal to the rule's own, not the same."""

    def reason(level: str, since_ms: int | None) -> Reason:
        return Reason(ReasonCode.LATENCY_HIGH, "", level="".join(level), since_ms=since_ms)  # type: ignore[arg-type]

    given = [reason("warning", 1), *(reason("".join(["criti", "cal"]), since_ms) for since_ms in (3, 2, None))]
    found = worst_wins(given)
    assert (found.level, found.since_ms) == ("critical", 2)


class TestLatency:
    def test_of_equal_tails_the_slower_half_is_told(self) -> None:
        facts = with_vertex(job(), "work", marker_p50_seconds=0.1, marker_p99_seconds=0.5)
        facts = with_vertex(facts, "sink", marker_p50_seconds=0.4, marker_p99_seconds=0.5)
        found = latency(facts, Graph(facts.vertices), ()).value
        assert found is not None
        assert (found.p50, found.p99) == (0.4, 0.5)

    def test_no_latency_is_less_than_a_known_one(self) -> None:
        facts = with_vertex(job(), "work", marker_p50_seconds=0.9, marker_p99_seconds=0.0)
        facts = with_vertex(facts, "sink", marker_p50_seconds=0.1, marker_p99_seconds=0.5)
        found = latency(facts, Graph(facts.vertices), ()).value
        assert found is not None
        assert (found.p50, found.p99) == (0.1, 0.5)


class TestFreshness:
    def health(self, seen_ms: int, **status: Any) -> JobAssessment:
        (found,) = assess(snapshot(job(seen_ms=seen_ms), **status), {}, Policy()).jobs
        return found

    def test_what_a_slow_source_did_answer_for_counts_for_the_poll_and_a_second(self) -> None:
        # The poll took 0.2 s.
        assert self.health(NOW_MS - 1_200, state="stale").state == "RUNNING"
        assert self.health(NOW_MS - 1_201, state="stale").state == "UNKNOWN"

    def test_seen_after_the_poll_was_over_is_a_clock_that_was_set_back(self) -> None:
        assert self.health(NOW_MS + 1_000).state == "RUNNING"
        ahead = self.health(NOW_MS + 1_001, age_seconds=7.0)
        assert (ahead.state, ahead.data_age_seconds) == ("UNKNOWN", 7.0)
        assert self.health(NOW_MS + 1_001, age_seconds=None).data_age_seconds == 0.0

    def test_an_ended_job_is_hidden_by_one_that_started_in_the_same_instant_or_later(self) -> None:
        ended, again = job(id="b" * 32, state="FAILED", started_ms=0), job(started_ms=None)
        assert current_jobs((ended, again)) == [ended, again]
        assert current_jobs((ended, msgspec.structs.replace(again, started_ms=1))) == [
            msgspec.structs.replace(again, started_ms=1)
        ]


class TestWhatIsNotKnown:
    def test_a_skew_without_a_limit_is_over_when_it_is_none(self) -> None:
        """From 5 s to 2 s in the minute: 40 s more to none at all."""
        past = [
            JobSample(at_ms=NOW_MS - ago_ms, state="RUNNING", job_id=job().id, skew_seconds=skew)
            for ago_ms, skew in ((60_000, 5.0), (30_000, 3.0))
        ]
        assert "in about 40 s at" in skew_easing(job(), 2.0, None, past)

    @pytest.mark.parametrize(("ratio", "known"), [(HIGH, False), (HIGH + 0.01, True)])
    def test_high_backpressure_is_known_whatever_the_others_are(self, ratio: float, known: bool) -> None:
        facts = with_vertex(job(), "src", backpressured_ratio=spread(ratio))
        facts = with_vertex(facts, "sink", backpressured_ratio=None)
        assert (backpressure(facts, Graph(facts.vertices), ()).value is not None) is known

    def test_a_vertex_that_reports_nothing_is_none_that_moves_on(self) -> None:
        """The first two have no watermark yet; of the third nothing is known."""
        facts = job(
            vertices=(
                vertex("src", watermark_ms=None, watermark_none_yet=True),
                vertex("work", "src", watermark_ms=None, watermark_none_yet=True, needs_event_time=True),
                vertex("sink", "work", watermark_ms=None),
            )
        )
        found = event_time(facts, Graph(facts.vertices), (), CLASS)
        assert found.unknown["event_time_skew_seconds"] == "no vertex has produced a watermark yet"

    @pytest.mark.parametrize(("interval", "limit"), [(0.5, 1.5), (2.0, 6.0)])
    def test_short_intervals_give_a_short_limit(self, interval: float, limit: float) -> None:
        facts = checkpoints(interval_seconds=interval, latest_completed=None)
        assert age_limit_seconds(job(checkpoints=facts), CLASS) == limit + AGE_GRACE_SECONDS

    @pytest.mark.parametrize(("failed", "kind"), [(0, NotApplicable), (1, Unknown)])
    def test_a_failure_without_a_cause_is_unknown_and_without_a_failure_there_is_none(
        self, failed: int, kind: type
    ) -> None:
        history = tuple(checkpoint(9, NOW_MS - 1_000, status="FAILED") for _ in range(failed))
        facts = job(checkpoints=checkpoints(history=(*history, checkpoint(8, NOW_MS - 12_000)), failed=failed))
        (found,) = assess(snapshot(facts), {}, Policy()).jobs
        assert isinstance(found.absent("checkpoints.failure"), kind)

    def test_a_lag_rises_by_a_tenth_of_the_time_to_the_part_of_a_second(self) -> None:
        now_ms = NOW_MS + 500
        past = [
            JobSample(at_ms=now_ms - 10_000 * ago, state="RUNNING", job_id=job().id, emit_lag_seconds=lag)
            for ago, lag in ((3, 15.0), (2, 16.0), (1, 17.0))
        ]
        facts = with_vertex(job(), "src", source_emit_lag_seconds=spread(18.02))
        assert "at each poll" in (falls_behind(Graph(facts.vertices), past, now_ms) or "")
