"""What waits before a job's sources, as lines of evidence: how much, how that changes, and at which partitions."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import line
from flinkops.model.findings import EvidenceLine
from flinkops.model.numbers import total

MOST_PARTITIONS = 3


def backlog_lines(case: Case) -> list[EvidenceLine]:
    """Nothing where nothing waits, or that is not known."""
    known = [value for each in case.graph.sources if (value := total(each.pending_records)) is not None]
    if not known or not sum(known):
        return []
    lines = [line("records wait before the sources", sum(known), unit="count")]
    found = case.evidence.assessment.backlog
    if found is not None and found.change_per_second is not None:
        lines.append(line("their change over the last minute", found.change_per_second, 0, "per_second"))
    if found is not None and found.catch_up_seconds:
        lines.append(line("seconds until they are gone at this pace", found.catch_up_seconds, unit="seconds"))
    detail = case.evidence.detail
    parts = [(each.pending_records or 0.0, each) for each in (detail.partitions if detail else ())]
    fullest = sorted(parts, key=lambda pair: (-pair[0], pair[1].topic, pair[1].partition))[:MOST_PARTITIONS]
    return lines + [
        line(f"records wait in partition {each.partition} of {each.topic}", waits, unit="count")
        for waits, each in fullest
        if waits
    ]
