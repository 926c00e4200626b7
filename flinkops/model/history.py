"""What is remembered of a job from poll to poll: small, bounded, one line per poll.

Trends, hysteresis and sparklines are functions of these samples, so that a replay computes what the live screen showed.
"""

from flinkops.model.facts import Facts


class JobSample(Facts, frozen=True):
    """The signals of one job at one poll; None where they were unknown then."""

    at_ms: int
    state: str
    job_id: str = ""
    restarts: int | None = None
    records_in_per_second: float | None = None
    records_dropped_per_second: float | None = None
    late_records: int | None = None
    accepted_records: int | None = None
    unchanged_dropped: int | None = None
    latency_p99_seconds: float | None = None
    skew_seconds: float | None = None
    watermark_seen: bool = False  # some subtask had a watermark at this poll
    state_bytes: int | None = None
    stored_bytes: int | None = None  # of RocksDB's files now, whatever checkpoints there are
    emit_lag_seconds: float | None = None  # how old the records are that the source furthest behind emits
    backpressured_ratio: float | None = None
    checkpoint_duration_seconds: float | None = None
    checkpoint_age_seconds: float | None = None
    checkpoints_failed_in_a_row: int | None = None
    pending_records: float | None = None
    measures: dict[str, float] = {}  # those known, by name
    busiest: tuple[tuple[str, float, float], ...] = ()  # vertex id, busy, backpressured; worst subtask of each
    breached: tuple[str, ...] = ()  # codes whose limit was crossed at this poll, before hysteresis
