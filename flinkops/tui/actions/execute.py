"""Actions of the screens: the same request, plan and executor as the commands. Nothing is changed anywhere else.

Everything here blocks, for a thread, and imports what acts only when something is to be done.
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.clock import Clock
from flinkops.errors import OperationFailed
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.outside.shell import shell_words
from flinkops.sources.protocol import TakesActions
from flinkops.sources.storage.stores import Stores
from flinkops.tui.actions.catalog import Planning, Running, command_of, request_of

if TYPE_CHECKING:
    from flinkops.act.backend import Backend, JobHandle
    from flinkops.act.executor import Progress

ACTION_SECONDS = 600.0


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
) -> Result:
    """Run the plan. Read-only is refused by the executor, not here."""
    from flinkops.act.executor import Executor
    from flinkops.act.journal import Journal, default_folder

    place = backend_of(running.planning.source, clock)
    with _handle(place, running.planning.job) as handle:
        executor = Executor(
            handle.control,
            Journal(journal_folder or default_folder(), clock),
            clock,
            stores=stores,
            guard="nothing may be changed at this source" if read_only else None,
            timeout_seconds=ACTION_SECONDS,
            poll_seconds=handle.control.poll_seconds,
            progress=progress,
            resume_options=shell_words(place.where),
        )
        return executor.run(running.plan)


def _handle(place: "Backend", job: JobAssessment) -> "AbstractContextManager[JobHandle]":
    if job.facts is None:
        raise OperationFailed(f"nothing is known of job {job.name} but its name")
    return place.reach_job(job.facts)
