"""Two minutes of `./dev chaos` with its seed; all of it by hand."""

import random
import shutil
from pathlib import Path

import pytest

from flinkops.act.rest import steps
from tests.chaos import kills
from tests.chaos.actions import ACTIONS, Bench, Outcome, settle
from tests.chaos.commands import Command, Ran
from tests.chaos.inputs import Inputs, leaves, prepare
from tests.chaos.invariants import PLANTED, broken
from tests.chaos.living_flink import LivingFlink
from tests.chaos.living_server import living
from tests.chaos.suite import Amounts, Tally, run
from tests.chaos.values import CONTRACT

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def test_nothing_that_is_tried_breaks_an_invariant() -> None:
    amounts = Amounts(inputs=150, kills=20, signals=8, faults=20, operator=16)
    tally = run(amounts)
    assert tally.problems == [], "\n".join(tally.problems)
    assert sum(tally.tried.values()) == 150 + 20 + 8 + 20 + 16


# ---- the suite itself sees what it is there for


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    found = Bench(tmp_path_factory.mktemp("bench"))
    found.prepare()
    return found


def test_every_action_ends_as_it_should_when_nothing_goes_wrong(bench: Bench) -> None:
    for number, action in enumerate(ACTIONS, 1):
        with bench.stage(action, number) as stage:
            ran = stage.act()
            assert ran.code == action.ends, (action.name, ran.out, ran.err)
            assert broken(ran) + stage.problems(running=action.leaves_running) == []


def test_lost_state_a_second_job_and_a_torn_journal_are_seen(bench: Bench) -> None:
    with bench.stage(ACTIONS[0], 100) as stage:
        assert stage.problems(running=True) == []
        (job,) = stage.flink.world.live()
        job.records = 1
        assert "state lost" in str(stage.problems(running=True))
        job.state = "FAILED"
        assert "0 jobs" in str(stage.problems(running=True))
        with (stage.home / "journal" / "journal.jsonl").open("ab") as file:
            file.write(b"rubbish\n")
        assert "damaged" in str(stage.problems(running=True))
        (stage.home / "x.part").write_text("")
        assert "left behind: x.part" in str(stage.problems(running=True))


def test_an_action_that_is_not_idempotent_is_seen(bench: Bench) -> None:
    upgrade = ACTIONS[0]
    seen = []
    with bench.stage(upgrade, 101) as stage:
        ran = stage.act(lambda _number, method, path: "kill-after" if method == "POST" and "/run" in path else None)
        stage.flink.world.orders.append("run new.jar from nowhere")  # as a second submission would be
        assert settle(stage, ran) == []
        seen = kills._doubled(stage)
    assert seen == []  # another savepoint is another order
    with bench.stage(upgrade, 102) as stage:
        stage.act()
        stage.flink.world.orders += ["stop"]
        assert kills._doubled(stage) == ["stop"]


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        ({"code": 7}, "not documented"),
        ({"code": -11}, "not documented"),
        ({"code": 1, "err": "Traceback (most recent call last):\n"}, "a traceback: Traceback (most"),
        ({"code": 1, "err": "flinkops: unexpected KeyError: 'x'; the details are in y"}, "a mistake of ours"),
        ({"code": 0, "out": f"x {PLANTED}-1"}, "planted secret"),
        ({"code": 0, "out": "a\x1b[31mb"}, "control character"),
        ({"code": 2}, "without a word"),
        ({"code": 0, "hung": True}, "it hangs"),
    ],
)
def test_what_breaks_an_invariant_is_named(tmp_path: Path, ran: dict[str, object], words: str) -> None:
    given = {"out": "", "err": "", "seconds": 0.1, **ran}
    assert words in str(broken(Ran(Command(["status"], tmp_path), **given)))  # type: ignore[arg-type]


def test_json_that_is_cut_is_seen(tmp_path: Path) -> None:
    command = Command(["status", "-o", "json"], tmp_path)
    assert broken(Ran(command, 0, '{"a":1}\n', "", 0.1)) == []
    assert "no JSON" in str(broken(Ran(command, 0, '{"a":', "", 0.1)))


def test_inputs_meet_every_command_and_come_again_with_their_seed(tmp_path: Path) -> None:
    prepare(tmp_path / "home")
    first, again = (Inputs(3, tmp_path / "home", "http://127.0.0.1:9").cases() for _ in range(2))
    cases = [next(first) for _ in range(1_000)]
    assert [case.command.argv for case in cases] == [next(again).command.argv for _ in range(1_000)]
    called = {tuple(word for word in case.command.argv[:2]) for case in cases}
    for path, _ in leaves():
        if path != ("demo",):
            assert any(words[: len(path[:2])] == path[:2] for words in called), path
    assert any(case.command.argv[0] == CONTRACT[0][0] for case in cases)
    kinds = {case.kind for case in cases}
    assert len(kinds) == 8


def test_the_tally_counts_what_held() -> None:
    tally = Tally()
    for problems in ([], ["x"], []):
        tally.add(Outcome("a", "title", problems))
    assert tally.table().splitlines()[1].split() == ["a", "3", "2"]
    assert tally.problems == ["a: title: x"]


def test_waits_that_the_hooks_shorten_are_there() -> None:
    from tests.chaos.hooks import _PATIENCE

    assert _PATIENCE["flinkops.act.rest.steps"]["_RUNNING_WITHIN_SECONDS"] < steps._RUNNING_WITHIN_SECONDS


def test_a_signal_leaves_the_way_on(bench: Bench) -> None:
    outcome = kills.signalled(bench, ACTIONS[0], 103, random.Random(1))
    assert outcome.problems == []


@pytest.fixture(scope="module", autouse=True)
def _end(bench: Bench) -> object:
    yield
    bench.runner.close()
    shutil.rmtree(bench.scratch, ignore_errors=True)


def test_the_living_flink_is_served_again_at_another_port() -> None:
    flink = LivingFlink()
    with living(flink):
        assert flink.answer("GET", "/overview", {})[0] == 200
