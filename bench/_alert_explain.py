"""Gathers the intervals by which the price-alerts bench explains slow alerts."""

from pathlib import Path

from bench._alert_causes import Interval
from bench._alert_stalls import Checkpoints
from bench._alert_trace import Threads, log_safepoints, phases, safepoints
from flinkops.local import kafka
from flinkops.local.flink import TASKMANAGER_PREFIX
from flinkops.local.state import FleetInfo


class Tracing:
    """Of the broker, the TaskManager (here: the job), the dispatcher and the receiver."""

    def __init__(self, info: FleetInfo, folder: Path) -> None:
        self._folder = folder
        self._jvms = {
            "job" if process.role.startswith(TASKMANAGER_PREFIX) else process.role: process.pid
            for process in info.processes
            if process.role == kafka.ROLE or process.role.startswith(TASKMANAGER_PREFIX)
        }
        self.dispatcher_trace = folder / "dispatcher.trace"
        self._threads: Threads | None = None
        self._found: list[Interval] = []

    def start(self, pids: dict[str, int]) -> None:
        """From now on, with these other processes."""
        for name, pid in self._jvms.items():
            log_safepoints(pid, self._log(name))
        self._threads = Threads(self._jvms | pids)
        self._threads.start()

    def stop(self) -> None:
        """What comes from now on is not looked at."""
        if self._threads is not None:
            self._found = self._threads.end()

    def intervals(self, checkpoints: Checkpoints) -> list[Interval]:
        """All of them, after `stop` and the end of the dispatcher, which writes its own."""
        found = list(self._found)
        for name in self._jvms:
            found += safepoints(name, self._log(name).read_text().splitlines())
        for part in checkpoints.parts:
            found += phases(part)
        for line in self.dispatcher_trace.read_text().splitlines():
            from_ms, to_ms, what = line.split("\t")
            length = float(to_ms) - float(from_ms)
            found.append(Interval("dispatcher", what, "held", float(from_ms), float(to_ms), length))
        return found

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}-safepoints.log"
