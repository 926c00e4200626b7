"""Assessments: what the facts mean, as the contract's ``status`` document words it (schema_version 1).

Field names and units are the outside's: users script against them. An unknown value is None and has an entry in
``unknown`` (dotted path -> reason); one that the job cannot have is None with an entry in ``not_applicable``. What only
the screens need stands in ``detail`` structures, not in the document.
"""

from typing import Literal

import msgspec

from flinkops.model.facts import CheckpointFacts, JobFacts, JobKey, RestoredFacts, SourceStatus
from flinkops.model.history import JobSample
from flinkops.model.reasons import ReasonCode

Level = Literal["ok", "warning", "critical", "unknown"]
LEVEL_ORDER: dict[str, int] = {"critical": 0, "unknown": 1, "warning": 2, "ok": 3}
"""Worst first. Unknown stands before warning: what cannot be seen needs attention sooner."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of all assessments: immutable; nulls are kept in JSON."""


class Unknown(Value, frozen=True):
    """A value that could not be measured, and why. Never healthy, never zero."""

    reason: str


class NotApplicable(Value, frozen=True):
    """A value that this job cannot have, and why: healthy, and no gap in what is known."""

    reason: str


Absence = Unknown | NotApplicable
"""Beside a value, what a signal may be."""


BRIEF_CHARACTERS = 80


def brief(first: str, then: str = "") -> str:
    """What differs, cut so that what comes `then` still fits.

    >>> brief("x" * 100, ", 3 restarts in 10m")[-21:]
    'x…, 3 restarts in 10m'
    """
    first = " ".join(first.split())
    first = first.rstrip(".") if then else first
    room = BRIEF_CHARACTERS - len(then)
    return (first if len(first) <= room else first[: max(0, room - 1)] + "…") + then


class Reason(Value, frozen=True):
    """Why a job is not healthy. ``value`` and ``limit`` are in the unit that ``text`` names.

    ``brief`` is for a cell of a table: at most BRIEF_CHARACTERS, and what differs from job to job comes first.
    """

    code: ReasonCode
    text: str
    value: float | None = None
    limit: float | None = None
    level: Level = "warning"
    since_ms: int | None = None
    brief: str = ""

    @property
    def cell(self) -> str:
        """`brief`, or as much of `text` as fits."""
        return brief(self.brief or self.text)


class Health(Value, frozen=True):
    """The worst reason wins."""

    level: Level
    reasons: tuple[Reason, ...] = ()
    since_ms: int | None = None


class Latency(Value, frozen=True):
    """t_processed - t_ingested, and how we know."""

    p50: float | None
    p99: float | None
    method: Literal["measured", "markers", "estimated"]


class Delivery(Value, frozen=True):
    """From the ingestion of a record to the receiver's word that it has the result, of the last minute."""

    p50: float | None
    p99: float | None


class Bottleneck(Value, frozen=True):
    """The vertex that holds the others up, and the kind of reason: capacity, key-skew, external, gc, window-firing."""

    vertex: str
    why: str
    kind: str = ""


class Backpressure(Value, frozen=True):
    """Flink's level, of the worst subtask of the job. Flink's "ok" is "none" here."""

    level: Literal["none", "low", "high"]
    ratio: float
    bottleneck: Bottleneck | None = None


class Checkpoints(Value, frozen=True):
    """Health of checkpoints; what stands below each field is its row in docs/signals.md."""

    status: Literal["COMPLETED", "IN_PROGRESS", "FAILED", "NONE", "DISABLED"]
    """of the newest *finished* checkpoint (savepoints aside); IN_PROGRESS only before the first; NONE; DISABLED"""
    duration_seconds: float | None = None
    """of the last completed one, from its trigger to the last acknowledgement"""
    age_seconds: float | None = None
    """since the last subtask acknowledged the last completed one"""
    size_bytes: int | None = None
    """full size of the last completed one"""
    interval_seconds: float | None = None
    """as configured; null without periodic checkpoints"""
    failed_in_a_row: int | None = None
    """failures since the last completed one; Flink remembers ten, beyond that the last poll's count holds"""
    completed: int | None = None
    """Flink's counter: it starts at zero when the JobManager restarts"""
    failed: int | None = None
    """Flink's counter, likewise"""
    failure: str | None = None
    """the cause of the newest failure, while failures are in a row"""


