"""state-bloat: the state grows and grows, although the input does not."""

import re
from collections.abc import Sequence

from flinkops.diagnose.case import Case
from flinkops.diagnose.kept import MIN_POINTS_A_HALF, are_enough, kept_now_and_before
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy, Severity
from flinkops.model.numbers import total, whole
from flinkops.model.option_names import INCREMENTAL_CHECKPOINTS, STATE_BACKEND
from flinkops.model.quantities import human_bytes, human_seconds, parse_duration
from flinkops.model.trend import theil_sen

CODE = "state-bloat"
TIME_TO_LIVE = "24 h"
"""To begin with: a day of keys that may come back."""
MIN_POINTS = 9
"""Three a third, more or less; Flink itself remembers ten checkpoints."""
MIN_POINTS_A_THIRD = 2
MIN_SPAN_SECONDS = 20.0
MIN_UPTIME_SECONDS = 45.0
STEADY_RATIO = 0.7
"""The last third rises at least this much of what the middle one did: growth does not slow."""
MIN_GROWTH_RATIO_PER_HOUR = 0.5
"""Half of itself in an hour: slower growth is for the capacity plan, not for tonight."""
MIN_STATE_BYTES = 1_000_000
"""Below this, growth is that of buffers and offsets."""
RATE_WINDOW_MS = 60_000
"""Flink's rates are means over a minute: in the first one of a run they rise, whatever comes in."""
FLAT_INPUT_RATIO = 0.3
"""The input's rate stays within this of its mean."""
SAME_KEPT_RATIO = 0.85
"""In the lab 0.85 to 1.2 where each record has a key of its own, and below 0.75 within 50 s where 6,000 keys fill."""
START_RATIO = 0.5
"""Growth over this share of the run is that of its start: what waited then came in faster than what comes now."""
FILLED_SECONDS = 600.0
"""By then most key spaces are filled as far as a growth that matters tonight goes..."""
KEPT_RATIO = 0.2
"""... and before it, growth is of an input that stays: a fifth leaves room for what compresses."""
CRITICAL_SECONDS_TO_LIMIT = 3600.0
SURE_AFTER_SECONDS = 600.0
STORED_RATIO, ANEW_RATIO = 0.5, 0.8
STANDSTILL_SKEW_SECONDS = 60.0
"""Beyond a window's own length, a watermark that moves is behind by less."""

OFF_THE_HEAP = remedy(
    "Until then, keep the state on disk; costs some latency for each access", key=STATE_BACKEND[0], value="rocksdb"
)

_SQL_OPERATOR = re.compile(r"(?:^|-> )[A-Z]\w*\[\d+\]")
"""As the planner of Flink SQL names operators: "Join[11] -> Calc[12]"."""

Points = Sequence[tuple[float, float]]


def judge(case: Case) -> Verdict:
    """Growth that does not slow under flat input; else why it cannot be said."""
    points = _points(case)
    if (why := _too_young(case, points)) is not None:
        return NotAssessed(CODE, why)
    slope, size = theil_sen(points), points[-1][1]
    if not _grows_much(case, slope, size) or slope is None:
        return ()
    if not case.holds("most of it is state, not RocksDB's own files", not _is_of_files(case, size)):
        return ()
    if not case.holds("what is largest is not emptied by windows whose watermark moves", not _is_emptied(case)):
        return ()
    if not case.holds("growth does not slow: the lows of three thirds of the time rise alike", still_growing(points)):
        return ()
    if not _as_fast_as_ever(case, slope, size) or _fills(case):
        return ()
    if (why := _input_moves(case, points) or _may_fill(case, slope) or _may_expire(case, slope, size)) is not None:
        return NotAssessed(CODE, why)
    return [_finding(case, points, slope, size)]


def _grows_much(case: Case, slope: float | None, size: float) -> bool:
    hourly = None if slope is None else slope * 3600
    return (
        case.above("growth per hour", hourly, 0, "bytes")
        and case.at_least("the same, against half of the state", hourly, MIN_GROWTH_RATIO_PER_HOUR * size, "bytes")
        and case.at_least("size of the state", size, MIN_STATE_BYTES, "bytes")
    )


def _as_fast_as_ever(case: Case, slope: float, size: float) -> bool:
    """A state without an end grows now as it did on average since it was empty; one that fills has slowed."""
    uptime = case.uptime_seconds
    if not uptime or not _began_empty(case):
        return True
    mean = STEADY_RATIO * size / uptime * 3600
    return case.at_least("growth per hour, against its mean since the start", slope * 3600, mean, "bytes")


