"""Upgrades without an operator: on a cluster that is a state machine, with jars that work and jars that do not."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from flinkops.act.control import JarRun
from flinkops.act.document import action_document
from flinkops.act.executor import Executor, Progress
from flinkops.act.inventory import References, savepoints_of
from flinkops.act.journal import Journal
from flinkops.act.rest.launching import known_launch, launch_before
from flinkops.act.rest.prepare import prepare
from flinkops.clock import SystemClock
from flinkops.errors import Denied, Interrupted, Refused, UsageError
from flinkops.model.launch import Launch
from flinkops.model.plan import Plan, Result
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.redeploy import RedeployVerb, changed_launch, plan_redeploy, plan_resume, plan_suspend
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.step_inputs import SubmitJob
from tests.unit.fake_cluster import JOB_ID, SAVEPOINTS, UNCOMPILABLE_JAR, FakeCluster, FakeJob
from tests.victim import waiting_at

NO_TERMS = Terms()
OLD = Launch("jar", ("--topic", "prices"), jar_id="old.jar", parallelism=1)


class Bench:
    """A fake cluster whose job came from a known jar."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = FakeCluster(folder / "cluster.json")
        self.journal = Journal(folder / "journal", SystemClock())

    def executor(
        self, progress: Callable[[Progress], None] = lambda _progress: None, seconds: float = 10.0
    ) -> Executor:
        return Executor(
            self.cluster,
            self.journal,
            SystemClock(),
            timeout_seconds=seconds,
            poll_seconds=0.001,
            progress=progress,
        )

    def plan(
        self,
        change: Change,
        *,
        plan_id: str = "p1",
        old: Launch | None = OLD,
        verb: RedeployVerb = "upgrade",
        job_id: str = JOB_ID,
        terms: Terms = NO_TERMS,
    ) -> Plan:
        facts = self.cluster.job(job_id)
        assert facts is not None
        new = changed_launch(old, change)
        return plan_redeploy(verb, facts, old, new, self.cluster.cluster(), Stamp(plan_id, 10_000), terms)

    def live(self) -> list[str]:
        return [job.id for job in self.cluster.state.jobs.values() if job.state in ("RUNNING", "INITIALIZING")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(), "none"),
        (Change(parallelism=2), "scale"),
        (Change(parallelism=2, arguments=("--x",)), "upgrade"),
        (Change(settings={"parallelism": "2"}), "upgrade"),  # a setting may have any name
        (Change(jar="new.jar"), "upgrade"),
    ],
)
def test_the_class_of_a_change(bench: Bench, change: Change, expected: str) -> None:
    assert bench.plan(change).change == expected


def test_an_upgrade_is_restored_from_the_savepoint_that_stopped_the_job(bench: Bench) -> None:
    plan = bench.plan(Change(parallelism=2))
    result = bench.executor().run(plan)
    assert (plan.change, plan.diff) == ("scale", ("parallelism: 1 -> 2",))
    assert result.outcome == "verified"
    assert result.seen["restored_from"] == result.seen["savepoint"] == f"{SAVEPOINTS}/savepoint-1"
    assert bench.cluster.state.orders == ["stop", f"run old.jar from {SAVEPOINTS}/savepoint-1"]
    assert bench.live() == [derived_id("p1", "job")]
    document = action_document(plan, result)["result"]
    assert document["new_job_id"] == derived_id("p1", "job")
    assert document["old_job_id"] == JOB_ID
    assert document["checkpoints_after"] >= 2
    assert document["restarts_after"] == 0
    assert isinstance(document["downtime_seconds"], float | None)


def rolled_back(bench: Bench, result: Result) -> None:
    assert result.outcome == "rolled-back"
    assert bench.live() == [derived_id("p1", "old job")]
    back = bench.cluster.state.jobs[derived_id("p1", "old job")]
    assert back.restored == f"{SAVEPOINTS}/savepoint-1"
    assert bench.cluster.state.orders.count("stop") == 1


def test_a_program_that_does_not_start_is_taken_back(bench: Bench) -> None:
    bench.cluster.state.bad_jars = ["bad.jar"]
    result = bench.executor().run(bench.plan(Change(jar="bad.jar")))
    rolled_back(bench, result)
    assert "main method caused an error" in (result.error or "")


