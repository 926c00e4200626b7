"""Rehearsing a launch in a client on this machine: which state, which program, and what came of it."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from flinkops.act.control import JobControl
from flinkops.act.rest.client_runs import ClientRun, client_run
from flinkops.act.rest.launch_failures import last_cause
from flinkops.errors import FlinkopsError, OperationFailed, UsageError
from flinkops.local.client import GRAPH_VARIABLE, REHEARSAL_VARIABLE, SAMPLE_VARIABLE
from flinkops.local.client_process import ClientProcess
from flinkops.model.facts import CheckpointFacts, JobFacts
from flinkops.model.launch import Launch, drops_state
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import Terms
from flinkops.plan.program_graphs import ProgramGraph, graph_of
from flinkops.plan.rehearsal import cannot_tell, judge, needs_control
from flinkops.plan.rehearsal_seen import Seen
from flinkops.plan.rehearsal_size import HEAP_MEBIBYTES, SAMPLE_BYTES, newest_state_bytes, refuse_too_large
from flinkops.plan.state_loss import place_of

TARGET = "flinkops-rehearsal"
_RUN_SECONDS = 300.0
_TRIES = 3  # a checkpoint may be subsumed while it is restored
_POLL_SECONDS = 0.1
_GRAPH_SECONDS = 300.0  # on a busy machine a SQL program takes minutes
_FURTHER_SECONDS = 8.0  # after the last graph; the client itself ends after five
_MOST_GRAPHS = 50
_POLLS_A_LIST = 3  # of its connections
_seen = msgspec.json.Decoder(Seen)
_program_graph = msgspec.json.Decoder(ProgramGraph)

Note = Callable[[str], None]
TakeSavepoint = Callable[[], str]


class NoGraph(FlinkopsError):
    """The program came to no job graph."""


class Asked(NamedTuple):
    """How to rehearse: restored from ``against``, else from the newest usable state of the job.

    ``take_savepoint`` is asked for one where there is none else; with ``sample`` some key groups only are restored.
    """

    note: Note
    against: str | None = None
    flink_home: str | None = None
    sample: bool = False
    take_savepoint: TakeSavepoint | None = None


def rehearse(control: JobControl, job: JobFacts, launch: Launch, old: Launch | None, asked: Asked) -> Rehearsal:
    """The verdict on this launch; `old` is how the job runs. What stands in the way is a verdict of its own."""

    def ask() -> Rehearsal:
        folder = tempfile.gettempdir()
        refuse_too_large(newest_state_bytes(job), shutil.disk_usage(folder).free, folder, sample=asked.sample)
        return _rehearse(control, job, launch, old, asked)

    return timed_verdict(job.name, asked.against, ask)


def timed_verdict(job_name: str, against: str | None, ask: Callable[[], Rehearsal]) -> Rehearsal:
    """With how long it took; what stands in the way is a verdict, too."""
    began = time.monotonic()
    try:
        rehearsal = ask()
    except FlinkopsError as problem:
        rehearsal = cannot_tell(job_name, problem.what, remedy=problem.next_step, against=against or "")
    return msgspec.structs.replace(rehearsal, seconds=round(time.monotonic() - began, 1))


def _rehearse(control: JobControl, job: JobFacts, launch: Launch, old: Launch | None, asked: Asked) -> Rehearsal:
    against = asked.against
    variables = {SAMPLE_VARIABLE: str(SAMPLE_BYTES)} if asked.sample else {}

    def restored(what: Launch, take: TakeSavepoint | None) -> Seen:
        def states() -> States:
            return _Named(against) if against is not None else _Newest(control, job, take)

        return _restored(_run_of(control, what, asked.flink_home), states, asked.note, job.name, variables)

    try:
        seen = restored(launch, asked.take_savepoint)
    except NoGraph as problem:
        return _without_graph(job, launch, against or "", problem)
    running = partial(restored, old, None) if old is not None else None
    return judged(job, seen, running, asked.note, drops=drops_state(launch.settings))


def judged(job: JobFacts, seen: Seen, running: Callable[[], Seen] | None, note: Note, *, drops: bool) -> Rehearsal:
    """The verdict on what was seen, compared with the program that runs where that is needed and `running` tells it."""
    control = None
    if running is not None and needs_control(seen):
        note("rehearsing the running program, to compare")
        with suppress(FlinkopsError):  # then its unopened states are a risk, and named as such
            control = running()
    return judge(job.name, seen.named({one.id: one.name for one in job.vertices}), control=control, drops=drops)


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


def refuse_unasked(terms: Terms) -> None:
    """Raises UsageError: --accept-loss or --sample without the rehearsal that they are of."""
    if terms.accept_loss and not terms.rehearse:
        raise UsageError("--accept-loss answers a rehearsal", next_step="give --rehearse too")
    if terms.sample and not terms.rehearse:
        raise UsageError("--sample is of a rehearsal", next_step="give --rehearse too")


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


def restored(run: ClientRun, path: str, job: str = "", variables: Mapping[str, str] | None = None) -> Seen:
    """What happens when this client restores that path, of the job of this name. Raises NoGraph and OperationFailed."""
    return _restored(run, lambda: _Named(path), lambda _text: None, job, variables or {})


def _restored(run: ClientRun, states: Callable[[], States], note: Note, job: str, variables: Mapping[str, str]) -> Seen:
    """Each graph in a client of its own. Raises as :func:`restored`."""

    def one(graph: int | None) -> tuple[Seen, list[ProgramGraph]]:
        chosen = {} if graph is None else {GRAPH_VARIABLE: str(graph)}
        return _one_client(run, states(), note, {**variables, **chosen})

    return of_its_graph(one, job, note)


def of_its_graph(one: Callable[[int | None], tuple[Seen, list[ProgramGraph]]], job: str, note: Note) -> Seen:
    """What is seen of that graph of the program which is the job's: the first, else once more with its number.

    `one` rehearses a graph, None the first, and tells all graphs that the program submits; `job` is the job's name.
    """
    seen, graphs = one(None)
    number = graph_of(graphs, [each.id for each in seen.operators if each.has_state], job)
    if number != 0:
        note(f"the state belongs to the job number {number + 1} that the program submits: rehearsing that")
        seen, graphs = one(number)
    others = tuple(each.job for each in graphs if each.number != number)
    return msgspec.structs.replace(seen, other_jobs=others, job_number=number)


def _one_client(
    run: ClientRun, states: States, note: Note, variables: Mapping[str, str]
) -> tuple[Seen, list[ProgramGraph]]:
    """One client, and as many states as it takes."""
    process = ClientProcess(run.client, run.options, variables={REHEARSAL_VARIABLE: "1", **variables})
    peers: set[str] = set()
    try:
        _await(process, ("ready", _verdict(0)), note, peers, building=True, own=run.own)
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
                graphs = _graphs(process) if ready else []
                return msgspec.structs.replace(seen, peers=tuple(sorted(peers))), graphs
            number += 1
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise OperationFailed(f"what the rehearsal saw cannot be read: {problem}") from None
    finally:
        process.close()


def _graphs(process: ClientProcess) -> list[ProgramGraph]:
    """All that the program submits: after the one that was rehearsed it goes on for some seconds."""
    process.tell("end")
    ends, number = time.monotonic() + _FURTHER_SECONDS, 0
    while not process.ended and time.monotonic() < ends and number < _MOST_GRAPHS:
        if process.says(_graph(number)):
            ends, number = time.monotonic() + _FURTHER_SECONDS, number + 1
        else:
            time.sleep(_POLL_SECONDS)
    names = [name for name in map(_graph, range(_MOST_GRAPHS)) if process.says(name)]
    return [_program_graph.decode((process.folder / name).read_bytes()) for name in names]


def _verdict(number: int) -> str:
    return f"verdict-{number}.json"


def _graph(number: int) -> str:
    return f"graph-{number}.json"


def _await(
    process: ClientProcess,
    files: Sequence[str],
    note: Note,
    peers: set[str] | None = None,
    *,
    building: bool = False,
    own: str | None = None,
) -> None:
    """Until it has left one of these files; with whom it was connected meanwhile goes into `peers`."""
    limit = _GRAPH_SECONDS if building else _RUN_SECONDS
    ends = time.monotonic() + limit
    polls = itertools.count()
    while not any(map(process.says, files)):
        if process.ended and not any(map(process.says, files)):
            if process.says("bypassed"):
                raise OperationFailed("the program sets execution.target itself: it cannot be rehearsed")
            raise NoGraph(last_cause(process.output or f"it has ended with exit code {process.exit_code}", own))
        if time.monotonic() > ends:
            if building and not process.says(_graph(0)):
                raise OperationFailed(
                    _no_end(peers or set()), next_step="rehearse where the program can build its graph"
                )
            raise OperationFailed(f"the rehearsal did not end within {limit:.0f} s")
        if peers is not None and next(polls) % _POLLS_A_LIST == 0:
            peers |= process.peers()
        process.keep_output_small()
        note("rehearsing")
        time.sleep(_POLL_SECONDS)


def _no_end(peers: set[str]) -> str:
    what = f"the program's main has submitted no job graph within {_GRAPH_SECONDS:.0f} s"
    return f"{what}; it was connected to {', '.join(sorted(peers))}" if peers else what


def _without_graph(job: JobFacts, launch: Launch, against: str, problem: NoGraph) -> Rehearsal:
    """A client on this machine submits the real one too, and would fail as well; a jar runs on the JobManager."""
    cause = f"the program builds no job graph: {problem.what}"
    if launch.kind == "jar":
        return cannot_tell(job.name, f"{cause} (here; on the JobManager it may)", against=against)
    return Rehearsal(job.name, "fails", cause=cause, remedy="repair the program", against=against)
