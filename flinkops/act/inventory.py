"""Which savepoints there are, as Flink and the journal know them, and which of them something depends on."""

import re

import msgspec

from flinkops.act.control import JobControl
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.storage import same_place
from flinkops.errors import Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Step
from flinkops.plan.retention import KnownSavepoint, newest_first

_CHECKPOINT_FOLDER = re.compile(r"/chk-\d+/?$")


def savepoints_of(job: JobFacts, journal: Journal) -> tuple[KnownSavepoint, ...]:
    """Completed savepoints of a job, newest first; those that were disposed of are left out."""
    records = [one for one in journal.records() if one.plan.target.source == job.cluster]
    disposed = [step.arguments["path"] for one in records for step in _done_disposals(one)]
    found = [*_from_flink(job), *(sp for one in records if (sp := _from_record(one, job)) is not None)]
    known: list[KnownSavepoint] = []
    for one in found:
        if any(same_place(one.path, other) for other in disposed):
            continue
        if not any(same_place(one.path, other.path) for other in known):
            known.append(one)
    return newest_first(known)


def uses(control: JobControl, journal: Journal, path: str) -> tuple[str, ...]:
    """Everything that speaks against disposing of `path`, one sentence each; what cannot be found out does too."""
    if _CHECKPOINT_FOLDER.search(path.rstrip("/")):
        return (f"{path} is a checkpoint, which Flink itself looks after",)
    reasons = [*_unfinished_uses(journal, path)]
    try:
        jobs = [control.job(one.id) or one for one in control.jobs()]
    except Unreachable as problem:
        return (*reasons, f"whether a job uses {path} is not known: {problem.what}")
    for job in jobs:
        if job.ended_ms is None:
            reasons.extend(_uses_of_running(job, path))
    reasons.extend(_latest_of(jobs, journal, path))
    return tuple(dict.fromkeys(reasons))


def with_uses(
    savepoints: tuple[KnownSavepoint, ...], control: JobControl, journal: Journal
) -> tuple[KnownSavepoint, ...]:
    """The same savepoints, each with what it is used by."""
    return tuple(
        msgspec.structs.replace(one, in_use="; ".join(uses(control, journal, one.path)) or None) for one in savepoints
    )


def _from_flink(job: JobFacts) -> list[KnownSavepoint]:
    if job.checkpoints is None:
        return []
    known = (*job.checkpoints.history, *filter(None, [job.checkpoints.latest_savepoint]))
    return [
        KnownSavepoint(
            path=one.external_path,
            taken_ms=one.triggered_ms or 0,
            job_name=job.name,
            job_id=job.id,
            known_from="Flink",
            size_bytes=one.state_size_bytes,
        )
        for one in known
        if one.is_savepoint and one.status == "COMPLETED" and one.external_path
    ]


def _from_record(record: ActionRecord, job: JobFacts) -> KnownSavepoint | None:
    target, path = record.plan.target, record.seen.get("savepoint")
    if path is None or target.job_name != job.name or target.namespace != job.namespace:
        return None
    size = record.seen.get("state_bytes", "")
    return KnownSavepoint(
        path=path,
        taken_ms=record.started_ms,
        job_name=target.job_name,
        job_id=target.job_id,
        known_from=record.plan.id,
        size_bytes=int(size) if size.isdigit() else None,
    )


def _done_disposals(record: ActionRecord) -> list[Step]:
    done = {step.name for step in record.steps if step.outcome == "ok"}
    return [step for step in record.plan.steps if step.action == "dispose-savepoint" and step.name in done]


def _unfinished_uses(journal: Journal, path: str) -> list[str]:
    return [
        f"the unfinished action {record.plan.id} goes on from {path}"
        for record in journal.records()
        if record.resumable and same_place(record.seen.get("savepoint"), path)
    ]


def _uses_of_running(job: JobFacts, path: str) -> list[str]:
    if job.checkpoints is None:
        why = job.unknown.get("checkpoints", "its checkpoints cannot be read")
        return [f"whether job {job.name} uses {path} is not known: {why}"]
    if job.checkpoints.restored and same_place(job.checkpoints.restored.external_path, path):
        return [f"job {job.name} ({job.id}) was started from {path}"]
    return []


def _latest_of(jobs: list[JobFacts], journal: Journal, path: str) -> list[str]:
    names = dict.fromkeys((job.name, job.namespace, job.cluster) for job in jobs)
    newest_jobs = [
        max((job for job in jobs if (job.name, job.namespace, job.cluster) == key), key=lambda one: one.started_ms or 0)
        for key in names
    ]
    reasons = []
    for job in newest_jobs:
        latest = next(iter(savepoints_of(job, journal)), None)
        if latest is not None and same_place(latest.path, path):
            reasons.append(f"{path} is the latest savepoint of job {job.name}")
    return reasons
