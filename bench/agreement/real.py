"""What Flink does with a job that was submitted for real."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from flinkops.act.rest.control import RestControl
from flinkops.act.stability_steps import all_running
from flinkops.clock import SystemClock
from flinkops.errors import FlinkopsError, OperationFailed, TimedOut
from flinkops.local import flink
from flinkops.local.java import find_java
from flinkops.local.ports import free_ports
from flinkops.local.processes import Process
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import JobFacts
from flinkops.model.states import ENDED
from flinkops.plan.state_loss import place_of

PATIENCE_SECONDS = 400.0
_POLL_SECONDS = 0.3

T = TypeVar("T")
Real = Literal["runs", "fails", "lost state"]
AGREES: dict[str, Real] = {"restores": "runs", "fails": "fails", "loses-state": "lost state"}
"""By the verdict of a rehearsal; *cannot-tell* agrees with nothing."""


class NoSavepoint(OperationFailed):
    """Flink has answered so."""


def started(home: Path, processes: list[Process]) -> RestControl:
    """A cluster of the distribution that `flink` names; its processes are added as they start."""
    rest_port, rpc_port = free_ports(2)
    flink.write_config(home, rest_port, rpc_port)
    with (home / "flink" / "conf" / "config.yaml").open("a") as settings:
        settings.write(f"dstl.dfs.base-path: 'file://{home}/flink/changelog'\n")
    (home / "logs").mkdir()
    java = find_java()
    processes.append(flink.start_jobmanager(home, java))
    processes.append(flink.start_taskmanager(home, java, f"{flink.TASKMANAGER_PREFIX}1"))
    control = RestControl(parse_endpoint(f"http://127.0.0.1:{rest_port}"), SystemClock())
    until(lambda: (control.cluster().slots_total or 0) > 0 or None, "a TaskManager")
    return control


def newest_checkpoint(control: RestControl, job_id: str) -> str | None:
    job = control.job(job_id)
    history = job.checkpoints.history if job is not None and job.checkpoints else ()
    done = [one for one in history if one.status == "COMPLETED" and not one.is_savepoint]
    return next((path for one in done if (path := place_of(one))), None)


def runs(control: RestControl, job_id: str) -> bool:
    job = control.job(job_id)
    return job is not None and all_running(job)


def worked(control: RestControl, job_id: str) -> bool | None:
    """True once it has taken records in and completed a checkpoint; False when it has failed.

    One that runs and takes no checkpoint has failed, too: so is Flink 2.3's adaptive scheduler where the state of a
    source's enumerator cannot be read.
    """
    job = control.job(job_id)
    if job is None:
        return None
    if job.state in ENDED or job.state == "FAILING" or _expired(job):
        return False
    done = job.checkpoints is not None and (job.checkpoints.completed or 0) >= 2
    return True if done and all_running(job) else None


def failure(control: RestControl, job_id: str) -> str | None:
    failures = control.failures(job_id)
    if failures:
        return f"{failures[0].name}: {failures[0].message}"
    job = control.job(job_id)
    return _expired(job) if job is not None else None


def _expired(job: JobFacts) -> str | None:
    """What its first checkpoint failed of, when it ran out of time."""
    seen = job.checkpoints
    last = seen.latest_failed if seen is not None and not seen.completed else None
    if last is None or "expired" not in (last.failure or ""):
        return None
    return f"it runs and completes no checkpoint: {last.failure}"


def cancel_all(control: RestControl) -> None:
    def live() -> list[JobFacts]:
        return [one for one in control.jobs() if one.state not in ENDED]

    for one in live():
        control.cancel(one.id)
    until(lambda: None if live() else True, "the end of the jobs")


def until(ask: Callable[[], T | None], what: str) -> T:
    """Raises TimedOut, which says something of this machine alone."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        try:
            if (answer := ask()) is not None:
                return answer
        except NoSavepoint:
            raise
        except FlinkopsError:
            pass
        time.sleep(_POLL_SECONDS)
    raise TimedOut(f"no {what} within {PATIENCE_SECONDS:.0f} s")
