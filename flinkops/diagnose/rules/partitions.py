"""partitions-below-parallelism: a Kafka source has more subtasks than its topics have partitions."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.event_time import held_back
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import Finding, NotAssessed
from flinkops.model.overrides import OVERRIDES

CODE = "partitions-below-parallelism"


def judge(case: Case) -> Verdict:
    """Info while event time moves: idle subtasks cost slots only; a warning when one of them holds the watermark."""
    known = [each for each in case.graph.sources if each.source_partitions is not None]
    if not known:
        return NotAssessed(CODE, "no source says which partitions it reads (not Kafka, or no metrics yet)")
    return [_finding(case, each) for each in known if _too_few(case, each)]


def _too_few(case: Case, vertex: VertexFacts) -> bool:
    partitions, subtasks = float(vertex.source_partitions or 0), float(vertex.parallelism)
    return partitions > 0 and case.below(f'partitions that "{vertex.name}" reads', partitions, subtasks, "count")


def _finding(case: Case, vertex: VertexFacts) -> Finding:
    partitions = vertex.source_partitions or 0
    step = case.scaled_to(vertex, partitions)
    holds = any(each.culprit.id == vertex.id and each.moving for each in held_back(case.graph))
    return Finding(
        code=CODE,
        severity="warning" if holds else "info",
        confidence=0.95,
        title=f'"{vertex.name}" has {vertex.parallelism} subtasks for {partitions} partitions'
        + (": those without one hold event time back" if holds else ""),
        vertex=vertex.name,
        evidence=(
            line(
                "partitions of its topics, of which each subtask needs one",
                float(partitions),
                float(vertex.parallelism),
            ),
        ),
        remedy=(
            remedy(
                f"Read with {partitions} subtasks, or give the topic more partitions (Kafka cannot take them back, and "
                "keys move); a subtask without a partition costs a slot",
                key=OVERRIDES,
                value=f"{vertex.id}:{partitions}",
            ),
            remedy(
                "Mark subtasks without a partition as idle, or their missing watermark holds all others back",
                key="table.exec.source.idle-timeout",
                value="30 s",
            ),
        ),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "connectors/datastream/kafka/#idleness",
    )


RULE = Rule(CODE, judge, steady=True)
