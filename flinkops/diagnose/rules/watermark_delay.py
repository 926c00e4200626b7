"""watermark-delay: event time stands still, trails too far, or was pushed ahead by a clock in the future."""

from typing import NamedTuple

from flinkops.diagnose.backlog_lines import silent_partition_lines
from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.assessment import VertexAssessment
from flinkops.model.event_time import held_back
from flinkops.model.facts import BATCH
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy
from flinkops.model.history import JobSample
from flinkops.model.numbers import least, worst

FUTURE_SECONDS = 60.0
"""A watermark this far ahead of the clock was made from an event that cannot have happened yet."""
STANDSTILL_SECONDS = 25.0
"""Flink's metrics are up to 10 s old: a watermark that has not moved for longer stands still."""
STANDSTILL_RATIO = 0.2
"""Of the wall clock's pace."""
STANDSTILL_SKEW_SECONDS = 30.0
"""Windows and bounded delays hold a watermark back by less than this, where the job says no delay of its own."""
CATCHING_UP_RATIO = 1.2
"""It moves faster than the clock: old data is being read, and it gets there."""
STARTUP_SECONDS = 120.0
"""So long what waited while the job did not run is old when it is read (as in assess.catch_up)."""
STRAGGLER_SECONDS = 60.0
"""The margin beyond its own delay that the policy allows a watermark (skew_margin_seconds)."""
LATE_RATIO = 0.05
PAUSED_RATIO = 0.1
IDLE_RATIO = 0.5
FLOWING_PER_SECOND = 0.1
FLOWED_SECONDS = 10.0
EQUAL_SECONDS, EQUAL_RATIO = 10.0, 0.1
"""Flink's metrics of two vertices are up to 10 s apart."""
SKEW = "event_time_skew_seconds"


class Cause(NamedTuple):
    """What holds event time, in words, with its evidence and the first remedy."""

    title: str
    lines: list[EvidenceLine]
    remedies: list[Remedy]
    vertex: str | None
    confidence: float
    severity_info: bool = False


def judge(case: Case) -> Verdict:
    """The first cause that fits, from the surest to the vaguest."""
    cause = next((found for ask in _CAUSES if (found := ask(case)) is not None), None)
    if cause is not None:
        return [
            Finding(
                code="watermark-delay",
                severity="info" if cause.severity_info else "warning",
                confidence=cause.confidence,
                title=cause.title,
                vertex=cause.vertex,
                evidence=tuple(cause.lines),
                remedy=tuple(cause.remedies),
                next=f"flinkops status {case.selector}",
                reference=FLINK_DOCS + "dev/datastream/event-time/generating_watermarks/",
            )
        ]
    if case.evidence.assessment.event_time_skew_seconds is None:
        why = case.why_missing("event_time_skew_seconds", "no vertex reports a watermark")
        return NotAssessed("watermark-delay", why)
    return ()


def _future(case: Case) -> Cause | None:
    ahead = [
        (highest - case.job.seen_ms) / 1000
        for vertex in case.job.vertices
        if vertex.watermark_ms and (highest := worst(vertex.watermark_ms)) is not None and highest < 2**62
    ]
    most = max(ahead, default=0.0)
    if not case.above("the watermark is ahead of the clock by", most, FUTURE_SECONDS, "seconds"):
        return None
    late = case.evidence.assessment.late_records
    lines = [line("seconds that the watermark is ahead of the clock", most, FUTURE_SECONDS, "seconds")]
    if late:
        lines.append(line("records dropped as late since", float(late), 0, "count"))
    fix = remedy(
        "Drop or correct events from the future before watermarks are made from them (their time is later than the "
        "time of ingestion); then restart from a checkpoint before the jump, or with event time reset: a watermark "
        "never goes back"
    )
    return Cause("A clock in the future pushed the watermark ahead: all else is late", lines, [fix], None, 0.95)


def _none_yet(case: Case) -> Cause | None:
    """Records flow, yet a vertex that needs event time has no watermark: an input without any holds back all others."""
    waiting = held_back(case.graph)
    held = case.holds("a vertex that needs event time has an input without a watermark", bool(waiting))
    if not held or not _flows(case):
        return None
    first = next((each for each in waiting if each.sure), waiting[0])
    culprit, waits = first.culprit.name, first.vertex.name
    lines = [line("records per second that come in meanwhile", case.input_per_second, 0, "per_second")]
    if not first.moving:
        lines.insert(0, line(f'"{waits}" works in event time, and no input of it has produced a watermark yet'))
        title = f'No source emits watermarks, and "{waits}" needs them: it never fires'
        return Cause(title, lines, [_STRATEGY, _IDLENESS], waits, 0.7)
    lines.insert(0, line(f'"{culprit}": at least one subtask or partition has produced no watermark yet'))
    if waits != culprit:
        lines.append(line(f'"{waits}" waits for it'))
    title = "Event time stands still: an input has produced no watermark (an idle partition?)"
    return Cause(title, lines, [_IDLENESS, _partitions()], culprit, 0.85)


