"""Rehearsed, and for real: programs with one line changed after the other, restored from the same state.

    python -m bench.rehearsal_agreement [--distribution DIR] [--python EXE] [--postgres URL]
        [--only REGEX] [--alone REGEX]

Starts a Flink cluster of its own (of the extra `local`, else of that distribution). Each program of
bench.agreement.changes runs there until it has state, and is cancelled; then for each change the verdict of a rehearsal
is printed beside what Flink does with a real submission, at once: it *runs* when all tasks run and two checkpoints
complete, with records between them; else it *fails*. Flink says nothing when a program leaves a state unopened: such a
change *lost state* when it runs. A verdict *cannot-tell* agrees with nothing. `--only` names rows by a regular
expression.

One JVM (bench.agreement.server) compiles, rehearses and submits all programs, with the classes that flinkops uses: what
a client costs is nearly all in its start. Rehearsed in a client of their own, as flinkops does it, are the rows named
by `--alone`, samples, Python, and programs that submit several jobs. Each row rehearses and restores at once, but for
those whose sink is looked at, or whose restore may remove the state.

The rows of the PostgreSQL sink need the JDBC URL of a database with a table
dst (k INT PRIMARY KEY, n BIGINT); whether a rehearsal changed it is part of the line.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple
from unittest.mock import patch

import msgspec

from bench.agreement.changes import PROGRAMS
from bench.agreement.real import (
    AGREES,
    PATIENCE_SECONDS,
    NoSavepoint,
    Real,
    cancel_all,
    failure,
    newest_checkpoint,
    runs,
    started,
    until,
    worked,
)
from bench.agreement.rows import Against, Change, Program
from bench.agreement.server import Server
from flinkops.act.control import JarRun
from flinkops.act.rest.client_runs import ClientRun
from flinkops.act.rest.control import RestControl
from flinkops.act.rest.rehearsing import NoGraph, restored
from flinkops.errors import FlinkopsError, OperationFailed, TimedOut
from flinkops.local import flink
from flinkops.local.client import SAMPLE_VARIABLE, installed_client
from flinkops.local.jars import ensure
from flinkops.local.processes import Process, terminate
from flinkops.plan.identity import derived_id
from flinkops.plan.rehearsal import judge, needs_control
from flinkops.plan.rehearsal_seen import Seen

_ENTRY = "flinkops.changed.Job"
_STATE_SECONDS = 5.0  # until each of the 100 keys has state

_seen = msgspec.json.Decoder(Seen)


class Bench(NamedTuple):
    """Where all this happens."""

    home: Path
    distribution: Path
    python: str
    postgres: str | None
    alone: str
    control: RestControl
    server: Server

    @property
    def line(self) -> str:
        """Of Flink."""
        return ".".join(flink.version().split(".")[:2])


def main() -> None:
    """One line a change: program and change, the verdict, what happened, whether they agree, why."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the cluster ends too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distribution", type=Path, default=flink.distribution())
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default="")
    parser.add_argument("--postgres")
    parser.add_argument("--alone", default="$.")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="agreement-"))
    processes: list[Process] = []
    server = None
    with patch.object(flink, "distribution", lambda: given.distribution), patch.object(flink, "JAR_GROUPS", ()):
        try:
            print(f"Flink {flink.version()}", flush=True)
            control = started(home, processes)
            server = Server(home, given.distribution)
            bench = Bench(home, given.distribution, given.python, given.postgres, given.alone, control, server)
            began, agreed = time.monotonic(), list(_table(bench, given.only))
            print(f"{sum(agreed)} of {len(agreed)} agree, {time.monotonic() - began:.0f} s", flush=True)
        finally:
            if server is not None:
                server.close()
            terminate(processes)
            shutil.rmtree(home, ignore_errors=True)


def _table(bench: Bench, only: str) -> Iterator[bool]:
    for title, program in PROGRAMS.items():
        changes = {name: one for name, one in program.changes.items() if re.search(only, f"{title}: {name}")}
        if bench.line not in program.lines or not changes or (program.postgres and not bench.postgres):
            continue
        try:
            places = _places(bench, title, program)
        except (FlinkopsError, subprocess.SubprocessError) as problem:
            print(f"{title}: not tried: {_one_line(problem)}", flush=True)
            cancel_all(bench.control)
            continue
        base: dict[Against, Seen] = {}
        for name, change in changes.items():
            try:
                yield _row(bench, title, program, name, change, places, base)
            except (FlinkopsError, subprocess.SubprocessError) as problem:
                print(f"{title}: {name}: not tried: {_one_line(problem)}", flush=True)
                cancel_all(bench.control)
                yield False


