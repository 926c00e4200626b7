"""checkpoint-timeout: checkpoints are given up, fail, or nearly take too long; in which phase the time goes."""

from typing import NamedTuple

from flinkops.diagnose.case import HIGH_BACKPRESSURE_RATIO, Case, NextStep
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import CheckpointFacts, CheckpointPhases, CheckpointsFacts
from flinkops.model.findings import CheckpointPhase, EvidenceLine, Finding, NotAssessed, Remedy, Severity
from flinkops.model.numbers import amount
from flinkops.model.option_names import STATE_BACKEND
from flinkops.model.quantities import human_seconds
from flinkops.model.root_cause import root_in
from flinkops.outside.checkpoint_failures import CheckpointFailure, kind_of_failure

CODE = "checkpoint-timeout"
TIMEOUT_RATIO = 0.8
"""A checkpoint that takes this share of its timeout is about to fail (reference 6)."""
CRITICAL_FAILURES = 3
SLOW_INTERVALS = 3.0
"""A checkpoint that takes so many of its intervals keeps the job from taking them when it should..."""
SLOW_SECONDS = 5.0
"""... when it is slow for a person too."""
SLOW_IN_A_ROW = 2
FAILURES = 2
"""So many that failed by themselves since the last completed one: one happens."""
_REFUSED = frozenset({CheckpointFailure.WRITING, CheckpointFailure.SNAPSHOT})
"""The checkpoint itself failed, and not for time; all else follows from a restart."""
_TITLES = {
    CheckpointPhase.WAITING: "their barriers wait behind records",
    CheckpointPhase.SYNC: "the synchronous part holds the task up",
    CheckpointPhase.ASYNC: "writing to the storage is slow",
    CheckpointPhase.UNKNOWN: "in which phase is not known",
}
_PARTS = {
    CheckpointPhase.WAITING: "start delay and alignment",
    CheckpointPhase.SYNC: "sync part",
    CheckpointPhase.ASYNC: "async part",
    CheckpointPhase.UNKNOWN: "unknown phase",
}


class Phase(NamedTuple):
    """Where most of the time went, and at which vertex."""

    name: CheckpointPhase
    seconds: float
    vertex: str | None
    whole_seconds: float = 0.0


def judge(case: Case) -> Verdict:
    """Of periodic checkpoints: expired, about to, or far slower than they are asked for."""
    facts = case.job.checkpoints
    if facts is None:
        return NotAssessed(CODE, case.why_missing("checkpoints", "Flink gave no answer"))
    if not case.holds("checkpointing is enabled", facts.enabled):
        return ()
    over = [each for each in facts.history if not each.is_savepoint and each.status != "IN_PROGRESS"]
    expired = _expired_in_a_row(over)
    refused = _failed_in_a_row(over)
    if not expired and case.at_least(
        "checkpoints that failed since the last completed one", refused, FAILURES, "count"
    ):
        return [_refused(case, over, refused)]
    slowest = _slow_seconds(case, facts, over)
    case.above("checkpoints that expired since the last completed one", expired, 0, "count")
    if not expired and slowest is None:
        return () if over or facts.in_progress is not None else NotAssessed(CODE, "none has ended yet")
    phase = slowest_phase(case)
    remedies = _remedies(case, phase)
    step = _next(case, remedies)
    severity: Severity = "critical" if expired >= CRITICAL_FAILURES else "warning"
    if case.savepoint_near or (not expired and case.unsettled is not None):  # slow is no fault of one that starts
        severity = "info"
    return [
        Finding(
            code=CODE,
            severity=severity,
            confidence=0.95 if expired else 0.75,
            title=_title(expired, phase),
            vertex=phase.vertex,
            phase=phase.name,
            evidence=tuple(_evidence(case, facts, expired, slowest, phase)),
            remedy=tuple(remedies),
            next=step.command,
            move=step.move,
            reference=FLINK_DOCS + "ops/state/checkpointing_under_backpressure/",
        )
    ]


