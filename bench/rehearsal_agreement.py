"""Rehearsed, and for real: one job with one line changed after the other, restored from one savepoint.

    python -m bench.rehearsal_agreement [--distribution DIR]

Starts a Flink cluster of its own (of the extra `local`, else of that distribution), with the job of
tests/local/changed_job, takes a savepoint, and for each change prints the verdict of a rehearsal beside what Flink does
with a real submission: it *runs* when all tasks run and two checkpoints complete, with records between them; else it
*fails*. Flink says nothing when a program leaves a state unopened: such a change *lost state* when it runs. A verdict
*cannot-tell* agrees with nothing.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar
from unittest.mock import patch

from flinkops.act.control import JarRun
from flinkops.act.rest.client_runs import ClientRun
from flinkops.act.rest.control import RestControl
from flinkops.act.rest.rehearsing import NoGraph, restored
from flinkops.act.stability_steps import all_running
from flinkops.clock import SystemClock
from flinkops.errors import FlinkopsError
from flinkops.local import flink
from flinkops.local.client import installed_client
from flinkops.local.java import find_java
from flinkops.local.javac import compile_jar
from flinkops.local.ports import free_ports
from flinkops.local.processes import Process, terminate
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.states import ENDED
from flinkops.plan.identity import derived_id
from flinkops.plan.rehearsal import Seen, judge, needs_control

_SOURCES = Path(__file__).parents[1] / "tests" / "local" / "changed_job"
_ENTRY, _NAME = "flinkops.changed.Job", "changed"
_PATIENCE_SECONDS = 240.0
_POLL_SECONDS = 0.5

T = TypeVar("T")
Real = Literal["runs", "fails", "lost state"]
_AGREES: dict[str, Real] = {"restores": "runs", "fails": "fails", "loses-state": "lost state"}


class Change(NamedTuple):
    """Lines of the job, and what goes beside it. ``loses``: the names of states that the change gives up."""

    edits: dict[str, str] = {}
    settings: dict[str, str] = {}
    parallelism: int = 1
    loses: bool = False


_OPEN_LATEST = 'latest = getRuntimeContext().getListState(new ListStateDescriptor<>("latest", Types.LONG));'
CHANGES: dict[str, Change] = {
    "unchanged": Change(),
    "parallelism 2": Change(parallelism=2),
    "another state backend": Change(settings={"state.backend.type": "hashmap"}),
    "POJO field added": Change({"public int seen; // POJO": "public int seen; public String note;"}),
    "POJO field's type": Change({"public int seen; // POJO": "public String seen;"}),
    "uid renamed": Change({'.uid("count")': '.uid("counted")'}),
    "type of a value state": Change(
        {
            "ValueState<Long> count": "ValueState<String> count",
            '"count", Types.LONG': '"count", Types.STRING',
            "Long before = count.value();": "",
            "count.update(before == null ? 1L : before + 1);": 'count.update("x");',
        }
    ),
    "type of a list state": Change(
        {
            "ListState<Long> latest": "ListState<String> latest",
            '"latest", Types.LONG': '"latest", Types.STRING',
            "latest.add(number);": 'latest.add("x");',
        }
    ),
    "max parallelism": Change({'.uid("count").name("count")': '.uid("count").name("count").setMaxParallelism(64)'}),
    "class of a state missing": Change(
        {
            "class Last {": "class Newest {",
            "ValueState<Last>": "ValueState<Newest>",
            "Last.class": "Newest.class",
            "Last one = new Last();": "Newest one = new Newest();",
        }
    ),
    "state renamed": Change({'"latest", Types.LONG': '"newest", Types.LONG'}, loses=True),
    "state not opened any more": Change({_OPEN_LATEST: "", "latest.add(number);": ""}, loses=True),
    "a further state": Change(
        {
            "latest.add(number);": 'latest.add(number); getRuntimeContext().getState(new ValueStateDescriptor<>("more",'
            " Types.LONG)).update(number);"
        }
    ),
    "type of a lazily opened state": Change(
        {
            "ValueState<Long> lazy": "ValueState<String> lazy",
            '"lazy", Types.LONG': '"lazy", Types.STRING',
            "lazy.update(number);": 'lazy.update("x");',
        }
    ),
}


def main() -> None:
    """One line a change: its name, the verdict, what happened, whether they agree, why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distribution", type=Path, default=flink.distribution())
    distribution: Path = parser.parse_args().distribution
    home = Path(tempfile.mkdtemp(prefix="agreement "))
    processes: list[Process] = []
    with patch.object(flink, "distribution", lambda: distribution), patch.object(flink, "JAR_GROUPS", ()):
        try:
            print(f"Flink {flink.version()}", flush=True)
            _table(home, distribution, _started(home, processes))
        finally:
            terminate(processes)
            shutil.rmtree(home, ignore_errors=True)


def _started(home: Path, processes: list[Process]) -> RestControl:
    rest_port, rpc_port = free_ports(2)
    flink.write_config(home, rest_port, rpc_port)
    (home / "logs").mkdir()
    java = find_java()
    processes.append(flink.start_jobmanager(home, java))
    processes.append(flink.start_taskmanager(home, java, f"{flink.TASKMANAGER_PREFIX}1"))
    control = RestControl(parse_endpoint(f"http://127.0.0.1:{rest_port}"), SystemClock())
    _until(lambda: (control.cluster().slots_total or 0) > 0 or None, "a TaskManager")
    return control