def test_a_program_without_a_job_graph_is_found_while_the_old_job_runs(bench: Bench) -> None:
    result = bench.executor().run(bench.plan(Change(jar=UNCOMPILABLE_JAR)))
    assert (result.outcome, result.steps[-1].name) == ("failed", "compile")
    assert "no such topic" in (result.error or "")
    assert (bench.live(), bench.cluster.state.orders) == ([JOB_ID], [])


def test_an_upgrade_offers_a_rehearsal_until_it_has_one(bench: Bench) -> None:
    offered = bench.plan(Change(parallelism=2))
    assert any("--rehearse tries it before: about" in risk for risk in offered.risks)
    rehearsed = bench.plan(Change(parallelism=2), terms=Terms(rehearse=True, accept_loss=("count",)))
    assert not any("--rehearse" in risk for risk in rehearsed.risks)
    assert any("main runs on this machine" in why for why in rehearsed.why)
    names = [step.name for step in rehearsed.steps]
    assert names[:4] == ["prepare", "rehearse", "measure", "compile"]
    assert all(step.only_reads for step in rehearsed.steps[: names.index("stop")])
    submits = {step.name: step.do for step in rehearsed.steps + rehearsed.rollback_steps}
    assert isinstance(submits["submit"], SubmitJob)
    assert isinstance(submits["old-submit"], SubmitJob)
    assert (submits["submit"].drops_state, submits["old-submit"].drops_state) == (True, False)


def test_a_rehearsal_that_fails_refuses_before_anything_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"verdict": "loses-state", "cause": "count does not open its state n any more", "lost": ("c1",)}
    found = Rehearsal("prices", **answers)  # type: ignore[arg-type]
    monkeypatch.setattr("flinkops.act.rest.rehearsal_steps.rehearse", lambda *_given, **_named: found)
    result = bench.executor().run(bench.plan(Change(parallelism=2), terms=Terms(rehearse=True)))
    assert (result.outcome, result.steps[-1].name) == ("refused", "rehearse")
    assert "loses state: count does not open" in (result.error or "")
    assert result.seen["rehearsal"] == "loses-state"
    assert (bench.live(), bench.cluster.state.orders) == ([JOB_ID], [])
    assert not bench.journal.record("p1").resumable
    accepted = bench.plan(Change(parallelism=2), plan_id="p2", terms=Terms(rehearse=True, accept_loss=("c1",)))
    assert bench.executor().run(accepted).outcome == "verified"


def test_a_rehearsal_that_cannot_tell_stops_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINK_HOME", str(bench.folder))  # no Flink there
    result = bench.executor().run(bench.plan(Change(parallelism=2), terms=Terms(rehearse=True)))
    assert result.outcome == "verified"
    assert result.seen["rehearsal"] == "cannot-tell"
    assert "upload folder" in result.seen["rehearsal_cause"] or "no Flink" in result.seen["rehearsal_cause"]


def test_a_program_that_restarts_is_taken_back(bench: Bench) -> None:
    bench.cluster.state.looping_jars = ["loop.jar"]
    result = bench.executor().run(bench.plan(Change(jar="loop.jar")))
    rolled_back(bench, result)
    assert "restarted" in (result.error or "")
    assert "does not work" in (result.error or "")
    assert f"cancel {derived_id('p1', 'job')[:4]}" in bench.cluster.state.orders


def test_a_jar_that_is_not_there_is_noticed_while_the_old_job_runs(bench: Bench) -> None:
    result = bench.executor().run(bench.plan(Change(jar="typo.jar")))
    assert result.outcome == "failed"
    assert "no jar typo.jar" in (result.error or "")
    assert bench.live() == [JOB_ID]
    assert bench.cluster.state.orders == []


