"""Rehearsing a launch in a client on this machine: which state, which program, and what came of it."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from flinkops.act.control import JobControl
from flinkops.act.rest.client_runs import ClientRun, client_run
from flinkops.act.rest.launch_failures import last_cause
from flinkops.errors import FlinkopsError, OperationFailed
from flinkops.local.client import REHEARSAL_VARIABLE
from flinkops.local.client_process import ClientProcess
from flinkops.model.facts import CheckpointFacts, JobFacts
from flinkops.model.launch import Launch, drops_state
from flinkops.model.rehearsal import Rehearsal
from flinkops.plan.rehearsal import HEAP_MEBIBYTES, Seen, cannot_tell, judge, needs_control, newest_state_bytes
from flinkops.plan.state_loss import place_of

TARGET = "flinkops-rehearsal"
_RUN_SECONDS = 300.0
_TRIES = 3  # a checkpoint may be subsumed while it is restored
_POLL_SECONDS = 0.1
_FURTHER_SECONDS = 8.0  # the client itself ends after five
_POLLS_A_LIST = 3  # of its connections
_ROOM_FOR_STATE = 2  # the restored state, and a checkpoint of it
_seen = msgspec.json.Decoder(Seen)

Note = Callable[[str], None]
TakeSavepoint = Callable[[], str]


class NoGraph(FlinkopsError):
    """The program came to no job graph."""


def rehearse(
    control: JobControl,
    job: JobFacts,
    launch: Launch,
    *,
    old: Launch | None,
    against: str | None,
    flink_home: str | None,
    note: Note,
    take_savepoint: TakeSavepoint | None = None,
) -> Rehearsal:
    """The verdict on this launch, restored from `against`, else from the newest usable state of the job.

    `take_savepoint` is asked for one where there is none else. What stands in the way is a verdict of its own.
    """
    began = time.monotonic()
    try:
        rehearsal = _rehearse(control, job, launch, old, against, flink_home, note, take_savepoint)
    except FlinkopsError as problem:
        rehearsal = cannot_tell(job.name, problem.what, remedy=problem.next_step, against=against or "")
    return msgspec.structs.replace(rehearsal, seconds=round(time.monotonic() - began, 1))


def _rehearse(
    control: JobControl,
    job: JobFacts,
    launch: Launch,
    old: Launch | None,
    against: str | None,
    flink_home: str | None,
    note: Note,
    take_savepoint: TakeSavepoint | None,
) -> Rehearsal:
    run = _run_of(control, launch, flink_home)
    _refuse_without_room(job)
    states: States = _Named(against) if against is not None else _Newest(control, job, take_savepoint)
    try:
        seen = _restored(run, states, note)
    except NoGraph as problem:
        return _without_graph(job, launch, against or "", problem)
    control_seen = None
    if old is not None and needs_control(seen):
        note("rehearsing the running program, to compare")
        before: States = _Named(against) if against is not None else _Newest(control, job, None)
        try:
            control_seen = _restored(_run_of(control, old, flink_home), before, note)
        except FlinkopsError:
            control_seen = None  # then its unopened states are a risk, and named as such
    return judge(job.name, seen, control=control_seen, drops=drops_state(launch.settings))


def _run_of(control: JobControl, launch: Launch, flink_home: str | None) -> ClientRun:
    settings = {} if launch.kind == "embedded" else control.settings()
    run = client_run(
        control,
        launch,
        TARGET,
        settings={},
        cluster_settings=settings,
        flink_home=flink_home,
        heap_mebibytes=HEAP_MEBIBYTES,
    )
    cluster = control.cluster().flink_version or ""
    if _minor(cluster) != _minor(run.client.version):
        raise OperationFailed(
            f"the Flink here is {run.client.version}, the cluster's is {cluster or 'not known'}",
            next_step="give a distribution of its minor version with --flink-home DIR",
        )
    return run


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def _refuse_without_room(job: JobFacts) -> None:
    size = newest_state_bytes(job)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size is not None and free < _ROOM_FOR_STATE * size:
        raise OperationFailed(
            f"{tempfile.gettempdir()} has {free} bytes free, a state of {size} bytes needs {_ROOM_FOR_STATE * size}",
            next_step="name a larger folder with TMPDIR",
        )


class States(Protocol):
    """Which state to restore."""

    def next(self) -> str:
        """Asked right before it is restored: a checkpoint lives for some intervals only. Raises OperationFailed."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether another one does as well, when this one was subsumed meanwhile."""
        ...


class _Named(NamedTuple):
    """One that somebody named."""

    path: str
    has_more: bool = False

    def next(self) -> str:
        return self.path


