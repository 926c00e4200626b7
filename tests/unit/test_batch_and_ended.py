"""Batch jobs are a mode of their own, and a job that ended as somebody wanted is not ill."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.ended_jobs import MARGIN_MS, EndedByAction
from flinkops.act.journal import Journal
from flinkops.assess import assess
from flinkops.autoscale.controller import Controller, advise
from flinkops.autoscale.settings import Settings
from flinkops.clock import FixedClock
from flinkops.config.policy import JobClass, Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.model.assessment import JobAssessment, Unknown
from flinkops.model.facts import ClusterFacts, FleetSnapshot, JobFacts, ResourceFacts, Spread
from flinkops.model.plan import Plan, Target, Verb
from flinkops.observer import Observer
from flinkops.sources.flink import wire
from flinkops.sources.flink.vertex_facts import vertex_facts
from tests.unit.builders import NOW_MS, checkpoints, job, snapshot, spread, vertex, with_vertex
from tests.unit.doctor_cases import above_info, evidence, found

FULL = ClusterFacts("prod", "2.3.0", 1, 8, 0)
NO_CHECKPOINTS = msgspec.structs.replace(checkpoints(enabled=False), latest_completed=None, history=())


def batch(*statuses: str, **fields: Any) -> JobFacts:
    """A chain of stages in these states, on a cluster without a free slot; those not begun have no parallelism."""
    stages = [
        vertex(
            f"stage {number}",
            *([f"stage {number - 1}"] if number else []),
            status=status,
            parallelism=0 if status == "CREATED" else 4,
            max_parallelism=128,
        )
        for number, status in enumerate(statuses)
    ]
    defaults: dict[str, Any] = {"job_type": "BATCH", "checkpoints": NO_CHECKPOINTS, "scheduler": "AdaptiveBatch"}
    return job(vertices=tuple(stages), **{**defaults, **fields})


def assessed(facts: JobFacts, policy: Policy | None = None) -> JobAssessment:
    return assess(snapshot(facts), {}, policy or Policy()).jobs[0]


class TestBatch:
    @pytest.mark.parametrize("statuses", [("RUNNING", "CREATED"), ("FINISHED", "RUNNING", "CREATED", "CREATED")])
    def test_later_stages_wait_for_earlier_ones_not_for_slots(self, statuses: tuple[str, ...]) -> None:
        diagnosis = diagnose(evidence(batch(*statuses), cluster=FULL))
        assert above_info(diagnosis) == []
        assert assessed(batch(*statuses)).health.level == "ok"

    @pytest.mark.parametrize("statuses", [("SCHEDULED", "CREATED"), ("FINISHED", "SCHEDULED")])
    def test_when_no_stage_runs_slots_are_missing(self, statuses: tuple[str, ...]) -> None:
        assert found("out-of-slots", evidence(batch(*statuses), cluster=FULL)) is not None

    def test_of_a_streaming_job_each_waiting_vertex_is_told(self) -> None:
        facts = batch("RUNNING", "CREATED", job_type="STREAMING", checkpoints=checkpoints())
        assert found("out-of-slots", evidence(facts, cluster=FULL)) is not None

    def test_a_parallelism_that_is_not_decided_is_unknown(self) -> None:
        answer = wire.JobVertex(id="v", name="v", parallelism=-1, status="CREATED")
        assert vertex_facts(answer, (), {}, None).parallelism == 0
        shown = assessed(batch("RUNNING", "CREATED"))
        assert [each.parallelism for each in shown.vertices] == [4, None]
        assert isinstance(shown.absent("vertices.1.parallelism"), Unknown)
        assert shown.parallelism == 4
        assert assessed(batch("CREATED")).parallelism is None

    def test_its_parallelism_is_its_scheduler_s(self) -> None:
        facts = batch("RUNNING", "CREATED")
        polls = [msgspec.structs.replace(facts, seen_ms=NOW_MS + at) for at in range(0, 120_000, 5_000)]
        for decision in (advise(polls, Settings()), Controller(Settings()).observe_facts(facts)):
            assert decision.verdict == "hold"
            assert "batch" in decision.blocked_by[0]
            assert {each.true_processing_rate for each in decision.vertices} == {None}

    @pytest.mark.parametrize("state", ["FINISHED", "CANCELED"])
    def test_its_end_is_no_fault(self, state: str) -> None:
        assert assessed(batch("FINISHED", state=state, ended_ms=NOW_MS)).health.level == "ok"

    def test_its_failure_is(self) -> None:
        assert assessed(batch("FAILED", state="FAILED", ended_ms=NOW_MS)).health.level == "critical"


class TestTooYoung:
    def polls(self, seconds: float, *, records: int = 200) -> list[JobFacts]:
        """Every 5 s; Flink's counters move each 10 s only."""
        steps = range(0, round(seconds * 1000) + 1, 5_000)
        return [
            with_vertex(
                job(seen_ms=NOW_MS + at, vertices=(vertex("src", records_in=records * (at // 10_000) * 10),)),
                "src",
                records_in_per_second=spread(200.0),
                busy_ratio=Spread(min=0.2, max=0.2, avg=0.2, sum=0.4),
            )
            for at in steps
        ]

    @pytest.mark.parametrize("seconds", [0, 5, 12, 25])
    def test_a_short_poll_gives_no_number(self, seconds: float) -> None:
        decision = advise(self.polls(seconds), Settings(stabilization_seconds=0.0))
        assert decision.verdict == "hold"
        assert "too young" in decision.blocked_by[0]
        (vertex_advice,) = decision.vertices
        assert (vertex_advice.recommended, vertex_advice.true_processing_rate, vertex_advice.target_rate) == (
            2,
            None,
            None,
        )

    def test_a_minute_does(self) -> None:
        decision = advise(self.polls(60), Settings(stabilization_seconds=0.0))
        assert decision.vertices[0].true_processing_rate is not None

    def test_counters_that_stand_still_while_flink_says_records_come_in_are_not_zero(self) -> None:
        decision = advise(self.polls(60, records=0), Settings(stabilization_seconds=0.0))
        assert decision.verdict == "hold"
        assert decision.vertices[0].true_processing_rate is None
        assert decision.vertices[0].recommended == 2


# ---- ended as somebody wanted


def ended(state: str = "CANCELED", **fields: Any) -> JobFacts:
    return job(state=state, ended_ms=NOW_MS - 60_000, **fields)


@pytest.mark.parametrize("state", ["FINISHED", "CANCELED", "SUSPENDED"])
def test_a_streaming_job_that_ended_for_no_known_reason_is_a_warning(state: str) -> None:
    assert assessed(ended(state)).health.level == "warning"


@pytest.mark.parametrize("state", ["FINISHED", "CANCELED", "SUSPENDED"])
def test_one_that_an_action_of_ours_ended_or_whose_spec_says_suspended_is_not_ill(state: str) -> None:
    assert assessed(ended(state, ended_by="suspend p1")).health.level == "ok"
    spec = ResourceFacts("prod", "shop", "orders", "1", desired_state="suspended")
    assert assessed(ended(state, resource=spec, namespace="shop")).health.level == "ok"


def test_a_suspended_job_waits_for_no_slot() -> None:
    facts = ended("SUSPENDED", ended_by="suspend p1")
    assert found("out-of-slots", evidence(facts, cluster=FULL)) is None
    assert found("out-of-slots", evidence(ended("SUSPENDED"), cluster=FULL)) is not None


def test_may_finish_allows_the_end_but_not_a_cancellation() -> None:
    policy = Policy(classes={"windowed": JobClass(name="windowed", may_finish=True)})
    assert assessed(ended("FINISHED"), policy).health.level == "ok"
    assert assessed(ended("CANCELED"), policy).health.level == "warning"


@pytest.mark.parametrize("state", ["FAILED", "RESTARTING"])
def test_a_failure_is_ill_whatever_an_action_did(state: str) -> None:
    assert assessed(ended(state, ended_by="upgrade p1")).health.level != "ok"


def noted(folder: Path, verb: Verb, *, at_ms: int, until_ms: int | None, job_id: str = "a" * 32) -> EndedByAction:
    """What the journal of one action makes of jobs."""
    clock = FixedClock(at_ms)
    plan = Plan(id="p1", verb=verb, target=Target("prod", "orders", job_id), created_ms=at_ms)
    Journal(folder, clock).append("planned", plan, "hash")
    if until_ms is not None:
        Journal(folder, FixedClock(until_ms)).append("finished", plan, "hash", outcome="verified")
    return EndedByAction(Journal(folder, clock))


@pytest.mark.parametrize(
    ("verb", "ended_ms", "by"),
    [
        ("suspend", NOW_MS, "suspend p1"),
        ("upgrade", NOW_MS, "upgrade p1"),
        ("savepoint-create", NOW_MS, None),
        ("rescale", NOW_MS, None),
        ("suspend", NOW_MS - 10 * MARGIN_MS, None),
        ("suspend", NOW_MS + 10 * MARGIN_MS, None),
    ],
)
def test_the_journal_tells_what_ended_in_an_action(tmp_path: Path, verb: Verb, ended_ms: int, by: str | None) -> None:
    ask = noted(tmp_path, verb, at_ms=NOW_MS - 5_000, until_ms=NOW_MS + 5_000)
    assert ask(msgspec.structs.replace(ended(), ended_ms=ended_ms)) == by


def test_of_another_job_cluster_or_namespace_it_says_nothing(tmp_path: Path) -> None:
    ask = noted(tmp_path, "suspend", at_ms=NOW_MS - 90_000, until_ms=NOW_MS)
    assert ask(ended()) == "suspend p1"
    for other in ({"id": "b" * 32}, {"cluster": "test"}, {"namespace": "shop"}):
        assert ask(msgspec.structs.replace(ended(), **other)) is None


def test_what_is_noted_later_is_seen_and_a_damaged_journal_explains_nothing(tmp_path: Path) -> None:
    ask = EndedByAction(Journal(tmp_path, FixedClock(1)))
    assert ask(ended()) is None
    noted(tmp_path, "suspend", at_ms=NOW_MS - 90_000, until_ms=NOW_MS)
    assert ask(ended()) == "suspend p1"
    Journal(tmp_path, FixedClock(1)).path.write_bytes(b"\xff\xff\n")
    assert ask(ended()) is None


def test_the_observer_asks_for_stopped_jobs_only() -> None:
    asked: list[str] = []

    class One:
        def collect(self) -> FleetSnapshot:
            return snapshot(ended(id="e" * 32, name="old"), job())

        def close(self) -> None: ...

    def ended_by(facts: JobFacts) -> str | None:
        asked.append(facts.name)
        return "suspend p1"

    seen = Observer(One(), Policy(), ended_by=ended_by).observe()
    assert asked == ["old"]
    assert [each.health.level for each in seen.assessment.jobs if each.name == "old"] == ["ok"]
    assert [each.ended_by for each in seen.snapshot.jobs] == ["suspend p1", None]
