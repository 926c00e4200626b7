"""Programs whose main does what it should not: rehearsed by `flinkops rehearse`, and what is left of it.

    python -m bench.rehearsal_mains [--distribution DIR] [--only REGEX] [--limit SECONDS]

Starts a Flink cluster of its own, and on it a job with state. Each row is that job's program with lines added to its
main, rehearsed against one savepoint. Printed: row, verdict, seconds, what is wrong (nothing, as it should be), cause.
Wrong is another verdict than the row names, a job that does not run any more or another one that does, a savepoint that
has changed, a process or a scratch folder that is left, scratch space of more than 300 MB, and an end later than the
limit allows. `--limit` is given to rows that come to no graph, instead of the product's own.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from bench.agreement.changes import CHANGED_JOB
from bench.agreement.real import cancel_all, runs, started, until
from flinkops.act.control import JarRun
from flinkops.act.rest.control import RestControl
from flinkops.local import flink
from flinkops.local.javac import compile_jar
from flinkops.local.processes import Process, terminate
from flinkops.model.states import ENDED
from flinkops.plan.identity import derived_id

_ENTRY, _NAME = "flinkops.changed.Job", "mains"
_STATE_SECONDS = 5.0
_MOST_SCRATCH_BYTES = 300 << 20
_SLACK_SECONDS = 60.0  # of a busy machine: the client's start, and its end
_HEAD = "StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();"
_EXECUTE = 'environment.execute(arguments.length > 0 ? arguments[0] : "changed");'
_SINK = '.sinkTo(new DiscardingSink<>()).uid("discard").name("discard");'
_COMMAND = "import sys; from flinkops.act.rest import rehearsing; {limit}; from flinkops.cli.main import main; main()"


class Row(NamedTuple):
    """Lines before the graph and behind it, other edits, and what a rehearsal should say of it."""

    verdict: str
    before: str = ""
    behind: str = ""
    edits: dict[str, str] = {}
    never: bool = False  # it comes to no graph


ROWS: dict[str, Row] = {
    "as it should": Row("restores"),
    "needs the network: refused": Row("cannot-tell", 'new java.net.Socket("127.0.0.1", 1).close();'),
    "needs the network: unknown host": Row("cannot-tell", 'new java.net.Socket("no.such.invalid", 9092).close();'),
    "needs the network: no answer": Row(
        "cannot-tell", 'new java.net.Socket("127.0.0.1", PORT).getInputStream().read();', never=True
    ),
    "never ends its graph": Row("cannot-tell", "while (!Thread.interrupted()) { Thread.sleep(100); }", never=True),
    "never ends its graph, and prints": Row(
        "cannot-tell", 'while (!Thread.interrupted()) { System.out.println("x".repeat(1 << 16)); }', never=True
    ),
    "waits for standard input": Row("cannot-tell", "System.in.read();", never=True),
    "a static initialiser with a socket": Row(
        "restores",
        edits={
            "private Job() {}": (
                'static java.net.Socket SOCKET; static { try { SOCKET = new java.net.Socket("127.0.0.1", PORT); }'
                " catch (java.io.IOException no) { throw new ExceptionInInitializerError(no); } } private Job() {}"
            )
        },
    ),
    "reads a file": Row("restores", 'java.nio.file.Files.readString(java.nio.file.Path.of("/etc/hosts"));'),
    "reads a file that is elsewhere": Row(
        "cannot-tell", 'java.nio.file.Files.readString(java.nio.file.Path.of("/etc/no-such-file"));'
    ),
    "exits before its graph": Row("cannot-tell", "if (arguments.length > 0) { System.exit(3); }"),
    "exits behind its graph": Row("restores", behind="System.exit(3);"),
    "fails behind its graph": Row("restores", behind='if (arguments.length > 0) { throw new Error("behind"); }'),
    "prints megabytes": Row("restores", 'for (int n = 0; n < 400; n++) { System.out.println("x".repeat(1 << 16)); }'),
    "a thread that goes on": Row("restores", "new Thread(() -> { while (true) { Thread.onSpinWait(); } }).start();"),
    "a process that goes on": Row("restores", 'new ProcessBuilder("sleep", "4321").start();'),
    "a local environment": Row("cannot-tell", edits={"getExecutionEnvironment()": "createLocalEnvironment()"}),
    "a remote environment": Row(
        "cannot-tell", edits={"getExecutionEnvironment()": 'createRemoteEnvironment("127.0.0.1", REST)'}
    ),
    "collects its results": Row(
        "restores",
        edits={_SINK: ".executeAndCollect(arguments[0]).forEachRemaining(one -> { });", _EXECUTE: ""},
    ),
    "submits without waiting": Row("restores", edits={".execute(": ".executeAsync("}),
}


class Stage(NamedTuple):
    """What all rows share."""

    home: Path
    distribution: Path
    control: RestControl
    job: str
    savepoint: str
    port: int
    limit_seconds: float


def main() -> None:
    """One line a row, and how many are as they should be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the cluster ends too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distribution", type=Path, default=flink.distribution())
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=60.0)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mains-"))
    processes: list[Process] = []
    with (
        patch.object(flink, "distribution", lambda: given.distribution),
        patch.object(flink, "JAR_GROUPS", ()),
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        threading.Thread(target=_accept, args=(silent,), daemon=True).start()
        try:
            print(f"Flink {flink.version()}", flush=True)
            control = started(home, processes)
            port = silent.getsockname()[1]
            stage = _stage(Stage(home, given.distribution, control, "", "", port, given.limit))
            rows = {name: row for name, row in ROWS.items() if re.search(given.only, name)}
            good = [_row(stage, name, row) for name, row in rows.items()]
            print(f"{sum(good)} of {len(good)} as they should be", flush=True)
            cancel_all(control)
        finally:
            terminate(processes)
            shutil.rmtree(home, ignore_errors=True)


def _accept(silent: socket.socket) -> None:
    """Connections that nothing is said on."""
    kept = []
    while True:
        try:
            kept.append(silent.accept())
        except OSError:
            return


def _stage(stage: Stage) -> Stage:
    """With the job that runs, and its savepoint."""
    control = stage.control
    job = derived_id(_NAME, str(time.time_ns()))
    run = JarRun(control.upload_jar(str(_jar(stage, "base", Row("restores")))), _ENTRY, (_NAME,))
    control.run_jar(run, job_id=job, savepoint=None, parallelism=1, settings={})
    until(lambda: runs(control, job) or None, "the job")
    time.sleep(_STATE_SECONDS)
    trigger, folder = derived_id(_NAME, "savepoint"), f"file://{stage.home}/flink/savepoints"
    control.trigger_savepoint(job, target_directory=folder, savepoint_format="canonical", trigger_id=trigger)

    def ask() -> str | None:
        outcome = control.savepoint_status(job, trigger)
        return outcome.location if outcome is not None else None

    return stage._replace(job=job, savepoint=until(ask, "its savepoint"))


def _jar(stage: Stage, name: str, row: Row) -> Path:
    folder = stage.home / "sources" / "".join(one if one.isalnum() else "-" for one in name)
    shutil.copytree(CHANGED_JOB, folder)
    source = folder / "flinkops" / "changed" / "Job.java"
    text = source.read_text()
    edits = {**row.edits, "enableCheckpointing(1000);": f"enableCheckpointing(1000); {row.before}"}
    if row.behind:
        edits[_EXECUTE] = f"{_EXECUTE} {row.behind}"
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    rest_port = stage.control.url.rpartition(":")[2]
    source.write_text(text.replace("PORT", str(stage.port)).replace("REST", rest_port))
    jar = stage.home / "jars" / f"{folder.name}.jar"
    jar.parent.mkdir(exist_ok=True)
    return compile_jar(folder, jar, sorted((stage.distribution / "lib").glob("*.jar")))


def _row(stage: Stage, name: str, row: Row) -> bool:
    jar, scratch = _jar(stage, name, row), stage.home / "scratch"
    scratch.mkdir(exist_ok=True)
    before = _files(stage)
    limit = f"rehearsing._GRAPH_SECONDS = {stage.limit_seconds}" if row.never else ""
    words = ["rehearse", _NAME, "--rest", stage.control.url, "--flink-home", str(stage.distribution)]
    words += ["--jar", str(jar), "--entry-class", _ENTRY, f"--arg={_NAME}", "--against", stage.savepoint, "-o", "json"]
    environment = os.environ | {"TMPDIR": str(scratch), "FLINKOPS_LOCAL_HOME": str(stage.home / "fleet")}
    began, most = time.monotonic(), 0
    command = [sys.executable, "-c", _COMMAND.format(limit=limit or "pass"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as done:
        while done.poll() is None:
            most = max(most, _bytes_of(scratch))
            time.sleep(0.1)
        assert done.stdout is not None
        assert done.stderr is not None
        out, err = done.stdout.read(), done.stderr.read()
    seconds = time.monotonic() - began
    document: dict[str, Any] = json.loads(out) if out else {"verdict": "none", "cause": err[-300:], "outside": []}
    wrong = [] if document["verdict"] == row.verdict else [f"not {row.verdict}"]
    wrong += _left(stage, scratch, before)
    wrong += ["too late"] if row.never and seconds > stage.limit_seconds + _SLACK_SECONDS else []
    wrong += [f"{most} bytes of scratch"] if most > _MOST_SCRATCH_BYTES else []
    said = "; ".join([document["cause"] or "", *document["outside"]])[:260]
    print(
        f"{name:<36} {document['verdict']:<12} {seconds:4.0f} s  wrong: {', '.join(wrong) or '-'}  {said}", flush=True
    )
    return not wrong


def _left(stage: Stage, scratch: Path, before: dict[str, tuple[int, int]]) -> list[str]:
    live = [one.id for one in stage.control.jobs() if one.state not in ENDED]
    found = [] if live == [stage.job] else [f"running jobs: {live}"]
    found += [] if _files(stage) == before else ["the savepoint changed"]
    found += [f"left: {one}" for one in scratch.iterdir()]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    marks = ("flinkops-rehearsal", "sleep 4321")
    processes = [line for line in running.splitlines() if str(stage.home / "jars") in line or "sleep 4321" in line]
    return found + [f"runs on: {line[:60]}" for line in processes if any(mark in line for mark in marks)]


def _files(stage: Stage) -> dict[str, tuple[int, int]]:
    found = {path: path.stat() for path in Path(stage.savepoint.removeprefix("file:")).rglob("*")}
    return {path.name: (status.st_size, status.st_mtime_ns) for path, status in found.items()}


def _bytes_of(folder: Path) -> int:
    """On the disk; what vanishes meanwhile counts as nothing."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.stat(os.path.join(root, name)).st_blocks * 512
            except OSError:
                continue
    return total


if __name__ == "__main__":
    main()
