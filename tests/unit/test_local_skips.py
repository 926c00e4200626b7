"""Skips are named with their reasons; in CI one that nobody agreed to fails the run."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TESTS = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="no moon; wait for the night")
def test_at_night(): pass

def test_by_day():
    pytest.skip("no sun at 12:34; wait for the morning")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(project: Path, *, allowed: str, ci: bool) -> "subprocess.CompletedProcess[str]":
    """Pytest with the plugin, on a list of allowed skips of its own."""
    (project / "allowed.txt").write_text(allowed)
    code = (
        "import sys, pytest, devtools.pytest_skips as skips; from pathlib import Path;"
        "skips.ALLOWED = Path('allowed.txt').resolve();"
        "sys.exit(pytest.main(['-p', 'devtools.pytest_skips', '-p', 'no:cacheprovider', 'test_it.py']))"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "CI": "true" if ci else ""}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_skips_are_named_before_the_last_line(project: Path) -> None:
    result = run(project, allowed="", ci=False)
    assert result.returncode == 0, result.stdout
    assert "skipped 1: no moon; wait for the night\n" in result.stdout
    assert "skipped 1: no sun at 12:34; wait for the morning\n" in result.stdout
    assert "1 passed, 2 skipped" in result.stdout.splitlines()[-1]


@pytest.mark.thorough
def test_in_ci_an_unlisted_skip_fails(project: Path) -> None:
    result = run(project, allowed="# agreed\nno moon; wait for the night  # in summer\n", ci=True)
    assert result.returncode == 1
    assert "FAILED: not in tests/allowed_skips.txt: no sun at 12:34" in result.stdout
    assert "no moon" not in result.stdout.partition("FAILED")[2]


@pytest.mark.thorough
def test_in_ci_listed_skips_pass(project: Path) -> None:
    result = run(project, allowed="no moon; wait for the night\nno sun at *; wait for the morning\n", ci=True)
    assert result.returncode == 0, result.stdout
