"""One look at the fleet, as every face shows it: facts, what they mean, and what is remembered."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.history import History
from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import FleetSnapshot
from flinkops.model.history import JobSample


class Collects(Protocol):
    """Where snapshots come from: the live sources, or a recording."""

    def collect(self) -> FleetSnapshot:
        """The next snapshot; blocks."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class Observation(msgspec.Struct, frozen=True):
    """One look. ``history`` holds it too, as the newest sample of each job."""

    snapshot: FleetSnapshot
    assessment: FleetAssessment
    history: Mapping[tuple[str, str, str], Sequence[JobSample]]


class Observer:
    """Looks at the fleet, again and again, and remembers. Used by one thread at a time."""

    def __init__(self, collector: Collects, policy: Policy) -> None:
        self.collector = collector
        self.policy = policy
        self._history = History()

    def look(self) -> Observation:
        """Look once. A source that fails is part of what is seen; raises only what the collector raises."""
        snapshot = self.collector.collect()
        assessment = assess(snapshot, self._history.samples, self.policy)
        samples = [(job.key, job.sample) for job in assessment.jobs if job.sample is not None]
        self._history.add(samples, snapshot.taken_ms)
        return Observation(snapshot, assessment, self._history.samples)

    def close(self) -> None:
        """Let go of everything."""
        self.collector.close()