def slowest_phase(case: Case) -> Phase:
    """Of the newest finished checkpoint, at the vertex that took longest: what took most of it."""
    detail = case.evidence.detail
    phases = detail.checkpoint_phases if detail else ()
    facts = case.job.checkpoints
    if not phases and facts is not None and facts.phases is not None:
        phases = (facts.phases,)
    found = [_of(each) for each in phases]
    return max(found, key=lambda each: each.seconds, default=Phase(CheckpointPhase.UNKNOWN, 0.0, None))


def _of(phases: CheckpointPhases) -> Phase:
    waiting = (amount(phases.start_delay_seconds) or 0.0) + (amount(phases.alignment_seconds) or 0.0)
    sync, asynchronous = amount(phases.sync_seconds) or 0.0, amount(phases.async_seconds) or 0.0
    whole = amount(phases.end_to_end_seconds) or 0.0
    parts = {CheckpointPhase.WAITING: waiting, CheckpointPhase.SYNC: sync, CheckpointPhase.ASYNC: asynchronous}
    name = max(parts, key=lambda part: parts[part])
    if not parts[name] and phases.subtasks and phases.acknowledged == 0:
        return Phase(CheckpointPhase.UNKNOWN, whole, phases.vertex, whole)
    known = name if parts[name] else CheckpointPhase.UNKNOWN
    return Phase(known, parts[name], phases.vertex, whole)


def _expired_in_a_row(over: list[CheckpointFacts]) -> int:
    """Newest first; other failures do not end the row, a completed checkpoint does."""
    count = 0
    for each in over:
        if each.status == "COMPLETED":
            break
        count += kind_of_failure(each.failure) is CheckpointFailure.EXPIRED
    return count


def _failed_in_a_row(over: list[CheckpointFacts]) -> int:
    """Newest first, since the last completed one; without those that expired or followed from something else."""
    count = 0
    for each in over:
        if each.status == "COMPLETED":
            break
        count += kind_of_failure(each.failure) in _REFUSED
    return count


def _refused(case: Case, over: list[CheckpointFacts], count: int) -> Finding:
    """The storage, or a task's own snapshot, refuses: no matter of time."""
    said = next(each.failure for each in over if each.failure and kind_of_failure(each.failure) in _REFUSED)
    cause = root_in(said).text
    return Finding(
        code=CODE,
        severity="critical" if count >= CRITICAL_FAILURES else "warning",
        confidence=0.9,
        title=f"The last {count} checkpoints failed: {cause}",
        phase=CheckpointPhase.ASYNC,
        evidence=(
            line("checkpoints that failed since the last completed one", count, FAILURES, "count"),
            line(f"Flink says: {cause}"),
        ),
        remedy=(
            remedy(
                "Check the checkpoint storage: whether it is there, takes new files from these credentials, and has "
                "room; then what the operators' own snapshots do. The JobManager's log has the whole exception"
            ),
        ),
        next=f"flinkops doctor {case.selector} --bundle checkpoint-timeout.tar.gz --logs",
        reference=FLINK_DOCS + "ops/monitoring/checkpoint_monitoring/",
    )


def _slow_seconds(case: Case, facts: CheckpointsFacts, over: list[CheckpointFacts]) -> float | None:
    """The duration of the newest completed checkpoint, or the age of one under way, when that is too slow."""
    timeout, interval = amount(facts.timeout_seconds), amount(facts.interval_seconds)
    done = [
        seconds
        for each in over
        if each.status == "COMPLETED" and (seconds := amount(each.duration_seconds)) is not None
    ]
    under_way = [
        (case.job.seen_ms - each.triggered_ms) / 1000
        for each in facts.history
        if each.status == "IN_PROGRESS" and not each.is_savepoint and each.triggered_ms is not None
    ]
    longest = max((*done[:1], *under_way), default=None)
    near = timeout and case.above("duration of the newest or pending one", longest, TIMEOUT_RATIO * timeout, "seconds")
    if near:
        return longest
    newest = done[:SLOW_IN_A_ROW]
    limit = max(SLOW_SECONDS, SLOW_INTERVALS * interval) if interval else None
    fastest = min(newest) if len(newest) == SLOW_IN_A_ROW else None
    if limit is not None and case.above(f"the faster of the last {SLOW_IN_A_ROW}", fastest, limit, "seconds"):
        return newest[0]
    return None


