"""Actions from the screen: the same Plan and the same executor as the commands. Nothing is changed anywhere else."""

import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.clock import Clock
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.tui.job_view import selector
from flinkops.tui.ports import Reached

if TYPE_CHECKING:  # imported when something is to be done: the first paint does not wait for it
    from flinkops.act.executor import Progress

ACTION_SECONDS = 600.0


@dataclass
class Running:
    """One action that was confirmed: it goes on whether or not its screen is open."""

    plan: Plan
    source: Reached
    steps: list["Progress"] = field(default_factory=list)
    result: Result | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over, one way or the other."""
        return self.result is not None or self.error is not None

    @property
    def outcome(self) -> str:
        """In one word."""
        return self.result.outcome if self.result else "refused" if self.error else "running"


def plan_savepoint(job: JobAssessment, source: Reached, clock: Clock) -> Plan | None:
    """The plan of a savepoint now; None when the job's facts are not there."""
    from flinkops.plan.identity import stamp
    from flinkops.plan.savepoint import plan_savepoint as plan

    if job.facts is None:
        return None
    url = shlex.quote(source.endpoint.url)
    command = f"flinkops savepoint create {selector(job)} --rest {url}"
    return plan(job.facts, stamp("savepoint-create", clock.now_ms(), secrets.token_bytes(3), command))


def carry_out(
    running: Running,
    *,
    clock: Clock,
    read_only: bool,
    journal_folder: Path | None,
    progress: Callable[["Progress"], None],
) -> Result:
    """Run the plan; blocks, for a thread. Read-only is refused by the executor, not here."""
    from flinkops.act.actions import ACTIONS
    from flinkops.act.executor import Executor
    from flinkops.act.journal import Journal, default_folder
    from flinkops.act.rest_control import RestControl

    control = RestControl(running.source.endpoint, clock)
    try:
        journal = Journal(journal_folder or default_folder(), clock)
        executor = Executor(
            control,
            journal,
            clock,
            ACTIONS,
            read_only=read_only,
            timeout_seconds=ACTION_SECONDS,
            progress=progress,
        )
        return executor.run(running.plan)
    finally:
        control.close()
