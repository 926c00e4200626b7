"""Why a job is not healthy, as stable codes: what each one is about, and whether it says that the facts are old."""

from enum import StrEnum


class Subject(StrEnum):
    """What a reason is about: one of the signals, or the job itself."""

    LATENCY = "latency"
    EVENT_TIME = "event-time"
    LATE_RECORDS = "late-records"
    STATE = "state"
    BACKPRESSURE = "backpressure"
    CHECKPOINTS = "checkpoints"
    BACKLOG = "backlog"
    AVAILABILITY = "availability"
    LIFECYCLE = "lifecycle"
    RESTARTS = "restarts"
    RESOURCE = "resource"
    SOURCE = "source"
    NONE = "none"


class ReasonCode(StrEnum):
    """A stable code; equal to its text. ``subject``: what it is about; ``stale``: the facts are of an earlier poll."""

    subject: Subject
    stale: bool

    def __new__(cls, code: str, subject: Subject, stale: bool = False) -> "ReasonCode":
        """A member; the code is its value."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.subject = subject
        member.stale = stale
        return member

    LATENCY_HIGH = "latency-high", Subject.LATENCY
    LATENCY_UNKNOWN = "latency-unknown", Subject.LATENCY
    SKEW_HIGH = "skew-high", Subject.EVENT_TIME
    SKEW_UNKNOWN = "skew-unknown", Subject.EVENT_TIME
    BACKPRESSURE_HIGH = "backpressure-high", Subject.BACKPRESSURE
    BACKPRESSURE_UNKNOWN = "backpressure-unknown", Subject.BACKPRESSURE
    STATE_LIMIT = "state-limit", Subject.STATE
    STATE_LIMIT_UNKNOWN = "state-limit-unknown", Subject.STATE
    LATE_RECORDS = "late-records", Subject.LATE_RECORDS
    LATE_RECORDS_UNKNOWN = "late-records-unknown", Subject.LATE_RECORDS
    CHECKPOINT_AGE = "checkpoint-age", Subject.CHECKPOINTS
    CHECKPOINT_AGE_UNKNOWN = "checkpoint-age-unknown", Subject.CHECKPOINTS
    CHECKPOINT_SLOW = "checkpoint-slow", Subject.CHECKPOINTS
    CHECKPOINT_SLOW_UNKNOWN = "checkpoint-slow-unknown", Subject.CHECKPOINTS
    CHECKPOINT_FAILING = "checkpoint-failing", Subject.CHECKPOINTS
    CHECKPOINTS_UNKNOWN = "checkpoints-unknown", Subject.CHECKPOINTS
    CHECKPOINTS_DISABLED = "checkpoints-disabled", Subject.CHECKPOINTS
    BACKLOG_HIGH = "backlog-high", Subject.BACKLOG
    BACKLOG_UNKNOWN = "backlog-unknown", Subject.BACKLOG
    AVAILABILITY_LOW = "availability-low", Subject.AVAILABILITY
    RESTART_LOOP = "restart-loop", Subject.RESTARTS
    JOB_RESTARTED = "job-restarted", Subject.RESTARTS
    JOB_INITIALIZING = "job-initializing", Subject.LIFECYCLE
    JOB_CREATED = "job-created", Subject.LIFECYCLE
    JOB_RECONCILING = "job-reconciling", Subject.LIFECYCLE
    JOB_RESTARTING = "job-restarting", Subject.LIFECYCLE
    JOB_FAILING = "job-failing", Subject.LIFECYCLE
    JOB_FAILED = "job-failed", Subject.LIFECYCLE
    JOB_CANCELLING = "job-cancelling", Subject.LIFECYCLE
    JOB_CANCELED = "job-canceled", Subject.LIFECYCLE
    JOB_FINISHED = "job-finished", Subject.LIFECYCLE
    JOB_SUSPENDED = "job-suspended", Subject.LIFECYCLE
    JOB_STATE_UNKNOWN = "job-state-unknown", Subject.LIFECYCLE
    STUCK_IMAGE = "stuck-image", Subject.RESOURCE
    STUCK_UNSCHEDULABLE = "stuck-unschedulable", Subject.RESOURCE
    STUCK_OOM_KILLED = "stuck-oom-killed", Subject.RESOURCE
    STUCK_CRASH_LOOP = "stuck-crash-loop", Subject.RESOURCE
    STUCK_CONTAINER = "stuck-container", Subject.RESOURCE
    STUCK_VOLUME = "stuck-volume", Subject.RESOURCE
    STUCK_QUOTA = "stuck-quota", Subject.RESOURCE
    STUCK_OTHER = "stuck-other", Subject.RESOURCE
    RESOURCE_DELETING = "resource-deleting", Subject.RESOURCE
    JOBMANAGER_MISSING = "jobmanager-missing", Subject.RESOURCE
    SPEC_NOT_TAKEN_UP = "spec-not-taken-up", Subject.RESOURCE
    OPERATOR_ERROR = "operator-error", Subject.RESOURCE
    LIFECYCLE_FAILED = "lifecycle-failed", Subject.RESOURCE
    LIFECYCLE_ROLLING_BACK = "lifecycle-rolling_back", Subject.RESOURCE
    LIFECYCLE_ROLLED_BACK = "lifecycle-rolled_back", Subject.RESOURCE
    SOURCE_MISSING = "source-missing", Subject.SOURCE, True
    SOURCE_UNREACHABLE = "source-unreachable", Subject.SOURCE, True
    SOURCE_DENIED = "source-denied", Subject.SOURCE, True
    SOURCE_STALE = "source-stale", Subject.SOURCE, True
    DATA_OLD = "data-old", Subject.SOURCE, True
    OTHER = "other", Subject.NONE

    @classmethod
    def _missing_(cls, value: object) -> "ReasonCode":
        """A code of another version, in a bundle or a recording."""
        return cls.OTHER
