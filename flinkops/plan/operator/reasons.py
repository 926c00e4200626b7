"""Why the operator does what it does, and why we do not: codes with their values, and the sentence of each. Pure.

Nothing decides on the sentences.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class ReasonCode(StrEnum):
    """A rule. The names are stable; the sentences are not."""

    # what the operator does
    NOTHING_DIFFERS = "nothing-differs"
    ONLY_WRITTEN_DOWN = "only-written-down"
    READ_AT_ONCE = "read-at-once"
    CLUSTER_NOT_READY = "cluster-not-ready"
    SAVEPOINT_IN_PROGRESS = "savepoint-in-progress"
    ROLLED_BACK_TO_IT = "rolled-back-to-it"
    REFUSED_BY_VALIDATION = "refused-by-validation"
    UNREADABLE = "unreadable"
    SCALED_IN_PLACE = "scaled-in-place"
    CLUSTER_REDEPLOYED = "cluster-redeployed"
    TAKEN_UP_AT_RESUME = "taken-up-at-resume"
    REDEPLOYED_LATER = "redeployed-later"
    REDEPLOYED = "redeployed"
    RESUMED = "resumed"
    RESUMED_EMPTY = "resumed-empty"
    RESUME_NEEDS_HA_METADATA = "resume-needs-ha-metadata"
    RESUME_OVER_ANOTHER = "resume-over-another"
    STATELESS_ASKED = "stateless-asked"
    STATE_RECORDED = "state-recorded"
    NO_STATE_RECORDED = "no-state-recorded"
    STATE_LOST_WITH_HA = "state-lost-with-ha"
    CANCELLING = "cancelling"
    RUNNING_SAVEPOINT = "running-savepoint"
    RUNNING_LAST_STATE = "running-last-state"
    FELL_BACK = "fell-back"
    FALLBACK_OFF = "fallback-off"
    CANCELLED_OVER_REST = "cancelled-over-rest"
    FROM_HA_METADATA = "from-ha-metadata"
    NO_HA_METADATA = "no-ha-metadata"
    STOPPED_FOR_GOOD = "stopped-for-good"
    JOBMANAGER_GONE = "jobmanager-gone"
    WAITS_FOR_RUNNING = "waits-for-running"
    LAST_STATE_NOT_ALLOWED = "last-state-not-allowed"
    LAST_STATE_IS_NEW = "last-state-is-new"
    VERSION_NEEDS_SAVEPOINT = "version-needs-savepoint"
    VERSION_BY_CANCELLING = "version-by-cancelling"
    VERSION_IMPOSSIBLE_NOW = "version-impossible-now"
    STARTED_RECENTLY = "started-recently"
    CHECKPOINT_YOUNG = "checkpoint-young"
    CHECKPOINT_IN_PROGRESS = "checkpoint-in-progress"
    CHECKPOINT_OLD = "checkpoint-old"
    NOT_KNOWN = "not-known"
    TOO_LITTLE_KNOWN = "too-little-known"
    # why it does not scale in place
    NO_JOB_TO_SCALE = "no-job-to-scale"
    IN_PLACE_OFF = "in-place-off"
    IN_PLACE_SINCE_1_18 = "in-place-since-1.18"
    NOT_ADAPTIVE = "not-adaptive"
    NOT_SCALABLE_NOW = "not-scalable-now"
    NO_OVERRIDES = "no-overrides"
    OVERRIDE_TAKEN_AWAY = "override-taken-away"
    OVERRIDE_NO_NUMBER = "override-no-number"
    NOT_REACTIVE = "not-reactive"
    NO_TASKMANAGERS = "no-taskmanagers"


class Reason(NamedTuple):
    """A code with its values."""

    code: ReasonCode
    values: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """The sentence, for people."""
        return _SENTENCES[self.code].format_map(self.values)


def because(code: ReasonCode, **values: str) -> Reason:
    """The code with these values."""
    return Reason(code, values)


_SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.NOTHING_DIFFERS: "nothing differs from what the operator deployed",
    ReasonCode.ONLY_WRITTEN_DOWN: "the operator only writes it down; the job is left alone",
    ReasonCode.READ_AT_ONCE: "the operator goes by it from now on; the job is left alone",
    ReasonCode.CLUSTER_NOT_READY: "{what}",
    ReasonCode.SAVEPOINT_IN_PROGRESS: "a savepoint is in progress; the operator waits for it",
    ReasonCode.ROLLED_BACK_TO_IT: "the operator has rolled back to this spec itself",
    ReasonCode.REFUSED_BY_VALIDATION: "the operator refuses the spec: {error}",
    ReasonCode.UNREADABLE: "the operator cannot read it: {error}",
    ReasonCode.SCALED_IN_PLACE: "the parallelism is changed in place, without a restart",
    ReasonCode.CLUSTER_REDEPLOYED: "a session cluster: its JobManager is redeployed, its jobs end",
    ReasonCode.TAKEN_UP_AT_RESUME: "the job is suspended and stays so: the change is taken up when it is resumed",
    ReasonCode.REDEPLOYED: "savepointRedeployNonce changes: the job is cancelled without a savepoint and started from"
    " initialSavepointPath ({path})",
    ReasonCode.REDEPLOYED_LATER: "savepointRedeployNonce changes: when the savepoint that is in progress has ended, the"
    " job is cancelled without another one and started from initialSavepointPath ({path})",
    ReasonCode.RESUMED: "the job was suspended with {mode}, and starts from that",
    ReasonCode.RESUMED_EMPTY: "the job was suspended with {mode}: state of before the suspension is not used",
    ReasonCode.RESUME_NEEDS_HA_METADATA: "the job was suspended with last-state and there is no HA metadata to start"
    " from: the operator does not start it, whatever mode is asked for",
    ReasonCode.RESUME_OVER_ANOTHER: "the job was suspended, but a JobManager is there whose job is {state}: the"
    " operator starts none beside it",
    ReasonCode.STATELESS_ASKED: "upgradeMode is stateless: the job is cancelled and starts empty",
    ReasonCode.STATE_RECORDED: "the job is {state}: from the state recorded last, {path}",
    ReasonCode.NO_STATE_RECORDED: "the job is {state} and no state of it is recorded: the operator starts it empty",
    ReasonCode.STATE_LOST_WITH_HA: "the job is {state} and its state was only in HA metadata: a manual restore",
    ReasonCode.CANCELLING: "the job is being cancelled; the operator waits for the end",
    ReasonCode.RUNNING_SAVEPOINT: "the job is RUNNING: stop-with-savepoint",
    ReasonCode.RUNNING_LAST_STATE: "the job is RUNNING: stopped as it is, restored from its last checkpoint",
    ReasonCode.FELL_BACK: "savepoint was asked for, but the job is {state}",
    ReasonCode.FALLBACK_OFF: "the job is {state} and last-state-fallback is off: the operator waits for RUNNING",
    ReasonCode.CANCELLED_OVER_REST: "cancelled over REST, restored from its last checkpoint",
    ReasonCode.FROM_HA_METADATA: "restored from the HA metadata",
    ReasonCode.NO_HA_METADATA: "the job is {state} and there is no HA metadata: the operator waits for RUNNING",
    ReasonCode.STOPPED_FOR_GOOD: "the job is stopped as it is and cannot start again: with the wanted settings there is"
    " no HA metadata",
    ReasonCode.JOBMANAGER_GONE: "the JobManager is gone and there is no HA metadata: a manual restore",
    ReasonCode.WAITS_FOR_RUNNING: "the job is {state}; the operator waits for RUNNING",
    ReasonCode.LAST_STATE_NOT_ALLOWED: "the job is {state} and last-state is not allowed: the operator waits for"
    " RUNNING",
    ReasonCode.LAST_STATE_IS_NEW: "last-state is new and HA was off: a savepoint this once",
    ReasonCode.VERSION_NEEDS_SAVEPOINT: "flinkVersion changes: a savepoint even if last-state is asked for",
    ReasonCode.VERSION_BY_CANCELLING: "flinkVersion changes: cancelled over REST, restored from its last checkpoint",
    ReasonCode.VERSION_IMPOSSIBLE_NOW: "flinkVersion changes, and neither a savepoint nor a cancellation is possible"
    " now",
    ReasonCode.STARTED_RECENTLY: "the job started within the allowed age of a checkpoint ({limit} s)",
    ReasonCode.CHECKPOINT_YOUNG: "the last checkpoint is {age} s old, {limit} s are allowed",
    ReasonCode.CHECKPOINT_IN_PROGRESS: "the operator waits for the checkpoint that is in progress",
    ReasonCode.CHECKPOINT_OLD: "no checkpoint within the allowed {limit} s: a savepoint instead",
    ReasonCode.NOT_KNOWN: "not known: it may be {outcomes}, depending on {facts}",
    ReasonCode.TOO_LITTLE_KNOWN: "too little is known of the operator and the job to tell",
    ReasonCode.NO_JOB_TO_SCALE: "a session cluster is not scaled in place",
    ReasonCode.IN_PLACE_OFF: "{key} is false",
    ReasonCode.IN_PLACE_SINCE_1_18: "Flink scales in place from 1.18 on",
    ReasonCode.NOT_ADAPTIVE: "jobmanager.scheduler is not adaptive, which alone scales in place",
    ReasonCode.NOT_SCALABLE_NOW: "the job is {state}, and only a running one is scaled in place",
    ReasonCode.NO_OVERRIDES: "there is no parallelism override before or after",
    ReasonCode.OVERRIDE_TAKEN_AWAY: "the parallelism override of {vertex} is taken away, which the operator does not"
    " do in place",
    ReasonCode.OVERRIDE_NO_NUMBER: "the parallelism override of {vertex} is no number: {value}",
    ReasonCode.NOT_REACTIVE: "scheduler-mode is not reactive, which alone scales a standalone cluster in place",
    ReasonCode.NO_TASKMANAGERS: "the Deployment of the TaskManagers is not there",
}
