"""Health: the worst reason wins, hysteresis from samples alone, what is not known is not ok."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import JobClass, JobRule, Policy
from flinkops.model.assessment import Health, JobAssessment
from flinkops.model.facts import ExceptionFacts, JobFacts, ResourceFacts, StuckFacts
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, checkpoints, failing, job, snapshot, spread, vertex, with_vertex

POLICY = Policy()


def assessed(facts: JobFacts, past: Sequence[JobSample] = (), policy: Policy = POLICY, **status: Any) -> JobAssessment:
    return assess(snapshot(facts, **status), {facts.key: past}, policy).jobs[0]


def health(facts: JobFacts, past: Sequence[JobSample] = (), policy: Policy = POLICY) -> Health:
    return assessed(facts, past, policy).health


def codes(found: Health) -> list[str]:
    return [reason.code for reason in found.reasons]


def slow(p99_seconds: float) -> JobFacts:
    return with_vertex(job(), "work", latency_p99_seconds=spread(p99_seconds), latency_p50_seconds=spread(0.01))


def polls(*p99_seconds: float | None, step_ms: int = 10_000) -> list[JobSample]:
    """Earlier polls, oldest first, as `slow` would have been sampled."""
    count = len(p99_seconds)
    return [
        JobSample(
            at_ms=NOW_MS - step_ms * (count - index),
            state="RUNNING",
            job_id="a" * 32,
            latency_p99_seconds=value,
            breached=("latency-high",) if value is not None and value > 1.0 else (),
        )
        for index, value in enumerate(p99_seconds)
    ]


def test_a_healthy_job_is_ok() -> None:
    assert health(job()) == Health("ok")


@pytest.mark.parametrize(
    ("p99", "level"), [(0.9, "ok"), (1.0, "ok"), (1.1, "warning"), (5.0, "warning"), (5.1, "critical")]
)
def test_over_the_limit_is_a_warning_and_five_times_it_critical(p99: float, level: str) -> None:
    assert health(slow(p99)).level == level


def test_the_worst_reason_wins_and_stands_first() -> None:
    facts = msgspec.structs.replace(slow(2.0), checkpoints=failing(3))
    found = health(facts)
    assert found.level == "critical"
    assert codes(found)[0] == "checkpoint-failing"
    assert "latency-high" in codes(found)


def backlog(pending: float, p99_seconds: float = 20.0, **fields: Any) -> JobFacts:
    facts = with_vertex(slow(p99_seconds), "src", pending_records=spread(pending))
    return msgspec.structs.replace(facts, **fields)


def drained(*pending: float, skew: Sequence[float] = (), step_ms: int = 10_000) -> list[JobSample]:
    """Earlier polls of a backlog, oldest first."""
    skews = [*skew, *[None] * (len(pending) - len(skew))]
    return [
        JobSample(
            at_ms=NOW_MS - step_ms * (len(pending) - index),
            state="RUNNING",
            job_id="a" * 32,
            latency_p99_seconds=20.0,
            pending_records=value,
            skew_seconds=skews[index],
            breached=("skew-high",) if skew else ("latency-high",),
        )
        for index, value in enumerate(pending)
    ]


class TestCatchingUp:
    def test_a_job_that_has_just_started_works_off_what_waited(self) -> None:
        for seconds, level in ((5, "warning"), (119, "warning"), (120, "critical")):
            found = health(backlog(0.0, running_since_ms=NOW_MS - 1000 * seconds))
            assert found.level == level, seconds
        assert health(backlog(0.0, running_since_ms=None)).level == "critical", "not known is no excuse"

    def test_triggers_declined_while_tasks_start_are_no_failed_checkpoints(self) -> None:
        declined = checkpoints(history=(), latest_completed=None, completed=0, failed=4)
        starting = {"checkpoints": declined, "running_since_ms": NOW_MS - 20_000}
        found = health(job(**starting))
        reason = next(each for each in found.reasons if each.code == "checkpoint-failing")
        assert (reason.level, reason.value) == ("warning", 4)
        assert "could not begin yet" in reason.text
        later = health(job(**{**starting, "running_since_ms": NOW_MS - 300_000}))
        assert next(each.level for each in later.reasons if each.code == "checkpoint-failing") == "critical"
        recorded = msgspec.structs.replace(declined, latest_failed=failing(3).history[0])
        assert "critical" in {each.level for each in health(job(**{**starting, "checkpoints": recorded})).reasons}

    def test_a_backlog_that_shrinks_fast_enough_is_a_warning_that_says_how_long(self) -> None:
        found = health(backlog(800.0), drained(1000.0, 900.0))
        assert (found.level, found.reasons[0].code) == ("warning", "latency-high")
        assert "what waits is gone in about 1m 20s" in found.reasons[0].text

    def test_a_first_start_on_old_events_is_told_and_is_well_until_the_skew_rises(self) -> None:
        behind = with_vertex(job(), "sink", watermark_ms=spread(NOW_MS - 2_000_000))
        started = msgspec.structs.replace(behind, running_since_ms=NOW_MS - 30_000, restarts=0)
        found = health(started, drained(0.0, skew=(2_300.0,)))
        assert found.level == "ok"
        assert codes(found) == ["skew-high"]
        assert "works off what waited" in found.reasons[0].text
        assert health(started, drained(0.0, skew=(1_900.0,))).level == "warning"
        assert health(msgspec.structs.replace(started, restarts=1), drained(0.0, skew=(2_300.0,))).level == "warning"

    @pytest.mark.parametrize(
        ("past", "now"),
        [((900.0,), 800.0), ((1000.0, 1000.0), 900.0), ((900.0, 1000.0), 800.0), ((1000.0, 999.0), 998.0)],
        ids=["two polls", "stood still", "had grown", "takes too long"],
    )
    def test_else_it_is_critical(self, past: tuple[float, ...], now: float) -> None:
        assert health(backlog(now), drained(*past)).level == "critical"

    def test_event_time_that_passes_faster_than_the_clock(self) -> None:
        behind = with_vertex(job(), "sink", watermark_ms=spread(NOW_MS - 2_000_000))
        found = health(behind, drained(0.0, 0.0, skew=(2_600_000 / 1000, 2_300_000 / 1000)))
        assert (found.level, found.reasons[0].code) == ("warning", "skew-high")
        assert "within its limit in about" in found.reasons[0].text
        assert health(behind).level == "critical"


def states(*names: str, step_ms: int = 10_000) -> list[JobSample]:
    """Earlier polls that saw the job in these states, oldest first."""
    count = len(names)
    return [
        JobSample(at_ms=NOW_MS - step_ms * (count - n), state=name, job_id="a" * 32) for n, name in enumerate(names)
    ]


class TestAvailability:
    def test_a_minute_of_an_hour_is_more_than_the_objective_leaves(self) -> None:
        found = health(job(), states(*["RUNNING"] * 3, *["RESTARTING"] * 6, *["RUNNING"] * 3))
        assert (found.level, codes(found)) == ("warning", ["availability-low"])
        assert (found.reasons[0].value, round(found.reasons[0].limit or 0)) == (60.0, 52)
        assert found.since_ms == NOW_MS - 90_000
        assert health(job(), states("RUNNING", *["RESTARTING"] * 5, "RUNNING")) == Health("ok")

    def test_a_first_start_is_not_down_however_long_it_takes(self) -> None:
        assert health(job(), states(*["CREATED"] * 11, "RUNNING")) == Health("ok")
        assert health(job(), states(*["INITIALIZING"] * 12)) == Health("ok")
        found = health(job(), states("RUNNING", *["CREATED"] * 10, "RUNNING"))
        assert codes(found) == ["availability-low"]
        assert "objective of 99.9% over 30 days" in found.reasons[0].text
        assert codes(health(job(), states(*["RESTARTING"] * 11, "RUNNING"))) == ["availability-low"]

    @pytest.mark.parametrize("state", ["FINISHED", "CANCELED", "SUSPENDED", "UNKNOWN"])
    def test_what_a_person_asked_for_or_nobody_saw_is_not_counted(self, state: str) -> None:
        assert health(job(), states(*[state] * 12, "RUNNING")) == Health("ok")

    def test_neither_is_an_hour_ago_nor_a_gap_nor_a_class_without_the_objective(self) -> None:
        long_ago = [msgspec.structs.replace(one, at_ms=one.at_ms - 3_600_000) for one in states(*["FAILED"] * 12)]
        assert health(job(), long_ago) == Health("ok")
        assert health(job(), states("FAILED", "RUNNING", step_ms=300_000)) == Health("ok")
        classes = {"windowed": JobClass(name="windowed", availability_ratio=None)}
        assert health(job(), states(*["FAILED"] * 12), Policy(classes=classes)) == Health("ok")


class TestHysteresis:
    def test_a_first_poll_decides_at_once(self) -> None:
        assert health(slow(2.0)).level == "warning"

    def test_one_outlier_does_not_raise(self) -> None:
        assert health(slow(2.0), polls(0.1, 0.1)).level == "ok"

    def test_the_second_in_a_row_does_and_says_since_when(self) -> None:
        found = health(slow(2.0), polls(0.1, 0.1, 2.0))
        assert found.level == "warning"
        assert found.since_ms == NOW_MS - 10_000

    def test_two_clean_polls_do_not_clear_three_do(self) -> None:
        assert codes(health(slow(0.1), polls(2.0, 2.0, 0.1))) == ["latency-high"]
        assert health(slow(0.1), polls(2.0, 2.0, 0.1, 0.1)).level == "ok"

    def test_the_text_of_a_held_reason_says_so(self) -> None:
        assert "back within its limit" in health(slow(0.1), polls(2.0, 2.0)).reasons[0].text

    def test_flapping_stays_raised(self) -> None:
        assert codes(health(slow(0.1), polls(2.0, 2.0, 0.1, 2.0, 0.1, 2.0))) == ["latency-high"]

    def test_not_knowing_does_not_clear(self) -> None:
        assert codes(health(slow(0.1), polls(2.0, 2.0, None, None, None))) == ["latency-high"]

    def test_the_poll_itself_in_the_history_changes_nothing(self) -> None:
        now = polls(2.0, step_ms=0)
        assert health(slow(2.0), [*polls(0.1, 0.1), *now]).level == "ok"


class TestMissing:
    def test_unknown_latency_is_unknown_health_and_says_how_to_leave_it_out(self) -> None:
        found = health(with_vertex(job(), "src", pending_records=None))
        assert found.level == "unknown"
        assert codes(found) == ["latency-unknown"]
        assert 'latency_p99 = "off"' in found.reasons[0].text

    def test_what_the_class_does_not_ask_may_be_unknown(self) -> None:
        off = Policy(classes={"windowed": JobClass(name="windowed", latency_p99_seconds=None)})
        assert health(with_vertex(job(), "src", pending_records=None), policy=off).level == "ok"

    def test_unknown_checkpoints(self) -> None:
        assert "checkpoints-unknown" in codes(health(job(checkpoints=None)))
        assert codes(health(job(checkpoints=checkpoints(interval_seconds=None)))) == ["checkpoint-age-unknown"]

    @pytest.mark.parametrize("state", ["unreachable", "denied"])
    def test_a_source_that_does_not_answer(self, state: str) -> None:
        facts = job(seen_ms=NOW_MS - 40_000)
        found = assessed(facts, state=state, error="connection refused", age_seconds=40.0)
        assert found.health.level == "unknown"
        assert found.health.reasons[0].value == 40.0
        assert "connection refused" in found.health.reasons[0].text
        assert found.data_age_seconds == 40.0
        assert found.state == "UNKNOWN"
        assert "was RUNNING 40 s ago" in found.health.reasons[0].text

    def test_a_stale_source_taints_only_what_it_did_not_answer_for(self) -> None:
        assert assessed(job(seen_ms=NOW_MS - 20_000), state="stale").health.level == "unknown"
        assert assessed(job(), state="stale").health.level == "ok"

    def test_old_data_of_a_source_that_answers(self) -> None:
        assert codes(assessed(job(seen_ms=NOW_MS - 61_000)).health)[0] == "data-old"

    def test_not_even_failed_is_known_of_a_job_out_of_sight(self) -> None:
        found = assessed(job(state="FAILED", seen_ms=NOW_MS - 90_000), state="unreachable").health
        assert found.level == "unknown"
        assert "job-failed" in codes(found)

    def test_a_source_that_is_not_there(self) -> None:
        assert codes(assessed(job(), name="other").health)[0] == "source-missing"


class TestStates:
    @pytest.mark.parametrize(
        ("state", "level"),
        [
            ("FAILED", "critical"),
            ("RESTARTING", "warning"),
            ("FAILING", "warning"),
            ("CANCELLING", "warning"),
            ("FINISHED", "warning"),
            ("CANCELED", "warning"),
            ("SUSPENDED", "warning"),
            ("INITIALIZING", "unknown"),
            ("CREATED", "unknown"),
            ("RECONCILING", "unknown"),
            ("UNKNOWN", "unknown"),
            ("what a later version says", "unknown"),
        ],
    )
    def test_levels(self, state: str, level: str) -> None:
        assert health(job(state=state)).level == level

    def test_a_bounded_job_may_finish(self) -> None:
        bounded = Policy(classes={"windowed": JobClass(name="windowed", may_finish=True)})
        assert health(job(state="FINISHED"), policy=bounded).level == "ok"
        assert health(job(state="CANCELED"), policy=bounded).level == "warning"

    def test_a_long_restart_is_critical(self) -> None:
        past = [JobSample(at_ms=NOW_MS - age, state="RESTARTING", job_id="a" * 32) for age in (70_000, 30_000)]
        assert health(job(state="RESTARTING"), past).level == "critical"

    def test_a_restart_loop_between_polls(self) -> None:
        past = [JobSample(at_ms=NOW_MS - 300_000, state="RUNNING", job_id="a" * 32, restarts=4)]
        assert "restart-loop" in codes(health(job(restarts=7), past))
        assert health(job(restarts=6), past).level == "ok"

    def test_a_restart_loop_at_the_first_poll_with_its_cause(self) -> None:
        failures = tuple(
            ExceptionFacts(at_ms=NOW_MS - 60_000 * index, name="IOException", message="disk is full")
            for index in range(3)
        )
        found = health(job(restarts=3, exceptions=failures))
        assert found.level == "critical"
        assert "disk is full" in found.reasons[0].text

    def test_restarts_of_long_ago_do_not_count(self) -> None:
        failures = tuple(ExceptionFacts(at_ms=NOW_MS - 700_000 - index, name="E", message="") for index in range(5))
        past = [JobSample(at_ms=NOW_MS - 700_000, state="RUNNING", job_id="a" * 32, restarts=0)]
        assert health(job(restarts=5, exceptions=failures), past).level == "ok"

    def test_restarts_of_another_execution_do_not_count(self) -> None:
        past = [JobSample(at_ms=NOW_MS - 300_000, state="RUNNING", job_id="b" * 32, restarts=0)]
        assert health(job(restarts=3), past).level == "ok"

    def test_just_restarted(self) -> None:
        assert codes(health(job(restarts=1, running_since_ms=NOW_MS - 60_000))) == ["job-restarted"]

    def test_what_holds_a_deployment_up(self) -> None:
        resource = ResourceFacts(
            context="prod",
            namespace="shop",
            name="orders",
            resource_version="1",
            lifecycle_state="DEPLOYED",
            stuck=(StuckFacts(code="image", object="pod/orders-1", text="no such image"),),
        )
        found = health(job(state="UNKNOWN", kind="FlinkDeployment", namespace="shop", resource=resource))
        assert (found.level, found.reasons[0].text) == ("critical", "pod/orders-1: no such image")


class TestCheckpointHealth:
    def test_one_failure_warns_three_are_critical(self) -> None:
        assert [health(job(checkpoints=failing(count))).level for count in (1, 2, 3)] == [
            "warning",
            "warning",
            "critical",
        ]

    def test_age_is_measured_by_the_job_s_own_interval(self) -> None:
        old = msgspec.structs.replace(job(), seen_ms=NOW_MS + 55_000)
        late = msgspec.structs.replace(job(), seen_ms=NOW_MS + 65_000)
        moved = {"taken_ms": NOW_MS + 65_000}
        for facts, code in ((old, False), (late, True)):
            shown = assess(snapshot(facts, **moved), {}, POLICY).jobs[0]
            assert ("checkpoint-age" in codes(shown.health)) is code

    def test_before_the_first_one_the_job_s_own_age_counts(self) -> None:
        none = checkpoints(latest_completed=None, history=(), completed=0)
        assert "checkpoint-age" in codes(health(job(checkpoints=none)))
        assert health(job(checkpoints=none, running_since_ms=NOW_MS - 20_000)).level == "ok"

    def test_near_the_timeout(self) -> None:
        done = msgspec.structs.replace(checkpoints().history[0], duration_seconds=500.0)
        facts = job(checkpoints=checkpoints(latest_completed=done, interval_seconds=600.0))
        assert codes(health(facts)) == ["checkpoint-slow"]

    def test_disabled_warns_unless_nobody_asks(self) -> None:
        facts = job(checkpoints=checkpoints(enabled=False, history=(), latest_completed=None, interval_seconds=None))
        assert codes(health(facts)) == ["checkpoints-disabled"]
        off = Policy(classes={"windowed": JobClass(name="windowed", checkpoint_age_asked=False)})
        assert health(facts, policy=off).level == "ok"


class TestLimits:
    def test_the_watermark_s_own_delay_and_a_margin(self) -> None:
        facts = job(configuration={"flinkops.watermark-delay": "90 s"})
        assert assessed(facts).limits.skew_seconds == 150.0
        assert assessed(job()).limits.skew_seconds == 300.0
        assert assessed(job(configuration={"flinkops.watermark-delay": "soon"})).limits.skew_seconds == 300.0

    def test_classes_by_name_namespace_and_label(self) -> None:
        policy = Policy(
            rules=(
                JobRule(job_class="latency-critical", name="ord*", namespace="shop-*"),
                JobRule(job_class="latency-critical", labels={"tier": "gold"}),
            )
        )
        resource = ResourceFacts(context="c", namespace="x", name="o", resource_version="1", labels={"tier": "gold"})
        assert assessed(job(), policy=policy).job_class == "windowed"
        assert assessed(job(namespace="shop-eu"), policy=policy).job_class == "latency-critical"
        assert assessed(job(resource=resource), policy=policy).job_class == "latency-critical"

    def test_state_warns_before_its_limit(self) -> None:
        def policy(limit: float) -> Policy:
            return Policy(classes={"windowed": JobClass(name="windowed", state_bytes=limit)})

        assert health(job(), policy=policy(1_300_000)).level == "ok"
        assert health(job(), policy=policy(1_200_000)).level == "warning"
        assert health(job(), policy=policy(900_000)).level == "critical"


def test_worst_jobs_come_first_and_replaced_ones_are_left_out() -> None:
    old = job(id="0" * 32, name="upgraded", state="FINISHED", started_ms=NOW_MS - 9_000_000)
    new = job(id="1" * 32, name="upgraded")
    jobs = (job(name="a fine one"), job(name="failed", state="FAILED"), old, new, job(name="new", state="CREATED"))
    found = assess(snapshot(*jobs), {}, POLICY).jobs
    assert [each.name for each in found] == ["failed", "new", "a fine one", "upgraded"]
    assert found[-1].id == "1" * 32


def test_jobs_of_one_name_have_a_past_each() -> None:
    healthy, ill = job(id="1" * 32), msgspec.structs.replace(slow(2.0), id="2" * 32)
    past = [msgspec.structs.replace(each, job_id="2" * 32) for each in polls(2.0, 2.0)]
    found = assess(snapshot(healthy, ill), {ill.key: past}, POLICY).jobs
    assert {each.id[0]: each.health.level for each in found} == {"1": "ok", "2": "warning"}


def test_a_job_without_vertices_is_assessed() -> None:
    found = assessed(job(vertices=()))
    assert found.parallelism is None
    assert found.health.level == "unknown"


def test_vertices_on_a_cycle_are_assessed() -> None:
    found = assessed(job(vertices=(vertex("a", "b"), vertex("b", "a"))))
    assert found.health.level == "ok"
