"""What stays of each record in the state, now and before: a key space that fills keeps less and less of it.

By records, not by time: a start that comes slowly into its pace, or an input that changes, does not matter then.
"""

from collections.abc import Sequence

from flinkops.model.history import JobSample
from flinkops.model.trend import theil_sen

MIN_POINTS_A_HALF = 5
ASKS = 3

_Points = list[tuple[float, float]]


def kept_now_and_before(polls: Sequence[JobSample]) -> float | None:
    """Bytes that each record of the later half left in the state, by those that each of the earlier half did.

    The least of what this poll and the two before it say: a state's size is that of the last checkpoint, some seconds
    older than the count of records. None where too few polls know both, or the state did not grow before.
    """
    newest = _kept(polls)
    if newest is None:
        return None
    before = (_kept(polls[: len(polls) - left_out]) for left_out in range(1, ASKS))
    return min([newest, *(kept for kept in before if kept is not None)])


def _kept(polls: Sequence[JobSample]) -> float | None:
    earlier, later = _halves(polls)
    if min(len(earlier), len(later)) < MIN_POINTS_A_HALF:
        return None
    before, now = theil_sen(earlier), theil_sen(later)
    return None if before is None or now is None or before <= 0 else now / before


def are_enough(polls: Sequence[JobSample]) -> bool:
    """To tell what each record leaves; where records are not counted, no more would help."""
    earlier, later = _halves(polls)
    if not earlier or not later:
        return len(polls) >= 2 * MIN_POINTS_A_HALF
    return min(len(earlier), len(later)) >= MIN_POINTS_A_HALF


def _halves(polls: Sequence[JobSample]) -> tuple[_Points, _Points]:
    """(records, bytes) of the polls that know both, by the middle of the records."""
    points = [
        (float(each.accepted_records), float(each.state_bytes))
        for each in polls
        if each.accepted_records is not None and each.state_bytes is not None
    ]
    middle = (points[0][0] + points[-1][0]) / 2 if points else 0.0
    return [each for each in points if each[0] <= middle], [each for each in points if each[0] > middle]