class Commit(Value, frozen=True):
    """The last commit of a transactional sink."""

    status: Literal["SUCCESS", "FAILED", "NONE"]
    age_seconds: float | None = None


class VertexAssessment(Value, frozen=True):
    """One vertex, as the document shows it; ratios are the worst subtask's."""

    id: str
    name: str
    parallelism: int | None
    busy_ratio: float | None = None
    backpressured_ratio: float | None = None
    idle_ratio: float | None = None
    records_in_per_second: float | None = None
    records_out_per_second: float | None = None
    watermark: str | None = None
    watermark_state: Literal["known", "none-yet", "finished", "unknown"] = "unknown"
    watermark_spread_seconds: float | None = None
    skew_seconds: float | None = None
    state_keys: int | None = None


class Backlog(Value, frozen=True):
    """What waits before the sources; what stands below each field is its row in docs/signals.md."""

    records: float
    """`pending_records`, over all sources"""
    change_per_second: float | None = None
    """median slope (Theil–Sen) of the polls of the last minute, three at least; negative: it gets less"""
    catch_up_seconds: float | None = None
    """records by that change; does not apply while what waits falls by less than a hundredth a minute"""


class StateOutlook(Value, frozen=True):
    """Where the state is heading (for the screens and the exporter)."""

    growth_bytes_per_hour: float | None = None
    limit_bytes: int | None = None
    seconds_to_limit: float | None = None
    increment_bytes: int | None = None
    largest_vertex: str | None = None
    samples: int = 0


class Limits(Value, frozen=True):
    """What this job is measured against: its class's limits, with its own watermark delay and interval put in."""

    latency_p99_seconds: float | None = None
    skew_seconds: float | None = None
    checkpoint_age_seconds: float | None = None
    state_bytes: float | None = None
    late_ratio: float | None = None
    backpressure_ratio: float | None = None
    availability_ratio: float | None = None


class JobAssessment(Value, frozen=True, kw_only=True):
    """One job of the contract's ``jobs``: its document has these fields, in this order, down to ``not_applicable``."""

    id: str
    name: str
    namespace: str | None
    cluster: str
    flink_version: str | None
    kind: str
    state: str
    lifecycle_state: str | None
    uptime_seconds: float | None
    parallelism: int | None
    restarts: int | None
    health: Health
    records_in_per_second: float | None
    records_out_per_second: float | None
    records_dropped_per_second: float | None
    late_records: int | None
    late_ratio: float | None
    processing_latency_seconds: Latency | None
    delivery_latency_seconds: Delivery | None = None
    event_time_skew_seconds: float | None
    watermark: str | None
    state_bytes: int | None
    state_keys: int | None
    state_bytes_per_key: float | None
    state_growth_bytes_per_hour: float | None
    backpressure: Backpressure | None
    backlog: Backlog | None = None
    checkpoints: Checkpoints | None
    commits: dict[str, Commit] | None
    vertices: tuple[VertexAssessment, ...]
    job_class: str = "windowed"
    data_age_seconds: float | None = None
    unknown: dict[str, str]
    not_applicable: dict[str, str] = {}
    # what follows is no field of the document by itself
    measures: dict[str, float | None] = {}
    """Each of model/measures.py is a field of the document; their units are in the names."""
    limits: Limits = Limits()
    outlook: StateOutlook | None = None
    facts: JobFacts | None = None
    restored: RestoredFacts | None = None
    recent_checkpoints: tuple[CheckpointFacts, ...] = ()
    sample: JobSample | None = None
    """What is to be remembered of this poll."""

    def absent(self, path: str) -> "Absence | None":
        """Why the part of the document at this dotted path is None: its own reason, or that of what it belongs to."""
        while path:
            if path in self.not_applicable:
                return NotApplicable(self.not_applicable[path])
            if path in self.unknown:
                return Unknown(self.unknown[path])
            path = path.rpartition(".")[0]
        return None

    @property
    def key(self) -> JobKey:
        """As JobFacts.key."""
        return JobKey(self.cluster, self.namespace or "", self.name)


class FleetAssessment(Value, frozen=True):
    """The whole ``status`` document, before it is rendered."""

    taken_ms: int
    poll_seconds: float | None
    sources: tuple[SourceStatus, ...]
    jobs: tuple[JobAssessment, ...]  # worst first
