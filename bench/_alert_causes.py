"""What held slow alerts up, from typed intervals alone: pure functions, whatever measured the intervals.

An alert is on its way in two parts: until the broker has it (broker and job), and from there to the webhook (broker,
dispatcher, receiver). Of what went on in those processes during a part, that which took longest is its cause.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

SLOW_MS = 50.0
LEAST_MS = 10.0
"""A cause explains at least so much of an alert: all parts of an alert in time take about that long together."""
_NOTHING_MS = 1e-6
"""What sums of floats leave of nothing."""
APART_MS = 250.0
"""A stretch ends where for so long every alert was in time."""
UNEXPLAINED_BEFORE, UNEXPLAINED_AFTER = "not explained: before the broker had the alert", "not explained: in delivery"
MACHINE = "machine"
WAITS, LATE, COLLECTS = "waits for a CPU", "its event loop is late", "collection of garbage"
BEFORE, AFTER = frozenset({"kafka", "job", MACHINE}), frozenset({"kafka", "dispatcher", "receiver", MACHINE})

Kind = Literal["held", "waited", "ran"]
"""held: the process does nothing else, as in a pause; waited: its work waits for a CPU; ran: something else had one."""


_Key = tuple[str, str, Kind, int]  # process, what it did, and in which part of the alert's way


class Alert(NamedTuple):
    """When the broker had the scrape, when the alert, and when the webhook had it; milliseconds since the epoch."""

    ingested_ms: float
    appended_ms: float
    received_ms: float

    @property
    def latency_ms(self) -> float:
        return self.received_ms - self.ingested_ms


class Interval(NamedTuple):
    """Something that a process did; `busy_ms` of it, spread evenly."""

    process: str
    what: str
    kind: Kind
    from_ms: float
    to_ms: float
    busy_ms: float


class _Busy:
    """How busy something was between two times, of any number of intervals, by sums over those that began and ended."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._zero_ms = min(each.from_ms for each in intervals)  # times since the epoch are too large to be summed
        spread = [each for each in intervals if each.to_ms > each.from_ms]
        rates = [each.busy_ms / (each.to_ms - each.from_ms) for each in spread]
        self._began = self._sums((each.from_ms, rate) for each, rate in zip(spread, rates, strict=True))
        self._ended = self._sums((each.to_ms, rate) for each, rate in zip(spread, rates, strict=True))
        self._instants = self._sums((each.from_ms, each.busy_ms) for each in intervals if each.to_ms <= each.from_ms)

    def _sums(self, changes: Iterable[tuple[float, float]]) -> tuple[list[float], list[float], list[float]]:
        ordered = sorted((at_ms - self._zero_ms, by) for at_ms, by in changes)
        return (
            [at_ms for at_ms, _ in ordered],
            [0.0, *accumulate(by for _, by in ordered)],
            [0.0, *accumulate(at_ms * by for at_ms, by in ordered)],
        )

    def between(self, from_ms: float, to_ms: float) -> float:
        from_ms, to_ms = from_ms - self._zero_ms, to_ms - self._zero_ms
        times, sums, _ = self._instants
        instants = sums[bisect_right(times, to_ms)] - sums[bisect_left(times, from_ms)]
        return max(0.0, instants + self._until(to_ms) - self._until(from_ms))

    def _until(self, at_ms: float) -> float:
        total = 0.0
        for sign, (times, rates, starts) in ((1, self._began), (-1, self._ended)):
            count = bisect_right(times, at_ms)
            total += sign * (at_ms * rates[count] - starts[count])
        return total


class Intervals:
    """Those of a run, by process, what it did, and kind: a busy machine has millions, and thousands of slow alerts."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        by_key: dict[tuple[str, str, Kind], list[Interval]] = defaultdict(list)
        for each in intervals:
            by_key[(each.process, each.what, each.kind)].append(each)
        self._busy = {key: _Busy(each) for key, each in by_key.items()}

    def between(self, from_ms: float, to_ms: float) -> dict[tuple[str, str, Kind], float]:
        """How many milliseconds of it fall in between; what does not is left out."""
        found = {key: busy.between(from_ms, to_ms) for key, busy in self._busy.items()}
        return {key: busy_ms for key, busy_ms in found.items() if busy_ms > _NOTHING_MS}


class Cause(NamedTuple):
    """Summed over all stretches; one that two causes share counts for that with more of its alerts."""

    name: str
    stretches: int
    held_ms: float
    alerts: int
    share: float


def stretches(alerts: Iterable[Alert]) -> list[list[Alert]]:
    """The slow alerts, those of one stretch together, in order."""
    found: list[list[Alert]] = []
    for each in sorted(each for each in alerts if each.latency_ms > SLOW_MS):
        if found and each.ingested_ms - found[-1][-1].ingested_ms < APART_MS:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def causes(alerts: Iterable[Alert], intervals: Iterable[Interval]) -> list[Cause]:
    """The table: what held up how many of the slow alerts, the most first."""
    counted: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0])
    total = 0
    by_time = Intervals(intervals)
    for stretch in stretches(alerts):
        of_stretch: dict[str, list[float]] = defaultdict(list)
        for alert in stretch:
            name, held_ms = cause_of(alert, by_time)
            of_stretch[name].append(held_ms)
        for name, held in of_stretch.items():
            counted[name][1] += max(held)
            counted[name][2] += len(held)
        counted[max(of_stretch, key=lambda name: len(of_stretch[name]))][0] += 1
        total += len(stretch)
    rows = [Cause(name, int(n), round(ms, 1), int(k), k / total) for name, (n, ms, k) in counted.items()]
    return sorted(rows, key=lambda row: -row.alerts)


def cause_of(alert: Alert, intervals: Intervals) -> tuple[str, float]:
    """What took longest of an alert's way, and how long, in milliseconds."""
    parts = (alert.ingested_ms, alert.appended_ms, BEFORE), (alert.appended_ms, alert.received_ms, AFTER)
    found: dict[_Key, float] = defaultdict(float)
    for number, (from_ms, to_ms, processes) in enumerate(parts):
        for (process, what, kind), busy_ms in intervals.between(from_ms, to_ms).items():
            if kind != "ran" and process in processes:
                found[(process, what, kind, number)] = busy_ms
        late: _Key = ("dispatcher", LATE, "held", number)
        if late in found:  # that it waits or collects makes it late
            reasons: tuple[_Key, ...] = (
                ("dispatcher", WAITS, "waited", number),
                ("dispatcher", COLLECTS, "held", number),
            )
            found[late] -= sum(found.get(each, 0.0) for each in reasons)
    best = max(found, key=lambda key: (found[key], key), default=None)
    if best is None or found[best] < LEAST_MS:
        job_ms, delivery_ms = (to_ms - from_ms for from_ms, to_ms, _ in parts)
        return (UNEXPLAINED_BEFORE if job_ms >= delivery_ms else UNEXPLAINED_AFTER), 0.0
    process, what, kind, number = best
    if kind == "held":
        return f"{process}: {what}", found[best]
    who = _who_ran(intervals, *parts[number][:2])
    return f"{process} {WAITS}, most used by {who or 'work itself'}", found[best]


def _who_ran(intervals: Intervals, from_ms: float, to_ms: float) -> str | None:
    """Which background work used most CPU in between."""
    ran = intervals.between(from_ms, to_ms).items()
    used = {f"{process}'s {what}": busy_ms for (process, what, kind), busy_ms in ran if kind == "ran"}
    most = max(used, key=lambda name: (used[name], name), default=None)
    return most if most is not None and used[most] >= 1.0 else None
