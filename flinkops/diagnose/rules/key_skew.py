"""key-skew: one subtask gets far more than its share, and holds the others up."""

from flinkops.diagnose.case import BUSY_RATIO, HIGH_BACKPRESSURE_RATIO, Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import Finding, NotAssessed, Severity
from flinkops.model.numbers import mean, total, worst

TIMES_ITS_SHARE = 1.6
"""With 2 subtasks, one that gets 80 % of the records; with 4, one that gets 40 %."""
FEWEST_RECORDS_PER_SECOND = 1.0


def judge(case: Case) -> Verdict:
    """Of vertices with parallel subtasks whose input is spread by key."""
    spread = [each for each in case.job.vertices if each.parallelism > 1 and case.graph.upstream[each.id]]
    case.above("vertices with parallel subtasks and an input", len(spread), 0, "count")
    known = [each for each in spread if share_of_fullest(each) is not None]
    if spread and not known:
        return NotAssessed("key-skew", case.why_missing("vertices", "Flink reports no rates of the subtasks"))
    return [found for each in known if (found := _finding(case, each)) is not None]


def share_of_fullest(vertex: VertexFacts) -> float | None:
    """Share of the vertex's input that its fullest subtask gets; None when not known or next to nothing comes in."""
    whole, highest = total(vertex.records_in_per_second), worst(vertex.records_in_per_second)
    if whole is None or highest is None or whole < FEWEST_RECORDS_PER_SECOND:
        return None
    return min(1.0, highest / whole)


def _finding(case: Case, vertex: VertexFacts) -> Finding | None:
    share = share_of_fullest(vertex)
    limit = min(0.95, TIMES_ITS_SHARE / vertex.parallelism)
    busy = worst(vertex.busy_ratio)
    fullest = case.at_least(f'share of the input at the fullest subtask of "{vertex.name}"', share, limit, "ratio")
    worked = case.at_least(f'share of time that a subtask of "{vertex.name}" is busy', busy, BUSY_RATIO, "ratio")
    if share is None or busy is None or not fullest or not worked:
        return None
    held = case.held_ratio or 0.0
    severity: Severity = "warning" if case.holds_up(vertex) and held > HIGH_BACKPRESSURE_RATIO else "info"
    return Finding(
        code="key-skew",
        severity=severity,
        confidence=0.9 if severity == "warning" else 0.6,
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


RULE = Rule("key-skew", judge, steady=True)
