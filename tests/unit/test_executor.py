"""The executor on a cluster that is a state machine."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from flinkops.act.executor import Executor, Progress
from flinkops.act.inventory import References, savepoints_of
from flinkops.act.journal import Journal
from flinkops.cli import main
from flinkops.cli.run_action import exit_code
from flinkops.clock import SystemClock
from flinkops.errors import Denied, ExitCode, Interrupted, Refused, Unreachable
from flinkops.local.signals import signals_interrupt
from flinkops.model.plan import Plan, Step
from flinkops.model.request import Change
from flinkops.model.steps import UnknownInput
from flinkops.plan.identity import Stamp
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.plan.step_inputs import AwaitSavepoint, TriggerSavepoint
from tests.effort import variants
from tests.patience import polled_clock
from tests.unit.fake_cluster import JOB_ID, SAVEPOINTS, FakeCluster
from tests.unit.rest_bench import Bench as RedeployBench
from tests.victim import waiting_at


class Bench:
    """A fake cluster, a journal and an executor for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = FakeCluster(folder / "cluster.json")
        self.clock = polled_clock()
        self.journal = Journal(folder / "journal", SystemClock())
        self.told: list[Progress] = []

    def executor(
        self,
        *,
        read_only: bool = False,
        timeout_seconds: float = 5.0,
        progress: Callable[[Progress], None] | None = None,
    ) -> Executor:
        return Executor(
            self.cluster,
            self.journal,
            self.clock,
            guard="a test" if read_only else None,
            timeout_seconds=timeout_seconds,
            poll_seconds=0.001,
            progress=progress or self.told.append,
        )

    def plan(self, plan_id: str = "p1", *, job_id: str = JOB_ID) -> Plan:
        facts = self.cluster.job(job_id)
        assert facts is not None
        return plan_savepoint(facts, Stamp(plan_id, 10_000))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_savepoint_is_taken_once_and_what_was_seen_is_the_result(bench: Bench) -> None:
    result = bench.executor().run(bench.plan())
    assert result.outcome == "verified"
    assert result.seen["savepoint"] == f"{SAVEPOINTS}/savepoint-1"
    assert result.seen["files"].startswith("unknown: storage s3:")
    assert bench.cluster.state.orders == ["savepoint"]
    assert bench.journal.record("p1").outcome == "verified"


def test_intent_is_on_disk_before_the_step_and_told_after(bench: Bench) -> None:
    lines: list[tuple[str, int]] = []

    def polled(progress: Progress) -> None:
        lines.append((progress.kind, len(list(bench.journal.entries()))))
        if (progress.kind, progress.step) == ("intent", "trigger"):
            assert bench.cluster.state.orders == []

    bench.executor(progress=polled).run(bench.plan())
    assert lines[0] == ("planned", 1)
    assert lines[1] == ("intent", 2)
    assert lines[-1] == ("finished", 8)


def test_read_only_changes_nothing(bench: Bench) -> None:
    with pytest.raises(Refused, match="read-only"):
        bench.executor(read_only=True).run(bench.plan())
    assert bench.cluster.state.orders == []
    assert bench.journal.records() == ()


def test_read_only_refuses_to_resume_too(bench: Bench) -> None:
    bench.journal.append("planned", bench.plan(), "h")
    with pytest.raises(Refused, match="read-only"):
        bench.executor(read_only=True).resume("p1")


def test_a_refused_plan_is_not_carried_out(bench: Bench) -> None:
    plan = msgspec.structs.replace(bench.plan(), refused=("because",))
    with pytest.raises(Refused, match="because"):
        bench.executor().run(plan)
    assert bench.cluster.state.orders == []


def test_preconditions_are_asked_again(bench: Bench) -> None:
    plan = bench.plan()
    bench.cluster.state.jobs[JOB_ID].state = "RESTARTING"
    with pytest.raises(Refused, match="moved since"):
        bench.executor().run(plan)
    assert bench.cluster.state.orders == []


def test_a_job_submitted_again_is_another_job(bench: Bench) -> None:
    plan = bench.plan()
    del bench.cluster.state.jobs[JOB_ID]
    with pytest.raises(Refused, match="gone"):
        bench.executor().run(plan)


def test_another_clusters_plan_is_refused(bench: Bench) -> None:
    plan = bench.plan()
    target = msgspec.structs.replace(plan.target, source="elsewhere")
    with pytest.raises(Refused, match="elsewhere"):
        bench.executor().run(msgspec.structs.replace(plan, target=target))


def test_an_unknown_action_is_refused_before_anything_happens(bench: Bench) -> None:
    fly = Step("fly", UnknownInput("fly-to-the-moon", {}))
    plan = msgspec.structs.replace(bench.plan(), steps=(*bench.plan().steps, fly))
    with pytest.raises(Refused, match="fly-to-the-moon"):
        bench.executor().run(plan)
    assert bench.cluster.state.orders == []


