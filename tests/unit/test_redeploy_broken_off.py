"""Upgrades without an operator that are killed, interrupted or left without an answer in the middle."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from flinkops.act.control import JarRun
from flinkops.act.executor import Progress
from flinkops.errors import Interrupted, Refused
from flinkops.model.request import Change
from flinkops.plan.identity import derived_id
from tests.effort import variants
from tests.unit.fake_cluster import SAVEPOINTS
from tests.unit.rest_bench import Bench, rescale, rolled_back
from tests.victim import waiting_at


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def killed_at(bench: Bench, place: str, jar: str) -> Bench:
    def act(progress: Callable[[Progress], None]) -> None:
        own = Bench(bench.folder)
        own.cluster.state.looping_jars = ["loop.jar"]
        own.cluster.save()
        own.executor(progress).run(own.plan(Change(jar=jar)))

    with waiting_at(place, act) as victim:
        assert victim.end(signal.SIGKILL)[0] == -signal.SIGKILL
    return Bench(bench.folder)


@pytest.mark.parametrize(
    "place",
    [
        "intent prepare",
        "intent compile",
        "outcome compile",
        "intent stop",
        "outcome stop",
        "intent savepoint",
        "outcome savepoint",
        "intent stopped",
        "intent check",
        "intent submit",
        "note submit",
        "outcome submit",
        "intent running",
        "intent stable",
    ],
)
@pytest.mark.thorough
def test_killed_at_a_step_the_upgrade_goes_on_to_its_end(bench: Bench, place: str) -> None:
    after = killed_at(bench, place, "new.jar")
    result = after.executor().resume("p1")
    assert result.outcome == "verified"
    assert after.live() == [derived_id("p1", "job")]
    assert after.cluster.state.orders == ["stop", f"run new.jar from {SAVEPOINTS}/savepoint-1"]


@pytest.mark.parametrize(
    "place", variants("intent old-submit", "outcome stable", "intent stop-new", "intent old-stable")
)
def test_killed_in_the_rollback_it_resumes_it(bench: Bench, place: str) -> None:
    after = killed_at(bench, place, "loop.jar")
    rolled_back(after, after.executor().resume("p1"))


def test_ctrl_c_in_the_middle_says_how_to_go_on(bench: Bench) -> None:
    def interrupt(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "submit"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        bench.executor(interrupt).run(bench.plan(Change(parallelism=2)))
    assert "action resume p1" in stopped.value.line()
    assert bench.executor().resume("p1").outcome == "verified"


def test_a_job_in_the_middle_of_a_change_is_not_ready_for_another(bench: Bench) -> None:
    def interrupt(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("outcome", "prepare"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        bench.executor(interrupt).run(bench.plan(Change(parallelism=2)))
    with pytest.raises(Refused) as refused:
        bench.executor().run(rescale(bench, 3))
    assert "action resume p1" in refused.value.line()
    bench.executor().abandon("p1")
    assert bench.executor().run(rescale(bench, 3)).outcome == "verified"
    with pytest.raises(Refused, match="abandoned"):
        bench.executor().resume("p1")


def test_a_job_that_was_started_by_hand_meanwhile_is_not_doubled(bench: Bench) -> None:
    def interrupt(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "submit"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        bench.executor(interrupt).run(bench.plan(Change(parallelism=2)))
    by_hand = "b" * 32
    bench.cluster.run_jar(
        JarRun("old.jar"), job_id=by_hand, savepoint=f"{SAVEPOINTS}/savepoint-1", parallelism=1, settings={}
    )
    result = bench.executor().resume("p1")
    assert result.outcome == "failed"
    assert f"runs already: {by_hand}" in (result.error or "")
    assert bench.live() == [by_hand]


def test_a_submission_without_an_answer_is_searched_for(bench: Bench) -> None:
    bench.cluster.swallows_answers = True
    assert bench.executor().run(bench.plan(Change(parallelism=2))).outcome == "verified"
    assert bench.live() == [derived_id("p1", "job")]


def test_nothing_is_taken_back_while_nobody_knows_whether_it_was_submitted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flinkops.act.rest.steps._KNOWN_WITHIN_SECONDS", 0.02)
    bench.cluster.swallows_requests = True
    result = bench.executor().run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "timed-out"
    assert "action resume p1" in (result.next_command or "")
    assert bench.live() == []
    bench.cluster.swallows_requests = False
    assert bench.executor().resume("p1").outcome == "verified"
    assert bench.live() == [derived_id("p1", "job")]
