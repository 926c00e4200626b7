"""What a step is given while it runs, and how it waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from flinkops.act.control import JobControl
from flinkops.clock import Clock
from flinkops.errors import Denied, NotInTime, TimedOut, Unreachable
from flinkops.model.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True)
class StepRun:
    """The surroundings of one step. ``seen`` is what the steps before it saw; ``ends`` is a monotonic time.

    What a step writes into ``found`` is kept even when the step fails: the way back may need it.
    """

    control: JobControl
    plan: Plan
    arguments: dict[str, str]
    seen: dict[str, str]
    clock: Clock
    ends: float
    poll_seconds: float
    note: Callable[[str], None]
    found: dict[str, str] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """The job that the plan is about."""
        return self.plan.target.job_id

    def until(self, what: str, ask: Callable[[], T | None], *, within_seconds: float | None = None) -> T:
        """Ask until there is an answer that is not None.

        A cluster that does not answer for a while is asked again: a JobManager may be starting anew. Raises
        NotInTime when `within_seconds` have passed, TimedOut when the time of the whole is up, Denied at once.
        """
        mine = self.ends if within_seconds is None else time.monotonic() + within_seconds
        ends = min(self.ends, mine)
        trouble: Unreachable | None = None
        while True:
            try:
                answer = ask()
                trouble = None
            except Denied:
                raise
            except Unreachable as problem:
                answer, trouble = None, problem
            if answer is not None:
                return answer
            if time.monotonic() >= ends:
                last = f" (last: {trouble.what})" if trouble else ""
                if mine < self.ends:
                    raise NotInTime(f"{what}: not within {within_seconds:g} s{last}")
                raise TimedOut(f"{what}: no outcome in the time given{last}")
            self.note(f"{what}{': ' + trouble.what if trouble else ''}")
            time.sleep(min(self.poll_seconds, max(0.0, ends - time.monotonic())))


StepAction = Callable[[StepRun], dict[str, str]]
"""Does one step, idempotently; returns what was seen. Raises OperationFailed or TimedOut."""
