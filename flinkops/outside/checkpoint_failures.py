"""Why Flink gave a checkpoint up, by the wording of its CheckpointFailureReason: its REST API has no code for it."""

import re
from enum import Enum
from typing import Final


class CheckpointFailure(Enum):
    """What failed. ``OTHER`` follows from something else, such as a restart, or is not worded as Flink does."""

    EXPIRED = "expired"
    WRITING = "writing"  # its files or its metadata, which are written to the storage
    SNAPSHOT = "snapshot"  # what a task does for it, such as a sink's flush
    OTHER = "other"


_WORDINGS: Final = (
    (re.compile(r"checkpoint expired"), CheckpointFailure.EXPIRED),
    (re.compile(r"io-problem detected"), CheckpointFailure.WRITING),
    (re.compile(r"asynchronous task checkpoint failed"), CheckpointFailure.WRITING),
    (re.compile(r"failure to finalize checkpoint"), CheckpointFailure.WRITING),
    (re.compile(r"channelstate file"), CheckpointFailure.SNAPSHOT),
    (re.compile(r"checkpoint was declined\."), CheckpointFailure.SNAPSHOT),
    (re.compile(r"task local checkpoint failure"), CheckpointFailure.SNAPSHOT),
    (re.compile(r"trigger checkpoint failure"), CheckpointFailure.SNAPSHOT),
)


def kind_of_failure(said: str | None) -> CheckpointFailure:
    """By the first wording that is part of it.

    >>> kind_of_failure("Checkpoint expired before completing."), kind_of_failure(None)
    (<CheckpointFailure.EXPIRED: 'expired'>, <CheckpointFailure.OTHER: 'other'>)
    """
    text = (said or "").lower()
    return next((kind for wording, kind in _WORDINGS if wording.search(text)), CheckpointFailure.OTHER)
