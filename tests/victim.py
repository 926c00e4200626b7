"""A process that is ended at a known point of an action: forked, since an interpreter takes half a second to start."""

import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from flinkops.act.executor import Progress
from tests.patience import PATIENT_SECONDS


class Victim:
    """The child, which waits at its point."""

    def __init__(self, pid: int, stderr: int) -> None:
        self.pid = pid
        self._stderr = stderr

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send it the signal; its exit code (negative: the signal that killed it) and what it said on stderr."""
        os.kill(self.pid, number)
        with os.fdopen(self._stderr, encoding="utf-8", errors="replace") as said:
            text = said.read()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), text


@contextmanager
def waiting_at(place: str, act: Callable[[Callable[[Progress], None]], object]) -> Iterator[Victim]:
    """`act`, given where to report its progress, in a child that goes no further than `place` ("KIND STEP").

    It must make all that it uses itself: nothing of this process but the files may be shared.
    """
    reached, tell = os.pipe()
    stderr, say = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, where other threads run: none is needed
        pid = os.fork()
    if pid == 0:
        os.close(reached)
        os.close(stderr)
        _child(place, act, tell, say)
    os.close(tell)
    os.close(say)
    try:
        ready, _, _ = select.select([reached], [], [], PATIENT_SECONDS)
        assert ready, f"it did not come to {place}"
        assert os.read(reached, 1), f"it ended before {place}"
        yield Victim(pid, stderr)
    finally:
        os.close(reached)
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended


def _child(place: str, act: Callable[[Callable[[Progress], None]], object], tell: int, say: int) -> NoReturn:
    """Never returns: what the test process would do on its way out is not the child's."""
    code: Any = 70

    def wait_there(progress: Progress) -> None:
        if f"{progress.kind} {progress.step}".strip() == place:
            os.write(tell, b"!")
            time.sleep(600)

    try:
        os.dup2(say, 2)
        sys.stderr = os.fdopen(say, "w", encoding="utf-8", buffering=1)
        act(wait_there)
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 71)