def test_a_cluster_that_is_away_for_a_while_is_asked_again(bench: Bench) -> None:
    plan = bench.plan()

    def away(progress: Progress) -> None:
        if progress.kind == "intent":
            bench.cluster.unreachable_answers = 5

    assert bench.executor(progress=away).run(plan).outcome == "verified"
    assert bench.cluster.state.orders == ["savepoint"]


def test_a_failed_savepoint_says_why(bench: Bench) -> None:
    bench.cluster.savepoint_failure = "Failed to create savepoint directory"
    result = bench.executor().run(bench.plan())
    assert result.outcome == "failed"
    assert "Failed to create savepoint directory" in (result.error or "")
    assert "savepoint" not in result.seen


def test_no_outcome_in_time_is_a_timeout_that_can_go_on(bench: Bench) -> None:
    bench.cluster = FakeCluster(bench.folder / "cluster.json", polls=1_000_000)
    result = bench.executor(timeout_seconds=0.05).run(bench.plan())
    assert result.outcome == "timed-out"
    assert result.next_command == "flinkops action resume p1"
    bench.cluster.state.triggers = {
        name: msgspec.structs.replace(one, polls_left=0) for name, one in bench.cluster.state.triggers.items()
    }
    again = bench.executor().resume("p1")
    assert again.outcome == "verified"
    assert bench.cluster.state.orders == ["savepoint"]


def test_a_savepoint_that_the_job_does_not_list_is_not_believed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.act.savepoint_steps._LISTED_WITHIN_SECONDS", 0.02)
    plan = bench.plan()
    bench.cluster.hides_savepoints = True
    result = bench.executor().run(plan)
    assert result.outcome == "failed"
    assert "waiting until the job lists" in (result.error or "")


@pytest.mark.parametrize("ahead_hours", [0, 3, -3], ids=["in step", "ours is ahead", "ours is behind"])
def test_a_forgotten_trigger_is_found_by_its_savepoint_whatever_our_clock_says(bench: Bench, ahead_hours: int) -> None:
    taken = bench.executor().run(bench.plan())  # one that was there before
    assert taken.outcome == "verified"
    plan = msgspec.structs.replace(bench.plan(), id="p2")
    plan = with_trigger(plan, "2" * 32)
    plan = msgspec.structs.replace(plan, created_ms=plan.created_ms + ahead_hours * 3_600_000)
    bench.cluster.forgets = True
    result = bench.executor().run(plan)
    assert result.outcome == "verified", result.error
    assert result.seen["savepoint"] == f"{SAVEPOINTS}/savepoint-2"


def with_trigger(plan: Plan, trigger_id: str) -> Plan:
    """The same plan for another savepoint."""
    steps = [
        msgspec.structs.replace(step, do=msgspec.structs.replace(step.do, trigger_id=trigger_id))
        if isinstance(step.do, (TriggerSavepoint, AwaitSavepoint))
        else step
        for step in plan.steps
    ]
    return msgspec.structs.replace(plan, steps=tuple(steps))


def test_a_forgotten_trigger_of_an_older_journal_is_not_guessed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.act.savepoint_steps.newest_checkpoint", lambda _run: None)  # it did not write it
    plan = bench.plan()
    bench.cluster.forgets = True
    result = bench.executor().run(plan)
    assert result.outcome == "failed"
    assert "which was the newest before it is not known; list them with" in (result.error or "")


def test_denied_is_not_repeated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def deny(*_args: object, **_options: object) -> None:
        calls.append("x")
        raise Denied("no permission")

    plan = bench.plan()
    monkeypatch.setattr(bench.cluster, "trigger_savepoint", deny)
    result = bench.executor().run(plan)
    assert (result.outcome, result.denied) == ("failed", True)
    assert exit_code(result) is ExitCode.UNREACHABLE  # the contract's "not allowed"
    assert len(calls) == 1


