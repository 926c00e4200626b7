"""The objective of availability: how long the job was not RUNNING lately, against what its objective leaves."""

from collections.abc import Sequence
from itertools import pairwise

from flinkops.config.policy import JobClass
from flinkops.model.assessment import Reason
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.quantities import human_seconds
from flinkops.model.reasons import ReasonCode
from flinkops.model.states import DOWN, STARTING

WINDOW_SECONDS = 3600.0
BURN_RATE = 14.4
"""So many times the pace that the objective allows over 30 days: the first page of the SRE workbook (1 h window)."""
LONGEST_GAP_SECONDS = 120.0
"""Between two polls further apart what happened is unknown."""


def availability(job: JobFacts, past: Sequence[JobSample], job_class: JobClass) -> list[Reason]:
    """A warning when the last hour took more of the budget than it may. A lower bound: what was not seen counts up."""
    objective = job_class.availability_ratio
    if objective is None:
        return []
    allowed = BURN_RATE * (1.0 - objective) * WINDOW_SECONDS
    down, since_ms = _down_seconds(job, past)
    if since_ms is None or down <= allowed:
        return []
    text = (
        f"down for {human_seconds(down)} of the last hour: at {BURN_RATE:g} times the pace of its objective of "
        f"{100 * objective:.6g}% over 30 days, {human_seconds(allowed)} are left"
    )
    return [
        Reason(
            code=ReasonCode.AVAILABILITY_LOW, text=text, value=down, limit=allowed, level="warning", since_ms=since_ms
        )
    ]


def _down_seconds(job: JobFacts, past: Sequence[JobSample]) -> tuple[float, int | None]:
    """Time between polls that began in a state of being down, and when the first of them was.

    A job that starts for the first time is not down, however long that takes: nothing was there that could be.
    """
    from_ms = job.seen_ms - round(WINDOW_SECONDS * 1000)
    begun_ms = next((sample.at_ms for sample in past if sample.state not in STARTING), None)
    if begun_ms is None:
        return 0.0, None
    from_ms = max(from_ms, begun_ms)
    states = [(sample.at_ms, sample.state) for sample in past if from_ms <= sample.at_ms < job.seen_ms]
    down, since_ms = 0.0, None
    for (at_ms, state), (next_ms, _) in pairwise([*states, (job.seen_ms, job.state)]):
        seconds = (next_ms - at_ms) / 1000
        if state in DOWN and 0 < seconds <= LONGEST_GAP_SECONDS:
            down += seconds
            since_ms = at_ms if since_ms is None else since_ms
    return down, since_ms
