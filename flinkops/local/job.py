"""Submits the reference jobs to the embedded fleet, as `flink run -py` does, and waits for what becomes of them."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import flinkops
from flinkops.errors import OperationFailed, TimedOut, UsageError
from flinkops.local import launches
from flinkops.local.client import fleet_client, job_environment, python_options
from flinkops.local.javac import compile_jar
from flinkops.local.probe import get_json
from flinkops.local.state import FleetInfo
from flinkops.model.states import ENDED, ExecutionState, JobState

_SUBMIT_SECONDS = 300.0
_START_SECONDS = 120.0
_POLL_SECONDS = 0.2
_MAX_ERROR_CHARACTERS = 400


def jobs_folder() -> Path:
    """Where the jobs are: beside the package in a checkout, as `flinkops_jobs` when installed."""
    around = Path(flinkops.__file__).parents[1]
    return next(folder for folder in (around / "jobs", around / "flinkops_jobs") if folder.is_dir())


def job_names() -> list[str]:
    """The jobs that can be submitted, by their names on the command line."""
    return sorted(path.parent.name.replace("_", "-") for path in jobs_folder().glob("*/job.py"))


def is_bounded(command: Sequence[str]) -> bool:
    """True when the job ends by itself: it reads files, or a topic up to its end."""
    after_source = command[command.index("--source") + 1 :][:1] if "--source" in command else []
    return "--bounded" in command or "--source=files" in command or list(after_source) == ["files"]


def help_text(name: str) -> str:
    """The job's own help."""
    script = _script(name)
    return subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True).stdout


def _script(name: str) -> Path:
    if name not in job_names():
        raise UsageError(f"no job {name!r}", next_step=f"there are {', '.join(job_names())}")
    return jobs_folder() / name.replace("-", "_") / "job.py"


def submit(info: FleetInfo, command: Sequence[str], *, client_options: Sequence[str] = ()) -> str:
    """Start a job on a running fleet and return its id, once every task of it runs (or it has ended well).

    `command` is the job's name and its options, such as `["price-aggregation", "--bounded"]`; the fleet's
    broker and warehouse are the defaults. `client_options` are for `flink run`: `-s SAVEPOINT`, `-DKEY=VALUE`.
    Raises UsageError for wrong options, OperationFailed when it does not start, TimedOut when it is submitted and
    does not run in time.
    """
    job_id = start(info, command, client_options=client_options)
    await_running(info, job_id)
    return job_id


def start(info: FleetInfo, command: Sequence[str], *, client_options: Sequence[str] = ()) -> str:
    """As :func:`submit`, but return as soon as Flink has accepted the job, whatever becomes of it."""
    script, options = prepare(info, command)
    job_id = _run_client(info, command[0], client_options, script, options)
    launches.remember(Path(info.home), job_id, command)
    return job_id


def prepare(info: FleetInfo, command: Sequence[str]) -> tuple[Path, list[str]]:
    """The job's script and all its options, checked by the job itself, its Java classes compiled.

    Raises UsageError for an unknown job or wrong options, OperationFailed when the classes do not compile.
    """
    name, *options = command or [""]
    script = _script(name)
    options = ["--bootstrap", info.kafka_bootstrap, "--warehouse", info.warehouse, *options]
    check_options(script, options, job_environment(info))
    return script, [*options, "--jar", str(build_jar(info, script.parent))]


def await_end(info: FleetInfo, job_id: str, *, timeout_seconds: float) -> None:
    """Wait until the job is FINISHED. Raises OperationFailed when it failed or was cancelled, else TimedOut."""
    _await_state(info, job_id, ENDED, timeout_seconds)


