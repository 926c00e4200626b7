"""What the processes of the price-alerts benches do, as intervals: pauses of JVMs, run-queue delay, checkpoint phases.

Threads are read from /proc each 10 ms, for some hundredths of a core; JVMs are made to log their safepoints while they
run, by the attach protocol that jcmd uses too (a Java runtime without tools has no jcmd).
"""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench._alert_causes import MACHINE, WAITS, Interval
from flinkops.local.probe import get_json

TICK_SECONDS = 0.01
RESCAN_SECONDS = 2.0
ATTACH_SECONDS = 10.0
_ACTIVE_NS = 2_000_000
_TOLD_MS = 1.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
BACKGROUND = (
    ("C1 Compiler", "JIT"),
    ("C2 Compiler", "JIT"),
    ("GC Thread", "GC"),
    ("G1 ", "GC"),
    ("ZWorker", "GC"),
    ("ZDriver", "GC"),
    ("VM Thread", "GC"),
    ("rocksdb:low", "RocksDB compaction"),
    ("rocksdb:high", "RocksDB flush"),
    ("AsyncOperation", "checkpoint's upload"),
    ("kafka-log", "log cleaning"),
    ("kafka-scheduler", "log upkeep"),
)
"""The first characters of a thread's name, and what it does; every other thread does the process's own work."""
WORK = "work"
_SAFEPOINT = re.compile(r'^\[([^\]]+)\]\[[^\]]*\] Safepoint "(\w+)".* Total: +(\d+) ns')
_COLLECTIONS = ("Collect", "G1", "Gen", "Z", "GC")


def group_of(thread: str) -> str:
    """What a thread of this name does."""
    return next((group for prefix, group in BACKGROUND if thread.startswith(prefix)), WORK)


class Threads(threading.Thread):
    """Samples CPU used, and waited for, of the threads of some processes, and the time stolen from the machine."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._files: dict[int, tuple[int, str, str]] = {}
        self._ran: dict[int, tuple[int, int]] = {}
        self._ended = threading.Event()
        self.intervals: list[Interval] = []

    def run(self) -> None:
        rescan_at, last_ms, stolen = 0.0, time.time() * 1000, _stolen_ms()
        while not self._ended.wait(TICK_SECONDS):
            if time.monotonic() >= rescan_at:
                self._rescan()
                rescan_at = time.monotonic() + RESCAN_SECONDS
            now_ms = time.time() * 1000
            self._sample(last_ms, now_ms)
            if (now_stolen := _stolen_ms()) > stolen:
                self.intervals.append(
                    Interval(MACHINE, "the host takes its CPU", "held", last_ms, now_ms, (now_stolen - stolen) / 2)
                )
            last_ms, stolen = now_ms, now_stolen
        for file, _, _ in self._files.values():
            os.close(file)

    def end(self) -> list[Interval]:
        self._ended.set()
        self.join()
        return self.intervals

    def _rescan(self) -> None:
        """Watches those that worked since the last scan, and all of the background."""
        for process, pid in self._pids.items():
            for folder in Path(f"/proc/{pid}/task").glob("*"):
                thread = int(folder.name)
                try:
                    now = _schedstat((folder / "schedstat").read_bytes())
                    if thread in self._files:
                        continue
                    before = self._ran.get(thread)
                    self._ran[thread] = now
                    group = group_of((folder / "comm").read_text().strip())
                    if group != WORK or (before is not None and now[0] - before[0] > _ACTIVE_NS):
                        self._files[thread] = (os.open(folder / "schedstat", os.O_RDONLY), process, group)
                except OSError:
                    continue

    def _sample(self, last_ms: float, now_ms: float) -> None:
        ran: dict[tuple[str, str], float] = {}
        waited: dict[str, float] = {}
        for thread, (file, process, group) in list(self._files.items()):
            try:
                now = _schedstat(os.pread(file, 64, 0))
            except OSError:
                os.close(file)
                del self._files[thread]
                continue
            before = self._ran.get(thread, now)
            self._ran[thread] = now
            ran[(process, group)] = ran.get((process, group), 0.0) + (now[0] - before[0]) / 1e6
            if group == WORK:
                waited[process] = max(waited.get(process, 0.0), (now[1] - before[1]) / 1e6)
        for (process, group), ms in ran.items():
            if group != WORK and ms > _TOLD_MS:
                self.intervals.append(Interval(process, group, "ran", last_ms, now_ms, ms))
        for process, ms in waited.items():
            if ms > _TOLD_MS:
                length = min(ms, now_ms - last_ms)
                self.intervals.append(Interval(process, WAITS, "waited", last_ms, now_ms, length))


def _schedstat(content: bytes) -> tuple[int, int]:
    """Nanoseconds on a CPU, and waiting for one."""
    ran, waited, *_ = content.split()
    return int(ran), int(waited)


def _stolen_ms() -> float:
    with open("/proc/stat", "rb") as file:
        return int(file.readline().split()[8]) * 1000 / _CLOCK_TICKS


# ---- JVMs


def log_safepoints(pid: int, path: Path) -> None:
    """Make a running JVM of ours write its safepoints to a file. Raises OSError where it does not listen."""
    command = f"VM.log output={path} what=safepoint=info decorators=utctime,tags"
    with _attached(pid) as connection:
        connection.settimeout(ATTACH_SECONDS)
        connection.sendall(b"1\0jcmd\0" + command.encode() + b"\0\0\0")
        answer = connection.recv(4096)
    if not answer.startswith(b"0"):
        raise OSError(f"the JVM {pid} refused {command}: {answer!r}")


def _attached(pid: int) -> socket.socket:
    """A connection to its attach listener, which a file and a signal make it start."""
    address = f"/tmp/.java_pid{pid}"  # where HotSpot puts it
    asking = Path(f"/proc/{pid}/cwd/.attach_pid{pid}")
    deadline = time.monotonic() + ATTACH_SECONDS
    try:
        while not Path(address).exists():
            if time.monotonic() > deadline:
                raise OSError(f"the JVM {pid} does not listen")
            asking.touch()
            os.kill(pid, signal.SIGQUIT)
            time.sleep(0.2)
    finally:
        asking.unlink(missing_ok=True)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(address)
    return connection


def safepoints(process: str, lines: Iterable[str]) -> Iterator[Interval]:
    """From a JVM's log: each line is written as its pause ends."""
    for line in lines:
        if (match := _SAFEPOINT.match(line)) is not None:
            ended_ms = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000
            length_ms = int(match[3]) / 1e6
            collection = any(word in match[2] for word in _COLLECTIONS)
            what = "pause for GC" if collection else f"pause for {match[2]}"
            yield Interval(process, what, "held", ended_ms - length_ms, ended_ms, length_ms)


