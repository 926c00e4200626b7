"""What stays of each record in the state, now and before: a key space that fills keeps less and less of it.

By records, not by time: a start that comes slowly into its pace, or an input that changes, does not matter then.
"""

from collections.abc import Sequence

from flinkops.model.history import JobSample
from flinkops.model.trend import theil_sen

MIN_POINTS_A_HALF = 5


def kept_now_and_before(polls: Sequence[JobSample]) -> float | None:
    """Bytes that each record of the later half left in the state, by those that each of the earlier half did.

    None where too few polls know both, or the state did not grow before.
    """
    points = [
        (float(each.accepted_records), float(each.state_bytes))
        for each in polls
        if each.accepted_records is not None and each.state_bytes is not None
    ]
    if not points:
        return None
    middle = (points[0][0] + points[-1][0]) / 2
    halves = [each for each in points if each[0] <= middle], [each for each in points if each[0] > middle]
    if min(map(len, halves)) < MIN_POINTS_A_HALF:
        return None
    before, now = theil_sen(halves[0]), theil_sen(halves[1])
    return None if before is None or now is None or before <= 0 else now / before