def test_a_stop_that_fails_leaves_the_old_job_as_it_was(bench: Bench) -> None:
    bench.cluster.savepoint_failure = "disk full"
    result = bench.executor().run(bench.plan(Change(parallelism=2)))
    assert result.outcome == "rolled-back"
    assert "disk full" in (result.error or "")
    assert bench.live() == [JOB_ID]
    assert bench.cluster.state.orders == ["stop"]


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
def test_killed_at_a_step_the_upgrade_goes_on_to_its_end(bench: Bench, place: str) -> None:
    after = killed_at(bench, place, "new.jar")
    result = after.executor().resume("p1")
    assert result.outcome == "verified"
    assert after.live() == [derived_id("p1", "job")]
    assert after.cluster.state.orders == ["stop", f"run new.jar from {SAVEPOINTS}/savepoint-1"]


@pytest.mark.parametrize("place", ["outcome stable", "intent stop-new", "intent old-submit", "intent old-stable"])
def test_killed_in_the_rollback_it_resumes_it(bench: Bench, place: str) -> None:
    after = killed_at(bench, place, "loop.jar")
    rolled_back(after, after.executor().resume("p1"))


def test_the_next_upgrade_knows_the_launch_of_the_last_one(bench: Bench) -> None:
    bench.executor().run(bench.plan(Change(parallelism=2)))
    new_id = derived_id("p1", "job")
    launch = known_launch(bench.cluster, bench.journal, new_id)
    assert launch == msgspec.structs.replace(OLD, parallelism=2)
    facts = bench.cluster.job(new_id)
    assert facts is not None
    assert launch_before(bench.journal, facts, None) == OLD
    with pytest.raises(UsageError):
        launch_before(bench.journal, facts, "no-such-plan")


def test_suspended_and_resumed(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    suspend = plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())
    assert bench.executor().run(suspend).outcome == "verified"
    assert bench.live() == []
    was = msgspec.to_builtins(bench.cluster.state.jobs[JOB_ID])
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    latest = savepoints_of(stopped, bench.journal)[0]
    assert References(bench.cluster, bench.journal).to(latest.path)
    del bench.cluster.state.jobs[JOB_ID]  # as after a restart of the cluster: the journal still knows
    assert References(bench.cluster, bench.journal).to(latest.path)
    bench.cluster.state.jobs[JOB_ID] = msgspec.convert(was, FakeJob)
    resume = plan_resume(stopped, OLD, latest.path, bench.cluster.cluster(), Stamp("r1", 20_000), Terms())
    result = bench.executor().run(resume)
    assert result.outcome == "verified"
    assert result.seen["restored_from"] == latest.path
    assert bench.live() == [derived_id("r1", "job")]


def test_resumed_from_a_savepoint_that_is_named(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    assert bench.executor().run(plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())).outcome == "verified"
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    request = ActionRequest("resume", Change(jar="old.jar"), start_from="s3://b/older")
    plan = prepare(bench.cluster, bench.journal, stopped, request, Stamp("r1", 20_000))
    assert plan.refused == ()
    assert bench.executor().run(plan).seen["restored_from"] == "s3://b/older"


@pytest.mark.parametrize(
    ("launch", "savepoint", "word"),
    [(None, "s3://b/1", "submitted"), (OLD, None, "empty state"), (OLD, "s3://b/1", "has not been stopped")],
)
def test_resume_refuses_to_guess(bench: Bench, launch: Launch | None, savepoint: str | None, word: str) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    plan = plan_resume(facts, launch, savepoint, bench.cluster.cluster(), Stamp("r1", 1), Terms())
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [(Change(), "nothing would change"), (Change(parallelism=9), "slots"), (Change(parallelism=200), "at most 128")],
)
def test_refused_upgrades(bench: Bench, change: Change, word: str) -> None:
    plan = bench.plan(change)
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == plan.rollback_steps == ()


def test_an_unknown_launch_is_refused_unless_the_new_one_is_given(bench: Bench) -> None:
    assert any("--jar" in reason for reason in bench.plan(Change(parallelism=2), old=None).refused)
    plan = bench.plan(Change(jar="new.jar"), old=None)
    assert plan.refused == ()
    assert plan.severe
    assert plan.rollback_steps == ()
    assert any("stays stopped" in risk for risk in plan.risks)


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


