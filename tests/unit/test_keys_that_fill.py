"""What each record leaves in the state, of recorded jobs whose key space fills."""

from flinkops.diagnose.kept import _kept, kept_now_and_before
from flinkops.diagnose.rules.state_bloat import SAME_KEPT_RATIO
from tests.unit.doctor_cases import sample

RECORDS = (852, 1276, 2118, 2538, 3548, 4184, 4600, 5050, 5890, 6314, 7152, 7958, 8408, 8830, 9672, 10092, 10934, 11356)
KILOBYTES = (256, 781, 1253, 1775, 2037, 2037, 2383, 2646, 2893, 3417, 3577, 4101, 4101, 4363, 4460, 4982, 5012, 5535)
"""At polls three seconds apart, of 14,000 keys in the lab; the state's size is of the last checkpoint."""


def test_one_poll_at_which_keys_that_fill_seem_to_keep_as_much_as_before_is_not_enough() -> None:
    polls = [
        sample(3 * (len(RECORDS) - place), accepted_records=count, state_bytes=1000 * size)
        for place, (count, size) in enumerate(zip(RECORDS, KILOBYTES, strict=True))
    ]
    at_each = [_kept(polls[:count]) or 0.0 for count in (16, 17, 18)]
    assert min(at_each[:2]) < SAME_KEPT_RATIO <= at_each[2], at_each
    assert kept_now_and_before(polls) == min(at_each)
    assert kept_now_and_before(polls[:6]) is None
