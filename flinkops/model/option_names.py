"""Names of options that more than one part decides by. Where Flink has renamed one: the new name first, then older."""

SAVEPOINT_DIRECTORY = ("execution.checkpointing.savepoint-dir", "state.savepoints.dir")
CHECKPOINT_DIRECTORY = ("execution.checkpointing.dir", "state.checkpoints.dir")
INCREMENTAL_CHECKPOINTS = ("execution.checkpointing.incremental", "state.backend.incremental")
STATE_BACKEND = ("state.backend.type", "state.backend")
CLAIM_MODE = ("execution.state-recovery.claim-mode", "execution.savepoint-restore-mode")
IGNORE_UNCLAIMED_STATE = (
    "execution.state-recovery.ignore-unclaimed-state",
    "execution.savepoint.ignore-unclaimed-state",
)
"""State that no operator takes is left behind when one of them is true (allowNonRestoredState)."""

OPERATOR = "kubernetes.operator."
"""What the Flink operator's own options begin with."""
AUTOSCALER = "job.autoscaler."
"""What those of its autoscaler begin with."""
AUTOSCALER_ENABLED = f"{AUTOSCALER}enabled"
