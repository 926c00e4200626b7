"""Which savepoints there are, as Flink and the journal know them, and which of them something depends on."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from flinkops.act.control import JobControl, RecordedSavepoint, Snapshots
from flinkops.act.journal import ActionRecord, Journal
from flinkops.act.lineage import Identity, Lineage
from flinkops.errors import Unreachable
from flinkops.model.facts import JobFacts, SnapshotFacts
from flinkops.model.places import same_place
from flinkops.plan.retention import KnownSavepoint, newest_first
from flinkops.plan.step_inputs import DisposeSavepoint, RemoveSnapshot

_NONE = Snapshots()
_CHECKPOINT_FOLDER = re.compile(r"/chk-\d+(/_metadata)?/?$")


def savepoints_of(job: JobFacts, journal: Journal, snapshots: Snapshots = _NONE) -> tuple[KnownSavepoint, ...]:
    """Completed savepoints of a job, newest first; those that were disposed of are left out.

    Of this job over all its submissions, not of others that bear its name; `snapshots` are what its place says of it.
    """
    records = _records_of(journal, job.cluster)
    lineage = Lineage([job], records)
    return _merged([job], records, lineage, lineage.of_job(job), snapshots)


def unknown_snapshots(snapshots: Snapshots) -> tuple[str, ...]:
    """What speaks against disposing of anything: a resource may be left that names what is gone."""
    if snapshots.unknown is None:
        return ()
    return (f"whether a FlinkStateSnapshot names it is not known: {snapshots.unknown}",)


class References:
    """What depends on savepoints of one cluster, read once."""

    def __init__(self, control: JobControl, journal: Journal) -> None:
        self._records = _records_of(journal, control.name)
        self._jobs: list[JobFacts] = []
        self._problem: str | None = None
        self._held: dict[str, str] = {}
        try:
            self._held = control.held_savepoints()
            self._jobs = [control.job(one.id) or one for one in control.jobs()]
        except Unreachable as problem:
            self._problem = problem.what

    def to(self, path: str) -> tuple[str, ...]:
        """Everything that speaks against disposing of `path`, one sentence each; what is not known does too."""
        if _CHECKPOINT_FOLDER.search(path):
            return ("it is a checkpoint, which Flink itself disposes of",)
        reasons = [
            f"the unfinished action {record.plan.id} starts from it"
            for record in self._records
            if record.resumable and same_place(record.found.savepoint, path)
        ]
        reasons += [f"it is {what}" for held, what in self._held.items() if same_place(held, path)]
        if self._problem is not None:
            reasons.append(f"whether a job uses it is not known: {self._problem}")
        reasons += [reason for job in self._jobs if job.ended_ms is None for reason in _uses_of_running(job, path)]
        reasons += [
            f"it is the latest savepoint of job {one.job_name}" for one in self._latest() if same_place(one.path, path)
        ]
        return tuple(dict.fromkeys(reasons))

    def noted_on(self, savepoints: Iterable[KnownSavepoint]) -> tuple[KnownSavepoint, ...]:
        """The same savepoints, each with what depends on it."""
        return tuple(msgspec.structs.replace(one, in_use="; ".join(self.to(one.path)) or None) for one in savepoints)

    def _latest(self) -> list[KnownSavepoint]:
        """Of each job that the cluster or the journal knows: what it would be started from again."""
        lineage = Lineage(self._jobs, self._records)
        identities = (*map(lineage.of_job, self._jobs), *map(lineage.of_record, self._records))
        found = (_merged(self._jobs, self._records, lineage, one) for one in dict.fromkeys(identities))
        return [savepoints[0] for savepoints in found if savepoints]


def _records_of(journal: Journal, source: str) -> list[ActionRecord]:
    return [one for one in journal.records() if one.plan.target.source == source]


def _merged(
    jobs: Sequence[JobFacts],
    records: Sequence[ActionRecord],
    lineage: Lineage,
    identity: Identity,
    snapshots: Snapshots = _NONE,
) -> tuple[KnownSavepoint, ...]:
    """The order is that of the submissions, then of what Flink and the journal each know: their clocks may differ.

    What Flink lists of a submission is newer than what only the journal knows of it: Flink drops the oldest first. A
    resume has taken no savepoint: what it named comes last. What a resource names and Flink does not list was taken
    before this submission; without a submission it is what the next one starts from.
    """
    disposed = [path for one in records for path in _disposed(one)]
    of_jobs = (
        msgspec.structs.replace(found, order=(lineage.generation(job.id), 1, found.taken_ms))
        for job in jobs
        if lineage.of_job(job) == identity
        for found in _from_flink(job)
    )
    of_records = (
        msgspec.structs.replace(found, order=(lineage.generation(found.job_id), -(one.plan.verb == "resume"), position))
        for position, one in enumerate(records)
        if lineage.of_record(one) == identity and (found := _from_record(one)) is not None
    )
    of_snapshots = (
        found for job in jobs[:1] for one in snapshots.own if (found := _from_snapshot(one, job)) is not None
    )
    of_resource = (
        msgspec.structs.replace(_from_resource(one, job), order=(lineage.generation(job.id), *_rank(one, job)))
        for job in jobs[:1]
        for one in snapshots.recorded
    )
    known: list[KnownSavepoint] = []
    for one in (*of_jobs, *of_snapshots, *of_records, *of_resource):
        places = (*disposed, *(other.path for other in known))
        if not any(same_place(one.path, place) for place in places):
            known.append(one)
    return newest_first(_named_by(snapshots.own, one) for one in known)


def _named_by(snapshots: Sequence[SnapshotFacts], savepoint: KnownSavepoint) -> KnownSavepoint:
    name = next((one.name for one in snapshots if same_place(one.path, savepoint.path)), None)
    return msgspec.structs.replace(savepoint, snapshot=name)


def _from_snapshot(snapshot: SnapshotFacts, job: JobFacts) -> KnownSavepoint | None:
    """One that is complete, under the operator's clock, which is Flink's for all that is known here."""
    if snapshot.kind != "savepoint" or snapshot.state != "COMPLETED" or not snapshot.path:
        return None
    taken_ms = snapshot.at_ms or 0
    known_from = f"FlinkStateSnapshot {snapshot.name}"
    return KnownSavepoint(snapshot.path, taken_ms, job.name, job.id, known_from, order=(0, 1, taken_ms))


def _from_resource(recorded: RecordedSavepoint, job: JobFacts) -> KnownSavepoint:
    return KnownSavepoint(recorded.path, recorded.at_ms, job.name, job.id, "the operator")


def _rank(recorded: RecordedSavepoint, job: JobFacts) -> tuple[int, int]:
    """Beside what Flink lists of the submission: by time, and where none is known by when it began, or after all."""
    if recorded.at_ms is not None:
        return 1, recorded.at_ms
    return (2, 0) if job.checkpoints is None else (1, job.started_ms or 0)


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


def _from_record(record: ActionRecord) -> KnownSavepoint | None:
    target, path = record.plan.target, record.found.savepoint
    if not path:
        return None
    return KnownSavepoint(
        path=path,
        taken_ms=record.started_ms,
        job_name=target.job_name,
        job_id=target.job_id,
        known_from=record.plan.id,
        size_bytes=record.found.state_bytes,
    )


def _disposed(record: ActionRecord) -> list[str]:
    done = {step.name for step in record.steps if step.outcome == "ok"}
    steps = [step.do for step in record.plan.steps if step.name in done]
    return [one.path for one in steps if isinstance(one, (DisposeSavepoint, RemoveSnapshot))]


def _uses_of_running(job: JobFacts, path: str) -> list[str]:
    if job.checkpoints is None:
        why = job.unknown.get("checkpoints", "its checkpoints cannot be read")
        return [f"whether job {job.name} uses it is not known: {why}"]
    if job.checkpoints.restored and same_place(job.checkpoints.restored.external_path, path):
        return [f"job {job.name} ({job.id}) was started from it"]
    return []
