"""Tests in forked processes: each runs once, and is told as if it had run in the process that collected."""

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from devtools.pytest_forks import shares

REPOSITORY = Path(__file__).parents[2]
TESTS = """
import os, pytest

@pytest.fixture(scope="module")
def begun():
    yield os.getpid()

@pytest.mark.parametrize("number", range(20))
def test_passes(number, begun, tmp_path, capfd):
    (tmp_path / "a file").mkdir()
    os.system(f"echo {number}")
    assert capfd.readouterr().out == f"{number}\\n"
    assert begun == os.getpid()

def test_fails():
    print("said before")
    assert {"a": 1} == {"a": 2}

def test_skips():
    pytest.skip("no moon")

def test_dies():
    if "DIES" in os.environ:
        os._exit(3)
"""


def run(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "devtools.pytest_forks"]
    command += ["-p", "devtools.pytest_skips", "--forks", "2", "--basetemp", "base", "test_it.py"]
    surroundings = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def test_all_run_once_and_what_fails_is_told_with_its_output(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 failed, 21 passed, 1 skipped")
    assert "AssertionError: assert {'a': 1} == {'a': 2}" in result.stdout
    assert "said before" in result.stdout
    assert "skipped 1: no moon" in result.stdout
    assert {path.name for path in (tmp_path / "base").glob("fork-*")} == {"fork-0", "fork-1"}


def test_a_process_that_dies_fails_the_run_and_names_its_test(tmp_path: Path) -> None:
    result = run(tmp_path, DIES="1")
    assert result.returncode == pytest.ExitCode.INTERRUPTED, result.stdout
    assert "test_it.py::test_dies" in result.stdout


@pytest.mark.parametrize("workers", [1, 4])
def test_each_test_is_in_one_share_and_the_last_are_small(workers: int) -> None:
    modules = [name for name, count in (("a", 100), ("b", 1), ("c", 60)) for _ in range(count)]
    found = shares(modules, workers)
    assert list(chain.from_iterable(found)) == list(range(len(modules)))
    assert all(len({modules[index] for index in share}) == 1 for share in found)
    assert len(found[0]) > len(found[-1]) == 1