class _Newest:
    """The newest checkpoint, another one when that was subsumed, then a savepoint."""

    def __init__(self, control: JobControl, job: JobFacts, take_savepoint: TakeSavepoint | None) -> None:
        self._control = control
        self._job = job
        self._take_savepoint = take_savepoint
        self._tried: list[str] = []

    def next(self) -> str:
        """Asked right before it is restored: a checkpoint lives for some intervals only. Raises OperationFailed."""
        now = self._control.job(self._job.id) or self._job
        paths = usable_paths(now) if len(self._tried) < _TRIES else _savepoints(now)
        path = next((one for one in paths if one not in self._tried), None)
        if path is None and self._take_savepoint is not None:
            path, self._take_savepoint = self._take_savepoint(), None
        if path is None:
            raise OperationFailed(
                "no checkpoint or savepoint of the job can be read any more"
                if self._tried
                else "no checkpoint or savepoint of the job is known",
                next_step="give --against PATH",
            )
        self._tried.append(path)
        return path

    @property
    def has_more(self) -> bool:
        """Whether another one does as well, when this one was subsumed meanwhile."""
        return len(self._tried) <= _TRIES


def usable_paths(job: JobFacts) -> Iterable[str]:
    """Where its checkpoints are that can be restored, newest first, then its savepoints."""
    checkpoints = [one for one in _completed(job) if not one.is_savepoint]
    yield from (path for one in checkpoints if (path := place_of(one)))
    yield from _savepoints(job)


def _savepoints(job: JobFacts) -> Iterable[str]:
    yield from (path for one in _completed(job) if one.is_savepoint and (path := place_of(one)))


def _completed(job: JobFacts) -> list[CheckpointFacts]:
    history = job.checkpoints.history if job.checkpoints else ()
    return [one for one in history if one.status == "COMPLETED"]


def restored(run: ClientRun, path: str) -> Seen:
    """What happens when this client restores that path. Raises NoGraph and OperationFailed."""
    return _restored(run, _Named(path), lambda _text: None)


def _restored(run: ClientRun, states: States, note: Note) -> Seen:
    """One client, and as many states as it takes. Raises NoGraph when the program came to none, OperationFailed."""
    process = ClientProcess(run.client, run.options, variables={REHEARSAL_VARIABLE: "1"})
    peers: set[str] = set()
    try:
        _await(process, ("ready", _verdict(0)), note, peers)
        ready = not process.says(_verdict(0))
        number = 0
        while True:
            if ready:
                path = states.next()
                note(f"rehearsing against {path}")
                process.tell(path)
                _await(process, (_verdict(number),), note)
            seen = _seen.decode((process.folder / _verdict(number)).read_bytes())
            if not (ready and seen.state_is_gone and states.has_more):
                if ready:
                    _refuse_several(process)
                return msgspec.structs.replace(seen, peers=tuple(sorted(peers)))
            number += 1
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise OperationFailed(f"what the rehearsal saw cannot be read: {problem}") from None
    finally:
        process.close()


def _refuse_several(process: ClientProcess) -> None:
    """The program goes on for some seconds. Raises OperationFailed when it submits a further job."""
    process.tell("end")
    ends = time.monotonic() + _FURTHER_SECONDS
    while not process.ended and not process.says("several") and time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
    if process.says("several"):
        raise OperationFailed("the program submits several jobs: which of them the state belongs to is not known")


def _verdict(number: int) -> str:
    return f"verdict-{number}.json"


def _await(process: ClientProcess, files: Sequence[str], note: Note, peers: set[str] | None = None) -> None:
    """Until it has left one of these files; with whom it was connected meanwhile goes into `peers`."""
    ends = time.monotonic() + _RUN_SECONDS
    polls = itertools.count()
    while not any(map(process.says, files)):
        if process.ended and not any(map(process.says, files)):
            if process.says("bypassed"):
                raise OperationFailed("the program sets execution.target itself: it cannot be rehearsed")
            raise NoGraph(last_cause(process.output))
        if time.monotonic() > ends:
            raise OperationFailed(f"the rehearsal did not end within {_RUN_SECONDS:.0f} s")
        if peers is not None and next(polls) % _POLLS_A_LIST == 0:
            peers |= process.peers()
        note("rehearsing")
        time.sleep(_POLL_SECONDS)


def _without_graph(job: JobFacts, launch: Launch, against: str, problem: NoGraph) -> Rehearsal:
    """A client on this machine submits the real one too, and would fail as well; a jar runs on the JobManager."""
    cause = f"the program builds no job graph: {problem.what}"
    if launch.kind == "jar":
        return cannot_tell(job.name, f"{cause} (here; on the JobManager it may)", against=against)
    return Rehearsal(job.name, "fails", cause=cause, remedy="repair the program", against=against)
