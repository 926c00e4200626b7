"""Which finding follows from which, the order in which they are named, and the score."""

from collections.abc import Sequence

import msgspec

from flinkops.diagnose.rules import CAUSES
from flinkops.diagnose.rules.state_bloat import OFF_THE_HEAP
from flinkops.model.findings import CheckpointPhase, FailureKind, Finding

SEVERITY_ORDER = {severity: place for place, severity in enumerate(("critical", "warning", "info"))}
PENALTY = {"critical": 45, "warning": 20, "info": 2}
SYMPTOM_PENALTY = 5
"""Alibaba's scale: from 100; green above 80, yellow 60 to 80, red below 60. A symptom counts little."""
_AT_A_VERTEX = frozenset({"key-skew", "serialization", "managed-memory-full"})
"""Causes of backpressure at the vertex that they are named at; what holds up another one is another matter."""
_ENDS_TASKMANAGERS = frozenset({FailureKind.OUT_OF_MEMORY, FailureKind.KAFKA_TRANSACTION, FailureKind.FATAL})
"""Errors after which a TaskManager ends itself: Kafka's writer throws again while its task is being closed."""
_FAIL_BY: dict[str, tuple[FailureKind | None, ...]] = {
    "checkpoint-timeout": (FailureKind.CHECKPOINTS,),
    "checkpoint-storage": (
        FailureKind.CHECKPOINTS,
        FailureKind.CREDENTIALS,
        FailureKind.READ_ONLY,
        FailureKind.DISK_FULL,
        FailureKind.UNREACHABLE,
    ),
    "runs-twice": (FailureKind.KAFKA_TRANSACTION,),
    "out-of-slots": (FailureKind.NO_SLOTS, FailureKind.TASKMANAGER_LOST),
    "gc-pressure": (FailureKind.OUT_OF_MEMORY, FailureKind.TASKMANAGER_LOST, FailureKind.UNREACHABLE),
}
"""What makes a job fail with such exceptions only: one of its own comes from its own code or data."""


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first; each cause before what follows from it, and as grave as that; symptoms tied to it."""
    tied = _tied(findings)
    graver = [_as_grave_as_its_symptoms(each, tied) for each in tied]
    roots = sorted((each for each in graver if each.caused_by is None), key=_rank)
    ordered: list[Finding] = []
    for root in roots:
        _append_with_symptoms(root, graver, ordered)
    return ordered


def score(findings: Sequence[Finding]) -> int:
    """100 with nothing found; below 60 with anything critical, at most 80 with a warning."""
    lost = sum(
        SYMPTOM_PENALTY if each.caused_by and each.severity != "info" else PENALTY[each.severity] for each in findings
    )
    return max(0, 100 - lost)


def _tied(findings: Sequence[Finding]) -> list[Finding]:
    found = {each.code for each in findings if each.severity != "info"}
    tied = []
    for each in findings:
        behind = () if each.severity == "info" else CAUSES.get(each.code, ())
        cause = next((code for code in behind if _is_behind(code, each, found, findings)), None)
        tied.append(msgspec.structs.replace(each, caused_by=cause))
    return tied


def _is_behind(code: str, symptom: Finding, found: set[str], findings: Sequence[Finding]) -> bool:
    """Backpressure and slow checkpoints are each other's cause: the phase of the checkpoint tells which it is."""
    if code not in found:
        return False
    failure = next((each.failure for each in findings if each.code == "restart-loop"), None)
    if code == "restart-loop" and failure is FailureKind.CHECKPOINTS:  # it follows from what the others tell
        return False
    match code, symptom.code:
        case "restart-loop", "out-of-slots":
            return failure in _ENDS_TASKMANAGERS
        case _, "restart-loop" if code in _FAIL_BY:
            return failure in _FAIL_BY[code]
        case "watermark-delay", "state-bloat":  # windows pile up; unless all follows from the state
            return not found.intersection(CAUSES["watermark-delay"])
        case "state-bloat", "gc-pressure":  # only state on the heap fills the heap
            return any(OFF_THE_HEAP in each.remedy for each in findings if each.code == "state-bloat")
        case "checkpoint-timeout", "backpressure":  # meanwhile the task works on no records
            return _phase_of_checkpoints(findings) is CheckpointPhase.SYNC
        case "backpressure", "checkpoint-timeout":
            return _phase_of_checkpoints(findings) in (CheckpointPhase.WAITING, CheckpointPhase.UNKNOWN, None)
        case _, "backpressure" if code in _AT_A_VERTEX and symptom.vertex is not None:
            at = {each.vertex for each in findings if each.code == code and each.severity != "info"}
            return not at or None in at or symptom.vertex in at
    return True


def _phase_of_checkpoints(findings: Sequence[Finding]) -> CheckpointPhase | None:
    return next(each.phase for each in findings if each.code == "checkpoint-timeout" and each.severity != "info")


def _as_grave_as_its_symptoms(finding: Finding, findings: Sequence[Finding]) -> Finding:
    follow = [each.severity for each in _following(finding, findings)]
    gravest = min((finding.severity, *follow), key=lambda severity: SEVERITY_ORDER[severity])
    return msgspec.structs.replace(finding, severity=gravest) if finding.severity != "info" else finding


def _following(finding: Finding, findings: Sequence[Finding]) -> list[Finding]:
    """All that follows from it, over any number of steps; what was met is not followed again."""
    met: list[Finding] = []
    codes = [finding.code]
    while codes:
        code = codes.pop()
        fresh = [each for each in findings if each.caused_by == code and each not in met]
        met += fresh
        codes += [each.code for each in fresh]
    return met


def _append_with_symptoms(finding: Finding, findings: Sequence[Finding], ordered: list[Finding]) -> None:
    if finding in ordered:
        return
    ordered.append(finding)
    for symptom in sorted((each for each in findings if each.caused_by == finding.code), key=_rank):
        _append_with_symptoms(symptom, findings, ordered)


def _rank(finding: Finding) -> tuple[int, float, str, str, str]:
    return (
        SEVERITY_ORDER[finding.severity],
        -finding.confidence,
        finding.code,
        finding.vertex or "",
        finding.title,
    )