# ---- Checkpoints


class Acknowledged(NamedTuple):
    """A subtask's part of a checkpoint, as Flink's REST API has it; milliseconds."""

    triggered_ms: float
    start_delay_ms: float
    alignment_ms: float
    sync_ms: float
    async_ms: float
    whole_ms: float


def phases(part: Acknowledged) -> list[Interval]:
    """What a subtask did for it. What no duration of Flink's covers is the flush before the barrier: the sink's."""
    began = part.triggered_ms + part.start_delay_ms + part.alignment_ms
    known = part.start_delay_ms + part.alignment_ms + part.sync_ms + part.async_ms
    flush_ms = max(0.0, part.whole_ms - known)
    synchronous = began + flush_ms
    return [
        Interval("job", "checkpoint, the sink's flush", "held", began, synchronous, flush_ms),
        Interval("job", "checkpoint, synchronous part", "held", synchronous, synchronous + part.sync_ms, part.sync_ms),
    ]


def acknowledged(rest_url: str, job_path: str, checkpoint: dict[str, Any], vertex: str) -> list[Acknowledged]:
    """Of a completed checkpoint, each subtask of one vertex."""
    path = f"{job_path}/checkpoints/details/{checkpoint['id']}/subtasks/{vertex}"
    answer = get_json(rest_url, path) or {}
    return [
        Acknowledged(
            triggered_ms=checkpoint["trigger_timestamp"],
            start_delay_ms=max(0, each.get("start_delay", 0)),
            alignment_ms=max(0, each["alignment"].get("duration", 0)),
            sync_ms=max(0, each["checkpoint"]["sync"]),
            async_ms=max(0, each["checkpoint"]["async"]),
            whole_ms=max(0, each["end_to_end_duration"]),
        )
        for each in answer.get("subtasks", ())
        if each.get("status") == "completed" and not each.get("aborted")
    ]
