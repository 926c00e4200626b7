"""What the operator does about a change, as values. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from flinkops.plan.operator.reasons import Reason


class Act(StrEnum):
    """What the operator does. The names are those of the recorded cases (``./dev oracle``)."""

    NONE = "none"
    IN_PLACE = "scale-in-place"
    SAVEPOINT = "savepoint"  # stop-with-savepoint
    LAST_STATE = "last-state"  # the JobManager is deleted, its HA metadata kept
    LAST_STATE_BY_CANCEL = "last-state-by-cancel"  # cancelled over REST
    STATELESS = "stateless"
    RECORDED = "recorded"  # the job had ended, and is started again from what is recorded
    RESUME = "resume"  # a suspended job is started
    SAVEPOINT_REDEPLOY = "savepoint-redeploy"
    REDEPLOY_CLUSTER = "redeploy-cluster"  # a session cluster
    WAIT = "wait"  # there is something to do, but not now
    REFUSED = "refused"  # by the operator's validation
    FAIL = "fail"  # it throws, and the job is not running, or not changed
    UNKNOWN = "unknown"  # depends on what is not known


class Mode(StrEnum):
    """The contract's ``effective_mode``."""

    NONE = "none"
    IN_PLACE = "in-place"
    SAVEPOINT = "savepoint"
    LAST_STATE = "last-state"
    STATELESS = "stateless"
    SAVEPOINT_REDEPLOY = "savepoint-redeploy"
    WAIT = "wait"
    FAIL = "fail"
    UNKNOWN = "unknown"


class StartKind(StrEnum):
    """What a job is started from."""

    NEW_SAVEPOINT = "stop-savepoint"  # the one just taken
    HA_METADATA = "ha-metadata"
    LAST_CHECKPOINT = "last-checkpoint"  # that the operator reads after it has cancelled the job
    PATH = "path"
    EMPTY = "empty"
    UNKNOWN = "unknown"


class Start(NamedTuple):
    """``path`` of a PATH or LAST_CHECKPOINT, where it is known."""

    kind: StartKind
    path: str = ""


NEW_SAVEPOINT, HA_METADATA, EMPTY = Start(StartKind.NEW_SAVEPOINT), Start(StartKind.HA_METADATA), Start(StartKind.EMPTY)

_MODES = {
    Act.NONE: Mode.NONE,
    Act.IN_PLACE: Mode.IN_PLACE,
    Act.SAVEPOINT: Mode.SAVEPOINT,
    Act.LAST_STATE: Mode.LAST_STATE,
    Act.LAST_STATE_BY_CANCEL: Mode.LAST_STATE,
    Act.STATELESS: Mode.STATELESS,
    Act.REDEPLOY_CLUSTER: Mode.STATELESS,
    Act.SAVEPOINT_REDEPLOY: Mode.SAVEPOINT_REDEPLOY,
    Act.WAIT: Mode.WAIT,
    Act.REFUSED: Mode.FAIL,
    Act.FAIL: Mode.FAIL,
    Act.UNKNOWN: Mode.UNKNOWN,
}
_BY_LAST_STATE = frozenset({Act.LAST_STATE, Act.LAST_STATE_BY_CANCEL})
_STOPPING = _BY_LAST_STATE | {Act.SAVEPOINT, Act.STATELESS, Act.SAVEPOINT_REDEPLOY, Act.REDEPLOY_CLUSTER}


class Decision(NamedTuple):
    """What is done, and the rule that leads to it."""

    act: Act
    reason: Reason
    start: Start | None = None  # None: the job is not started
    records: str | None = None  # the upgrade mode that the operator records at the end
    stops: bool | None = None  # whether the job is stopped; None: as the act says
    bounds: Mapping[str, tuple[int, int]] | None = None  # IN_PLACE: the new least and greatest parallelism
    before: Reason | None = None  # why it did not come to what would have been tried first
    known_mode: Mode | None = None  # where the mode is known although the act is not

    @property
    def mode(self) -> Mode:
        """The contract's word: how the state comes over, whatever the operator calls it."""
        if self.known_mode is not None:
            return self.known_mode
        if self.act in (Act.RECORDED, Act.RESUME):
            return _of_start(self.start)
        if self.start == EMPTY and self.act is not Act.REDEPLOY_CLUSTER:
            return Mode.STATELESS
        return _MODES[self.act]

    @property
    def restarts(self) -> bool:
        """Whether the job is stopped, or started again."""
        return self.act in _STOPPING or self.act in (Act.RECORDED, Act.RESUME) or bool(self.stops)

    @property
    def why(self) -> str:
        """The rule, for people; first what would have been tried before it."""
        return self.reason.text if self.before is None else f"{self.before.text}: {self.reason.text}"


def _of_start(start: Start | None) -> Mode:
    if start is None:
        return Mode.SAVEPOINT  # ended already, and stays so
    if start.kind is StartKind.HA_METADATA:
        return Mode.LAST_STATE
    return Mode.STATELESS if start.kind is StartKind.EMPTY else Mode.SAVEPOINT
