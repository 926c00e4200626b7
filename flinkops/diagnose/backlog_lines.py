"""What waits before a job's sources, as lines of evidence: how much, how that changes, and at which partitions."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import line
from flinkops.model.detail import PartitionDetail
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
    return lines + [told for waits, each in fullest if waits for told in _of_partition(each, waits)]


def _of_partition(each: PartitionDetail, waits: float) -> list[EvidenceLine]:
    name = f"partition {each.partition} of {each.topic}"
    lines = [line(f"records wait in {name}", waits, unit="count")]
    if each.read_per_second is not None:
        lines.append(line(f"read from {name}", each.read_per_second, unit="per_second"))
    if each.pending_change_per_second is not None:
        lines.append(line(f"change of what waits in {name}", each.pending_change_per_second, 0, "per_second"))
    if each.catch_up_seconds:
        lines.append(line(f"seconds until {name} is read, at this pace", each.catch_up_seconds, unit="seconds"))
    return lines


def silent_partition_lines(case: Case) -> list[EvidenceLine]:
    """Partitions from which nothing is read, where others of their topic are read; of a few topics."""
    detail = case.evidence.detail
    known = [each for each in (detail.partitions if detail else ()) if each.read_per_second is not None]
    lines = []
    for topic in sorted({each.topic for each in known if each.read_per_second}):
        silent = sorted(each.partition for each in known if each.topic == topic and not each.read_per_second)
        if silent:
            names = ", ".join(str(each) for each in silent[:MOST_PARTITIONS]) + (
                ", …" if silent[MOST_PARTITIONS:] else ""
            )
            text = f"nothing is read from partitions {names} of {topic}: empty, gone, or behind an open transaction"
            lines.append(line(text, len(silent), 0, "count"))
    return lines
