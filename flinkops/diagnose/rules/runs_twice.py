"""runs-twice: the same job was submitted a second time, and both live."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.failures import known_failure
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.diagnose.rules.restart_loop import root_of
from flinkops.diagnose.twins import topics_of
from flinkops.model.findings import EvidenceLine, FailureKind, Finding


def judge(case: Case) -> Verdict:
    """Above info where both read the same topics, or the sink's transactions are taken from each other."""
    twins = case.evidence.twins
    if not case.above("other jobs that live, of this name and these vertices", len(twins), 0, "count"):
        return ()
    detail = case.evidence.detail
    ours = set(topics_of(detail)) if detail else set()
    shared = sorted(ours.intersection(*(each.topics or () for each in twins))) if ours else []
    both = case.holds("both read the same topics", bool(shared))
    fenced = case.holds("Kafka took a producer's transaction from it", _is_fenced(case))
    return [
        Finding(
            code="runs-twice",
            severity="warning" if both or fenced else "info",
            confidence=0.9 if both or fenced else 0.3,
            title="The same job runs twice in this cluster" if both or fenced else "Another job has this name and make",
            evidence=tuple(_evidence(case, shared)),
            remedy=(
                remedy(
                    "End the one that is not meant to run: until then results come twice, and where both write in "
                    "transactions of one prefix, each fences the other's producers"
                ),
                remedy("Where both are meant, give each a name, a group id and a transactional id prefix of its own"),
            ),
            next=f"flinkops status {case.selector}",
            reference=FLINK_DOCS + "connectors/datastream/kafka/",
        )
    ]


def _is_fenced(case: Case) -> bool:
    root = root_of(case)
    known = known_failure(root) if root is not None else None
    return known is not None and known.kind is FailureKind.KAFKA_TRANSACTION


def _evidence(case: Case, shared: list[str]) -> list[EvidenceLine]:
    lines = []
    for each in case.evidence.twins:
        since = None if each.started_ms is None else (case.job.seen_ms - each.started_ms) / 1000
        lines.append(
            line(f"job {each.id} has the same name and vertices; seconds since it was started", since, unit="seconds")
        )
    lines += [line(f"both read the topic {topic}") for topic in shared]
    if not shared:
        lines.append(line("whether both read and write the same, Flink does not say: it may be meant"))
    return lines


RULE = Rule("runs-twice", judge, running=False)
