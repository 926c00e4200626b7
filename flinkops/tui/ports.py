"""What the TUI needs from the rest, as capabilities: a face asks for what it uses, not for a class."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import FleetSnapshot
from flinkops.model.history import JobSample

JobKey = tuple[str, str, str]


class Observation(Protocol):
    """One look: facts, what they mean, and what is remembered. Immutable."""

    @property
    def snapshot(self) -> FleetSnapshot:
        """The facts."""
        ...

    @property
    def assessment(self) -> FleetAssessment:
        """Their meaning, worst job first."""
        ...

    @property
    def history(self) -> Mapping[JobKey, Sequence[JobSample]]:
        """Samples by job key, oldest first."""
        ...


class Looks(Protocol):
    """Whatever can look at the fleet: live, or a recording."""

    def look(self) -> Observation:
        """Look once; blocks. Raises FlinkopsError when nothing can be looked at."""
        ...
