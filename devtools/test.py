"""Run the tests: `quick` (a minute), all (quick, thorough, embedded fleet), `long` (minutes each), `cluster`."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.bootstrap import REPOSITORY, ensure_environment
from devtools.s3_gateway import gateway
from flinkops.errors import OperationFailed

_QUICK = "not local and not cluster and not chaos and not thorough"
_THOROUGH = "(hypothesis or scaled or thorough) and not local and not cluster and not chaos"
_LOCAL = "local and not long and not by_hand"
_LONG = "chaos or (local and long and not by_hand)"
_CLUSTER = "cluster and not by_hand"  # those by hand: ./dev test cluster -m "cluster and by_hand"
_WORKERS = "5"  # on two cores: many tests wait for other processes; each worker imports all tests, 4 s
_HERE = [f"--ignore=tests/{folder}" for folder in ("local", "cluster", "chaos")]  # 4 s a worker to find none there
_NO_TESTS = 5  # pytest's exit code when nothing was collected
_LONG_HINT = "not run: kills, pages and the demo from end to end; ./dev test long runs them"
_CLUSTER_HINT = "not run: the tests on Kubernetes; ./dev test cluster runs them (needs root and ../shared/kit)"
_QUICK_HINT = "not run: the tests on real Flink and Kafka, and the thorough ones; ./dev test runs them"


def main(arguments: list[str]) -> int:
    """Run the chosen part; arguments that are not ours go to pytest."""
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("all", "quick", "long", "cluster"), default="all")
    options, for_pytest = parser.parse_known_args(arguments)
    if options.part == "cluster":
        return _pytest(sys.executable, _CLUSTER, for_pytest, may_be_empty=True)
    if options.part == "long":
        _build_gateway()
        return _pytest(sys.executable, _LONG, for_pytest, may_be_empty=True)
    failed = []
    with _check_beside() as checked:
        _compile_tests(sys.executable)
        if _pytest(sys.executable, _QUICK, ["-n", _WORKERS, *_HERE, *for_pytest]):
            failed.append("quick tests")
        if checked():
            failed.append("check")
    if options.part == "all":
        failed += _slower_parts(for_pytest)
    for hint in (_LONG_HINT, _CLUSTER_HINT) if options.part == "all" else (_QUICK_HINT,):
        _say(hint)
    if failed:
        _say(f"FAILED: {', '.join(failed)}")
    return int(bool(failed))


@contextmanager
def _check_beside() -> Iterator[Callable[[], int]]:
    """`./dev check` beside the tests, which wait for other processes now and then; its end, when it is asked for."""
    with tempfile.TemporaryFile() as told:
        command = [sys.executable, "-m", "devtools", "check"]
        with subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT) as checking:

            def checked() -> int:
                code = checking.wait()
                told.seek(0)
                sys.stderr.write(told.read().decode(errors="replace"))
                return code

            yield checked


def _compile_tests(python: str | Path) -> None:
    """Once, before each worker would do it for itself: on a fresh copy most of a worker's first seconds.

    Where any test has its byte code, few others lack theirs, and to look for them takes as long as a worker's start.
    """
    if any((REPOSITORY / "tests" / "unit" / "__pycache__").glob("*-pytest-*.pyc")):
        return
    command = [str(python), "-m", "pytest", "--collect-only", "-q", "-m", _QUICK, *_HERE]
    subprocess.run(command, check=False, capture_output=True)  # what cannot be imported the tests themselves tell


def _slower_parts(for_pytest: list[str]) -> list[str]:
    failed = []
    base = _environment(".venv-base", "base.txt", editable=True)
    # In the environment without the extras, with the newest libraries: the tool itself needs no more.
    many = ["-n", _WORKERS, *_HERE, "--hypothesis-profile=thorough"]
    if base is None or _pytest(base, _THOROUGH, [*many, *for_pytest]):
        failed.append("thorough tests, in the base installation (.venv-base)")
    if _environment(".venv-flink120", "flink120.txt", editable=False) is None:
        failed.append("the environment of Flink 1.20")
    _build_gateway()
    if _pytest(sys.executable, _LOCAL, for_pytest, may_be_empty=True):
        failed.append("tests on the embedded fleet")
    return failed


def _build_gateway() -> None:
    """Before the tests, so that it counts as none of them; where it cannot be built, those that need it say so."""
    try:
        gateway()
    except OperationFailed as problem:
        _say(problem.line())


def _environment(folder: str, lock_file: str, *, editable: bool) -> Path | None:
    """The Python of a second environment; None when it cannot be made, which pip has said then."""
    try:
        return ensure_environment(REPOSITORY / folder, REPOSITORY / "locks" / lock_file, editable=editable)
    except subprocess.CalledProcessError:
        return None


def _pytest(python: str | Path, marker: str, arguments: list[str], *, may_be_empty: bool = False) -> int:
    """One pytest session; its exit code, 0 for an empty one that may be."""
    started = time.monotonic()
    _say(f"{Path(python).parent.parent.name}: {marker}")
    command = [str(python), "-m", "pytest", "-p", "devtools.pytest_skips", "-m", marker, *arguments]
    code = subprocess.run(command, check=False).returncode
    _say(f"took {time.monotonic() - started:.0f} s")
    return 0 if may_be_empty and code == _NO_TESTS else code


def _say(text: str) -> None:
    print(f"dev test: {text}", file=sys.stderr, flush=True)