def check_options(script: Path, options: Sequence[str], environment: Mapping[str, str]) -> None:
    """Let the job judge its options, before a JVM is started for it. Raises UsageError with its words."""
    command = [sys.executable, str(script), *options, "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    if result.returncode != 0:
        raise UsageError(result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "the options are wrong")


def java_sources(job: Path) -> list[Path]:
    """The folders of a job's Java sources: what the jobs share, and its own."""
    return [job.parent / "common" / "java", job / "java"]


def build_jar(info: FleetInfo, job: Path) -> Path:
    """The job's Java classes, compiled against the fleet's jars when they changed."""
    libraries = sorted(info.flink_lib_dir.glob("*.jar"))
    return compile_jar(java_sources(job), Path(info.home) / "jobs" / f"{job.name.replace('_', '-')}.jar", libraries)


def _run_client(info: FleetInfo, name: str, client_options: Sequence[str], script: Path, options: Sequence[str]) -> str:
    client = fleet_client(info)
    try:
        result = subprocess.run(
            [*client.command, "run", *run_options(client_options, script, options)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SUBMIT_SECONDS,
            env=client.environment,
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{name} was not submitted within {_SUBMIT_SECONDS:.0f} s") from error
    submitted = re.search(r"^job ([0-9a-f]{32})$", result.stdout, re.MULTILINE)
    if submitted is None:
        raise OperationFailed(client_error(name, result.stdout + "\n" + result.stderr))
    return submitted[1]


def run_options(client_options: Sequence[str], script: Path, options: Sequence[str]) -> list[str]:
    """What goes behind `flink run` for a job's script."""
    return ["-d", *client_options, *python_options(), "-py", str(script), *options]


def client_error(name: str, output: str) -> str:
    """The job's own words, else the last cause in a stack trace; on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(f"{name}: ")]
    causes = [line for line in lines if "Exception" in line or "Error" in line]
    text = (own or causes or lines or ["its client said nothing"])[-1]
    return _printable(text if own else f"{name} was not submitted: {text}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:_MAX_ERROR_CHARACTERS]


def await_running(info: FleetInfo, job_id: str) -> None:
    """Until every task of it runs. Raises OperationFailed when it has failed, TimedOut."""
    deadline = time.monotonic() + _START_SECONDS
    _await_state(info, job_id, ENDED | {JobState.RUNNING}, _START_SECONDS)
    while _unstarted_tasks(info, job_id):
        if time.monotonic() > deadline:
            raise TimedOut(f"job {job_id} has tasks that do not run after {_START_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _unstarted_tasks(info: FleetInfo, job_id: str) -> bool:
    job = _describe(info, job_id)
    if job["state"] in ENDED:
        _raise_unless_finished(info, job_id, job["state"])
        return False
    return any(vertex["status"] not in {ExecutionState.RUNNING, ExecutionState.FINISHED} for vertex in job["vertices"])


def _await_state(info: FleetInfo, job_id: str, wanted: Collection[str], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while (state := _describe(info, job_id)["state"]) not in wanted:
        if time.monotonic() > deadline:
            raise TimedOut(f"job {job_id} is {state} after {timeout_seconds:.0f} s; it goes on")
        time.sleep(_POLL_SECONDS)
    _raise_unless_finished(info, job_id, state)


def _raise_unless_finished(info: FleetInfo, job_id: str, state: str) -> None:
    if state in ENDED - {JobState.FINISHED}:
        raise OperationFailed(f"job {job_id} is {state}: {failure(info, job_id)}")


def failure(info: FleetInfo, job_id: str) -> str:
    """The cause that Flink gives for the job's last failure, on one line."""
    answer = get_json(info.rest_url, f"/jobs/{job_id}/exceptions?maxExceptions=1") or {}
    entries = answer.get("exceptionHistory", {}).get("entries", [])
    lines = entries[0]["stacktrace"].splitlines() if entries else []
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")] or lines[:1]
    return _printable(causes[-1]) if causes else "Flink gives no cause"


def _describe(info: FleetInfo, job_id: str) -> dict[str, Any]:
    """The job as REST tells; a job that it does not know yet is INITIALIZING."""
    return get_json(info.rest_url, f"/jobs/{job_id}") or {"state": "INITIALIZING", "vertices": []}
