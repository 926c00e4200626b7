"""Checkpoint answers as facts."""

from typing import Literal

from flinkops.model.facts import CheckpointFacts, CheckpointPhases, CheckpointsFacts, RestoredFacts
from flinkops.sources.flink import wire

_NO_INTERVAL_MS = 2**63 - 1
_FAILURE_CHARACTERS = 500
_STATUS: dict[str, Literal["COMPLETED", "IN_PROGRESS", "FAILED"]] = {
    "COMPLETED": "COMPLETED",
    "IN_PROGRESS": "IN_PROGRESS",
    "FAILED": "FAILED",
}


def checkpoints_facts(answer: wire.CheckpointStatistics, config: wire.CheckpointConfig | None) -> CheckpointsFacts:
    """`config` None: it could not be read, so the interval and the limits are unknown."""
    latest, counts, summary = answer.latest, answer.counts, answer.summary
    duration = summary.end_to_end_duration if summary else None
    return CheckpointsFacts(
        enabled=config is None or _interval_seconds(config) is not None,
        interval_seconds=_interval_seconds(config) if config else None,
        timeout_seconds=_seconds(config.timeout) if config else None,
        min_pause_seconds=_seconds(config.min_pause) if config else None,
        tolerable_failures=config.tolerable_failed_checkpoints if config else None,
        unaligned=config.unaligned_checkpoints if config else None,
        state_backend=config.state_backend if config else None,
        checkpoint_storage=config.checkpoint_storage if config else None,
        completed=counts.completed,
        failed=counts.failed,
        in_progress=counts.in_progress,
        restored_count=counts.restored,
        duration_p99_seconds=_seconds(wire.number(duration.p99)) if duration else None,
        latest_completed=_optional(latest.completed),
        latest_failed=_optional(latest.failed),
        latest_savepoint=_optional(latest.savepoint),
        restored=_restored(latest.restored),
        history=tuple(map(checkpoint_facts, answer.history)),
    )


def checkpoint_facts(answer: wire.Checkpoint) -> CheckpointFacts:
    """One checkpoint. A size of a checkpoint under way is not yet one."""
    status = _STATUS.get(answer.status, "IN_PROGRESS")
    done = status == "COMPLETED"
    failure = answer.failure_message
    return CheckpointFacts(
        id=answer.id,
        status=status,
        is_savepoint=answer.is_savepoint,
        triggered_ms=answer.trigger_timestamp,
        acknowledged_ms=_time(answer.latest_ack_timestamp),
        duration_seconds=_seconds(answer.end_to_end_duration),
        state_size_bytes=answer.state_size if done else None,
        checkpointed_size_bytes=answer.checkpointed_size if done else None,
        acknowledged_subtasks=answer.num_acknowledged_subtasks,
        subtasks=answer.num_subtasks,
        external_path=answer.external_path,
        failure=None if failure is None else failure.strip()[:_FAILURE_CHARACTERS],
        failed_ms=_time(answer.failure_timestamp),
    )


def phases_facts(vertex: str, task: wire.CheckpointTask, answer: wire.VertexCheckpoint) -> CheckpointPhases:
    """Where the time went at one vertex: the maximum over its subtasks of each phase."""
    summary = answer.summary or wire.VertexCheckpointSummary()
    duration = summary.checkpoint_duration or wire.CheckpointDuration()
    alignment = summary.alignment or wire.Alignment()
    return CheckpointPhases(
        vertex=vertex,
        start_delay_seconds=_max_seconds(summary.start_delay),
        alignment_seconds=_max_seconds(alignment.duration),
        sync_seconds=_max_seconds(duration.sync),
        async_seconds=_max_seconds(duration.async_),
        end_to_end_seconds=_seconds(task.end_to_end_duration),
        state_size_bytes=task.state_size,
        acknowledged=task.num_acknowledged_subtasks,
        subtasks=task.num_subtasks,
    )


def _optional(answer: wire.Checkpoint | None) -> CheckpointFacts | None:
    return None if answer is None else checkpoint_facts(answer)


def _restored(answer: wire.RestoredCheckpoint | None) -> RestoredFacts | None:
    if answer is None:
        return None
    return RestoredFacts(
        id=answer.id,
        at_ms=answer.restore_timestamp,
        is_savepoint=answer.is_savepoint,
        external_path=answer.external_path,
    )


def _interval_seconds(config: wire.CheckpointConfig) -> float | None:
    """None when there are no periodic checkpoints: Flink then says Long.MAX."""
    if not 0 < config.interval < _NO_INTERVAL_MS:
        return None
    return config.interval / 1000


def _max_seconds(statistic: wire.MinMaxAvg | None) -> float | None:
    return None if statistic is None else _seconds(wire.number(statistic.max))


def _seconds(milliseconds: float | None) -> float | None:
    """Flink says -1 for a time that it does not know."""
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1000


def _time(at_ms: int | None) -> int | None:
    return None if at_ms is None or at_ms <= 0 else at_ms