def _row(
    bench: Bench,
    title: str,
    program: Program,
    name: str,
    change: Change,
    places: dict[Against, str],
    base: dict[Against, Seen],
) -> bool:
    began = time.monotonic()
    file = _made(bench, title, program, name, change)
    job = _job_name(title)
    before = _outside(bench, program)
    with ThreadPoolExecutor(1) as pool:
        judging = pool.submit(_judged, bench, title, program, name, change, places[change.against], base)
        if before is not None or change.claims:  # the real one writes to the table, or removes what it has claimed
            judging.exception()
        written = None if before is None else (_outside(bench, program) or 0) - before
        real, cause = _really(bench, program, file, change, job, places[change.against])
        verdict, why = judging.result()
    agrees = AGREES.get(verdict) == real
    wrote = "" if written is None else f"[the rehearsal changed what is outside by {written}] "
    about = " | real: ".join(filter(None, [why, cause])).replace("\n", " ")[:220]
    seconds = f"{time.monotonic() - began:4.0f} s"
    row = f"{title + ': ' + name:<52} {verdict:<12} {real:<11} {'yes' if agrees else 'NO ':<4}{seconds} {wrote}{about}"
    print(row, flush=True)
    return agrees


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:220]


def _job_name(title: str) -> str:
    return f"changed {title}"


def _made(bench: Bench, title: str, program: Program, name: str, change: Change) -> Path:
    """The program with the change: a jar, or a script."""
    folder = bench.home / "sources" / "".join(one if one.isalnum() else "-" for one in f"{title} {name}")
    script = program.source / "job.py"
    source = folder / "job.py" if script.is_file() else folder / "flinkops" / "changed" / "Job.java"
    jar = bench.home / "jars" / f"{folder.name}.jar"
    if not folder.exists():
        shutil.copytree(program.source, folder)
        text = source.read_text()
        for old, new in change.edits.items():
            if old not in text:
                raise OperationFailed(f"the program has no {old!r}")
            text = text.replace(old, new)
        source.write_text(text)
    if script.is_file():
        return source
    if not jar.exists():
        bench.server.compile(folder, jar, sorted((bench.distribution / "lib").glob("*.jar")))
    return jar


def _places(bench: Bench, title: str, program: Program) -> dict[Against, str]:
    """Starts the program, and cancels it once it has left what there is to restore."""
    control, folder = bench.control, f"file://{bench.home}/flink/savepoints"
    name = _job_name(title)
    job = _submitted(bench, program, _made(bench, title, program, "unchanged", Change()), Change(), name, None)
    until(lambda: runs(control, job) or None, f"the job of {title}")
    time.sleep(_STATE_SECONDS)
    places: dict[Against, str] = {"newest": until(lambda: newest_checkpoint(control, job), "a checkpoint")}
    formats: dict[Against, Literal["canonical", "native"]] = {"savepoint": "canonical", "native": "native"}
    for kind, form in formats.items():
        if not any(change.against == kind for change in program.changes.values()):
            continue
        trigger = derived_id(title, kind)
        control.trigger_savepoint(job, target_directory=folder, savepoint_format=form, trigger_id=trigger)

        def ask(trigger: str = trigger) -> str | None:
            outcome = control.savepoint_status(job, trigger)
            if outcome is not None and outcome.failure:
                raise NoSavepoint(f"no savepoint: {outcome.failure}")
            return outcome.location if outcome is not None else None

        places[kind] = until(ask, "its savepoint")
    places["retained"] = newest_checkpoint(control, job) or places["newest"]
    cancel_all(control)
    return places


def _client_options(bench: Bench, program: Program, file: Path, change: Change, name: str) -> list[str]:
    """Behind ``flink run``, but for the target."""
    options = ["-p", str(change.parallelism)]
    options += [f"-D{key}={value}" for key, value in (program.settings | change.settings).items()]
    if program.postgres:
        jars = [
            one for one in ensure((f"flink-{bench.line}", "connectors")) if "jdbc" in one.name or "postgres" in one.name
        ]
        options += [word for one in jars for word in ("-C", one.as_uri())]
    if file.suffix == ".py":
        return [
            *options,
            "-pyclientexec",
            bench.python,
            "-pyexec",
            bench.python,
            "-py",
            str(file),
            *_arguments(bench, program, name),
        ]
    return [*options, "-c", _ENTRY, str(file), *_arguments(bench, program, name)]


def _arguments(bench: Bench, program: Program, name: str) -> tuple[str, ...]:
    """Of the program's main: its name, and where it writes."""
    if program.files:
        return (name, (bench.home / "outside").as_uri())
    return (name, bench.postgres or "") if program.postgres else (name,)


