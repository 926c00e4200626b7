"""Processes by identity, so that a recycled pid is never taken for one of ours."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

_POLL_SECONDS = 0.05


class Process(msgspec.Struct, frozen=True):
    """One process that the fleet started.

    `identity` is the boot and the start time of the process as the system tells it: a pid alone may
    belong to somebody else after a while, and after a reboot certainly does.
    """

    role: str
    pid: int
    identity: str
    log: str

    @property
    def alive(self) -> bool:
        """True while exactly this process runs; a zombie does not."""
        _reap()
        return identity_of(self.pid) == self.identity


def identity_of(pid: int) -> str | None:
    """The boot and start time of a running process, None when there is none (or it is a zombie)."""
    proc = Path("/proc")
    if not (proc / "self" / "stat").exists():
        return _identity_from_ps(pid)
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, field 2, is in parentheses and may hold spaces: count from its end.
    fields = stat.rpartition(")")[2].split()
    state, threads, start_ticks = fields[0], int(fields[17]), fields[19]
    # The first thread of a dying JVM is a zombie while the others still hold its ports and files.
    if state in "ZX" and threads <= 1:
        return None
    return f"{_boot_id()}/{start_ticks}"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _identity_from_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def spawn(
    role: str, command: Sequence[str], *, output: Path, environment: Mapping[str, str], log: Path | None = None
) -> Process:
    """Start a child in a session of its own, so that a Ctrl-C in the terminal does not reach it.

    What it prints goes to `output`, truncated first; `log` is the file it logs to when that is another one.
    """
    with output.open("wb") as file:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=output.parent,
            start_new_session=True,
        )
    _children[child.pid] = child
    return Process(role=role, pid=child.pid, identity=identity_of(child.pid) or "", log=str(log or output))


# Children of this process have to be waited for, or they stay behind as zombies.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


def terminate(processes: Iterable[Process], grace_seconds: float = 10.0) -> list[Process]:
    """End these processes, asking first (TERM) and then not asking (KILL); returns those still alive."""
    left = [process for process in processes if process.alive]
    for signal_number, patience_seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        for process in left:
            _send(process, signal_number)
        left = _wait_for_end(left, patience_seconds)
    return left


def _send(process: Process, signal_number: signal.Signals) -> None:
    if process.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal_number)


def _wait_for_end(processes: Sequence[Process], patience_seconds: float) -> list[Process]:
    deadline = time.monotonic() + patience_seconds
    while True:
        _reap()
        left = [process for process in processes if process.alive]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_SECONDS)


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]
