"""What kind of error the operator reports of a resource: the one place where its own words are read for a decision.

``status.error`` is the JSON text of an exception: its class, its message, those of its causes. Nothing else in the
resource says that the operator has given up restoring a job by itself, and the class alone does not: it is the same
for a savepoint that failed. Verified for 1.15.0 on what was recorded of it (tests/unit/test_operator_error.py) and for
1.7.0 on a cluster (docs/evidence/operator-upgrades.txt); an error that another
version words otherwise is OTHER.
"""

from enum import Enum

from flinkops.model.json_reading import Json, text
from flinkops.sources.kubernetes.resources import thrown

_CLASSES = ("UpgradeFailureException", "RecoveryFailureException")  # up to 1.16; the second in older ones
_MARK = "Manual restore required"


class OperatorError(Enum):
    """What an error of the operator's means for the job."""

    MANUAL_RESTORE = "the operator asks for a manual restore"
    """It knows no state to start from, and will not start the job by itself."""
    OTHER = "another error"


def operator_error(resource: Json) -> OperatorError | None:
    """That of ``status.error``; None where there is none. Of an error without a class the message decides."""
    parsed = thrown(resource)
    if parsed is None:
        return None
    name, message = text(parsed, "type"), text(parsed, "message") or ""
    known = name is None or name.rpartition(".")[2] in _CLASSES
    return OperatorError.MANUAL_RESTORE if known and _MARK in message else OperatorError.OTHER