def _began_empty(case: Case) -> bool:
    """It started without state, and has run since."""
    facts = case.job.checkpoints
    return facts is not None and facts.restored is None and not case.job.restarts


def _fills(case: Case) -> bool:
    """Each record leaves less than those before it: more and more of them find their key there already."""
    kept, what = kept_now_and_before(case.polls), "bytes that a record leaves now, by those that one left before"
    return kept is not None and not case.at_least(what, kept, SAME_KEPT_RATIO, "ratio")


def _points(case: Case) -> list[tuple[float, float]]:
    """(seconds, bytes) of this execution's completed checkpoints, and before them what earlier polls saw."""
    facts = case.job.checkpoints
    since_ms = case.job.running_since_ms or 0
    points = [
        (each.triggered_ms / 1000, float(size))
        for each in (facts.history if facts else ())
        if each.status == "COMPLETED" and not each.is_savepoint and each.triggered_ms is not None
        if each.triggered_ms >= since_ms and (size := whole(each.state_size_bytes)) is not None
    ]
    first = min((at for at, _ in points), default=float("inf"))
    points += [
        (each.at_ms / 1000, float(each.state_bytes))
        for each in case.past
        if each.state_bytes is not None and each.at_ms / 1000 < first
    ]
    return sorted(points) if len(points) >= MIN_POINTS else _stored_points(case) or sorted(points)


def _stored_points(case: Case) -> list[tuple[float, float]]:
    """Where no checkpoints complete: what RocksDB itself keeps, at each poll that knew.

    Not where they complete and are only few yet: overwritten records stay in its files until it compacts them.
    """
    if _checkpoints_complete(case):
        return []
    known = [(each.at_ms / 1000, float(each.stored_bytes)) for each in case.polls if each.stored_bytes is not None]
    return known if len(known) >= MIN_POINTS else []


def _checkpoints_complete(case: Case) -> bool:
    """The newest periodic one that is over did."""
    facts = case.job.checkpoints
    over = (each for each in (facts.history if facts else ()) if not each.is_savepoint and each.status != "IN_PROGRESS")
    newest = next(over, None)
    return newest is not None and newest.status == "COMPLETED"


def _too_young(case: Case, points: Points) -> str | None:
    uptime = case.uptime_seconds
    if case.job.checkpoints is None:
        return case.why_missing("checkpoints", "Flink gave no answer about checkpoints")
    if uptime is None or uptime < MIN_UPTIME_SECONDS:
        return f"too young: growth is judged after {MIN_UPTIME_SECONDS:.0f} s of running"
    span = points[-1][0] - points[0][0] if points else 0.0
    if len(points) < MIN_POINTS or span < MIN_SPAN_SECONDS:
        return f"too young: {len(points)} of {MIN_POINTS} completed checkpoints over {span:.0f} s are known"
    if (window := _filling_window(case)) is not None and window.window_seconds and uptime < window.window_seconds:
        size = human_seconds(window.window_seconds)
        return f'too young: "{window.name}" keeps what came for {size}, the job runs for {human_seconds(uptime)}'
    ttl = _ttl_seconds(case)
    if ttl is not None and uptime < ttl:
        return f"too young: the state's time to live is {human_seconds(ttl)}, the job runs for {human_seconds(uptime)}"
    return None


def _filling_window(case: Case) -> VertexFacts | None:
    """That with the longest window, which fills for as long; None where the state is known to be of another vertex."""
    windows = [each for each in case.job.vertices if each.window_seconds]
    longest = max(windows, key=lambda each: each.window_seconds or 0.0, default=None)
    largest = _largest(case)
    return longest if largest is None or largest in {each.name for each in windows} else None


def _is_of_files(case: Case, size: float) -> bool:
    """Of a small state most may be RocksDB's list of its files (MANIFEST), which grows with each flush.

    By what RocksDB keeps itself; else, of incremental checkpoints, by what each one writes anew: that list is never
    shared with the one before, and the files with the state are. Where none of them shares anything, they hold a state
    on the heap, whatever the settings say that Flink shows (those of a single job it does not).
    """
    known = [stored for each in case.job.vertices if (stored := total(each.state_sst_bytes)) is not None]
    if known:
        return sum(known) < STORED_RATIO * size
    facts = case.job.checkpoints
    newest = facts.latest_completed if facts else None
    increment = whole(newest.checkpointed_size_bytes) if newest else None
    incremental = case.setting(*INCREMENTAL_CHECKPOINTS) == "true"
    return incremental and increment is not None and increment >= ANEW_RATIO * size and _shares_files(case)


