"""The embedded fleet as a whole: start it, repair it, stop it."""

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from flinkops.clock import SystemClock
from flinkops.errors import OperationFailed, Refused, TimedOut
from flinkops.local import flink, kafka, s3_server, zookeeper
from flinkops.local.jars import ensure
from flinkops.local.java import find_java
from flinkops.local.logs import telling_end
from flinkops.local.ports import HOST, free_ports, is_free
from flinkops.local.probe import get_json
from flinkops.local.processes import Process, spawn, terminate
from flinkops.local.signals import deferred, signals_interrupt, uninterrupted
from flinkops.local.state import JOBMANAGER, WATCHER, FleetInfo, read_info, remove_info, write_info

_READY_SECONDS = 600.0  # a death is noticed at once; this is for a machine that is busy with other things
_POLL_SECONDS = 0.1
# Below this Flink and Kafka start, and fail soon after in ways that are hard to read.
_MIN_FREE_BYTES = 256 * 1024 * 1024

Report = Callable[[str], None]
"""Told, in a few words, what is being done."""


def up(
    home: Path,
    *,
    taskmanagers: int = 1,
    ha: bool = False,
    s3: Path | None = None,
    slots: int | None = None,
    report: Report = lambda _text: None,
) -> FleetInfo:
    """Make the fleet in `home` run and answer, and say where: starts what is missing, leaves what runs.

    With a higher number of TaskManagers than run, it adds some. With `ha` jobs survive the JobManager: ZooKeeper
    keeps what they go on from, and a watcher starts again what dies. With `s3`, the program of an S3 server,
    checkpoints, savepoints, HA metadata and the warehouse go there. `slots` are those of each TaskManager. When
    anything goes wrong, or on Ctrl-C, what this call started is ended again. Raises OperationFailed with the cause and
    the log, TimedOut when the processes run but do not answer, Refused when the fleet runs without `ha` or `s3`, or
    with other `slots`.
    """
    with _disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        with _alone_in(home), signals_interrupt():
            return _Start(home, taskmanagers, report, ha=ha, s3=s3, slots=slots).run()


def repair(home: Path) -> None:
    """Start again what died of the fleet in `home`; does nothing where none was started. Raises as `up` does."""
    with _disk_errors(home), _alone_in(home), signals_interrupt():
        info = read_info(home)
        if info is not None and info.ready and info.dead:
            _Start(home, 0, lambda _text: None).complete(info)


def down(home: Path) -> list[Process]:
    """End every process of the fleet in `home`; its data stay. Returns those ended; none is fine too."""
    if not home.is_dir():
        return []
    with _disk_errors(home), _alone_in(home):
        info = read_info(home)
        if info is None:
            return []
        running = [process for process in info.processes if process.alive]
        # The watcher would start the others again. Jobs write to Kafka until they are gone: Flink before it.
        left = terminate(process for process in running if process.role == WATCHER)
        servers = [process for process in running if process.role in {kafka.ROLE, zookeeper.ROLE, s3_server.ROLE}]
        left += terminate(process for process in running if process not in servers and process.role != WATCHER)
        left += terminate(servers)
        if left:
            names = ", ".join(f"{process.role} (pid {process.pid})" for process in left)
            raise OperationFailed(f"still running after a kill: {names}")
        remove_info(home)
        return running