def _title(expired: int, phase: Phase) -> str:
    what = f"The last {expired} checkpoints expired" if expired > 1 else "The last checkpoint expired"
    what = what if expired else "Checkpoints take nearly too long"
    return f"{what}: {_TITLES[phase.name]}"


def _evidence(
    case: Case, facts: CheckpointsFacts, expired: int, slowest: float | None, phase: Phase
) -> list[EvidenceLine]:
    timeout = amount(facts.timeout_seconds)
    lines = [line("checkpoints that expired since the last completed one", expired, 0, "count")] if expired else []
    if slowest is not None:
        limit = TIMEOUT_RATIO * timeout if timeout else None
        if limit is None or slowest <= limit:
            limit = SLOW_INTERVALS * (amount(facts.interval_seconds) or 0.0)
        lines.append(line("seconds that a checkpoint takes", slowest, limit, "seconds"))
    if phase.vertex is not None:
        lines.append(line(f'seconds of {_PARTS[phase.name]} at "{phase.vertex}"', phase.seconds, unit="seconds"))
    ratio = case.held_ratio
    if ratio is not None and phase.name in (CheckpointPhase.WAITING, CheckpointPhase.UNKNOWN):
        lines.append(line("backpressure, which barriers wait behind", ratio, HIGH_BACKPRESSURE_RATIO, "ratio"))
    if timeout:
        lines.append(line(f"given up after {human_seconds(timeout)}", None, timeout, "seconds"))
    return lines


def _remedies(case: Case, phase: Phase) -> list[Remedy]:
    """Without what the job has already."""
    if phase.name is CheckpointPhase.WAITING:
        found = [remedy("Remove the bottleneck first: barriers wait behind records (see backpressure)"), *_UNALIGNED]
    elif phase.name is CheckpointPhase.SYNC:
        found = [
            remedy(
                f'Make the synchronous part of "{phase.vertex}" short: no I/O in snapshotState or a sink\'s flush; '
                "RocksDB and asynchronous snapshots of the heap copy in the background",
                key=STATE_BACKEND[0],
                value="rocksdb",
            )
        ]
    else:
        found = [*_STORAGE]
    return [each for each in found if each.key is None or case.setting(each.key) != each.value]


def _next(case: Case, remedies: list[Remedy]) -> NextStep:
    """A restart with the first setting that is missing; the status of the job where a setting does not help."""
    for each in remedies:
        if each.key in _WORTH_A_RESTART and each.value is not None:
            return case.upgrade_with(each.key, each.value)
    return case.shown


_UNALIGNED = (
    remedy(
        "Let barriers overtake records; costs more state to write, and rescaling from it is slower",
        key="execution.checkpointing.unaligned.enabled",
        value="true",
    ),
    remedy(
        "... only when aligning takes longer than this",
        key="execution.checkpointing.aligned-checkpoint-timeout",
        value="10 s",
    ),
)
_STORAGE = (
    remedy(
        "Write only what changed since the last checkpoint (RocksDB); costs slower recovery",
        key="execution.checkpointing.incremental",
        value="true",
    ),
    remedy(
        "Check the checkpoint storage: its throughput, throttling and latency; until it is faster, let it rest "
        "between checkpoints. A longer execution.checkpointing.timeout alone hides it",
        key="execution.checkpointing.min-pause",
        value="30 s",
    ),
)
_WORTH_A_RESTART = frozenset({"execution.checkpointing.unaligned.enabled", "execution.checkpointing.incremental"})


RULE = Rule(CODE, judge)
