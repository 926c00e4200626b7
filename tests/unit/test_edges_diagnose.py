"""The edges of what the doctor tells of changes and of savepoints."""

from typing import Any

import msgspec
import pytest

from flinkops.diagnose.case import SAVEPOINT_SECONDS, Case
from flinkops.diagnose.causes import in_order
from flinkops.diagnose.changes import MANY_CHECKPOINTS, between, gaps_of_facts, gaps_of_recording
from flinkops.diagnose.fleet import diagnose_fleet
from flinkops.diagnose.rules.deployment_stuck import STUCK_SECONDS
from flinkops.model.facts import CheckpointFacts, JobFacts, ResourceFacts, StuckFacts
from flinkops.model.findings import CheckpointPhase, Finding
from flinkops.model.option_names import AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES
from tests.unit import doctor_cases
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job, snapshot


def resource(image: str | None) -> ResourceFacts:
    return ResourceFacts(
        context="c", namespace="n", name="orders", kind="FlinkDeployment", resource_version="1", image=image
    )


def told(was: JobFacts, now: JobFacts) -> list[str]:
    return [each.text for each in between(snapshot(was), snapshot(now))]


def test_another_image_is_told_where_both_are_known() -> None:
    old, new = job(resource=resource("count:1")), job(resource=resource("count:2"))
    assert told(old, new) == ["image count:1 -> count:2"]
    assert told(new, old) == ["image count:2 -> count:1"]
    assert told(old, old) == []
    assert told(job(), new) == []
    assert told(old, job()) == []


@pytest.mark.parametrize(
    ("kept", "since_ms", "gap"), [(10, 0, True), (9, 0, False), (10, NOW_MS, False), (0, 0, False)]
)
def test_a_full_list_of_checkpoints_may_have_lost_some(kept: int, since_ms: int, gap: bool) -> None:
    assert MANY_CHECKPOINTS == 10
    history = tuple(checkpoint(kept - number, NOW_MS - 1_000 * number) for number in range(kept))
    facts = job(checkpoints=checkpoints(history=history))
    assert bool(list(gaps_of_facts(facts, since_ms))) is gap


@pytest.mark.parametrize(
    ("fields", "near"),
    [
        ({"status": "IN_PROGRESS", "acknowledged_ms": None}, True),
        ({"status": "IN_PROGRESS", "acknowledged_ms": 0}, True),
        ({"status": "COMPLETED", "acknowledged_ms": None}, False),
        ({"acknowledged_ms": NOW_MS - round(SAVEPOINT_SECONDS * 1000)}, False),
        ({"acknowledged_ms": NOW_MS - round(SAVEPOINT_SECONDS * 1000) + 1}, True),
        ({"status": "FAILED", "acknowledged_ms": None, "failed_ms": NOW_MS - 1}, True),
    ],
)
def test_a_savepoint_is_near_while_it_is_taken_and_shortly_after(fields: dict[str, Any], near: bool) -> None:
    savepoint: CheckpointFacts = checkpoint(7, NOW_MS - 100_000, is_savepoint=True)
    history = (msgspec.structs.replace(savepoint, **fields), checkpoint(6, NOW_MS - 200_000))
    case = Case(doctor_cases.evidence(doctor_cases.job(checkpoints=checkpoints(history=history))))
    assert bool(case.savepoint_near) is near


class TestOneCauseOfMany:
    def shared(self, *jobs: JobFacts) -> list[list[str]]:
        """The titles of the shared causes, by job in the order given."""
        found = {each.name: each for each in diagnose_fleet([doctor_cases.evidence(facts) for facts in jobs])}
        return [
            [each.title.split(":")[0] for each in found[facts.name].findings if each.code == "shared-cause"]
            for facts in jobs
        ]

    def failed(self, name: str, taskmanager: str, seconds_ago: float = 1.0) -> JobFacts:
        thrown = msgspec.structs.replace(doctor_cases.thrown(seconds_ago), taskmanager=taskmanager)
        return doctor_cases.job(name=name, id=name * 32, exceptions=(thrown,), restarts=1)

    def test_three_with_the_same_exception(self) -> None:
        same = "3 jobs have the same exception"
        healthy = doctor_cases.job(name="d", id="d" * 32)
        three = [self.failed(name, f"tm-{name}") for name in "abc"]
        assert self.shared(*three, healthy) == [[same], [same], [same], []]
        assert self.shared(*three[:2], healthy) == [[], [], []]

    def test_at_the_same_taskmanager(self) -> None:
        found = self.shared(*(self.failed(name, "tm") for name in "abc"))
        assert found[0] == ["3 jobs have the same exception", "3 jobs have an exception at the same TaskManager"]

    @pytest.mark.parametrize(("seconds_ago", "recent"), [(899.999, True), (900.0, False)])
    def test_of_the_last_quarter_of_an_hour(self, seconds_ago: float, recent: bool) -> None:
        assert bool(self.shared(*(self.failed(name, "tm", seconds_ago) for name in "abc"))[0]) is recent


