"""What waits before a job's sources: how fast that changes, and when it is gone.

By the median slope (Theil-Sen) of the polls of the last minute, so that one odd poll does not turn it.
"""

from collections.abc import Mapping, Sequence

from flinkops.assess.signal import Signal
from flinkops.model.assessment import Backlog
from flinkops.model.facts import JobFacts
from flinkops.model.history import JobSample
from flinkops.model.measures import PENDING_RECORDS
from flinkops.model.trend import seconds_until_read, theil_sen

PATH = "backlog"
CHANGE, CATCH_UP = f"{PATH}.change_per_second", f"{PATH}.catch_up_seconds"
WINDOW_MS = 60_000
"""Flink's own rates are over a minute."""
FEWEST_POLLS = 3


def backlog(
    job: JobFacts, records: float | None, why: Mapping[str, str], none: Mapping[str, str], past: Sequence[JobSample]
) -> Signal[Backlog | None]:
    """``records``: all that wait; ``why`` and ``none`` hold the reason where that is unknown or does not apply."""
    if records is None:
        said = none.get(PENDING_RECORDS.name)
        if said is not None:
            return Signal(None, not_applicable={PATH: said})
        return Signal(None, {PATH: why.get(PENDING_RECORDS.name, "what waits is not known")})
    change = _change_per_second(job, records, past)
    if change is None:
        few = f"it takes {FEWEST_POLLS} polls within a minute"
        left = {} if records == 0 else {CATCH_UP: few}
        return Signal(Backlog(records, None, 0.0 if records == 0 else None), {CHANGE: few, **left})
    if records == 0:
        return Signal(Backlog(records, change, 0.0))
    left_seconds = seconds_until_read(records, change)
    if left_seconds is None:
        return Signal(Backlog(records, change, None), not_applicable={CATCH_UP: "what waits does not get less"})
    return Signal(Backlog(records, change, left_seconds))


def _change_per_second(job: JobFacts, records: float, past: Sequence[JobSample]) -> float | None:
    since_ms = job.seen_ms - WINDOW_MS
    points = [
        (each.at_ms / 1000, each.pending_records)
        for each in past
        if each.job_id == job.id and since_ms <= each.at_ms < job.seen_ms and each.pending_records is not None
    ]
    points.append((job.seen_ms / 1000, records))
    return theil_sen(points) if len(points) >= FEWEST_POLLS else None
