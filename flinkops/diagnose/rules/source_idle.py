"""source-idle: no records come in any more."""

import math
from itertools import pairwise

from flinkops.diagnose.backlog_lines import backlog_lines
from flinkops.diagnose.case import HIGH_BACKPRESSURE_RATIO, Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.diagnose.twins import topics_of
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.model.findings import Finding, NotAssessed, Severity
from flinkops.model.numbers import add_known, least, total
from flinkops.model.states import ExecutionState

IDLE_SECONDS = 30.0
"""Alibaba alerts after 60 s, five times over; the cause is looked for sooner."""
STEADY_RECORDS_PER_SECOND = 0.5
"""What flowed at this rate before and stopped, did not stop by design..."""
MOST_TOPICS = 3
METRICS_SECONDS = 10.0
"""Flink's counters are so old at most: what came at once may show at two polls so far apart."""
FLOWED_SECONDS = 10.0
"""... if it flowed for so long: a source of files, or of a table, reads what there is at once, and waits for more."""


def reads_nothing(job: JobFacts) -> bool:
    """All sources that read topics do not, by Flink's own count: worth asking which topics."""
    sources = [each for each in job.vertices if not each.upstream and each.source_partitions]
    idle = [least(each.source_idle_seconds) for each in sources]
    return bool(idle) and all(each is not None and each >= IDLE_SECONDS for each in idle)


def judge(case: Case) -> Verdict:
    """All sources read nothing. Whether that is wrong depends on whether they ever did, and on what waits."""
    sources = [each for each in case.graph.sources if each.status == ExecutionState.RUNNING]
    if not sources:
        return NotAssessed("source-idle", case.why_missing("vertices", "no source runs"))
    rates = [total(each.records_in_per_second) for each in sources]
    if any(rate is None for rate in rates):
        return NotAssessed(
            "source-idle", case.why_missing("records_in_per_second", "a source does not report its rate")
        )
    idle = _idle_seconds(case, sources)
    silent = case.at_least("since the last record of any source", idle, IDLE_SECONDS, "seconds")
    held = case.held_ratio or 0.0
    if idle is None or not silent or not case.at_most("backpressure", held, HIGH_BACKPRESSURE_RATIO, "ratio"):
        return ()
    pending = add_known(total(each.pending_records) for each in sources)
    seen = _seen_before(case)
    before = seen if seen is not None else _rate_before(case, idle)
    if not case.holds("records came before, or some wait", before is not None or bool(pending)):
        return ()
    steady = seen is not None or any(each.source_partitions for each in sources)
    return [_finding(case, sources[0], idle, before, pending, steady=steady)]


def _finding(
    case: Case, source: VertexFacts, idle: float, before: float | None, pending: float | None, *, steady: bool
) -> Finding:
    paused = case.holds("it had paused before, and went on", _had_paused(case))
    stopped = (
        case.holds("they were seen to come, or its topic has partitions to read", steady)
        and case.at_least("records per second before", before, STEADY_RECORDS_PER_SECOND, "per_second")
        and case.at_least("they came for at least", _flowed_seconds(case, idle), FLOWED_SECONDS, "seconds")
        and not paused
    )
    lost = case.evidence.lost_topics
    gone = case.holds("a TaskManager's log says that a topic it reads is gone", bool(lost))
    severity: Severity = "critical" if gone else "warning" if pending or stopped else "info"
    lines = [line("seconds since the last record", idle, IDLE_SECONDS, "seconds")]
    if before is not None:
        lines.append(line("records per second before", before, STEADY_RECORDS_PER_SECOND, "per_second"))
    if pending:
        lines.append(line("records wait to be read", pending, 0, "count"))
        lines += backlog_lines(case)[1:]
    lines += [line(f"{each.name} is gone, by {each.source}") for each in lost[:MOST_TOPICS]]
    if topics := topics_of(case.evidence.detail) if case.evidence.detail else ():
        lines.append(line(f"it reads {', '.join(topics[:MOST_TOPICS])}; which jobs write there Flink does not say"))
        lines += [] if gone else [line(_OPEN_TRANSACTION)]
    if paused and not pending:
        lines.append(line("it had paused before, and went on"))
    return Finding(
        code="source-idle",
        severity=severity,
        confidence=0.95 if gone else 0.9 if pending else 0.8 if stopped else 0.4,
        title="No records come in"
        + (": a topic is gone" if gone else ", though some wait" if pending else " any more" if stopped else ""),
        vertex=source.name,
        evidence=tuple(lines),
        remedy=(_MAKE_ANEW, *_REMEDIES[:1]) if gone else _REMEDIES,
        next=f"flinkops status {case.selector}",
        reference=FLINK_DOCS + "dev/datastream/event-time/generating_watermarks/#dealing-with-idle-sources",
    )