@pytest.mark.parametrize(
    ("seconds", "severity"), [(None, "critical"), (STUCK_SECONDS - 0.001, "info"), (STUCK_SECONDS, "critical")]
)
def test_a_stuck_pod_is_grave_once_it_lasts(seconds: float | None, severity: str) -> None:
    since_ms = None if seconds is None else NOW_MS - round(seconds * 1000)
    stuck = StuckFacts(code="image", object="pod/a", text="it cannot be pulled", since_ms=since_ms)
    facts = job(state="RECONCILING", resource=msgspec.structs.replace(resource("count:1"), stuck=(stuck,)))
    finding = doctor_cases.found("deployment-stuck", doctor_cases.evidence(facts))
    assert finding is not None
    assert finding.severity == severity
    assert [each.value for each in finding.evidence[1:]] == ([] if seconds is None else [seconds])


@pytest.mark.parametrize(
    ("code", "settings", "bounded"),
    [
        ("quota", {AUTOSCALER_ENABLED: "true", OVERRIDES: "a:3"}, True),
        ("unschedulable", {AUTOSCALER_ENABLED: "true", OVERRIDES: "a:3"}, True),
        ("image", {AUTOSCALER_ENABLED: "true", OVERRIDES: "a:3"}, False),  # it asks for nothing that is not there
        ("quota", {AUTOSCALER_ENABLED: "false", OVERRIDES: "a:3"}, False),
        ("quota", {OVERRIDES: "a:3"}, False),
        ("quota", {AUTOSCALER_ENABLED: "true"}, False),  # it has decided nothing
    ],
)
def test_an_autoscaler_that_asks_for_more_than_there_is_room_for_is_to_be_bounded(
    code: str, settings: dict[str, str], bounded: bool
) -> None:
    stuck = StuckFacts(code=code, object="team-quota", text="no room")
    facts = job(configuration=settings, resource=msgspec.structs.replace(resource("count:1"), stuck=(stuck,)))
    finding = doctor_cases.found("deployment-stuck", doctor_cases.evidence(facts))
    assert finding is not None
    assert (finding.remedy[0].key == "job.autoscaler.vertex.max-parallelism") is bounded


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("phase", "cause"),
    [("sync", "checkpoint-timeout"), ("waiting", "backpressure"), ("unknown", "backpressure"), ("async", None)],
)
def test_which_of_two_is_behind_the_other_is_told_by_the_phase(first: bool, phase: str, cause: str | None) -> None:
    checkpoints_ = Finding("checkpoint-timeout", "warning", 0.9, "slow", phase=CheckpointPhase(phase))
    noted = Finding("checkpoint-timeout", "info", 0.9, "slow once", phase=CheckpointPhase.SYNC)
    pressed, other = Finding("backpressure", "warning", 0.9, "held up"), Finding("source-idle", "warning", 0.1, "idle")
    given = [noted, other, pressed, checkpoints_]
    found = {each.code: each.caused_by for each in in_order(given if first else given[::-1]) if each.severity != "info"}
    assert {by for by in found.values() if by} == ({cause} if cause else set())


@pytest.mark.parametrize(
    ("code", "symptom", "follows"),
    [
        ("watermark-delay", "state-bloat", True),  # windows pile up
        ("watermark-delay", "source-idle", False),
        ("restart-loop", "out-of-slots", False),  # not of an error that ends no TaskManager
        ("state-bloat", "gc-pressure", False),  # it is on disk
    ],
)
def test_what_follows_from_what(code: str, symptom: str, follows: bool) -> None:
    found = {
        each.code: each.caused_by
        for each in in_order([Finding(code, "warning", 0.9, "a"), Finding(symptom, "warning", 0.9, "b")])
    }
    assert (found[symptom] == code) is follows


def test_a_job_of_which_nothing_can_be_said_comes_before_the_worst() -> None:
    gone = doctor_cases.evidence(doctor_cases.job(name="gone", id="9" * 32, state="UNKNOWN"))
    ill = doctor_cases.evidence(doctor_cases.held_up())
    told = diagnose_fleet([ill, gone])
    assert told[0].score is None or told[0].score <= (told[1].score or 0)
    assert [each.name for each in told] == ["gone", "orders"]


def test_a_snapshot_after_the_span_is_not_of_it() -> None:
    hour = 3_600_000
    (gap,) = gaps_of_recording([2 * hour + 1], hour, 2 * hour)
    assert gap.why == "it has no snapshot of this time"
    (gap,) = gaps_of_recording([hour - 1], hour, 2 * hour)
    assert gap.why == "it has no snapshot of this time"
    assert len(list(gaps_of_recording([hour], hour, 2 * hour))) == 1
    assert len(list(gaps_of_recording([2 * hour], hour, 2 * hour))) == 1
    assert list(gaps_of_recording([hour + 60_000], hour, hour + 120_000)) == []


def test_polls_since_the_execution_began_are_its_own() -> None:
    facts = doctor_cases.job(running_since_ms=NOW_MS - 30_000)
    polls = [doctor_cases.sample(ago) for ago in (30.001, 30.0, 0.001, 0.0)]
    case = Case(doctor_cases.evidence(facts, polls))
    assert [NOW_MS - each.at_ms for each in case.past] == [30_000, 1]
    assert case.polls[-1].at_ms == NOW_MS
