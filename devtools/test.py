"""Run the tests: `quick` (a minute), all (quick, thorough, embedded fleet), `long` (minutes each), `cluster`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from devtools.bootstrap import REPOSITORY, ensure_environment
from devtools.s3_gateway import gateway
from devtools.test_parts import arguments_of
from flinkops.errors import OperationFailed

_QUICK = "not local and not cluster and not chaos and not thorough"
_THOROUGH = "(hypothesis or scaled or thorough) and not local and not cluster and not chaos"
_LOCAL = "local and not long and not by_hand"
_LONG = "chaos or (local and long and not by_hand)"
_CLUSTER = "cluster and not by_hand"  # those by hand: ./dev test cluster -m "cluster and by_hand"
_PARTS = max(4, 2 * (os.cpu_count() or 1))  # many tests wait for other processes; to start one takes 1.5 s of CPU
_FLEETS = "2"  # at once: a fleet waits most of its time; modules have their own, or share one that each worker has
_LOWEST = 19  # niceness
_PATIENCE = "--timeout=900"  # of a test at that niceness: a busy machine starves it for minutes
_INTERRUPTED_SECONDS = 30.0  # for pytest to end what its tests started
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
    _compile()
    with (
        _beside([sys.executable, "-m", "devtools", "check"]) as checked,
        _in_parts(sys.executable, "quick", _QUICK, for_pytest) as tested,
    ):
        if tested():
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
def _beside(command: list[str], *, niceness: int = 0) -> Iterator[Callable[[], int]]:
    """A command beside what runs within, at a lower priority by `niceness`.

    Yields what waits for its end, writes all that it said, and returns its exit code. Whoever leaves without that, as
    by Ctrl-C, interrupts it too.
    """
    with tempfile.TemporaryFile() as told:
        nice = ["nice", "-n", str(niceness), *command]
        running = subprocess.Popen(nice, stdout=told, stderr=subprocess.STDOUT)

        def ended() -> int:
            code = running.wait()
            told.seek(0)
            sys.stderr.write(told.read().decode(errors="replace"))
            return code

        try:
            yield ended
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGINT)
                try:
                    running.wait(_INTERRUPTED_SECONDS)
                except subprocess.TimeoutExpired:
                    running.kill()
                    running.wait()


@contextmanager
def _in_parts(
    python: str | Path, name: str, marker: str, for_pytest: list[str], *own: str, niceness: int = 0
) -> Iterator[Callable[[], int]]:
    """Tests in parts beside each other. Yields what waits for them all: 0 when they are good."""
    started = time.monotonic()
    with ExitStack() as running:
        parts = [
            running.enter_context(_beside(_command(python, marker, [*own, *each]), niceness=niceness))
            for each in arguments_of(name, _PARTS, for_pytest)
        ]

        def ended() -> int:
            _say(f"{name} tests, in {len(parts)} parts: {marker}")
            codes = {part() for part in parts}
            _say(f"took {time.monotonic() - started:.0f} s")
            return int(bool(codes - {0, _NO_TESTS}) or codes == {_NO_TESTS})

        yield ended


def _compile() -> None:
    """Once, before each part would do it for itself: on a fresh copy most of its first seconds."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "flinkops", "devtools"], check=False, cwd=REPOSITORY)


def _slower_parts(for_pytest: list[str]) -> list[str]:
    """The thorough part uses the processors while the fleet part waits, and leaves them to it when it does not."""
    failed = []
    # In the environment without the extras, with the newest libraries: the tool itself needs no more.
    base = _environment(".venv-base", "base.txt", editable=True)
    if _environment(".venv-flink120", "flink120.txt", editable=False) is None:
        failed.append("the environment of Flink 1.20")
    _build_gateway()
    with _thorough(base, for_pytest) as thorough_ended:
        if _pytest(sys.executable, _LOCAL, ["-n", _FLEETS, "--dist=loadfile", *for_pytest], may_be_empty=True):
            failed.append("tests on the embedded fleet")
        if thorough_ended():
            failed.append("thorough tests, in the base installation (.venv-base)")
    return failed


def _thorough(base: Path | None, for_pytest: list[str]) -> AbstractContextManager[Callable[[], int]]:
    if base is None:
        return nullcontext(lambda: 1)
    options = ("--hypothesis-profile=thorough", _PATIENCE)
    return _in_parts(base, "thorough", _THOROUGH, for_pytest, *options, niceness=_LOWEST)


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
    code = subprocess.run(_command(python, marker, arguments), check=False).returncode
    _say(f"took {time.monotonic() - started:.0f} s")
    return 0 if may_be_empty and code == _NO_TESTS else code


def _command(python: str | Path, marker: str, arguments: list[str]) -> list[str]:
    return [str(python), "-m", "pytest", "-p", "devtools.pytest_skips", "-m", marker, *arguments]


def _say(text: str) -> None:
    print(f"dev test: {text}", file=sys.stderr, flush=True)
