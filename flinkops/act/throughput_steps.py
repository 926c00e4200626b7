"""After a rescale: do the sources take in what arrives?"""

from collections import deque
from typing import Any

from flinkops.act.control import Load
from flinkops.act.outcomes import ThroughputSeen
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import NotInTime, OperationFailed
from flinkops.plan.step_inputs import VerifyThroughput

ENOUGH_RATIO = 0.9
"""Of what arrives. Flink's counters come in steps of ten seconds; nine tenths over thirty is all of it."""
_OVER_SECONDS = 30.0
_WITHIN_SECONDS = 240.0
_EVERY_SECONDS = 5.0


def verify_throughput(run: StepRun, given: VerifyThroughput) -> ThroughputSeen:
    """Over half a minute the sources take in as much as was expected, or more than arrives.

    Where Flink does not tell, it is unknown, and no reason to go back. Raises OperationFailed when it stays below.
    """
    expected, job_id = given.records_per_second, run.running_job_id
    seen: deque[tuple[float, Load]] = deque()
    last = ""

    def ask() -> str | None:
        nonlocal last
        if seen and run.clock.monotonic() - seen[-1][0] < _EVERY_SECONDS:
            return None
        load = run.control.load(job_id)
        if load.records_in is None:
            return f"unknown: {load.unknown or 'the sources do not tell what they read'}"
        if seen and load.records_in < (seen[-1][1].records_in or 0):
            seen.clear()  # the tasks started once more
        seen.append((run.clock.monotonic(), load))
        while len(seen) > 2 and seen[-1][0] - seen[1][0] >= _OVER_SECONDS:
            seen.popleft()
        if seen[-1][0] - seen[0][0] < _OVER_SECONDS:
            return None
        rate, last = _judged(seen[0], seen[-1], expected)
        return rate

    try:
        text = run.until("waiting for the throughput", ask, within_seconds=_WITHIN_SECONDS)
    except NotInTime as problem:
        raise OperationFailed(f"{problem.what}: {last or 'no rate was seen'}") from None
    return ThroughputSeen(text)


def _judged(first: tuple[float, Load], newest: tuple[float, Load], expected: float) -> tuple[str | None, str]:
    """What is enough, else None; and what was seen either way."""
    seconds = newest[0] - first[0]
    rate = ((newest[1].records_in or 0) - (first[1].records_in or 0)) / seconds
    words = f"{rate:.0f} records/s, {expected:.0f} expected"
    if rate >= ENOUGH_RATIO * expected:
        return words, words
    if first[1].pending is not None and newest[1].pending is not None:
        growth = (newest[1].pending - first[1].pending) / seconds
        words += f", lag changes by {growth:.0f}/s"
        if rate > 0 and rate >= ENOUGH_RATIO * max(0.0, rate + growth):
            return f"{words}: as much as arrives", words
    return None, words


THROUGHPUT_STEPS: tuple[StepKind[Any, Any], ...] = (StepKind(VerifyThroughput, ThroughputSeen, verify_throughput),)
