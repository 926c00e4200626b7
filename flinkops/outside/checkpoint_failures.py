"""Why Flink gave a checkpoint up, by the wording of its CheckpointFailureReason: its REST API has no code for it."""

from enum import Enum
from typing import Final


class CheckpointFailure(Enum):
    """What failed. ``OTHER`` follows from something else, such as a restart, or is not worded as Flink does."""

    EXPIRED = "expired"
    WRITING = "writing"  # its files or its metadata, which are written to the storage
    SNAPSHOT = "snapshot"  # what a task does for it, such as a sink's flush
    OTHER = "other"


_WORDINGS: Final = (
    ("checkpoint expired", CheckpointFailure.EXPIRED),
    ("io-problem detected", CheckpointFailure.WRITING),
    ("asynchronous task checkpoint failed", CheckpointFailure.WRITING),
    ("failure to finalize checkpoint", CheckpointFailure.WRITING),
    ("channelstate file", CheckpointFailure.SNAPSHOT),
    ("checkpoint was declined.", CheckpointFailure.SNAPSHOT),
    ("task local checkpoint failure", CheckpointFailure.SNAPSHOT),
    ("trigger checkpoint failure", CheckpointFailure.SNAPSHOT),
)


def kind_of_failure(said: str | None) -> CheckpointFailure:
    """By the first wording that is part of it.

    >>> kind_of_failure("Checkpoint expired before completing."), kind_of_failure(None)
    (<CheckpointFailure.EXPIRED: 'expired'>, <CheckpointFailure.OTHER: 'other'>)
    """
    text = (said or "").lower()
    return next((kind for wording, kind in _WORDINGS if wording in text), CheckpointFailure.OTHER)
