"""Observes the fleet for every face: snapshots, their assessment, and the samples of earlier ones."""

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from flinkops.assess import assess
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.history import History
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.model.observation import Observation
from flinkops.model.states import STOPPED


class CollectsSnapshots(Protocol):
    """Where snapshots come from: the live sources, or a recording."""

    def collect(self) -> FleetSnapshot:
        """The next snapshot; blocks."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class KeepsSnapshots(Protocol):
    """Who wants each snapshot, such as a file of the last hours."""

    def __call__(self, snapshot: FleetSnapshot) -> None:
        """Take one; raises nothing."""
        ...

    def close(self) -> None:
        """No more come."""
        ...


class Observer:
    """Polls the fleet again and again, and remembers. Used by one thread at a time."""

    def __init__(
        self,
        collector: CollectsSnapshots,
        policy: Policy,
        *,
        ended_by: Callable[[JobFacts], str | None] | None = None,
        keep: KeepsSnapshots | None = None,
    ) -> None:
        """`ended_by` tells of a job that has ended which action of ours ended it; None when none did."""
        self.collector = collector
        self.policy = policy
        self._ended_by = ended_by
        self._keep = keep
        self._history = History()
        self.job_names: tuple[str, ...] = ()
        """Of the last snapshot that had any job."""

    def observe(self) -> Observation:
        """Poll once. A source that fails is part of the snapshot; raises only what the collector raises."""
        snapshot = self.collector.collect()
        if self._keep is not None:
            self._keep(snapshot)
        return self._observed(snapshot)

    def partial_observations(self) -> Iterator[Observation]:
        """What a first poll has so far, while some sources have not answered; then :meth:`observe` gives all of it."""
        if isinstance(self.collector, Collector):
            for snapshot in self.collector.partial_snapshots():
                yield self._observed(snapshot)

    def retry_now(self) -> None:
        """The next poll asks those too that failed so often that they are left alone for a while."""
        if isinstance(self.collector, Collector):
            self.collector.retry_now()

    def _observed(self, snapshot: FleetSnapshot) -> Observation:
        snapshot = self._explained(snapshot)
        assessment = assess(snapshot, self._history.samples, self.policy)
        self.job_names = tuple(job.name for job in assessment.jobs) or self.job_names
        samples = [(job.key, job.sample) for job in assessment.jobs if job.sample is not None]
        self._history.add(samples, snapshot.taken_ms)
        return Observation(snapshot, assessment, self._history.samples)

    def _explained(self, snapshot: FleetSnapshot) -> FleetSnapshot:
        """With what the journal says of jobs that are not running any more."""
        if self._ended_by is None or not any(job.state in STOPPED for job in snapshot.jobs):
            return snapshot
        told = [
            msgspec.structs.replace(job, ended_by=ended)
            if job.state in STOPPED and job.ended_by is None and (ended := self._ended_by(job)) is not None
            else job
            for job in snapshot.jobs
        ]
        return msgspec.structs.replace(snapshot, jobs=tuple(told))

    def close(self) -> None:
        """Let go of everything."""
        if self._keep is not None:
            self._keep.close()
        self.collector.close()
