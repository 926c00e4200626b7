"""The wordings of Flink's CheckpointFailureReason: one list of them, which two rules of the doctor go by."""

import pytest

from flinkops.outside.checkpoint_failures import CheckpointFailure, kind_of_failure

# All of Flink 2.3's; 1.18 and 1.20 have the same but for the ChannelState file.
WORDINGS = {
    CheckpointFailure.EXPIRED: ["Checkpoint expired before completing."],
    CheckpointFailure.WRITING: [
        "An Exception occurred while triggering the checkpoint. IO-problem detected.",
        "Asynchronous task checkpoint failed.",
        "Failure to finalize checkpoint.",
    ],
    CheckpointFailure.SNAPSHOT: [
        "The checkpoint was aborted due to exception of other subtasks sharing the ChannelState file.",
        "Checkpoint was declined.",
        "Task local checkpoint failure.",
        "Trigger checkpoint failure.",
    ],
    CheckpointFailure.OTHER: [
        "Periodic checkpoint scheduler is shut down.",
        "The maximum number of queued checkpoint requests exceeded",
        "The minimum time between checkpoints is still pending. Checkpoint will be triggered after the minimum time.",
        "Not all required tasks are currently running.",
        "Blocking output edge exists in running tasks.",
        "Checkpoint has been subsumed.",
        "Checkpoint was declined (tasks not ready)",
        "Checkpoint was declined (task is closing)",
        "Checkpoint was canceled because a barrier from newer checkpoint was received.",
        "Task received cancellation from one of its inputs",
        "Checkpoint was declined because one input stream is finished",
        "CheckpointCoordinator shutdown.",
        "Checkpoint Coordinator is suspending.",
        "FailoverRegion is restarting.",
        "Task has failed.",
        "Unknown task for the checkpoint to notify.",
    ],
}


@pytest.mark.parametrize("kind", WORDINGS)
def test_each_reason_of_flink_has_its_kind(kind: CheckpointFailure) -> None:
    assert {kind_of_failure(f"org.apache.flink.CheckpointException: {said}") for said in WORDINGS[kind]} == {kind}


def test_what_says_nothing_follows_from_something_else() -> None:
    assert {kind_of_failure(None), kind_of_failure(""), kind_of_failure("x" * 10_000)} == {CheckpointFailure.OTHER}


def test_a_cause_that_speaks_of_another_thing_that_expired_is_no_expired_checkpoint() -> None:
    said = "Asynchronous task checkpoint failed. Caused by: S3Exception: The provided token has expired."
    assert kind_of_failure(said) is CheckpointFailure.WRITING
