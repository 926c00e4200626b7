"""Which jobs ended because an action of ours ended them, by the journal: those are not ill."""

import os

from flinkops.act.journal import ActionRecord, Journal
from flinkops.errors import FlinkopsError
from flinkops.model.facts import JobFacts

ENDING_VERBS = frozenset({"upgrade", "rollback", "suspend", "restart"})
"""They stop the job that they are about, or the one that they put in its place."""
MARGIN_MS = 60_000
"""The clocks of the cluster and of this machine, and what a stop that was asked for takes."""


class EndedByAction:
    """Asks the journal, which is read again only when its file has changed. An unreadable journal explains nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._read_at: tuple[int, int] | None = None
        self._by_job: dict[str, list[ActionRecord]] = {}

    def __call__(self, job: JobFacts) -> str | None:
        """``verb id`` of the action in which the job ended; None when none did it."""
        self._refresh()
        for record in reversed(self._by_job.get(job.id, [])):
            target = record.plan.target
            ours = (target.source, target.namespace) == (job.cluster, job.namespace)
            if ours and _within(record, job.ended_ms):
                return record.label
        return None

    def _refresh(self) -> None:
        try:
            found = os.stat(self._journal.path)
        except OSError:
            self._by_job, self._read_at = {}, None
            return
        if self._read_at == (found.st_mtime_ns, found.st_size):
            return
        try:
            records = self._journal.records()
        except FlinkopsError:
            records = ()
        self._read_at = (found.st_mtime_ns, found.st_size)
        self._by_job = {}
        for record in records:
            if record.plan.verb in ENDING_VERBS:
                for job_id in {record.plan.target.job_id, record.found.new_job_id or ""} - {""}:
                    self._by_job.setdefault(job_id, []).append(record)


def _within(record: ActionRecord, ended_ms: int | None) -> bool:
    """The job ended while the action ran. One that was interrupted may have ended it later."""
    if ended_ms is None:
        return record.plan.verb == "suspend" and record.outcome == "verified"
    until = float("inf") if record.ended_ms is None else record.ended_ms + MARGIN_MS
    return record.started_ms - MARGIN_MS <= ended_ms <= until
