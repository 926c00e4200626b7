"""A pytest plugin: collects once, and runs the tests in `--forks N` processes that are forked then.

Each worker of pytest-xdist imports and collects all tests for itself: with 5,000 of them that is 4 CPU seconds a
worker, 8 without cached bytecode. A forked process has them. It reports through a pipe, as the workers of xdist do, so
that failures, durations and skips are shown by the process that collected. Needs `fork` to be safe: Linux.
"""

import io
import os
import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import pytest

_MOST = 24
"""Tests of one module that a process takes at once, so that it sets up the module's fixtures once for them."""
_NUMBER = struct.Struct("=H")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--forks N`; 0, the default: as without the plugin."""
    parser.addoption("--forks", type=int, default=0, metavar="N", help="run the tests in N forked processes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Instead of pytest's own, once all is collected without an error."""
    count: int = session.config.getoption("--forks")
    options = session.config.option
    if not count or not session.items or options.collectonly or session.testsfailed:
        return None
    # One folder for all, made here: its lock is then removed at the end. Each process has its own below it.
    folders: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    folders.getbasetemp()
    parts = shares([item.path for item in session.items], count)
    queue = _queue(len(parts))
    workers = [_fork(session, number, parts, queue) for number in range(count)]
    os.close(queue)
    try:
        _relay(session, workers)
    finally:
        for worker in workers:
            worker.end()
    return True


def shares(modules: Sequence[object], workers: int, most: int = _MOST) -> list[range]:
    """Runs of neighbours, each of one module; fewer in each towards the end, so that all workers end together.

    >>> shares(["a"] * 5 + ["b"] * 2, workers=1)
    [range(0, 3), range(3, 5), range(5, 6), range(6, 7)]
    """
    found: list[range] = []
    start = 0
    while start < len(modules):
        size = max(1, min(most, (len(modules) - start) // (2 * workers)))
        end = start + 1
        while end < len(modules) and end < start + size and modules[end] == modules[start]:
            end += 1
        found.append(range(start, end))
        start = end
    return found


def _queue(count: int) -> int:
    """A pipe with the number of each share: whoever reads a number has that share, and nobody else."""
    reading, writing = os.pipe()
    os.write(writing, b"".join(map(_NUMBER.pack, range(count))))
    os.close(writing)
    return reading


class _Worker(NamedTuple):
    pid: int
    reports: "Connection[Any, Any]"

    def end(self) -> None:
        """Whether it is done or not."""
        self.reports.close()
        os.kill(self.pid, signal.SIGTERM)  # not yet waited for, so that the number is still its own
        os.waitpid(self.pid, 0)


def _relay(session: pytest.Session, workers: Sequence[_Worker]) -> None:
    """Every report to this process's plugins. Raises Interrupted when a test did not report its end."""
    hook = session.config.hook
    open_ends = {worker.reports: worker.pid for worker in workers}
    running: dict[int, str] = {}
    finished = 0
    while open_ends:
        for end in wait(list(open_ends)):
            assert isinstance(end, Connection)
            try:
                kind, value = end.recv()
            except EOFError:
                last = running.get(open_ends[end], "no test yet")
                raise session.Interrupted(f"a process died; the last test that it began: {last}") from None
            if kind == "start":
                running[open_ends[end]] = value
            elif kind == "finish":
                finished += 1
            elif kind == "end":
                del open_ends[end]
            else:
                hook.pytest_runtest_logreport(
                    report=hook.pytest_report_from_serializable(config=session.config, data=value)
                )
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    if finished != len(session.items):
        raise session.Interrupted(f"{len(session.items) - finished} tests did not run")


def _fork(session: pytest.Session, number: int, parts: Sequence[range], queue: int) -> _Worker:
    here, there = Pipe(duplex=False)
    pid = os.fork()
    if pid:
        there.close()
        return _Worker(pid, here)
    code = 1
    try:
        here.close()
        _detach(session, number, there.send)
        _run(session, parts, queue)
        there.send(("end", None))
        code = 0
    finally:
        os._exit(code)


def _detach(session: pytest.Session, number: int, send: Callable[[tuple[str, Any]], None]) -> None:
    """What a forked process must not share: the terminal, the files of captured output, folders of tests."""
    config = session.config
    terminal: Any = config.get_terminal_writer()
    terminal._file = io.StringIO()
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    folders: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    folders._basetemp = folders.mktemp(f"fork-{number}", numbered=False)
    config.pluginmanager.register(_Sender(config, send), "flinkops-fork")


class _Sender:
    """Takes part in a forked process: what happens is sent."""

    def __init__(self, config: pytest.Config, send: Callable[[tuple[str, Any]], None]) -> None:
        self._config = config
        self._send = send

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """So that a crash has a name."""
        self._send(("start", nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of setup, call and teardown."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """All its reports are sent."""
        self._send(("finish", nodeid))


def _run(session: pytest.Session, parts: Sequence[range], queue: int) -> None:
    """One test after the other, each with its true successor, for which fixtures stay set up."""
    items = _taken(session, parts, queue)
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item = following


def _taken(session: pytest.Session, parts: Sequence[range], queue: int) -> Iterator[pytest.Item]:
    while number := os.read(queue, _NUMBER.size):
        for index in parts[_NUMBER.unpack(number)[0]]:
            yield session.items[index]
