"""What the demo shows: `flinkops status` on its fleet, in a process of its own."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator

from flinkops.errors import OperationFailed
from flinkops.local.signals import uninterrupted
from flinkops.local.state import FleetInfo

_REFRESH = "5s"
_END_SECONDS = 10.0


def show_screens(info: FleetInfo, seconds: float | None) -> None:
    """The TUI, until the user leaves it or for so many seconds."""
    with _status(info, "--interval", _REFRESH, piped=False) as screens, contextlib.suppress(subprocess.TimeoutExpired):
        screens.wait(seconds)


def show_lines(info: FleetInfo, seconds: float | None) -> None:
    """One JSON status a line on stdout, each refresh, until interrupted or `seconds` after the first one.

    Raises OperationFailed when the statuses end by themselves.
    """
    with _status(info, "-o", "json", "--watch", "--interval", _REFRESH, piped=True) as status:
        stopped = threading.Event()
        timer: threading.Timer | None = None
        assert status.stdout is not None
        for line in status.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if timer is None and seconds is not None:
                timer = threading.Timer(seconds, _stop, (status, stopped))
                timer.daemon = True
                timer.start()
        if not stopped.is_set():
            raise OperationFailed(f"flinkops status ended with exit code {status.wait()}")


def _stop(status: "subprocess.Popen[str]", stopped: threading.Event) -> None:
    stopped.set()
    status.terminate()


@contextlib.contextmanager
def _status(info: FleetInfo, *options: str, piped: bool) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "flinkops", "status", "--rest", info.rest_url, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE if piped else None, text=True)
    try:
        yield process
    finally:
        with uninterrupted():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