def _table(home: Path, distribution: Path, control: RestControl) -> None:
    libraries = sorted((distribution / "lib").glob("*.jar"))
    jars = {name: _compiled(home, name, change, libraries) for name, change in CHANGES.items()}
    savepoint = _savepoint(control, jars["unchanged"], f"file://{home}/flink/savepoints")
    base: Seen | None = None
    agreed = 0
    for name, change in CHANGES.items():
        verdict, why, seen = _rehearsed(distribution, jars[name], change, savepoint, base)
        base = base or seen
        real, cause = _really(control, jars[name], name, change, savepoint)
        agrees = _AGREES.get(verdict) == real
        agreed += agrees
        print(f"{name:<30} {verdict:<12} {real:<11} {'yes' if agrees else 'NO ':<4} {why or cause or ''}", flush=True)
    print(f"{agreed} of {len(CHANGES)} agree")


def _compiled(home: Path, name: str, change: Change, libraries: list[Path]) -> Path:
    folder = home / "sources" / name.replace(" ", "-").replace("'", "")
    shutil.copytree(_SOURCES, folder)
    source = folder / "flinkops" / "changed" / "Job.java"
    text = source.read_text()
    for old, new in change.edits.items():
        if old not in text:
            sys.exit(f"{name}: the job has no {old!r}")
        text = text.replace(old, new)
    source.write_text(text)
    return compile_jar(folder, home / "jars" / f"{folder.name}.jar", libraries)


def _savepoint(control: RestControl, jar: Path, folder: str) -> str:
    job_id = derived_id("agreement", "base")
    control.run_jar(
        JarRun(control.upload_jar(str(jar)), _ENTRY, (_NAME,)),
        job_id=job_id,
        savepoint=None,
        parallelism=1,
        settings={},
    )
    _until(lambda: _running(control, job_id) or None, "the job")
    time.sleep(5.0)  # state of each of its 100 keys
    trigger = derived_id("agreement", "savepoint")
    control.stop_with_savepoint(job_id, target_directory=folder, savepoint_format="canonical", trigger_id=trigger)

    def ask() -> str | None:
        outcome = control.savepoint_status(job_id, trigger)
        return outcome.location if outcome is not None else None

    return _until(ask, "its savepoint")


def _rehearsed(
    distribution: Path, jar: Path, change: Change, savepoint: str, base: Seen | None
) -> tuple[str, str | None, Seen | None]:
    options = [f"-D{key}={value}" for key, value in ({"state.backend.type": "rocksdb"} | change.settings).items()]
    client = installed_client(distribution, executors=True, heap_mebibytes=1024)
    run = ["-d", "-t", "flinkops-rehearsal", *options, "-p", str(change.parallelism), "-c", _ENTRY, str(jar), _NAME]
    try:
        seen = restored(ClientRun(client, run), savepoint)
    except (NoGraph, FlinkopsError) as problem:
        return "cannot-tell", problem.what, None
    found = judge(_NAME, seen, control=base if needs_control(seen) else None)
    return found.verdict, found.cause, seen


def _really(control: RestControl, jar: Path, name: str, change: Change, savepoint: str) -> tuple[Real, str | None]:
    job_id = derived_id("agreement", name)
    settings = {"restart-strategy.type": "none"} | change.settings
    run = JarRun(control.upload_jar(str(jar)), _ENTRY, (_NAME,))
    try:
        control.run_jar(run, job_id=job_id, savepoint=savepoint, parallelism=change.parallelism, settings=settings)
        ran = _until(lambda: _worked(control, job_id), name)
    except FlinkopsError as problem:
        return "fails", problem.what[:200]
    if not ran:
        return "fails", _failure(control, job_id)
    control.cancel(job_id)
    _until(lambda: _ended(control, job_id) or None, f"the end of {name}")
    return ("lost state" if change.loses else "runs"), None


def _worked(control: RestControl, job_id: str) -> bool | None:
    """True once it has taken records in and completed a checkpoint; False when it has failed."""
    job = control.job(job_id)
    if job is None:
        return None
    if job.state in ENDED or job.state == "FAILING":
        return False
    done = job.checkpoints is not None and (job.checkpoints.completed or 0) >= 2
    return True if done and all_running(job) else None


def _running(control: RestControl, job_id: str) -> bool:
    job = control.job(job_id)
    return job is not None and all_running(job)


def _ended(control: RestControl, job_id: str) -> bool:
    job = control.job(job_id)
    return job is None or job.ended_ms is not None


def _failure(control: RestControl, job_id: str) -> str | None:
    failures = control.failures(job_id)
    return f"{failures[0].name}: {failures[0].message}"[:200] if failures else None


def _until(ask: Callable[[], T | None], what: str) -> T:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        try:
            if (answer := ask()) is not None:
                return answer
        except FlinkopsError:
            pass
        time.sleep(_POLL_SECONDS)
    sys.exit(f"no {what} within {_PATIENCE_SECONDS:.0f} s")


if __name__ == "__main__":
    main()
