"""Actions of the screens: the same request, plan and executor as the commands. Nothing is changed anywhere else.

Everything here blocks, for a thread, and imports what acts only when something is to be done.
"""

import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.clock import Clock
from flinkops.errors import FlinkopsError, Interrupted, OperationFailed
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.outside.shell import shell_words
from flinkops.sources.protocol import TakesActions
from flinkops.sources.storage.stores import Stores
from flinkops.tui.actions.catalog import Planning, Running, command_of, request_of

if TYPE_CHECKING:
    from flinkops.act.backend import Backend, JobHandle
    from flinkops.act.executor import Progress


def backend_of(source: TakesActions, clock: Clock) -> "Backend":
    """What acts on the jobs of this source."""
    from flinkops.act.backends import backend_of_source

    return backend_of_source(source, clock)


def takes_actions(source: object, job: JobAssessment, clock: Clock) -> bool:
    """Whether there is a way to act on this job."""
    return isinstance(source, TakesActions) and job.facts is not None and backend_of(source, clock).takes(job.facts)


def make_plan(planning: Planning, *, clock: Clock, journal_folder: Path | None) -> Plan:
    """Find the job and plan. Raises FlinkopsError when that cannot be done."""
    from flinkops.act.journal import Journal, default_folder
    from flinkops.plan.identity import stamp

    kind, job = planning.kind, planning.job
    place = backend_of(planning.source, clock)
    request = request_of(kind, job, planning.text)
    place.prerequisites(request)
    command = command_of(kind, job, planning.text, place.where)
    made = stamp(kind.verb, clock.now_ms(), secrets.token_bytes(3), command)
    with _handle(place, job) as handle:
        return handle.plan(request, Journal(journal_folder or default_folder(), clock), made).plan


def carry_out(
    running: Running,
    *,
    clock: Clock,
    read_only: bool,
    journal_folder: Path | None,
    stores: Stores,
    progress: Callable[["Progress"], None],
    stopping: threading.Event,
) -> Result:
    """Run the plan. Read-only is refused by the executor, not here.

    Raises Interrupted, with how the job is left, at the first poll or step after `stopping` is set.
    """
    from flinkops.act.executor import Executor
    from flinkops.act.journal import Journal, default_folder

    def tell(one: "Progress") -> None:
        progress(one)
        if stopping.is_set() and one.kind in ("planned", "intent", "note", "outcome"):
            raise KeyboardInterrupt  # as Ctrl-C reaches a command: the executor notes it and says what is owed

    place = backend_of(running.planning.source, clock)
    with _handle(place, running.planning.job) as handle:
        executor = Executor(
            handle.control,
            Journal(journal_folder or default_folder(), clock),
            clock,
            stores=stores,
            guard="nothing may be changed at this source" if read_only else None,
            poll_seconds=handle.control.poll_seconds,
            progress=tell,
            resume_options=shell_words(place.where),
        )
        return executor.run(running.plan)


def interrupted(running: Running, clock: Clock, patience_seconds: float) -> FlinkopsError | None:
    """What is owed to whoever ends the program while this action runs; its thread was told before.

    None when it came to its end all the same. A thread that hangs in a request is waited for so long at most.
    """
    if running.over.wait(patience_seconds):
        return running.broken_off
    plan = running.plan
    options = shell_words(backend_of(running.planning.source, clock).where)
    from flinkops.act.executor import resume_command

    return Interrupted(
        f"interrupted while {plan.id} waited for an answer; {plan.target.job_name} is as its last step left it",
        next_step=f"resume it with: {resume_command(plan.id, options)}",
    )


def _handle(place: "Backend", job: JobAssessment) -> "AbstractContextManager[JobHandle]":
    if job.facts is None:
        raise OperationFailed(f"nothing is known of job {job.name} but its name")
    return place.reach_job(job.facts)
