"""The commands that change something, as far as they go without a cluster: exit codes and words."""

import json
from pathlib import Path

import pytest

from flinkops.act.journal import Journal
from flinkops.clock import FixedClock
from flinkops.model.plan import Plan, Target
from flinkops.plan.identity import encode_plan_file
from tests.unit.command_line import run

NOBODY = "127.0.0.1:9"  # discard: nothing listens there
PLAN = Plan(
    id="upgrade-1",
    verb="upgrade",
    target=Target("c\x1b[2J", "prices\x1b[31m", "a" * 32),
    created_ms=1,
    diff=("a -> b",),
)


pytestmark = pytest.mark.usefixtures("nothing_from_outside")


@pytest.mark.parametrize(
    "arguments",
    [
        ("savepoint", "create", "prices", "--yes", "--rest", NOBODY),
        ("savepoint", "list", "prices", "--rest", NOBODY),
        ("rescale", "prices", "-p", "2", "--yes", "--rest", NOBODY),
        ("upgrade", "prices", "--savepoint", "-p", "2", "--yes", "--rest", NOBODY),
        ("rehearse", "prices", "-p", "2", "--rest", NOBODY),
        ("savepoint", "verify", "s3://bucket/savepoint-1"),
    ],
)
def test_out_of_reach_is_3(arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("rescale", "prices", "--rest", NOBODY),
        ("rescale", "prices", "--vertex", "abc", "--rest", NOBODY),
        ("upgrade", "--savepoint"),
        ("upgrade", "prices", "-p", "2", "--rest", NOBODY),
        ("upgrade", "prices", "--savepoint", "--set", "x", "--rest", NOBODY),
        ("upgrade", "prices", "--savepoint", "-p", "2", "--accept-loss", "count", "--rest", NOBODY),
        ("rehearse", "prices", "--jar", "/no/such.jar", "--rest", NOBODY),
        ("upgrade", "--resume"),
        ("upgrade", "--resume", "no-such-action"),
        ("upgrade", "--abandon"),
        ("action", "resume"),
        ("action", "resume", "no-such-action"),
        ("action", "abandon", "no-such-action"),
        ("apply", "no-such-file.json"),
        ("savepoint", "create", "prices", "--format", "odd", "--rest", NOBODY),
        ("savepoint", "delete", "s3://b/1", "--rest", NOBODY, "--rest", "127.0.0.1:10"),
    ],
)
def test_what_makes_no_sense_is_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["--last-state", "--stateless"])
def test_modes_that_may_lose_state_are_refused_without_the_operator(mode: str) -> None:
    assert run("upgrade", "prices", mode, "--rest", NOBODY) == 5


def test_a_damaged_savepoint_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("savepoint", "verify", str(tmp_path), "-o", "json") == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "bad"


def test_history_shows_what_was_done_and_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(tmp_path / "journal", FixedClock(5))
    journal.append("planned", PLAN, "h")
    journal.append("intent", PLAN, "h", step="submit")
    assert run("history") == 0
    words = capsys.readouterr().out
    assert "unfinished, at step submit" in words
    assert "flinkops action resume upgrade-1" in words
    assert "\x1b" not in words
    assert run("history", "-o", "json") == 0
    (action,) = json.loads(capsys.readouterr().out)["actions"]
    assert (action["outcome"], action["unfinished_step"], action["diff"]) == (None, "submit", ["a -> b"])
    assert run("history", "another-job") == 0
    assert capsys.readouterr().out == ""


def test_a_plan_for_another_cluster_is_not_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "plan.json"
    saved.write_bytes(encode_plan_file(PLAN))
    assert run("apply", str(saved), "--yes", "--rest", NOBODY) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_damaged_journal_is_named_by_history_and_repaired_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, FixedClock(0))
    journal.append("planned", Plan(id="p1", verb="restart", target=Target("c", "prices", "a"), created_ms=1), "h")
    journal.path.write_bytes(b"nonsense\n" + journal.path.read_bytes())
    assert run("history") == 0
    read = capsys.readouterr()
    assert "p1" in read.out
    assert "not readable: line 1 of" in read.err
    assert run("action", "repair", "--read-only") == 5
    assert run("action", "repair", "-o", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["set_aside"][0]["line"], document["unfinished"]) == (1, ["p1"])
    assert Path(document["copy"]).read_bytes().startswith(b"nonsense\n{")
    assert run("action", "repair") == 0
    read = capsys.readouterr()
    assert "p1" in read.out
    assert "is whole" in read.err