def _without(case: Case) -> Cause | None:
    """No event time, and nothing that needs it: worth knowing where somebody thinks that it has some."""
    if SKEW not in case.evidence.assessment.not_applicable or case.job.job_type == BATCH:
        return None
    lines = [
        line(
            "records per second that come in, none of which makes a watermark", case.input_per_second, unit="per_second"
        )
    ]
    title = "No source emits watermarks: the job works without event time"
    return Cause(title, lines, [_STRATEGY], None, 0.6, severity_info=True)


def _standing(case: Case) -> Cause | None:
    """Had a watermark, and it does not move on although records come in."""
    pace, seconds = pace_of(case.polls)
    skew = case.evidence.assessment.event_time_skew_seconds
    if pace is None or skew is None or not _flows(case):
        return None
    stands = (
        case.at_least("the polls span", seconds, STANDSTILL_SECONDS, "seconds")
        and case.at_most("pace of the watermark, of the clock's", pace, STANDSTILL_RATIO)
        and case.at_least("event-time skew", skew, _skew_worth(case), "seconds")
    )
    if not stands:
        return None
    furthest = _furthest(case)
    lines = [
        line("pace of the watermark, of the wall clock's", pace, STANDSTILL_RATIO),
        line("event-time skew in seconds", skew, _skew_worth(case), "seconds"),
        *_split_lines(case),
        *_straggler_lines(furthest),
        *silent_partition_lines(case),
    ]
    fixes = [_ALIGNMENT] if _is_paused(case) else [_IDLENESS, _partitions()]
    name = furthest.name if furthest else None
    return Cause(f'The watermark stands still at "{name}" although records come in', lines, fixes, name, 0.85)


def _trailing(case: Case) -> Cause | None:
    """Too far behind by the job's own limit."""
    assessment = case.evidence.assessment
    skew, limit = assessment.event_time_skew_seconds, assessment.limits.skew_seconds
    if limit is None or not case.above("event-time skew, against the job's own limit", skew, limit, "seconds"):
        return None
    pace, seconds = pace_of(case.polls)
    furthest = _furthest(case)
    catching_up = pace is not None and seconds >= STANDSTILL_SECONDS / 2 and pace >= CATCHING_UP_RATIO
    catching_up = catching_up or _starts_on_old_events(case, pace)
    lines = [line("event-time skew in seconds", skew, limit, "seconds")]
    if pace is not None:
        lines.append(line("pace of the watermark, of the wall clock's", pace, 1.0))
    lines += [*_split_lines(case), *_straggler_lines(furthest)]
    name = furthest.name if furthest else None
    title = f'The watermark trails too far at "{name}"' + (", and is catching up" if catching_up else "")
    if not _flows(case):
        return Cause(f"{title}: no records come in", lines, [_IDLENESS], name, 0.6, severity_info=True)
    fixes = [_ALIGNMENT] if _is_paused(case) else [_IDLENESS, _partitions()]
    return Cause(title, lines, fixes, name, 0.75, severity_info=catching_up)


def _starts_on_old_events(case: Case, pace: float | None) -> bool:
    """Its first minutes, and not falling behind so far as is known: what every start on old events looks like."""
    uptime = case.uptime_seconds
    young = uptime is not None and uptime < STARTUP_SECONDS and not case.job.restarts
    return case.holds("it starts on old events", young and (pace is None or pace >= 1.0))


def _straggling(case: Case) -> Cause | None:
    """One subtask far behind the others of its vertex: all that wait for the whole wait for it."""
    apart = [each for each in case.evidence.assessment.vertices if each.watermark_spread_seconds is not None]
    widest = max(apart, key=lambda each: each.watermark_spread_seconds or 0.0, default=None)
    spread = widest.watermark_spread_seconds if widest else None
    behind = widest.skew_seconds if widest else None
    apart_enough = case.at_least("spread of watermarks over the subtasks", spread, STRAGGLER_SECONDS, "seconds")
    if widest is None or not apart_enough or not _flows(case):
        return None
    if not case.at_least("skew of the one that is furthest behind", behind, STRAGGLER_SECONDS, "seconds"):
        return None
    lines = [
        line(
            "seconds between the subtask furthest behind and the one furthest ahead",
            spread,
            STRAGGLER_SECONDS,
            "seconds",
        ),
        line("event-time skew in seconds", behind, STRAGGLER_SECONDS, "seconds"),
        *_split_lines(case),
    ]
    fix = remedy(
        "Find out why that input is behind: its producer's clock, its partition's backlog, its machine; if it may be "
        "left behind, its records are late"
    )
    title = f'One subtask of "{widest.name}" is far behind the others in event time'
    return Cause(title, lines, [fix, _ALIGNMENT], widest.name, 0.75)


