"""A rescale is no restart: what verifies a change, what health and the doctor say of it, on Flink 1.20 and 2.x."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from flinkops.act import rest_cache, stability_steps
from flinkops.act.outcomes import StabilitySeen
from flinkops.act.running import StepRun
from flinkops.assess import assess
from flinkops.clock import FixedClock
from flinkops.config.policy import Policy
from flinkops.errors import OperationFailed
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, ExceptionFacts, JobFacts, VertexFacts
from flinkops.model.plan import Plan, Target
from flinkops.plan.step_inputs import VerifyStable
from flinkops.sources.flink import job_poller
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Recording, serving
from tests.patience import PATIENT_SECONDS
from tests.unit.builders import NOW_MS, job, snapshot
from tests.unit.doctor_cases import evidence, found, sample, thrown

VERTEX = VertexFacts(id="v", name="all", parallelism=2, status="RUNNING")


def seen(running_since_ms: int | None, *triggered: int, **fields: Any) -> JobFacts:
    """The job as one answer has it, with the checkpoints triggered at these times."""
    history = tuple(CheckpointFacts(id=at, status="COMPLETED", triggered_ms=at) for at in triggered)
    points = CheckpointsFacts(enabled=True, completed=40 + len(triggered), history=history)
    facts = {"restarts": 0, "started_ms": 1, "state": "RUNNING", "vertices": (VERTEX,), **fields}
    return JobFacts(
        id="a", name="n", cluster="c", seen_ms=1, checkpoints=points, running_since_ms=running_since_ms, **facts
    )


class Scripted:
    """A control that answers with these, the last one again and again."""

    name = "c"

    def __init__(self, *jobs: JobFacts, failures: tuple[ExceptionFacts, ...] = (), late: int = 0) -> None:
        self._jobs = list(jobs)
        self._failures = failures
        self._late = late  # so many answers know nothing of the failures yet

    def job(self, _job_id: str) -> JobFacts:
        return self._jobs.pop(0) if len(self._jobs) > 1 else self._jobs[0]

    def failures(self, _job_id: str) -> tuple[ExceptionFacts, ...]:
        self._late -= 1
        return () if self._late >= 0 else self._failures


def stable(control: Scripted, checkpoints: int = 1) -> StabilitySeen:
    plan = Plan(id="p", verb="rescale", target=Target(source="c", job_name="n", job_id="a"), created_ms=1)
    run = StepRun(
        control=control,  # type: ignore[arg-type]
        plan=plan,
        clock=FixedClock(1),
        ends=10.0,
        poll_seconds=0.001,
        note=lambda _: None,
    )
    return stability_steps.verify_stable(run, VerifyStable(checkpoints))


def test_a_counter_that_is_late_with_a_rescale_undoes_no_good_change() -> None:
    """As it happened on Flink 1.20.5: numRestarts rose 10 s after the rescale that it counted."""
    result = stable(Scripted(seen(100, restarts=1), seen(100, 150, restarts=2), seen(100, 150, 160, restarts=2)), 2)
    assert result == StabilitySeen(2, 0)


def test_a_failure_since_it_runs_so_is_a_restart() -> None:
    failure = ExceptionFacts(at_ms=120, name="X", message="X: poison\nCaused by: Y: a bad record")
    with pytest.raises(OperationFailed, match="restarted after the change: Caused by: Y: a bad record"):
        stable(Scripted(seen(100), seen(100, 110), seen(130), failures=(failure,)), 2)


def test_a_failure_of_before_the_change_is_none() -> None:
    old = ExceptionFacts(at_ms=90, name="X", message="X: long ago")
    assert stable(Scripted(seen(100), seen(100, 150), failures=(old,))).restarts_after == 0


def test_somebody_elses_rescale_is_waited_out_and_is_none_either() -> None:
    control = Scripted(seen(100), seen(130), seen(130, 140), seen(130, 140, 150))
    assert stable(control, 2).checkpoints_after == 2


def test_a_failure_that_comes_late_out_of_the_cache_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_cache, "CACHE_SECONDS", 60.0)
    failure = ExceptionFacts(at_ms=120, name="X", message="X: late")
    control = Scripted(seen(100), seen(130, 140), failures=(failure,), late=2)
    with pytest.raises(OperationFailed, match="X: late"):
        stable(control)


def test_a_jobmanager_that_was_lost_started_the_job_anew() -> None:
    with pytest.raises(OperationFailed, match="its JobManager was lost"):
        stable(Scripted(seen(100), seen(130, 140, started_ms=2)))


def test_checkpoints_of_before_the_change_do_not_count() -> None:
    """A counter out of the cache would have taken 90, which was triggered before the job ran so."""
    control = Scripted(seen(100), seen(100, 90), seen(100, 90, 110))
    assert stable(control) == StabilitySeen(1, 0)


def test_without_a_time_the_counter_is_all_there_is() -> None:
    with pytest.raises(OperationFailed, match="restarted 2 times"):
        stable(Scripted(seen(None, restarts=1), seen(None, 5, restarts=3)))


# --- what the poller, health and the doctor make of it -----------------------------------------------------------


def three_rescales(**fields: Any) -> JobFacts:
    return msgspec.structs.replace(job(), restarts=3, running_since_ms=NOW_MS - 20_000, **fields)


PAST = [sample(500, restarts=0), sample(300, restarts=1), sample(100, restarts=2)]


def codes(facts: JobFacts) -> set[str]:
    assessment = assess(snapshot(facts), {facts.key: tuple(PAST)}, Policy()).jobs[0]
    return {one.code.value for one in assessment.health.reasons}


def test_three_rescales_within_ten_minutes_on_flink_1_20_are_no_restart_loop() -> None:
    facts = three_rescales(restarts_include_rescales=True)
    assert not codes(facts) & {"restart-loop", "job-restarted"}
    assert found("restart-loop", evidence(facts, PAST)) is None


def test_three_failures_are_one_there_too() -> None:
    facts = three_rescales(restarts_include_rescales=True, exceptions=(thrown(30), thrown(90), thrown(150)))
    assert "restart-loop" in codes(facts)
    finding = found("restart-loop", evidence(facts, PAST))
    assert finding is not None
    assert finding.severity == "critical"


def test_a_counter_without_rescales_counts_without_exceptions() -> None:
    assert "restart-loop" in codes(three_rescales())


@pytest.mark.parametrize(
    ("recording", "metrics", "restarts", "mixed"),
    [
        ("flink-2.3-count", {"numRestarts": "4", "numRescales": "3"}, 1, False),
        ("flink-2.3-count", {"numRestarts": "0", "numRescales": "0"}, 0, False),
        ("flink-1.20-windows", {"numRestarts": "4"}, 4, True),
    ],
)
def test_the_poller_counts_rescales_apart_where_flink_does(
    recording: str, metrics: dict[str, str], restarts: int, mixed: bool
) -> None:
    content = Recording.load(recording)
    job_id = next(one["jid"] for one in content.jobs if one["state"] == "RUNNING")
    content.values[f"/jobs/{job_id}"].update(metrics)
    cluster = FakeFlink(content)
    with serving(cluster):
        source = FlinkRestSource(parse_endpoint(cluster.url))
        facts = next(one for one in source.poll(PATIENT_SECONDS).jobs if one.id == job_id)
        source.close()
    assert (facts.restarts, facts.restarts_include_rescales) == (restarts, mixed)


def polled(
    metrics: dict[str, str], path: str, answers: Sequence[Any], told: Callable[[JobFacts], list[Any]]
) -> tuple[list[list[Any]], list[int]]:
    """What each poll tells as the answer of that path changes, and how often it has been asked by then."""
    content = Recording.load("flink-2.3-count")
    job_id = next(one["jid"] for one in content.jobs if one["state"] == "RUNNING")
    content.values[f"/jobs/{job_id}"].update(metrics)
    path = f"/jobs/{job_id}/{path}"
    cluster = FakeFlink(content)
    seen, asked = [], []
    with serving(cluster):
        source = FlinkRestSource(parse_endpoint(cluster.url))
        for answer in answers:
            content.answers[path] = answer
            seen.append(told(next(one for one in source.poll(PATIENT_SECONDS).jobs if one.id == job_id)))
            asked.append(sum(path in each for each in cluster.requests))
        source.close()
    return seen, asked


@pytest.mark.parametrize("settled_ms", [60_000, 0])
def test_a_history_that_flink_remembers_from_before_a_rescale_is_asked_again(
    settled_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flink answers from a cache of 3 s: the first answer after a rescale may be without it; later none is asked."""
    monkeypatch.setattr(job_poller, "SETTLED_MS", settled_ms)
    before = {"startTimestampInMillis": 1_000, "triggerCause": "INITIAL_SCHEDULE"}
    after = {"startTimestampInMillis": 2_000, "triggerCause": "UPDATE_REQUIREMENT"}
    answers = ([before], [after, before], [after, before])
    metrics = {"numRestarts": "0", "numRescales": "1"}
    seen = polled(metrics, "rescales/history", answers, lambda facts: [each.cause for each in facts.rescales])
    old, new = ["INITIAL_SCHEDULE"], ["UPDATE_REQUIREMENT", "INITIAL_SCHEDULE"]
    assert seen == (([old, new, new], [1, 2, 3]) if settled_ms else ([old, old, old], [1, 1, 1]))


@pytest.mark.parametrize("settled_ms", [60_000, 0])
def test_exceptions_that_flink_remembers_from_before_a_failure_are_asked_again(
    settled_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose TaskManager ended, and that waits for another, changes no more: the empty answer was kept."""
    monkeypatch.setattr(job_poller, "SETTLED_MS", settled_ms)
    failure = {
        "exceptionName": "x.Failed",
        "stacktrace": "x.Failed: no",
        "timestamp": 1_000,
        "concurrentExceptions": [],
    }
    answers = [{"exceptionHistory": {"entries": entries, "truncated": False}} for entries in ([], [failure], [failure])]
    seen = polled({"numRestarts": "1"}, "exceptions", answers, lambda facts: [each.name for each in facts.exceptions])
    new = ["x.Failed"]
    assert seen == (([[], new, new], [1, 2, 3]) if settled_ms else ([[], [], []], [1, 1, 1]))