def test_the_document_is_the_contracts(bench: Bench) -> None:
    plan = bench.plan(Change(parallelism=2))
    document = action_document(plan, bench.executor().run(plan))
    assert list(document) == ["schema_version", "plan", "result"]
    wanted = {"job", "change", "diff", "requested_mode", "effective_mode", "why", "risks", "refused"}
    assert wanted <= set(document["plan"])
    wanted = {"outcome", "old_job_id", "new_job_id", "savepoint", "restored_from", "checkpoints_after"}
    assert wanted | {"restarts_after", "downtime_seconds", "steps"} <= set(document["result"])
    assert all({"name", "at", "seconds", "outcome"} <= set(step) for step in document["result"]["steps"])
    assert action_document(plan, None)["result"] is None
    assert json.loads(msgspec.json.encode(document)) == document


def test_a_restart_changes_nothing_but_the_job_id(bench: Bench) -> None:
    plan = bench.plan(Change(), verb="restart")
    assert plan.refused == ()
    assert plan.change == "none"
    assert bench.executor().run(plan).outcome == "verified"


def rescale(bench: Bench, parallelism: int) -> Plan:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    return plan_rescale(
        facts,
        bench.cluster.requirements(JOB_ID),
        bench.cluster.cluster(),
        Stamp("x1", 1),
        parallelism=parallelism,
    )


def test_rescaled_in_place(bench: Bench) -> None:
    result = bench.executor().run(rescale(bench, 3))
    assert result.outcome == "verified"
    assert bench.cluster.state.jobs[JOB_ID].parallelism == 3
    assert bench.cluster.state.orders == ["require 3"]


def test_a_rescale_that_does_not_take_is_undone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.act.stability_steps._RESCALED_WITHIN_SECONDS", 0.05)
    plan = rescale(bench, 4)
    bench.cluster.state.slots_total = 2
    result = bench.executor().run(plan)
    assert result.outcome == "rolled-back"
    assert bench.cluster.state.orders == ["require 4", "require 1"]
    assert bench.cluster.state.jobs[JOB_ID].parallelism == 1


@pytest.mark.parametrize(("parallelism", "word"), [(1, "already"), (9, "slots"), (0, "at least 1")])
def test_refused_rescales(bench: Bench, parallelism: int, word: str) -> None:
    plan = rescale(bench, parallelism)
    assert any(word in reason for reason in plan.refused)
    assert plan.steps == plan.rollback_steps == ()


def test_a_reactive_cluster_is_not_rescaled(bench: Bench) -> None:
    """It takes all slots there are: bounds that are required mean nothing to it."""
    bench.cluster.configuration = {**bench.cluster.configuration, "scheduler-mode": "REACTIVE"}
    plan = rescale(bench, 3)
    assert any("scheduler-mode is reactive" in reason for reason in plan.refused)
    assert plan.steps == ()


def test_a_rescale_without_checkpoints_or_with_unknown_slots_is_refused(bench: Bench) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    unknown = msgspec.structs.replace(bench.cluster.cluster(), slots_available=None)
    plan = plan_rescale(facts, bench.cluster.requirements(JOB_ID), unknown, Stamp("x", 1), parallelism=2)
    assert any("not known" in reason for reason in plan.refused)
    blind = msgspec.structs.replace(facts, checkpoints=None)
    plan = plan_rescale(
        blind, bench.cluster.requirements(JOB_ID), bench.cluster.cluster(), Stamp("x", 1), parallelism=2
    )
    assert any("checkpoints" in reason for reason in plan.refused)


def test_a_resume_that_fails_says_that_the_job_is_still_stopped_and_how_to_start_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    assert bench.executor().run(plan_suspend(facts, OLD, Stamp("s1", 10_000), Terms())).outcome == "verified"

    def deny(*_args: object, **_options: object) -> None:
        raise Denied("no permission")

    monkeypatch.setattr(bench.cluster, "run_jar", deny)
    stopped = bench.cluster.job(JOB_ID)
    assert stopped is not None
    latest = savepoints_of(stopped, bench.journal)[0].path
    plan = plan_resume(stopped, OLD, latest, bench.cluster.cluster(), Stamp("r1", 10_000), Terms())
    result = bench.executor().run(plan)
    assert result.outcome == "failed"
    assert f"no permission; prices is stopped, as before; its savepoint is {latest}" in (result.error or "")
    assert result.next_command == f"flinkops resume prices --from {latest}"
