"""Which submissions are one job: by what the journal links, and by what a job was restored from. Pure.

A name does not say it: two jobs may bear one, and a job of the operator has a new id after each deployment. An id does
not either, beyond one Flink cluster.
"""

from collections.abc import Iterable, Sequence

from flinkops.act.journal import ActionRecord
from flinkops.model.facts import JobFacts
from flinkops.model.places import same_place
from flinkops.model.plan import Target

Identity = tuple[str, ...]
"""(kind, namespace, name) of a custom resource; ("rest", "", the first known id) of a job without one."""

_REST = "rest"


class Lineage:
    """The jobs and records of one source, grouped."""

    def __init__(self, jobs: Iterable[JobFacts], records: Sequence[ActionRecord]) -> None:
        self._parents: dict[Identity, Identity] = {}
        self._generations: dict[str, int] = {}
        for record in records:
            new_id, target = record.found.new_job_id, record.plan.target
            if target.kind == _REST and new_id:
                self._join(_of_target(target), _of_id(new_id))
                if new_id != target.job_id:
                    self._generations[new_id] = self.generation(target.job_id) + 1
        for job in jobs:
            self._join_origin(job, records)

    def of_job(self, job: JobFacts) -> Identity:
        """Whose a job is."""
        return self._root(_of_job(job))

    def of_record(self, record: ActionRecord) -> Identity:
        """Whose job an action was about."""
        return self._root(_of_target(record.plan.target))

    def generation(self, job_id: str) -> int:
        """How many submissions of the same job are known to have come before this one."""
        return self._generations.get(job_id, 0)

    def _join_origin(self, job: JobFacts, records: Sequence[ActionRecord]) -> None:
        """With the job whose savepoint it was restored from, where that has its name: it was submitted by hand."""
        restored = job.checkpoints.restored if job.checkpoints else None
        path = restored.external_path if restored else None
        for record in records:
            target = record.plan.target
            same_name = (target.job_name, target.namespace) == (job.name, job.namespace)
            if path and same_name and same_place(record.found.savepoint, path):
                self._join(_of_job(job), _of_target(target))
                if job.id != target.job_id:
                    self._generations.setdefault(job.id, self.generation(target.job_id) + 1)

    def _root(self, identity: Identity) -> Identity:
        while (parent := self._parents.get(identity, identity)) != identity:
            identity = parent
        return identity

    def _join(self, one: Identity, other: Identity) -> None:
        first, second = self._root(one), self._root(other)
        if first != second:
            self._parents[second] = first


def _of_job(job: JobFacts) -> Identity:
    return _of_id(job.id) if job.kind == _REST else (job.kind, job.namespace or "", job.name)


def _of_target(target: Target) -> Identity:
    if target.kind != _REST:
        return (target.kind, target.namespace or "", target.job_name)
    return _of_id(target.job_id) if target.job_id else (_REST, target.job_name, "")


def _of_id(job_id: str) -> Identity:
    return (_REST, "", job_id)
