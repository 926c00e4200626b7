"""Submitting a job again where no operator does it: what is known of how it was submitted, and doing so."""

import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec

from flinkops.act.control import JarRun, JobControl
from flinkops.act.journal import Journal
from flinkops.act.rest.client_runs import fleet_at
from flinkops.act.rest.launch_failures import last_cause
from flinkops.act.rest.outcomes import LaunchPrepared
from flinkops.errors import OperationFailed, TimedOut, UsageError
from flinkops.model.facts import JobFacts
from flinkops.model.launch import Launch
from flinkops.model.steps import Findings
from flinkops.outside.shell import shell_command
from flinkops.paths import is_file
from flinkops.plan.step_inputs import SubmitJob
from flinkops.user_folders import absolute

Launcher = Callable[[JobControl, Launch, str, str], None]
"""Submits under a job id, from a savepoint; returns once Flink has accepted it."""

_CLIENT_SECONDS = 300.0
_JOB_ID_SETTING = "$internal.pipeline.job-id"
"""Flink's own setting for the id of the next job; what its Kubernetes application mode goes by."""


def known_launch(control: JobControl, journal: Journal, job_id: str) -> Launch | None:
    """How this job was submitted: by a plan in the journal, or by `./dev job` on the embedded fleet."""
    for record in reversed(journal.records()):
        if record.plan.target.source != control.name:
            continue  # another cluster's job of the same id
        for step in (*record.plan.steps, *record.plan.rollback_steps):
            if isinstance(step.do, SubmitJob) and step.do.job_id == job_id:
                return with_uploaded(step.do.launch, record.found)
    return _embedded_launch(control, job_id)


def launcher_for(launch: Launch) -> Launcher:
    """What submits this kind of launch."""
    return {"embedded": _submit_embedded, "jar": _submit_jar, "client": _submit_with_client}[launch.kind]


def with_uploaded(launch: Launch, found: Findings) -> Launch:
    """The launch with the id that its jar was given when it was uploaded."""
    prepared = found.last(LaunchPrepared)
    given = prepared.uploaded_jar if prepared is not None else None
    return msgspec.structs.replace(launch, jar_id=given) if launch.local_jar and given else launch


def prepare_launch(control: JobControl, launch: Launch) -> str | None:
    """Do all that can be done before the old job stops; the id of a jar that was uploaded for it.

    Raises UsageError or OperationFailed when it would not work.
    """
    if (path := launch.local_jar) is not None:
        return control.upload_jar(path)
    if launch.kind == "jar":
        if launch.jar_id not in control.jars():
            raise OperationFailed(f"{control.name} has no jar {launch.jar_id}", next_step="upload it first")
    elif launch.kind == "client":
        _flink_client()
        if not is_file(Path(launch.command[0])):
            raise OperationFailed(f"there is no file {launch.command[0]}")
    else:
        from flinkops.local import job

        job.prepare(fleet_at(control), launch.command)
    return None


def _embedded_launch(control: JobControl, job_id: str) -> Launch | None:
    from flinkops.local import launches
    from flinkops.local.state import find_running

    fleet = find_running()
    if fleet is None or fleet.rest_url.rstrip("/") != control.url:
        return None
    command = launches.recall(Path(fleet.home), job_id)
    if command is None:
        return None
    return Launch("embedded", command, parallelism=_parallelism_in(command))


def _parallelism_in(command: tuple[str, ...]) -> int | None:
    for option, value in pairwise(command):
        if option == "--parallelism" and value.isdigit():
            return int(value)
    return None


def _submit_embedded(control: JobControl, launch: Launch, job_id: str, savepoint: str) -> None:
    from flinkops.local import job

    job.start(fleet_at(control), launch.command, client_options=_client_options(launch, job_id, savepoint))


def _submit_jar(control: JobControl, launch: Launch, job_id: str, savepoint: str) -> None:
    run = JarRun(launch.jar_id or "", launch.entry_class, launch.command)
    control.run_jar(
        run, job_id=job_id, savepoint=savepoint, parallelism=launch.parallelism, settings=dict(launch.settings)
    )


def _submit_with_client(control: JobControl, launch: Launch, job_id: str, savepoint: str) -> None:
    script, *arguments = launch.command
    parallelism = ["-p", str(launch.parallelism)] if launch.parallelism else []
    command = [
        _flink_client(),
        *("run", "-d", "-m", control.url.partition("://")[2]),
        *parallelism,
        *_client_options(launch, job_id, savepoint),
        *("-py", str(absolute(Path(script))), *arguments),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_CLIENT_SECONDS)
    except subprocess.TimeoutExpired:
        raise TimedOut(f"flink run did not end within {_CLIENT_SECONDS:.0f} s") from None
    except OSError as problem:
        raise OperationFailed(f"{command[0]} cannot be run: {problem.strerror or problem}") from None
    if result.returncode != 0:
        raise OperationFailed(f"flink run failed: {last_cause(result.stderr or result.stdout)}")


def _client_options(launch: Launch, job_id: str, savepoint: str) -> list[str]:
    settings = {**launch.settings, _JOB_ID_SETTING: job_id}
    return ["-s", savepoint, *(f"-D{key}={value}" for key, value in settings.items())]


def _flink_client() -> str:
    home = os.environ.get("FLINK_HOME")
    found = str(Path(home) / "bin" / "flink") if home else shutil.which("flink")
    if found is None:
        raise OperationFailed("no `flink` client to submit with", next_step="set FLINK_HOME, or put flink on PATH")
    return found


def launch_before(journal: Journal, job: JobFacts, plan_id: str | None) -> Launch:
    """How the job was submitted before its last upgrade, or before the action `plan_id`.

    Raises UsageError when the journal does not know it.
    """
    for record in reversed(journal.records()):
        plan = record.plan
        same = (plan.target.source, plan.target.namespace, plan.target.job_name) == (
            job.cluster,
            job.namespace,
            job.name,
        )
        if not same or record.outcome != "verified" or plan_id not in (None, plan.id):
            continue
        launches = [step.do.launch for step in plan.rollback_steps if isinstance(step.do, SubmitJob)]
        if launches:
            return launches[0]
    raise UsageError(
        f"the journal knows no {'such ' if plan_id else ''}upgrade of {job.name} to roll back",
        next_step=shell_command("flinkops", "history", job.name),
    )
