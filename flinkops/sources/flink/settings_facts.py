"""A job's effective settings: the cluster's, overlaid by what the job reports of itself. True: only faces mask."""

from collections.abc import Mapping

from flinkops.sources.flink import wire

_VALUE_CHARACTERS = 64_000
MAX_SETTINGS = 4_000
"""Far beyond what a job has: a list that is cut, such as parallelism overrides, would tell another story."""


def cluster_settings(answer: list[wire.Setting]) -> dict[str, str]:
    """GET /jobmanager/config."""
    return {
        entry.key: entry.value[:_VALUE_CHARACTERS]
        for entry in sorted(answer[:MAX_SETTINGS], key=lambda entry: entry.key)
    }


def scheduler_of(told: str | None, cluster: Mapping[str, str] | None) -> str | None:
    """A job's scheduler. Flink 1.x does not tell it of a job: then the cluster's own setting; None: not known."""
    return told or (cluster or {}).get("jobmanager.scheduler")


def job_settings(
    cluster: dict[str, str], job: wire.JobConfig | None, checkpoints: wire.CheckpointConfig | None
) -> dict[str, str]:
    """Under Flink's own configuration keys."""
    execution = (job.execution_config if job else None) or wire.ExecutionConfig()
    own: dict[str, object] = {
        "parallelism.default": execution.job_parallelism,
        "pipeline.object-reuse": execution.object_reuse_mode,
    }
    if checkpoints is not None:
        own |= {
            "execution.checkpointing.mode": checkpoints.mode,
            "execution.checkpointing.interval": _milliseconds(checkpoints.interval),
            "execution.checkpointing.timeout": _milliseconds(checkpoints.timeout),
            "execution.checkpointing.min-pause": _milliseconds(checkpoints.min_pause),
            "execution.checkpointing.unaligned.enabled": checkpoints.unaligned_checkpoints,
            "execution.checkpointing.tolerable-failed-checkpoints": checkpoints.tolerable_failed_checkpoints,
        }
    own |= dict(list((execution.user_config or {}).items())[:MAX_SETTINGS])
    told = {key: _text(value)[:_VALUE_CHARACTERS] for key, value in own.items() if value is not None}
    return {**cluster, **told} if told else cluster


def _milliseconds(value: int | None) -> str | None:
    return None if value is None or value >= 2**63 - 1 else f"{value} ms"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
