"""The states of a Flink job, and the sets of them that mean something. Pure values; the one home of these names.

Facts keep the state as the text that Flink or the operator said, so that a newer Flink may add one; these members are
equal to that text.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Flink's ``JobStatus`` (org.apache.flink.api.common), and UNKNOWN: no probe answered."""

    INITIALIZING = "INITIALIZING"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    FAILING = "FAILING"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELED = "CANCELED"
    FINISHED = "FINISHED"
    RESTARTING = "RESTARTING"
    SUSPENDED = "SUSPENDED"
    RECONCILING = "RECONCILING"
    UNKNOWN = "UNKNOWN"


ENDED = frozenset({JobState.FINISHED, JobState.CANCELED, JobState.FAILED})
"""Globally terminal: this job id never runs again."""
ENDED_ON_PURPOSE = frozenset({JobState.FINISHED, JobState.CANCELED})
"""It ended as it should, or because somebody asked for it."""
STOPPED = ENDED_ON_PURPOSE | {JobState.SUSPENDED}
"""As that, or held until somebody resumes it."""
TERMINAL = ENDED | {JobState.SUSPENDED}
"""What ``JobStatus.isTerminalState`` says: this JobManager is done with the job; SUSPENDED may run elsewhere."""
SUBMITTED = frozenset({JobState.INITIALIZING, JobState.CREATED})
"""Accepted, and no task has been deployed yet."""
STARTING = SUBMITTED | {JobState.RECONCILING}
RECOVERING = frozenset({JobState.RESTARTING, JobState.FAILING})
COMING_UP = STARTING | RECOVERING | {JobState.UNKNOWN}
"""It may be RUNNING at the next poll."""
WAITING_FOR_SLOTS = STARTING | {JobState.RESTARTING, JobState.SUSPENDED}
"""States in which a job stays while the cluster has too few slots."""
DOWN = STARTING | RECOVERING | {JobState.FAILED}
"""Neither RUNNING nor stopped by a person: what counts against availability."""
NOT_AVAILABLE = DOWN | {JobState.CANCELLING, JobState.SUSPENDED}
"""As DOWN, and on its way to an end or held by one who suspended it."""


class ExecutionState(StrEnum):
    """States of a vertex or subtask (org.apache.flink.runtime.execution.ExecutionState) that anything depends on."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"


WAITING_FOR_A_SLOT = frozenset({ExecutionState.CREATED, ExecutionState.SCHEDULED})
"""Not yet deployed."""
