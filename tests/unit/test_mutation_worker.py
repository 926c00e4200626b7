"""The process that runs mutants: each in a fork, against tests that it has collected once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed: run ./dev once")

from devtools.bootstrap import REPOSITORY

pytestmark = pytest.mark.thorough

CODE = "LIMIT = 5\n\n\ndef late(age):\n    return age > LIMIT\n"
TESTS = """
import os

import pytest

from late import late

@pytest.mark.parametrize("age", [5, 6])
def test_at_the_limit(age, capfd):
    os.write(1, b"asked")
    assert late(age) is (age > 5)
    assert capfd.readouterr().out == "asked"

def test_far_above():
    print("left behind")
    assert late(99)
"""
FILE = "tests/test_late.py"


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "late.py").write_text(CODE)
    (tmp_path / "tests").mkdir()
    (tmp_path / FILE).write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    worker = subprocess.Popen(
        [sys.executable, "-m", "devtools.mutation.worker", "--warm", FILE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(change: tuple[str, str] | None, *tests: str) -> tuple[str, str]:
        task: dict[str, Any] = {"tests": [f"{FILE}::{test}" for test in tests], "cpu_seconds": 20}
        if change is not None:
            task |= {"path": "late.py", "source": CODE.replace(*change)}
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(task) + "\n")
        worker.stdin.flush()
        answer = json.loads(worker.stdout.readline())
        return answer["end"], answer["killed_by"].partition("::")[2]

    yield ask
    worker.communicate()
    assert worker.returncode == 0


def test_each_mutant_is_alone(ask: Any) -> None:
    every = ("test_far_above", "test_at_the_limit[5]", "test_at_the_limit[6]")
    at_least, ends = (">", ">="), ("return age", "__import__('os')._exit(7)\n    return age")
    assert ask(None, *every) == ("survived", "")
    assert ask(at_least, "test_far_above", "test_at_the_limit[6]") == ("survived", "")
    assert ask(at_least, *every) == ("killed", "test_at_the_limit[5]")
    assert ask(at_least, "test_at_the_limit") == ("killed", "test_at_the_limit[5]")
    assert ask((">", "<"), *every) == ("killed", "test_far_above")
    assert ask(ends, *every) == ("killed", "")
    assert ask(None, *every) == ("survived", "")


def test_what_it_cannot_do_it_says(ask: Any) -> None:
    assert ask((">", ">="), "test_at_the_limit[7]") == ("not found", "")
    assert ask(("LIMIT = 5", "LIMIT = 6"), "test_far_above") == ("cold", "")
