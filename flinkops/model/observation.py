"""What one poll of the fleet resulted in: the value that every face draws."""

from collections.abc import Mapping, Sequence

import msgspec

from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import FleetSnapshot, JobKey
from flinkops.model.history import JobSample


class Observation(msgspec.Struct, frozen=True):
    """A snapshot, its assessment, and the samples it was assessed with: oldest first, the newest is of this poll."""

    snapshot: FleetSnapshot
    assessment: FleetAssessment
    history: Mapping[JobKey, Sequence[JobSample]] = {}
