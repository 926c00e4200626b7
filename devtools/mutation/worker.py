"""`python -m devtools.mutation.worker`, in a copy of the repository: mutants on stdin, what became of them on stdout.

Imports what is slow and not ours once, and forks for each mutant: the child imports our code with the change, runs the
tests in the given order and stops at the first that fails. With `--warm` and test modules it imports these and our code
once, too, and the child puts the changed function into them. One JSON document a line in both directions.
"""

import contextlib
import gc
import importlib
import io
import itertools
import json
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

import devtools.mutation.test_lines  # noqa: F401 -- registers the profile of property tests
from devtools.mutation import PACKAGES
from devtools.mutation.patching import changed_function, patch

_SLOW_AND_NOT_OURS = (
    "hypothesis.strategies", "hypothesis.stateful", "pandas", "requests", "yaml", "msgspec", "rich.console",
    "rich.table", "textual.app", "typer", "prometheus_client", "prometheus_client.exposition", "kubernetes.client",
    "xml.sax", "promql_parser", "unittest.mock", "http.server", "concurrent.futures",
)  # fmt: skip
_OURS_BELOW = ("clock", "config", "errors", "model", "outside", "ownership", "paths", "sources", "user_folders")
"""What of ours is imported once, too: of the layers below the changed packages (`tool.importlinter`)."""
_CHANGED = [[name] for name in PACKAGES]
_WALL_FACTOR = 15
"""A mutant that waits for ever takes no processor time: its clock ends it, generously, since the machine is shared."""
_COLD = 98
_END = {
    0: "survived",
    _COLD: "cold",
    pytest.ExitCode.USAGE_ERROR: "not found",
    pytest.ExitCode.INTERNAL_ERROR: "error",
    99: "error",
}
"""What pytest's exit code says; any other, or a signal, is a failed test."""
_QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is imported before the fork
_LATER_SECONDS = itertools.count(1000)
"""Each changed file has a time of its own: byte code of the file as it was, or with another change, is not used."""


class _FirstFailure:
    """Writes the first failed test, or module, into a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._path.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._path.write_text(report.nodeid or "the collection", encoding="utf-8")


def _run(root: Path, task: dict[str, Any], *, warm: bool) -> dict[str, Any]:
    started = time.monotonic()
    failure = root / ".first-failure"
    failure.unlink(missing_ok=True)
    path = task.get("path")
    code = None
    if warm and path:
        code = changed_function((root / path).read_text(encoding="utf-8"), task["source"], str(root / path))
        if code is None:
            return {"end": "cold", "killed_by": ""}
    with _changed(root / path, task["source"]) if path and not warm else contextlib.nullcontext():
        child = os.fork()
        if not child:
            if code is not None and not patch(str(path), code):
                os._exit(_COLD)
            _be_the_tests(root, task, failure)
        end, timed_out = _wait(child, started + task["cpu_seconds"] * _WALL_FACTOR)
    killed_by = failure.read_text(encoding="utf-8") if failure.is_file() else ""
    return {
        "end": "timeout" if timed_out else _END.get(end, "killed") if end >= 0 else "killed",
        "code": end,
        "killed_by": killed_by,
        "seconds": round(time.monotonic() - started, 2),
    }


@contextlib.contextmanager
def _changed(path: Path, source: str) -> Any:
    kept, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(source, encoding="utf-8")
    os.utime(path, (times.st_atime, times.st_mtime + next(_LATER_SECONDS)))
    try:
        yield
    finally:
        path.write_text(kept, encoding="utf-8")
        os.utime(path, (times.st_atime, times.st_mtime))


def _be_the_tests(root: Path, task: dict[str, Any], failure: Path) -> None:
    """The child: never returns."""
    code = 99
    try:
        os.setsid()
        seconds = int(task["cpu_seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with (root / ".last-output").open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        arguments = [*task["tests"], "-x", "-q", "-p", "no:cacheprovider", "--tb=short"]
        arguments += _QUIET
        code = int(pytest.main([*arguments, "--hypothesis-profile=mutation"], plugins=[_FirstFailure(failure)]))
    except BaseException:  # noqa: BLE001 -- the end of the process: nobody is left to raise it to
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait(child: int, deadline: float) -> tuple[int, bool]:
    """Exit code of the child, negative for a signal, and whether time ended it; its own children end with it."""
    timed_out = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            timed_out = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    return code, timed_out or code == -signal.SIGXCPU


def _import_once() -> None:
    for name in (*_SLOW_AND_NOT_OURS, *_ours_below()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    early = [name for name in sys.modules if name.split(".")[:1] == ["flinkops"] and name.split(".")[1:2] in _CHANGED]
    if early:
        raise AssertionError(f"imported before it is changed: {early}")


def _ours_below() -> list[str]:
    found = [f"flinkops.{name}" for name in _OURS_BELOW]
    for name in tuple(found):
        path = getattr(importlib.import_module(name), "__path__", [])
        found += [each.name for each in pkgutil.walk_packages(path, f"{name}.")]
    return found


def _collect(modules: list[str]) -> None:
    """Import test modules, and what they test, as pytest does."""
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*modules, "--collect-only", "-qq", "-p", "no:cacheprovider", *_QUIET])


def main() -> None:
    """Serve until stdin ends."""
    root = Path.cwd()
    warm = sys.argv[1:2] == ["--warm"]
    if warm:
        _collect(sys.argv[2:])
    else:
        _import_once()
    gc.freeze()  # pytest collects garbage at its end: nothing from before the fork is
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(_run(root, json.loads(line), warm=warm)), file=answers, flush=True)


if __name__ == "__main__":
    main()
