"""checkpoint-storage: checkpoints fail, or do not end, because of the storage that they are written to; and of what."""

from collections import Counter
from collections.abc import Sequence

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.detail import StorageSign, StorageTrouble
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy, Severity
from flinkops.model.numbers import amount
from flinkops.outside.checkpoint_failures import CheckpointFailure, kind_of_failure

CRITICAL_FAILURES = 3
"""As of checkpoint-timeout: so many in a row since the last completed one."""
SUSPECTED_RATIO = 0.25
"""A pending checkpoint that has taken this share of its timeout is worth a question."""
SLOW_RATIO = 0.5
"""... and this one is slow, when its storage is what its threads wait for."""
_OF_STORAGE = frozenset({CheckpointFailure.EXPIRED, CheckpointFailure.WRITING})
"""What a storage that is slow or refuses may be behind; threads that wait for it say nothing of other failures."""
_TITLES: dict[StorageTrouble, str] = {
    "denied": "denies access",
    "log-in": "refuses the log-in",
    "missing": "is not there: no such bucket",
    "throttled": "asks for fewer requests (503 SlowDown)",
    "full": "has no room",
    "read-only": "takes no writes",
    "unreachable": "does not answer",
    "slow": "is slow to answer",
}
_REMEDIES: dict[StorageTrouble, str] = {
    "denied": "Give the job's account its rights there: to list, read, write and delete under the checkpoint folder; a "
    "policy, role or key that was changed lately is the first suspect",
    "log-in": "Give the job credentials that are valid: a rotated or expired key, a service account without its role",
    "missing": "Create the bucket again, or set the folder that is meant; without it nothing can be recovered from",
    "throttled": "Ask for less (fewer and larger files by file merging, a longer interval), spread it (entropy "
    "injection), or have the storage's limit raised",
    "full": "Make room: `flinkops storage orphans` lists what nobody refers to",
    "read-only": "Mount it for writing",
    "unreachable": "Restore the way to it: name, network policy, proxy, endpoint",
    "slow": "Check the storage's throughput and latency, and the network to it; until it is faster, write less: "
    "incremental checkpoints, a pause between them",
}
_KEYS: dict[StorageTrouble, tuple[str, str]] = {
    "missing": ("execution.checkpointing.dir", ""),
    "throttled": ("execution.checkpointing.file-merging.enabled", "true"),
    "slow": ("execution.checkpointing.incremental", "true"),
}


def storage_is_suspected(job: JobFacts) -> bool:
    """Whether a periodic checkpoint has failed since the last completed one, or waits for long."""
    facts = job.checkpoints
    return facts is not None and (bool(_failed(facts)) or _pending_ratio(job, facts) >= SUSPECTED_RATIO)


def judge(case: Case) -> Verdict:
    """By what the JobManager's log says of the checkpoints that failed, else by the threads that wait."""
    facts = case.job.checkpoints
    if facts is None:
        return NotAssessed("checkpoint-storage", case.why_missing("checkpoints", "Flink gave no answer"))
    failed = _failed(facts)
    pending = _pending_ratio(case.job, facts)
    failing = case.above("checkpoints that failed since the last completed one", len(failed), 0, "count")
    waiting = case.at_least("share of its timeout that the pending one has taken", pending, SLOW_RATIO, "ratio")
    if not failing and not waiting:
        return ()
    if "storage" in case.evidence.unknown:
        return NotAssessed("checkpoint-storage", case.evidence.unknown["storage"])
    if case.evidence.detail is None and not case.evidence.storage:
        return NotAssessed("checkpoint-storage", case.why_missing("detail", "neither log nor threads were asked for"))
    ids = {each.id for each in failed}
    told = [sign for sign in case.evidence.storage if sign.checkpoint_id is not None and sign.checkpoint_id in ids]
    now = [sign for sign in case.evidence.storage if sign.checkpoint_id is None]
    case.above("of them failed of their storage, by the JobManager's log", len(told), 0, "count")
    case.above("threads wait for the storage", sum(sign.waiting or 0 for sign in now), 0, "count")
    if told:
        return [_finding(case, told[0], told, failed)]
    if now and all(kind_of_failure(each.failure) in _OF_STORAGE for each in failed):
        # A client that waits to ask again waits for answers, too, in between.
        return [_finding(case, next((each for each in now if each.trouble == "throttled"), now[0]), now, failed)]
    return ()


def _failed(facts: CheckpointsFacts) -> list[CheckpointFacts]:
    """Periodic ones, newest first, up to the last that completed."""
    found: list[CheckpointFacts] = []
    for each in facts.history:
        if each.is_savepoint or each.status == "IN_PROGRESS":
            continue
        if each.status == "COMPLETED":
            break
        found.append(each)
    return found


def _pending_ratio(job: JobFacts, facts: CheckpointsFacts) -> float:
    timeout = amount(facts.timeout_seconds)
    ages = [
        (job.seen_ms - each.triggered_ms) / 1000
        for each in facts.history
        if each.status == "IN_PROGRESS" and not each.is_savepoint and each.triggered_ms is not None
    ]
    return max(ages, default=0.0) / timeout if timeout else 0.0


def _finding(case: Case, sign: StorageSign, signs: Sequence[StorageSign], failed: Sequence[CheckpointFacts]) -> Finding:
    severity: Severity = "critical" if len(failed) >= CRITICAL_FAILURES else "warning"
    place = "" if sign.place is None else f" {_bucket(sign.place)}"
    return Finding(
        code="checkpoint-storage",
        severity=severity,
        confidence=0.95 if sign.checkpoint_id is not None else 0.8,
        title=f"The checkpoint storage{place} {_TITLES[sign.trouble]}",
        evidence=tuple(_evidence(case, signs, failed)),
        remedy=_remedies(case, sign.trouble),
        next=case.shown.command,
        move=case.shown.move,
        reference=FLINK_DOCS + "ops/state/checkpoints/",
    )


def _evidence(case: Case, signs: Sequence[StorageSign], failed: Sequence[CheckpointFacts]) -> list[EvidenceLine]:
    lines = [line("checkpoints that failed since the last completed one", len(failed), 0, "count")] if failed else []
    for trouble, count in Counter(sign.trouble for sign in signs).most_common():
        first = next(sign for sign in signs if sign.trouble == trouble)
        times = f" ({count} times)" if count > 1 else ""
        lines.append(line(f"{first.source}: {first.said}{times}"))
        if first.place is not None:
            lines.append(line(f"at {first.place}"))
    return lines


def _remedies(case: Case, trouble: StorageTrouble) -> tuple[Remedy, ...]:
    key, value = _KEYS.get(trouble, (None, None))
    if key is not None and case.setting(key) == value:
        key, value = None, None
    return (remedy(_REMEDIES[trouble], key=key, value=value or None),)


def _bucket(place: str) -> str:
    """Scheme and bucket.

    >>> _bucket("s3://flink/prices/checkpoints/chk-1"), _bucket("file:/data/checkpoints")
    ('s3://flink', 'file:/data/checkpoints')
    """
    scheme, sign, rest = place.partition("://")
    return f"{scheme}{sign}{rest.partition('/')[0]}" if sign and not rest.startswith("/") else place


RULE = Rule("checkpoint-storage", judge, running=False)
