"""Findings of ``doctor``: a cause with its evidence and the first move against it (the contract's words)."""

from enum import StrEnum
from typing import Literal

from flinkops.model.assessment import Value
from flinkops.model.timeline import Entry

Severity = Literal["critical", "warning", "info"]
Unit = Literal["count", "ratio", "seconds", "bytes", "per_second"]


class CheckpointPhase(StrEnum):
    """Where the time of a checkpoint goes: before the barriers are together, in the task's thread, or in the storage.

    WAITING is start delay and alignment: barriers wait behind records. SYNC blocks the task. ASYNC does neither.
    """

    WAITING = "waiting"
    SYNC = "sync"
    ASYNC = "async"
    UNKNOWN = "unknown"


class FailureKind(StrEnum):
    """What a known exception means (diagnose/failures.py)."""

    CHECKPOINTS = "checkpoints"
    KAFKA_TRANSACTION = "kafka-transaction"
    TOPIC = "topic"
    CREDENTIALS = "credentials"
    DISK_FULL = "disk-full"
    READ_ONLY = "read-only"
    OUT_OF_MEMORY = "out-of-memory"
    REFUSED_RECORD = "refused-record"
    UNREADABLE_RECORD = "unreadable-record"
    TASKMANAGER_LOST = "taskmanager-lost"
    NO_SLOTS = "no-slots"
    UNREACHABLE = "unreachable"
    FATAL = "fatal"


class EvidenceLine(Value, frozen=True):
    """One observed number against the limit it crossed, both in ``unit``; None where it is a plain number or none."""

    text: str
    value: float | None = None
    limit: float | None = None
    unit: Unit | None = None


class Remedy(Value, frozen=True):
    """What to do; where it is a setting, its key and value."""

    text: str
    key: str | None = None
    value: str | None = None


class FirstMove(Value, frozen=True):
    """The action of a finding's next command. ``target``: ``vertex=subtasks`` or, of an upgrade, ``key=value``."""

    verb: Literal["rescale", "upgrade", "rollback"]
    target: str = ""


class Finding(Value, frozen=True):
    """One cause, ranked by severity and confidence (0 to 1); ``caused_by``: the code of the finding it follows from.

    ``phase``: of a finding about checkpoints, where their time goes; ``failure``: of one about exceptions, what the
    root cause is known to mean. ``next`` is a command to run, ``move`` the action that it plans, if any.
    """

    code: str
    severity: Severity
    confidence: float
    title: str
    vertex: str | None = None
    evidence: tuple[EvidenceLine, ...] = ()
    remedy: tuple[Remedy, ...] = ()
    next: str = ""
    reference: str = ""
    caused_by: str | None = None
    phase: CheckpointPhase | None = None
    move: FirstMove | None = None
    failure: FailureKind | None = None


Relation = Literal[">", "≥", "<", "≤", "is"]


class Condition(Value, frozen=True):
    """One question that a rule asked, in its order: the fact, the limit it has to pass, and whether it did.

    ``value`` None: not known. With the relation "is" the text is the whole question.
    """

    text: str
    met: bool
    value: float | None = None
    relation: Relation = "is"
    limit: float | None = None
    unit: Unit | None = None


class NotAssessed(Value, frozen=True):
    """A rule that could not be asked, and why: not the same as healthy."""

    code: str
    why: str


class Answer(Value, frozen=True):
    """What became of one rule: its questions in order, and what it named. ``place``: in the whole diagnosis, from 1.

    ``why``: where it could not be asked, or could not say. Rules ask until an answer settles the matter.
    """

    code: str
    verdict: Literal["named", "not-named", "not-assessed"]
    why: str | None = None
    conditions: tuple[Condition, ...] = ()
    findings: tuple[Finding, ...] = ()
    place: int | None = None


class Diagnosis(Value, frozen=True):
    """All that the rules say of one job; ``score`` from 100 (nothing found) to 0; ``changes``: of the last hour."""

    name: str
    score: int | None
    findings: tuple[Finding, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()
    changes: tuple[Entry, ...] = ()
    namespace: str | None = None
    cluster: str = ""