def _late(case: Case) -> Cause | None:
    assessment = case.evidence.assessment
    limit = assessment.limits.late_ratio or LATE_RATIO
    ratio = assessment.late_ratio
    if not case.above("share of records that came too late", ratio, limit, "ratio") or not assessment.late_records:
        return None
    lines = [
        line("share of records that came too late", ratio, limit, "ratio"),
        line("late records", float(assessment.late_records), None, "count"),
    ]
    fix = remedy(
        "Wait longer for late events: a larger bounded out-of-orderness, or allowed lateness; costs as much latency "
        "of every window"
    )
    return Cause("Records come too late for their windows and are dropped", lines, [fix], None, 0.7)


def pace_of(polls: tuple[JobSample, ...]) -> tuple[float | None, float]:
    """How fast the watermark moved over the newest polls that span a standstill, of the clock's pace; and the span."""
    known = [(each.at_ms, each.at_ms - each.skew_seconds * 1000) for each in polls if each.skew_seconds is not None]
    if not known:
        return None, 0.0
    last_at, last_mark = known[-1]
    earlier = [pair for pair in known if last_at - pair[0] >= STANDSTILL_SECONDS * 1000]
    first_at, first_mark = earlier[-1] if earlier else known[0]
    span = last_at - first_at
    return (None, 0.0) if span <= 0 else ((last_mark - first_mark) / span, span / 1000)


def _flows(case: Case) -> bool:
    if not case.above("records that come in", case.input_per_second, FLOWING_PER_SECOND, "per_second"):
        return False
    idle = [least(each.source_idle_seconds) for each in case.graph.sources]
    recent = any(each is None or each < FLOWED_SECONDS for each in idle)  # Flink's rates are over the last minute
    return case.holds(f"the last one came within {FLOWED_SECONDS:.0f} s", recent)


def _skew_worth(case: Case) -> float:
    """A skew below this is how the job is made."""
    own = case.setting("flinkops.watermark-delay")
    limit = case.evidence.assessment.limits.skew_seconds
    return STANDSTILL_SKEW_SECONDS if own is None or limit is None else max(STANDSTILL_SKEW_SECONDS, limit / 2)


def _furthest(case: Case) -> VertexAssessment | None:
    """Of those that are about as far behind as the worst, the first in the flow: what comes after only waits for it."""
    by_id = {each.id: each for each in case.evidence.assessment.vertices if each.skew_seconds is not None}
    if not by_id:
        return None
    most = max(each.skew_seconds or 0.0 for each in by_id.values())
    behind = min(most, most - max(EQUAL_SECONDS, EQUAL_RATIO * most))
    in_order = [by_id[vertex.id] for vertex in case.graph.in_order() if vertex.id in by_id]
    return next(each for each in in_order if (each.skew_seconds or 0.0) >= behind)


def _is_paused(case: Case) -> bool:
    return _most(case, "split_paused_ratio") > PAUSED_RATIO


def _most(case: Case, field: str) -> float:
    return max((worst(getattr(each, field)) or 0.0 for each in case.job.vertices), default=0.0)


def _split_lines(case: Case) -> list[EvidenceLine]:
    paused, idle = _most(case, "split_paused_ratio"), _most(case, "split_idle_ratio")
    lines = (
        [line("share of time that alignment pauses a split", paused, PAUSED_RATIO, "ratio")]
        if paused > PAUSED_RATIO
        else []
    )
    return lines + (
        [line("share of time that a split is idle", idle, IDLE_RATIO, "ratio")] if idle > IDLE_RATIO else []
    )


def _straggler_lines(vertex: VertexAssessment | None) -> list[EvidenceLine]:
    if vertex is None or not vertex.watermark_spread_seconds or not vertex.skew_seconds:
        return []
    if vertex.watermark_spread_seconds <= 0.5 * vertex.skew_seconds:
        return []
    return [
        line("seconds that other subtasks are ahead of the straggler", vertex.watermark_spread_seconds, unit="seconds")
    ]


_IDLENESS = remedy(
    "Mark an input without records as idle, so that it does not hold the others back (withIdleness); costs late "
    "records when it wakes up",
    key="table.exec.source.idle-timeout",
    value="30 s",
)
_STRATEGY = remedy(
    "Give the source a WatermarkStrategy, or the table a WATERMARK clause; in processing time none is needed"
)
_ALIGNMENT = remedy(
    "Alignment holds the faster inputs for the slowest one: find out why that one is slow, or allow more drift; costs "
    "more state in windows and joins",
    key="pipeline.watermark-alignment.allow-unaligned-source-splits",
    value="false",
)


def _partitions() -> Remedy:
    return remedy(
        "Make watermarks in the source, for each partition, not after it; and no more source subtasks than partitions"
    )


_CAUSES = (_future, _none_yet, _standing, _trailing, _straggling, _late, _without)
"""From the surest to the vaguest."""
RULE = Rule("watermark-delay", judge, steady=True)