class _Start:
    """One run of `up`: remembers what it started, to undo it."""

    def __init__(
        self,
        home: Path,
        taskmanagers: int,
        report: Report,
        *,
        ha: bool = False,
        s3: Path | None = None,
        slots: int | None = None,
    ) -> None:
        self.home = home
        self.taskmanagers = taskmanagers
        self.report = report
        self.ha = ha
        self.s3 = s3
        self.slots = slots
        self.started: list[Process] = []

    def run(self) -> FleetInfo:
        info = read_info(self.home)
        if info is not None and any(process.alive for process in info.processes) and info.ready:
            if self.ha and not info.zookeeper:
                raise Refused(
                    f"the fleet in {self.home} runs without high availability",
                    next_step="./dev down, then ./dev up --ha",
                )
            if self.s3 and not info.s3:
                raise Refused(
                    f"the fleet in {self.home} keeps its savepoints on the disk",
                    next_step="./dev down, then ./dev up --s3",
                )
            if self.slots is not None and self.slots != (has := flink.slots_per_taskmanager(self.home)):
                raise Refused(
                    f"each TaskManager of the fleet in {self.home} has {has} slots",
                    next_step=f"./dev down, then ./dev up --slots {self.slots}",
                )
            return self.complete(info)
        if info is not None:
            # What an interrupted start left behind.
            terminate(info.processes)
        return self.complete(self._plan())

    def _plan(self) -> FleetInfo:
        """A fleet without processes: free ports, folders, configuration."""
        free_bytes = shutil.disk_usage(self.home).free
        if free_bytes < _MIN_FREE_BYTES:
            raise OSError(errno.ENOSPC, f"{free_bytes // 2**20} MiB free, {_MIN_FREE_BYTES // 2**20} MiB needed")
        (self.home / "logs").mkdir(exist_ok=True)
        warehouse = self.home / "warehouse"
        warehouse.mkdir(exist_ok=True)
        rest, rpc, broker, controller, coordinator, objects = free_ports(6)
        kafka.write_config(self.home, broker, controller)
        keeper = f"{HOST}:{coordinator}" if self.ha else ""
        (self.home / s3_server.S3_FILE).unlink(missing_ok=True)
        store = s3_server.new_access(self.home, objects, self.s3).endpoint if self.s3 else ""
        flink.write_config(self.home, rest, rpc, keeper, store, self.slots or flink.SLOTS_PER_TASKMANAGER)
        # A new fleet has other addresses: the jobs of an earlier one would not find their topics.
        for leftover in (self.home / "zookeeper", self.home / "flink" / flink.HA_FOLDER):
            shutil.rmtree(leftover, ignore_errors=True)
        if keeper:
            zookeeper.write_config(self.home, coordinator)
        return FleetInfo(
            home=str(self.home),
            rest_url=f"http://{HOST}:{rest}",
            kafka_bootstrap=f"{HOST}:{broker}",
            warehouse=f"s3://{s3_server.BUCKET}/warehouse" if store else str(warehouse),
            catalog_uri=f"sqlite:///{warehouse}/catalog.db",
            flink_version=flink.version(),
            created_ms=SystemClock().now_ms(),
            processes=(),
            zookeeper=keeper,
            s3=store,
        )

    def complete(self, info: FleetInfo) -> FleetInfo:
        """Start what does not run, wait until all of it answers."""
        before = info
        try:
            info = self._start_missing(info)
            self._await_ready(info)
            if not info.ready:
                info = msgspec.structs.replace(info, ready=True)
                write_info(self.home, info)
        except BaseException:  # Ctrl-C too: nothing of this call may stay
            with uninterrupted():
                self._undo(before)
            raise
        return info

    def _undo(self, before: FleetInfo) -> None:
        terminate(self.started)
        if before.processes:
            write_info(self.home, before)
        else:
            remove_info(self.home)

    def _start_missing(self, info: FleetInfo) -> FleetInfo:
        missing = self._missing_roles(info)
        if not missing:
            return info
        ensure(["kafka-broker", *flink.JAR_GROUPS, *(["flink-s3"] if info.s3 else [])])
        java = find_java()
        kafka.format_storage(self.home, java)
        for role in missing:
            self.report(f"starting {role}")
            _check_ports(info, role)
            with deferred():
                process = self._start_role(role, java)
                self.started.append(process)
                info = msgspec.structs.replace(info, processes=(*_without_dead(info, role), process))
                # At once, so that even a killed `up` leaves a trace for the next one to clean up.
                write_info(self.home, info)
        return info

    def _missing_roles(self, info: FleetInfo) -> list[str]:
        running = {process.role for process in info.processes if process.alive}
        needed = (kafka.ROLE, zookeeper.ROLE, JOBMANAGER) if info.zookeeper else (kafka.ROLE, JOBMANAGER)
        needed = (s3_server.ROLE, *needed) if info.s3 else needed
        missing = [role for role in needed if role not in running]
        known = [flink.number_of(process.role) for process in info.processes if flink.is_taskmanager(process.role)]
        wanted = max(self.taskmanagers, len(known)) - sum(flink.is_taskmanager(role) for role in running)
        # A new number each time: Flink lists a dead TaskManager for a while, and the new one is not to pass for it.
        first = max(known, default=0) + 1
        missing += [f"{flink.TASKMANAGER_PREFIX}{number}" for number in range(first, first + wanted)]
        return [*missing, WATCHER] if info.zookeeper and WATCHER not in running else missing

    def _start_role(self, role: str, java: Path) -> Process:
        if role == kafka.ROLE:
            return kafka.start(self.home, java)
        if role == zookeeper.ROLE:
            return zookeeper.start(self.home, java)
        if role == s3_server.ROLE:
            return s3_server.start(self.home)
        if role == WATCHER:
            return _start_watcher(self.home)
        if role == JOBMANAGER:
            return flink.start_jobmanager(self.home, java)
        return flink.start_taskmanager(self.home, java, role)

    def _await_ready(self, info: FleetInfo) -> None:
        managers = [process for process in info.processes if flink.is_taskmanager(process.role)]
        self.report("waiting for Kafka")
        self._await(info, "Kafka's metadata", lambda: kafka.answers(info.kafka_bootstrap, timeout_seconds=1.0))
        kafka.create_topics(info.kafka_bootstrap)
        if info.zookeeper:
            keeper = info.zookeeper
            self._await(info, "answer of ZooKeeper", lambda: zookeeper.answers(keeper, timeout_seconds=1.0))
        if info.s3:
            store = info.s3
            self._await(info, "answer of the S3 server", lambda: s3_server.answers(store, timeout_seconds=1.0))
        self.report("waiting for Flink")
        wanted = len(managers)
        self._await(info, f"{wanted} TaskManagers in Flink's overview", lambda: _registered(info) >= wanted)

    def _await(self, info: FleetInfo, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not holds():
            if dead := info.dead:
                raise OperationFailed(_death(dead[0]))
            if time.monotonic() > deadline:
                raise TimedOut(f"no {what} within {_READY_SECONDS:.0f} s", next_step=f"see {self.home / 'logs'}")
            time.sleep(_POLL_SECONDS)


def _start_watcher(home: Path) -> Process:
    """The process that calls `repair` when something of the fleet dies; it outlives us."""
    command = [sys.executable, "-m", "flinkops.local.watcher", str(home)]
    return spawn(WATCHER, command, output=home / "logs" / f"{WATCHER}.log", environment=os.environ)


def _without_dead(info: FleetInfo, role: str) -> tuple[Process, ...]:
    """The fleet's processes less the dead one that a new one of this role replaces."""
    kind = flink.is_taskmanager(role)
    dead = [each for each in info.dead if each.role == role or (kind and flink.is_taskmanager(each.role))]
    return tuple(each for each in info.processes if each not in dead[:1])


def _registered(info: FleetInfo) -> int:
    """The TaskManagers that the JobManager knows and that run; 0 while it does not answer.

    One that died stays in the list until its heartbeats time out: compare with our own processes.
    """
    alive = {process.role for process in info.processes if process.alive}
    answer = get_json(info.rest_url, "/taskmanagers") or {}
    return sum(manager["id"] in alive and manager["slotsNumber"] > 0 for manager in answer.get("taskmanagers", ()))


def _check_ports(info: FleetInfo, role: str) -> None:
    places = {kafka.ROLE: info.kafka_bootstrap, JOBMANAGER: info.rest_url}
    places |= {zookeeper.ROLE: info.zookeeper, s3_server.ROLE: info.s3}
    address = places.get(role)
    if address and not is_free(port := int(address.rpartition(":")[2])):
        raise OperationFailed(
            f"port {port} of the fleet's {role} is taken by another process",
            next_step="stop the fleet (./dev down) and start it again: it takes other ports",
        )


def _death(process: Process) -> str:
    """Why a process ended, as its log tells."""
    said = ""
    for path in (Path(process.log), Path(process.log).with_suffix(".out")):
        with contextlib.suppress(OSError):
            said += path.read_text(errors="replace") + "\n"
    return f"{process.role} ended while starting: {telling_end(said)} (log: {process.log})"


@contextlib.contextmanager
def _disk_errors(home: Path) -> Iterator[None]:
    """Make one line of what the system says about our files."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            raise OperationFailed(
                f"no space left for the fleet in {home}: {reason}",
                next_step="free some, or set FLINKOPS_LOCAL_HOME to a folder on another disk",
            ) from error
        where = f" ({error.filename})" if error.filename else ""
        raise OperationFailed(f"cannot run the fleet in {home}: {reason}{where}") from error


@contextlib.contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Hold the lock of `home`: two commands at once take turns. The system frees it when we die."""
    with (home / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
