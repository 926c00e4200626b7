"""`python -m devtools.mutation.worker`, in a copy of the repository: mutants on stdin, what became of them on stdout.

Imports what is slow and not ours once, and forks for each mutant: the child imports our code with the change, runs the
tests in the given order and stops at the first that fails. With `--warm` and test modules it imports these and our code
once, too, and collects their tests; the child puts the changed function into them and runs the collected tests, without
a pytest session of its own, which took longer than most mutants' tests. One JSON document a line in both directions.
"""

import contextlib
import gc
import importlib
import itertools
import json
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import devtools.mutation.test_lines  # noqa: F401 -- registers the profile of property tests
from devtools.mutation import PACKAGES
from devtools.mutation.patching import changed_function, patch
from devtools.test_parts import OnlyFiles

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
_FAILURE = ".first-failure"
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
            print(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._path.write_text(report.nodeid or "the collection", encoding="utf-8")


class _Collected:
    """Has all tests collected, and serves instead of running them."""

    def __init__(self, root: Path, serve: Callable[["_Collected"], None]) -> None:
        self._root = root
        self._serve = serve
        self._session: pytest.Session
        self._failed_before = 0  # modules that cannot be imported: nobody's tests
        self._items: defaultdict[str, list[pytest.Item]] = defaultdict(list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._session, self._failed_before = session, session.testsfailed
        for item in session.items:
            self._items[item.nodeid].append(item)
            if item.nodeid.endswith("]"):
                self._items[item.nodeid.partition("[")[0]].append(item)
        self._serve(self)
        return True

    def has(self, tests: list[str]) -> bool:
        """Whether all of these were collected: node ids, or those of functions with cases."""
        return all(test in self._items for test in tests)

    def run(self, tests: list[str]) -> int:
        """In a child: its exit code as pytest's."""
        items = [item for test in tests for item in self._items[test]]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed > self._failed_before:
                return int(pytest.ExitCode.TESTS_FAILED)
        return int(pytest.ExitCode.OK)

    @contextlib.contextmanager
    def captured_anew(self) -> Iterator[None]:
        """In a child: what it writes from here on goes where its output went within."""
        capture: Any = self._session.config.pluginmanager.get_plugin("capturemanager")
        capture.stop_global_capturing()
        yield
        capture.start_global_capturing()
        capture.suspend_global_capture()


def _run(root: Path, task: dict[str, Any], collected: _Collected | None = None) -> dict[str, Any]:
    started = time.monotonic()
    failure = root / _FAILURE
    failure.unlink(missing_ok=True)
    path = task.get("path")
    code = None
    if collected is not None:
        if path:
            code = changed_function((root / path).read_text(encoding="utf-8"), task["source"], str(root / path))
            if code is None:
                return {"end": "cold", "killed_by": ""}
        if not collected.has(task["tests"]):
            return {"end": "not found", "killed_by": ""}
    with _changed(root / path, task["source"]) if path and collected is None else contextlib.nullcontext():
        child = os.fork()
        if not child:
            if code is not None and not patch(str(path), code):
                os._exit(_COLD)
            _be_the_tests(root, task, collected)
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


def _be_the_tests(root: Path, task: dict[str, Any], collected: _Collected | None) -> None:
    """The child: never returns."""
    code = 99
    try:
        os.setsid()
        seconds = int(task["cpu_seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with (root / ".last-output").open("wb") as output, _captured_anew(collected):
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        if collected is not None:
            code = collected.run(task["tests"])
        else:
            modules = {root / test.partition("::")[0] for test in task["tests"]}
            code = _pytest([*task["tests"], "-x"], OnlyFiles(sorted(modules)), _FirstFailure(root / _FAILURE))
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


def _captured_anew(collected: _Collected | None) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if collected is None else collected.captured_anew()


def _pytest(arguments: list[str], *plugins: object) -> int:
    usual = ["-q", "-p", "no:cacheprovider", "--tb=short", *_QUIET, "--hypothesis-profile=mutation"]
    return int(pytest.main([*arguments, *usual], plugins=plugins))


def main() -> None:
    """Serve until stdin ends."""
    root = Path.cwd()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    tasks = os.fdopen(os.dup(0), encoding="utf-8")  # pytest's capture takes stdin away
    os.dup2(2, 1)

    def serve(collected: _Collected | None = None) -> None:
        gc.freeze()  # pytest collects garbage at its end: nothing from before the fork is
        for line in tasks:
            print(json.dumps(_run(root, json.loads(line), collected)), file=answers, flush=True)

    if sys.argv[1:2] == ["--warm"]:
        modules = sys.argv[2:]
        only = OnlyFiles([root / module for module in modules])
        folders = sorted({str(Path(module).parent) for module in modules})
        _pytest(folders, only, _FirstFailure(root / _FAILURE), _Collected(root, serve))
    else:
        _import_once()
        serve()


if __name__ == "__main__":
    main()