def _shares_files(case: Case) -> bool:
    """A checkpoint wrote less than it holds: the rest it has in common with the one before."""
    facts = case.job.checkpoints
    known = (facts.latest_completed, *facts.history) if facts else ()
    return any(
        anew < size
        for each in known
        if each is not None and each.status == "COMPLETED" and not each.is_savepoint
        if (anew := whole(each.checkpointed_size_bytes)) is not None
        and (size := whole(each.state_size_bytes)) is not None
    )


def _is_emptied(case: Case) -> bool:
    """The most state is in windows, and event time passes: what a flat input brings is given up as they end.

    What still grows is RocksDB's: it keeps what was deleted until it compacts, up to its first level (256 MB).
    """
    largest, skew = _largest(case), case.evidence.assessment.event_time_skew_seconds
    windows = {each.name: each.window_seconds for each in case.job.vertices if each.window_seconds}
    return largest in windows and (skew is None or skew <= windows[largest] + STANDSTILL_SKEW_SECONDS)


def _ttl_seconds(case: Case) -> float | None:
    """table.exec.state.ttl, when it is set."""
    text = case.setting("table.exec.state.ttl")
    try:
        return (parse_duration(text) or None) if text is not None else None
    except ValueError:
        return None


def still_growing(points: Points) -> bool:
    """The lows of three thirds of the time rise, hardly slower at the end, and the last third lies above the first.

    RocksDB's size rises with each overwritten key and falls with each compaction: its lows say what it holds.
    """
    begin, span = points[0][0], points[-1][0] - points[0][0]
    thirds: list[list[tuple[float, float]]] = [[], [], []]
    for at, size in points:
        thirds[min(2, int(3 * (at - begin) / span))].append((size, at))
    if min(map(len, thirds)) < MIN_POINTS_A_THIRD:
        return False
    first, middle, last = (min(third) for third in thirds)
    earlier, later = (
        (after[0] - before[0]) / (after[1] - before[1]) for before, after in ((first, middle), (middle, last))
    )
    return earlier > 0 and later >= STEADY_RATIO * earlier and last[0] > max(thirds[0])[0]


def _input_moves(case: Case, points: Points) -> str | None:
    """Why the input was not flat while the state grew: it rises, it fell after the start, or its trend is unknown."""
    rate = case.input_per_second
    if rate is None:
        return case.why_missing("records_in_per_second", "the rate of the input is not known")
    settled_ms = (case.job.running_since_ms or 0) + RATE_WINDOW_MS
    known = [each.records_in_per_second for each in case.past if each.records_in_per_second and each.at_ms > settled_ms]
    before = known or [each for each in (_mean_rate(case),) if each is not None]
    if case.working_off is not None:
        return f"{case.working_off}: the state may only follow it"
    if not before:
        return "whether the input is flat is not known before a second poll"
    mean = sum(before) / len(before)
    if rate > mean * (1 + FLAT_INPUT_RATIO):
        return f"the input rises too ({rate:.0f}/s, {mean:.0f}/s before): the state may only follow it"
    since_start, uptime = _mean_rate(case), case.uptime_seconds or 0.0
    of_the_start = points[-1][0] - points[0][0] >= START_RATIO * uptime
    if since_start is not None and of_the_start and rate < since_start * (1 - FLAT_INPUT_RATIO):
        return f"the input fell ({rate:.0f}/s, {since_start:.0f}/s since the start): the state may be what that brought"
    return None


def _may_fill(case: Case, slope: float) -> str | None:
    """Of a young job that started without state: most records find their key there already, or add little.

    A key space that fills and one without an end grow alike for a while; one where each record stays needs no waiting.
    """
    uptime = case.uptime_seconds
    largest = next((each for each in case.job.vertices if each.name == _largest(case)), None)
    if not _began_empty(case) or uptime is None or largest is None:
        return None
    rate, read, size = total(largest.records_in_per_second), largest.records_in, largest.bytes_in
    if uptime >= FILLED_SECONDS or not rate or not read or not size:
        return None
    if not case.holds("there are polls enough to tell what each record leaves", are_enough(case.polls)):
        return (
            f"too young: whether each record leaves as much as those before it takes {2 * MIN_POINTS_A_HALF} polls or "
            f"more to tell; judged without them after {human_seconds(FILLED_SECONDS)} of running"
        )
    kept = slope / (rate * size / read)
    if case.at_least("of each byte that its largest vertex gets, so much stays", kept, KEPT_RATIO, "ratio"):
        return None
    return (
        f"too young: {kept:.0%} of what comes in stays, as where a key space fills; judged after "
        f"{human_seconds(FILLED_SECONDS)} of running"
    )


