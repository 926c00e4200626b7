"""How `./dev test` runs tests in parts, and what else runs beside them."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from devtools import test, test_parts
from devtools.bootstrap import REPOSITORY
from devtools.test import _beside


def _python_of(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_its_words_and_its_exit_code_come_when_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    with _beside(_python_of("import sys; print('out'); sys.stdout.flush(); sys.exit('err')")) as ended:
        assert capfd.readouterr().err == ""
        assert ended() == 1
    assert capfd.readouterr().err == "out\nerr\n"


def test_at_a_lower_priority(capfd: pytest.CaptureFixture[str]) -> None:
    show = "import os; print(os.nice(0))"
    with _beside(_python_of(show)) as ended:
        ended()
    usual = int(capfd.readouterr().err)
    with _beside(_python_of(show), niceness=3) as ended:
        ended()
    assert int(capfd.readouterr().err) == min(19, usual + 3)


def test_who_is_interrupted_interrupts_it(tmp_path: Path) -> None:
    begun, interrupted = tmp_path / "begun", tmp_path / "interrupted"
    os.mkfifo(begun)
    code = f"""
import pathlib, signal, threading
def end(*_):
    pathlib.Path({str(interrupted)!r}).touch()
    raise SystemExit
signal.signal(signal.SIGINT, end)
pathlib.Path({str(begun)!r}).write_text("begun")
threading.Event().wait()
"""
    with suppress(KeyboardInterrupt), _beside(_python_of(code)):
        assert begun.read_text() == "begun"
        raise KeyboardInterrupt
    assert interrupted.exists()


def test_every_file_of_tests_is_in_one_part() -> None:
    parts = test_parts.split("quick", 4)
    files = sorted(file for part in parts for file in part)
    assert len(parts) == 4
    assert files == sorted(set(files))
    assert str(Path(__file__).relative_to(REPOSITORY)) in files
    here = {path.parent for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert {REPOSITORY / file for file in files} == {
        path
        for folder in here
        for path in folder.glob("test_*.py")
        if not path.is_relative_to(REPOSITORY / "tests" / "local")
        and not path.is_relative_to(REPOSITORY / "tests" / "cluster")
        and not path.is_relative_to(REPOSITORY / "tests" / "chaos")
    }


def test_parts_take_about_as_long() -> None:
    assert test_parts.dealt({"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0}, 2) == [["a", "d"], ["b", "c"]]
    small = {"x/a": 3.0, "x/b": 2.0}
    assert test_parts.dealt({**small, "y/a": 4.0, "y/b": 6.0}, 2) == [["y/b"], ["x/a", "x/b", "y/a"]]
    assert test_parts.dealt({"a": 1.0}, 4) == [["a"]]


def test_a_new_file_takes_as_long_as_others_of_its_size() -> None:
    assert test_parts.weights({"old": 100, "new": 50}, {"old": 3.0, "gone": 9.0}) == {"old": 3.0, "new": 1.5}
    assert test_parts.weights({"a": 100, "b": 50}, {}) == {"a": 100.0, "b": 50.0}


def test_of_a_part_its_files_and_their_folders_are_collected() -> None:
    only = test_parts.OnlyFiles([REPOSITORY / "tests" / "unit" / "test_a.py"])
    asked = ("tests", "tests/unit", "tests/unit/test_a.py", "tests/unit/test_b.py", "tests/tui")
    assert [only.pytest_ignore_collect(REPOSITORY / path) for path in asked] == [None, None, None, True, True]


@pytest.mark.thorough
def test_a_part_runs_its_files_alone_and_how_long_they_took_is_known_in_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_parts, "_KEPT", tmp_path)
    (tmp_path / "quick-1.json").write_text("cut o", encoding="utf-8")
    files = ["tests/dispatcher/test_sources.py", "tests/unit/test_fingerprint.py"]
    monkeypatch.setattr(test_parts, "split", lambda *_: [files])
    (arguments,) = test_parts.arguments_of("quick", 1, [])
    with _beside([sys.executable, "-m", "pytest", *arguments]) as ended:
        assert ended() == 0
    took = test_parts.last_seconds("quick")
    assert sorted(took) == sorted(files)
    assert all(0 < seconds < 60 for seconds in took.values())


def test_who_names_files_has_one_part_of_them() -> None:
    named = "tests/unit/test_dev_test.py::test_a"
    assert [each[-2:] for each in test_parts.arguments_of("quick", 3, ["-x", named])] == [["-x", named]]
    parts = test_parts.arguments_of("quick", 3, ["-x"])
    assert [each[-2:] for each in parts] == [["-x", "tests"]] * 3


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 5], 0), ([0, 0], 0), ([5, 5], 1), ([0, 1], 1), ([-9, 0], 1), ([0, 2], 1)]
)
def test_one_bad_part_is_enough(codes: list[int], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test, "arguments_of", lambda *_: [[str(each)] for each in codes])
    exits = "import os, signal, sys; n = int(sys.argv[1]); os.kill(os.getpid(), -n) if n < 0 else sys.exit(n)"
    monkeypatch.setattr(test, "_command", lambda _python, _marker, arguments: [*_python_of(exits), *arguments])
    with test._in_parts(sys.executable, "quick", "any", []) as ended:
        assert ended() == code
