"""key-skew: one subtask gets far more than its share, by its keys or by its partitions, and holds the others up."""

from flinkops.diagnose.backlog_lines import backlog_lines
from flinkops.diagnose.case import BUSY_RATIO, HIGH_BACKPRESSURE_RATIO, Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import Finding, NotAssessed, Severity
from flinkops.model.numbers import mean, total, worst

TIMES_ITS_SHARE = 1.6
"""With 2 subtasks, one that gets 80 % of the records; with 4, one that gets 40 %."""
FEWEST_RECORDS_PER_SECOND = 1.0
PENDING_RECORDS = 1000.0
"""Fewer are on their way at any time: what one fetch of Kafka's brings, and more."""
LAG_SECONDS = 10.0
"""What waits is known of the last fetch only, and may be gone at a poll; what is emitted late then says it (Flink's
metrics are so old at most)."""
FULL_BUSY_RATIO = 0.9
"""A source that works so much of its time takes in as much as it can."""


def judge(case: Case) -> Verdict:
    """Of vertices with parallel subtasks: those whose input is spread over them, and sources with partitions."""
    spread = [each for each in case.job.vertices if each.parallelism > 1 and case.graph.upstream[each.id]]
    case.above("vertices with parallel subtasks and an input", len(spread), 0, "count")
    known = [each for each in spread if share_of_fullest(each) is not None]
    if spread and not known:
        return NotAssessed("key-skew", case.why_missing("vertices", "Flink reports no rates of the subtasks"))
    sources = [each for each in case.graph.sources if each.parallelism > 1 and share_of_fullest(each) is not None]
    found = [_finding(case, each) for each in known] + [_of_source(case, each) for each in sources]
    return [each for each in found if each is not None]


def share_of_fullest(vertex: VertexFacts) -> float | None:
    """Share of the vertex's input that its fullest subtask gets; None when not known or next to nothing comes in."""
    whole, highest = total(vertex.records_in_per_second), worst(vertex.records_in_per_second)
    if whole is None or highest is None or whole < FEWEST_RECORDS_PER_SECOND:
        return None
    return min(1.0, highest / whole)


def _finding(case: Case, vertex: VertexFacts) -> Finding | None:
    share = share_of_fullest(vertex)
    limit = TIMES_ITS_SHARE / vertex.parallelism
    busy = worst(vertex.busy_ratio)
    fullest = case.at_least(f'share of the input at the fullest subtask of "{vertex.name}"', share, limit, "ratio")
    worked = case.at_least(f'share of time that a subtask of "{vertex.name}" is busy', busy, BUSY_RATIO, "ratio")
    second = not worked and fullest and _is_second(case, vertex)
    if share is None or busy is None or not fullest or not (worked or second):
        return None
    held = case.held_ratio or 0.0
    holds_up = second or (case.holds_up(vertex) and held > HIGH_BACKPRESSURE_RATIO)
    severity: Severity = "warning" if holds_up else "info"
    return Finding(
        code="key-skew",
        severity=severity,
        confidence=0.7 if second else 0.9 if severity == "warning" else 0.6,
        title=f'Key skew: one subtask of "{vertex.name}" gets {share:.0%} of the records',
        vertex=vertex.name,
        evidence=(
            line(f"share of the input at the fullest of {vertex.parallelism} subtasks", share, limit, "ratio"),
            line("share of time that the busiest subtask is busy", busy, BUSY_RATIO, "ratio"),
            line("mean over the subtasks", mean(vertex.busy_ratio), unit="ratio"),
        ),
        remedy=(
            remedy(
                "Aggregate in two steps: first by the key and a salt (a random number up to the parallelism), then by "
                "the key; costs a second shuffle. More subtasks do not help: a key is always at one of them"
            ),
            remedy(
                "In SQL, let the planner do so; costs memory for a local aggregate",
                key="table.optimizer.distinct-agg.split.enabled",
                value="true",
            ),
        ),
        next=f"flinkops status {case.selector}",
        reference=FLINK_DOCS + "dev/table/tuning/#local-global-aggregation",
    )


def _is_second(case: Case, vertex: VertexFacts) -> bool:
    """Held up a little itself, it works all the time that is left, and holds up others more than it is held up."""
    busy, own = worst(vertex.busy_ratio), worst(vertex.backpressured_ratio)
    if busy is None or own is None or own >= 1:
        return False
    above = [worst(case.graph.by_id[up].backpressured_ratio) or 0.0 for up in case.graph.upstream[vertex.id]]
    return (
        case.at_most(f'backpressure of "{vertex.name}" itself', own, HIGH_BACKPRESSURE_RATIO, "ratio")
        and case.above("backpressure of what is before it", max(above, default=None), HIGH_BACKPRESSURE_RATIO, "ratio")
        and case.at_least("share of the time left that it works", busy / (1 - own), FULL_BUSY_RATIO, "ratio")
        and case.at_most("mean over its subtasks", mean(vertex.busy_ratio), BUSY_RATIO * busy, "ratio")
    )


def _of_source(case: Case, source: VertexFacts) -> Finding | None:
    """Uneven partitions: one subtask reads all it can and leaves records waiting, while the others have time."""
    share, limit = share_of_fullest(source), TIMES_ITS_SHARE / source.parallelism
    busy, average, waiting = worst(source.busy_ratio), mean(source.busy_ratio), total(source.pending_records)
    name, lag = source.name, worst(source.source_emit_lag_seconds)
    uneven = (
        case.at_least(f'share of the records at the fullest subtask of "{name}"', share, limit, "ratio")
        and case.at_least(f'share of time that a subtask of "{name}" is busy', busy, FULL_BUSY_RATIO, "ratio")
        and case.at_most("mean over its subtasks", average, BUSY_RATIO, "ratio")
        and (
            case.above(f'records that wait before "{name}"', waiting, PENDING_RECORDS, "count")
            or case.at_least(f'age of the oldest records that a subtask of "{name}" emits', lag, LAG_SECONDS, "seconds")
        )
    )
    if not uneven or share is None:
        return None
    return Finding(
        code="key-skew",
        severity="warning",
        confidence=0.8,
        title=f'Partition skew: one subtask of "{name}" reads {share:.0%} of the records, and falls behind',
        vertex=name,
        evidence=(
            line(f"share of the records at the fullest of {source.parallelism} subtasks", share, limit, "ratio"),
            line("share of time that the busiest subtask is busy", busy, FULL_BUSY_RATIO, "ratio"),
            line("mean over the subtasks", average, BUSY_RATIO, "ratio"),
            *([line("records that wait", waiting, PENDING_RECORDS, "count")] if waiting is not None else []),
            *([line("age of the oldest that a subtask emits", lag, LAG_SECONDS, "seconds")] if lag is not None else []),
            *backlog_lines(case)[1:],
        ),
        remedy=(
            remedy(
                "Fill the partitions evenly: another key or partitioner at the producer. Until then, rebalance() "
                "behind the source spreads the work that is chained to it; costs a shuffle and the order of a partition"
            ),
        ),
        next=f"flinkops status {case.selector}",
        reference=FLINK_DOCS + "dev/datastream/operators/overview/#rebalancing",
    )


RULE = Rule("key-skew", judge, steady=True)