def _may_expire(case: Case, slope: float, size: float) -> str | None:
    """Of a young job in SQL whose limit is not near: a time to live that its client has set may be about to end it.

    Flink's REST API shows the cluster's settings, not those that a statement was submitted with.
    """
    uptime, largest = case.uptime_seconds, _largest(case)
    in_sql = largest is not None and _SQL_OPERATOR.search(largest) is not None
    if (
        not in_sql
        or not _began_empty(case)
        or _ttl_seconds(case) is not None
        or uptime is None
        or uptime >= FILLED_SECONDS
    ):
        return None
    if _is_near(_to_limit(case, slope, size)[0]):
        return None
    return (
        "too young: a time to live of its SQL state, which Flink's REST API does not show, may end the growth; judged "
        f"after {human_seconds(FILLED_SECONDS)} of running"
    )


def _is_near(seconds_left: float | None) -> bool:
    return seconds_left is not None and seconds_left < CRITICAL_SECONDS_TO_LIMIT


def _mean_rate(case: Case) -> float | None:
    """Over the whole run: what the sources have read so far, by how long they have."""
    read, uptime = case.input_records, case.uptime_seconds
    return read / uptime if read and uptime else None


def _finding(case: Case, points: Points, slope: float, size: float) -> Finding:
    left, limit = _to_limit(case, slope, size)
    severity: Severity = "critical" if _is_near(left) else "warning"
    lines: list[EvidenceLine] = [
        line("growth of the state in bytes per hour", slope * 3600, MIN_GROWTH_RATIO_PER_HOUR * size, "bytes"),
        line(
            f"state in bytes, {human_bytes(points[0][1])} {points[-1][0] - points[0][0]:.0f} s before",
            size,
            limit,
            "bytes",
        ),
        line("records per second that come in, no more than before", case.input_per_second, unit="per_second"),
    ]
    if _ttl_seconds(case) is None:
        lines.append(line("no time to live is known; one that a client set for this job alone Flink does not show"))
    if left is not None:
        lines.append(line("seconds left at this growth", left, CRITICAL_SECONDS_TO_LIMIT, "seconds"))
    largest = _largest(case)
    step = case.upgrade_with("table.exec.state.ttl", TIME_TO_LIVE)
    return Finding(
        code=CODE,
        severity=severity,
        confidence=confidence(case, points),
        title="The state grows without slowing, although the input does not grow",
        vertex=largest,
        evidence=tuple(lines),
        remedy=tuple(_remedies(case)),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "ops/state/large_state_tuning/",
    )


def confidence(case: Case, points: Points) -> float:
    """A trend of minutes may be a key space that fills; what harms now comes before it."""
    seen_seconds = points[-1][0] - points[0][0]
    sure = 0.85 if seen_seconds >= SURE_AFTER_SECONDS else 0.65
    return sure if _ttl_seconds(case) is None else sure - 0.1


def _remedies(case: Case) -> list[Remedy]:
    found = [
        remedy(
            "Let state expire that is not needed any more (StateTtlConfig in the DataStream API); costs the memory of "
            "keys that come back later than that",
            key="table.exec.state.ttl",
            value=TIME_TO_LIVE,
        ),
        remedy("Check the keys: an id of a request or a time in a key makes as many keys as there are records"),
    ]
    backend = case.setting(*STATE_BACKEND)
    if backend != "rocksdb":
        found.append(OFF_THE_HEAP)
    return found


def _to_limit(case: Case, slope: float, size: float) -> tuple[float | None, float | None]:
    """Seconds to the limit of the job's class."""
    outlook = case.evidence.assessment.outlook
    limit = outlook.limit_bytes if outlook else None
    if limit is None:
        return None, None
    return max(0.0, (limit - size) / slope), float(limit)


def _largest(case: Case) -> str | None:
    """The vertex with the most state: by RocksDB, else by the last checkpoint."""
    outlook = case.evidence.assessment.outlook
    if outlook and outlook.largest_vertex:
        return outlook.largest_vertex
    detail = case.evidence.detail
    sizes = [(each.state_size_bytes or 0, each.vertex) for each in (detail.checkpoint_phases if detail else ())]
    return max(sizes)[1] if sizes else None


RULE = Rule(CODE, judge)