_OPEN_TRANSACTION = (
    "a reader of committed records stops before a transaction that is not ended, and what waits behind it is not "
    "counted: kafka-transactions.sh find-hanging tells"
)
_MAKE_ANEW = remedy(
    "Make the topic anew with as many partitions, or have the job read what took its place; then restart the job: it "
    "looks for partitions again after some minutes only, and the offsets in its state may be of records that are gone"
)
_REMEDIES = (
    remedy("Check what writes to the source: its producers, its topic, its permissions"),
    remedy(
        "An input that is idle by design should not hold event time back; costs late records afterwards",
        key="table.exec.source.idle-timeout",
        value="30 s",
    ),
)


def _idle_seconds(case: Case, sources: list[VertexFacts]) -> float | None:
    """Since the last record of any source: as Flink counts it, else as long as the polls say so."""
    said = [least(each.source_idle_seconds) for each in sources]
    known = [each for each in said if each is not None]
    if len(known) == len(sources):
        return min(known)
    if case.input_per_second:
        return 0.0
    since = case.job.seen_ms
    for sample in reversed(case.past):
        if sample.records_in_per_second is None or sample.records_in_per_second > 0:
            break
        since = sample.at_ms
    return (case.job.seen_ms - since) / 1000


def _flowed_seconds(case: Case, idle_seconds: float) -> float:
    """For how long records came: by the polls at which there were more; else at most so long as the job ran before.

    Without end where neither is known. A file is read at once: there are more at one poll, or, where Flink's metrics of
    its subtasks are of different times, at two. How far apart such times are shows in the longest pause between rises.
    """
    counts = [(each.at_ms, each.accepted_records) for each in case.past if each.accepted_records is not None]
    rises = [later_ms for (_, earlier), (later_ms, later) in pairwise(counts) if later > earlier]
    if rises:
        longest = max(((later - earlier) / 1000 for earlier, later in pairwise(rises)), default=0.0)
        return (rises[-1] - rises[0]) / 1000 - min(METRICS_SECONDS, longest)
    return math.inf if case.uptime_seconds is None else case.uptime_seconds - idle_seconds


def _had_paused(case: Case) -> bool:
    """Earlier polls saw records, then none, then some again: it comes in bursts (Flink's rate is over a minute)."""
    flows = [each.records_in_per_second > 0 for each in case.past if each.records_in_per_second is not None]
    stops = [place for place, (before, now) in enumerate(pairwise(flows)) if before and not now]
    return bool(stops) and any(flows[stops[0] + 1 :])


def _seen_before(case: Case) -> float | None:
    """The highest rate at an earlier poll; None: no poll saw any come, and they may have come at once."""
    return max((each.records_in_per_second for each in case.past if each.records_in_per_second), default=None)


def _rate_before(case: Case, idle_seconds: float) -> float | None:
    """The mean rate while records came; None when not known, 0 when none ever did."""
    read, uptime = case.input_records, case.uptime_seconds
    if read is None or uptime is None:
        return None
    return read / max(1.0, uptime - idle_seconds)


RULE = Rule("source-idle", judge, steady=True)
