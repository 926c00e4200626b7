"""restart-loop: the job fails again and again; the earliest exception after the last stable period is the cause."""

from collections.abc import Sequence

import msgspec

from flinkops.diagnose.case import Case, NextStep
from flinkops.diagnose.failures import known_failure
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.detail import FatalError
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.findings import FailureKind, Finding, NotAssessed, Severity
from flinkops.model.root_cause import root_cause
from flinkops.model.states import JobState

STABLE_MS = 300_000
"""A job that ran so long without an exception was well; what came before has another cause."""
LOOP_FAILURES = 3
"""So many since it was last stable are a loop; two are a warning, one happens."""
DOWN_SECONDS = 15.0
"""A failure from which the job has not come back for so long is no accident that is over."""
RECENT_MS = 900_000
"""A failure longer ago than this is over."""
FROM_THE_START_MS = 300_000
"""A first failure so soon after the submission is of what was submitted."""


def judge(case: Case) -> Verdict:
    """By Flink's history of exceptions, which keeps the newest few."""
    since = since_stable(case.job.exceptions)
    failed = case.job.state == JobState.FAILED
    restarts = case.job.restarts or 0
    if not case.above("exceptions since it was last stable", len(since), 0, "count"):
        if failed or (restarts and not case.job.restarts_include_rescales):
            return NotAssessed("restart-loop", case.why_missing("exceptions", "Flink keeps no exception of it"))
        return ()
    newest, root = since[-1], root_of(case) or since[0]
    ago_seconds = (case.job.seen_ms - newest.at_ms) / 1000
    if not case.at_most("since its newest exception", ago_seconds, RECENT_MS / 1000, "seconds") and not failed:
        return ()
    count = max(len(since), _restarts_since(case))
    return [_finding(case, root, newest, count, failed=failed)]


def _finding(case: Case, root: ExceptionFacts, newest: ExceptionFacts, count: int, *, failed: bool) -> Finding:
    step = _next(case, root)
    down = case.job.state != JobState.RUNNING and (case.job.seen_ms - newest.at_ms) / 1000 >= DOWN_SECONDS
    severity: Severity = "critical" if failed or count >= LOOP_FAILURES else "warning" if count >= 2 or down else "info"
    known, ended = known_failure(root), _end_of_taskmanager(case, since_stable(case.job.exceptions)[0])
    times = f"The job has failed {count} times" if count > 1 else "The job restarted"
    lines = [
        line("failures since the job was last stable", float(count), float(LOOP_FAILURES), "count"),
        line(f"the first of them, the root cause: {said(root)}"),
        *([line(f"it means: {known.meaning}")] if known else []),
        *([line(f"it ended its TaskManager, by {ended.source}")] if ended else []),
        *([_WHY_LOST] if known and known.kind is FailureKind.TASKMANAGER_LOST else []),
        *([line(f"in {root.vertex}")] if root.vertex else []),
        *([line(f"at TaskManager {root.taskmanager}")] if root.taskmanager else []),
        *([line(f"the newest: {said(newest)}")] if said(newest) != said(root) else []),
    ]
    return Finding(
        code="restart-loop",
        severity=severity,
        confidence=0.95 if count >= LOOP_FAILURES or failed else 0.7,
        title=f"{'The job has failed' if failed else times}: {said(root)}",
        vertex=root.vertex,
        evidence=tuple(lines),
        remedy=(*known.remedies, _GROWING_INTERVALS) if known else (_FIRST_EXCEPTION, _GROWING_INTERVALS),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "ops/state/task_failure_recovery/",
        failure=known.kind if known else FailureKind.FATAL if ended else None,
    )


def root_of(case: Case) -> ExceptionFacts | None:
    """The earliest exception since the job was last stable; where that is the end of a TaskManager, what ended it."""
    since = since_stable(case.job.exceptions)
    if not since or (ended := _end_of_taskmanager(case, since[0])) is None:
        return since[0] if since else None
    return msgspec.structs.replace(since[0], name=ended.name, message=ended.message)


def lost_taskmanager_ms(job: JobFacts) -> int | None:
    """When the earliest of its TaskManagers was lost, if its failures begin with that, and the newest is recent."""
    since = since_stable(job.exceptions)
    if not since or job.seen_ms - since[-1].at_ms > RECENT_MS or not _is_lost(since[0]):
        return None
    return since[0].at_ms


def _is_lost(exception: ExceptionFacts) -> bool:
    known = known_failure(exception)
    return known is not None and known.kind is FailureKind.TASKMANAGER_LOST


def _end_of_taskmanager(case: Case, root: ExceptionFacts) -> FatalError | None:
    return case.evidence.fatal[0] if case.evidence.fatal and _is_lost(root) else None


_WHY_LOST = line(
    "why it is gone only its log and its pod tell: no log of it could be read that says so. What a task throws again "
    "while it is closed ends its TaskManager, too, such as an expired transaction of Kafka's sink"
)
_FIRST_EXCEPTION = remedy(
    "Remove the cause that the first exception names: a record that cannot be read goes to a dead letter, not to an "
    "exception; the later exceptions only follow from it"
)
_GROWING_INTERVALS = remedy(
    "Until then, restart at growing intervals, so that the cluster and what it reads from can breathe; costs a longer "
    "pause after each failure",
    key="restart-strategy.type",
    value="exponential-delay",
)


def since_stable(exceptions: Sequence[ExceptionFacts]) -> list[ExceptionFacts]:
    """Oldest first, from the first after the last pause of STABLE_MS on."""
    ordered = sorted(exceptions, key=lambda each: each.at_ms)
    start = 0
    for index in range(1, len(ordered)):
        if ordered[index].at_ms - ordered[index - 1].at_ms > STABLE_MS:
            start = index
    return ordered[start:]


def said(exception: ExceptionFacts) -> str:
    """The root cause, on one bounded line."""
    return root_cause(exception).text


def _next(case: Case, root: ExceptionFacts) -> NextStep:
    """What failed from the start came with it: a rollback is the first move."""
    started_ms = case.job.started_ms
    if started_ms is not None and root.at_ms - started_ms < FROM_THE_START_MS:
        return case.rolled_back
    return case.shown


def _restarts_since(case: Case) -> int:
    """How often it restarted over the polls that are remembered; not where Flink counts rescales among restarts."""
    if case.job.restarts_include_rescales:
        return 0
    now = case.job.restarts or 0
    known = [
        each.restarts for each in case.evidence.history if each.job_id == case.job.id and each.restarts is not None
    ]
    return max(0, now - min(known, default=now))


RULE = Rule("restart-loop", judge, running=False)