def _judged(
    bench: Bench, title: str, program: Program, name: str, change: Change, against: str, base: dict[Against, Seen]
) -> tuple[str, str | None]:
    """The verdict and its cause; the unchanged program is rehearsed to compare with where that is needed."""
    job = _job_name(title)
    try:
        alone = bool(re.search(bench.alone, f"{title}: {name}"))
        seen = _rehearsed(bench, program, _made(bench, title, program, name, change), change, job, against, alone)
        if needs_control(seen) and change.against not in base:
            unchanged = Change()
            file = _made(bench, title, program, "unchanged", unchanged)
            same = name == "unchanged"
            base[change.against] = seen if same else _rehearsed(bench, program, file, unchanged, job, against, alone)
    except TimedOut:
        raise
    except NoGraph as problem:
        return "fails" if program.by_client else "cannot-tell", problem.what
    except FlinkopsError as problem:
        return "cannot-tell", problem.what
    drops = any(key.endswith("ignore-unclaimed-state") for key in change.settings)
    found = judge(job, seen, control=base.get(change.against), drops=drops)
    return found.verdict, found.cause or "; ".join(f"risk: {one}" for one in found.risks) or None


def _rehearsed(bench: Bench, program: Program, file: Path, change: Change, job: str, against: str, alone: bool) -> Seen:
    options = ["-Dstate.backend.type=rocksdb", *_client_options(bench, program, file, change, job)]
    if not (alone or program.alone or change.sample_bytes):
        try:
            return _seen.decode(bench.server.rehearse(against, options))
        except OperationFailed as problem:
            raise NoGraph(problem.what) from None
    client = installed_client(bench.distribution, executors=True, heap_mebibytes=1024)
    variables = {SAMPLE_VARIABLE: str(change.sample_bytes)} if change.sample_bytes else {}
    seen = restored(ClientRun(client, ["-d", "-t", "flinkops-rehearsal", *options]), against, job, variables)
    if change.sample_bytes:
        print(f"  a sample of {change.sample_bytes} bytes was asked for: {seen.sample}", flush=True)
    return seen


def _submitted(bench: Bench, program: Program, file: Path, change: Change, name: str, against: str | None) -> str:
    """Its id."""
    if not program.by_client:
        job_id = derived_id(str(time.time_ns()), name)
        settings = program.settings | change.settings | ({"restart-strategy.type": "none"} if against else {})
        run = JarRun(bench.control.upload_jar(str(file)), _ENTRY, _arguments(bench, program, name))
        bench.control.run_jar(run, job_id=job_id, savepoint=against, parallelism=change.parallelism, settings=settings)
        return job_id
    began_ms = time.time() * 1000
    address = bench.control.url.removeprefix("http://").partition(":")
    target = ["-d", "-t", "remote", f"-Drest.address={address[0]}", f"-Drest.port={address[2]}"]
    from_it = ["-s", against, "-Drestart-strategy.type=none"] if against else []
    options = [*target, *from_it, *_client_options(bench, program, file, change, name)]
    said = ""
    if file.suffix == ".py":
        client = installed_client(bench.distribution)
        done = subprocess.run(
            [*client.command, "run", *options],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            env=client.environment,
        )
        said = done.stderr[-400:] or done.stdout[-400:]
    else:
        bench.server.submit(options)
    job = next((one for one in bench.control.jobs() if one.name == name and (one.started_ms or 0) >= began_ms), None)
    if job is None:
        raise OperationFailed(said or "the program submits no job of that name")
    return job.id


def _really(
    bench: Bench, program: Program, file: Path, change: Change, name: str, against: str
) -> tuple[Real, str | None]:
    try:
        job_id = _submitted(bench, program, file, change, name, against)
        ran = until(lambda: worked(bench.control, job_id), name)
    except TimedOut:
        raise
    except FlinkopsError as problem:
        return "fails", problem.what
    cause = None if ran else failure(bench.control, job_id)
    cancel_all(bench.control)
    if not ran:
        return "fails", cause
    return ("lost state" if bench.line in change.loses else "runs"), None


def _outside(bench: Bench, program: Program) -> int | None:
    """Rows and sum of the sink's table, or its files and their bytes; None without either."""
    if program.files:
        files = [one for one in (bench.home / "outside").rglob("*") if one.is_file()]
        return len(files) + sum(one.stat().st_size for one in files)
    if not program.postgres or bench.postgres is None:
        return None
    url = bench.postgres.removeprefix("jdbc:").replace("://", "://postgres@")
    done = subprocess.run(
        ["psql", "-Atc", "SELECT count(*) + coalesce(sum(n), 0) FROM dst", url],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


if __name__ == "__main__":
    main()
