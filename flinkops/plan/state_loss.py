"""Whether a job that was started again carries on the state of the one before it. Pure.

Flink numbers the checkpoints and savepoints of a job in one row, and a job that is restored from number n continues
with n + 1 (CheckpointCoordinator sets its counter so). A job that was restored from a smaller number than had been
completed before has gone back; one that was restored from nothing has restarted empty. Both happen without anybody
asking for it: a JobManager without high availability that dies and comes back starts its job as it was deployed.
"""

from flinkops.model.facts import CheckpointFacts, RestoredFacts

_NO_PLACE = "<"  # Flink's "<checkpoint-not-externally-addressable>"

TWICE = "what it took in and wrote since then may stand twice in its sinks"


def place_of(checkpoint: CheckpointFacts) -> str | None:
    """Where it can be restored from; None for one that only its JobManager could find."""
    path = checkpoint.external_path
    return None if not path or path.startswith(_NO_PLACE) else path


def why_lost(completed_id: int | None, restored: RestoredFacts | None) -> str | None:
    """What a job misses that was restored so, where `completed_id` had been completed before; None: nothing.

    >>> why_lost(7, None)
    'it began with empty state, although checkpoint 7 had been completed'
    >>> why_lost(7, RestoredFacts(id=8, at_ms=0, is_savepoint=True))
    """
    if completed_id is None:
        return None
    if restored is None:
        return f"it began with empty state, although checkpoint {completed_id} had been completed"
    if restored.id < completed_id:
        return f"it went back to checkpoint {restored.id}, although {completed_id} had been completed"
    return None