def test_ctrl_c_leaves_a_journal_to_go_on_from(bench: Bench) -> None:
    def interrupt(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "await"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        bench.executor(progress=interrupt).run(bench.plan())
    assert "flinkops action resume p1" in stopped.value.line()
    assert bench.journal.record("p1").resumable
    result = bench.executor().resume("p1")
    assert result.outcome == "verified"
    assert [step.name for step in result.steps] == ["trigger", "await", "verify"]
    assert bench.cluster.state.orders == ["savepoint"]
    with pytest.raises(Refused, match="ended already"):
        bench.executor().resume("p1")


@pytest.mark.parametrize(
    "place",
    [
        *variants("intent await", "planned", "intent trigger", "note await", "outcome await", "intent verify"),
        "outcome trigger",
    ],
)
def test_killed_at_a_step_it_goes_on_and_takes_no_second_savepoint(bench: Bench, place: str) -> None:
    def act(progress: Callable[[Progress], None]) -> None:
        own = Bench(bench.folder)
        own.executor(progress=progress).run(own.plan())

    with waiting_at(place, act) as victim:
        assert victim.end(signal.SIGKILL)[0] == -signal.SIGKILL
    after = Bench(bench.folder)
    record = after.journal.record("p1")
    assert record.resumable
    result = after.executor().resume("p1")
    assert result.outcome == "verified"
    assert after.cluster.state.orders == ["savepoint"]
    assert after.journal.record("p1").outcome == "verified"


def test_savepoints_are_listed_with_what_depends_on_them(bench: Bench) -> None:
    for plan_id in ("p1", "p2", "p3"):
        bench.executor().run(bench.plan(plan_id))
    bench.cluster.state.jobs[JOB_ID].restored = f"{SAVEPOINTS}/savepoint-1"
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    listed = References(bench.cluster, bench.journal).noted_on(savepoints_of(facts, bench.journal))
    assert {one.path.rpartition("-")[2]: one.in_use is not None for one in listed} == {"1": True, "2": False, "3": True}


def test_what_cannot_be_known_speaks_against_deleting(bench: Bench) -> None:
    bench.executor().run(bench.plan("p1"))
    bench.executor().run(bench.plan("p2"))
    path = f"{SAVEPOINTS}/savepoint-1"
    assert References(bench.cluster, bench.journal).to(path) == ()
    bench.cluster.checkpoints_known = False
    assert any("not known" in reason for reason in References(bench.cluster, bench.journal).to(path))
    bench.cluster.checkpoints_known = True
    bench.cluster.unreachable_answers = 1
    assert any("not known" in reason for reason in References(bench.cluster, bench.journal).to(path))
    assert any("checkpoint" in reason for reason in References(bench.cluster, bench.journal).to("s3://b/job/chk-7"))


def test_an_unfinished_action_keeps_its_savepoint(bench: Bench) -> None:
    def die(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "verify"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        bench.executor(progress=die).run(bench.plan("p1"))
    bench.executor().run(bench.plan("p2"))
    reasons = References(bench.cluster, bench.journal).to(f"{SAVEPOINTS}/savepoint-1")
    assert any("unfinished action p1" in reason for reason in reasons)


def test_a_deleted_savepoint_is_no_longer_listed(bench: Bench) -> None:
    bench.executor().run(bench.plan("p1"))
    bench.executor().run(bench.plan("p2"))
    path = f"{SAVEPOINTS}/savepoint-1"
    result = bench.executor().run(plan_delete(None, bench.cluster.name, [path], Stamp("d1", 1)))
    assert result.outcome == "verified"
    assert bench.cluster.state.disposed == [path]
    facts = bench.cluster.job(JOB_ID)
    assert facts is not None
    assert [one.path for one in savepoints_of(facts, bench.journal)] == [f"{SAVEPOINTS}/savepoint-2"]


def test_nothing_is_done_when_the_cluster_is_away_from_the_start(bench: Bench) -> None:
    plan = bench.plan()
    bench.cluster.unreachable_answers = 1
    with pytest.raises(Unreachable):
        bench.executor().run(plan)
    assert bench.journal.records() == ()


def as_a_command(folder: Path, progress: Callable[[Progress], None]) -> None:
    """An upgrade, with what the command line does around each command."""
    bench = RedeployBench(folder)
    with pytest.MonkeyPatch.context() as patch:
        run = partial(bench.executor(progress).run, bench.plan(Change(parallelism=2)))
        patch.setattr(main, "build", lambda: lambda **_: run())
        main.main([])


@pytest.mark.parametrize("number", variants(signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("intent prepare", "interrupted at step 'prepare' of p1; resume it with"),
        ("outcome stopped", "prices is stopped since step 'stop'; its savepoint is s3://bucket/savepoints/savepoint-1"),
        ("intent running", "prices was submitted at step 'submit' as"),
    ],
)
def test_a_signal_in_the_middle_leaves_the_promised_line(
    tmp_path: Path, number: signal.Signals, place: str, words: str
) -> None:
    with waiting_at(place, partial(as_a_command, tmp_path)) as victim:
        code, said = victim.end(number)
    assert code == ExitCode.INTERRUPTED, said
    (line,) = said.splitlines()
    assert words in line
    assert "action resume p1" in line
    assert [entry.event for entry in Journal(tmp_path / "journal", SystemClock()).entries()][-1] == "interrupted"


def test_under_nohup_the_end_of_the_terminal_is_no_reason_to_stop() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_interrupt():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_gone_does_not_end_an_action(bench: Bench) -> None:
    def gone(_progress: Progress) -> None:
        raise BrokenPipeError

    assert bench.executor(progress=gone).run(bench.plan()).outcome == "verified"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("job_lock", "nothing was changed"),
        ("planned", "interrupted between two steps of p1; resume it with: flinkops action resume p1"),
        ("finished", "interrupted after the end of p1: verified; flinkops history prices"),
    ],
)
def test_ctrl_c_between_the_steps_owes_a_line_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str, words: str
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.kind == place:
            raise KeyboardInterrupt

    def locked(*_: object) -> None:
        raise KeyboardInterrupt

    if place == "job_lock":
        monkeypatch.setattr("flinkops.act.executor.job_lock", locked)
    with pytest.raises(Interrupted) as raised:
        bench.executor(progress=interrupt).run(bench.plan())
    assert words in raised.value.line()
