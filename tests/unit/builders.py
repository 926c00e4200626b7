"""Facts as tests need them: healthy unless a test says otherwise."""

from typing import Any

import msgspec

from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointsFacts,
    FleetSnapshot,
    JobFacts,
    SourceStatus,
    Spread,
    VertexFacts,
)

NOW_MS = 1_800_000_000_000


def spread(value: float, **other: float) -> Spread:
    """One value everywhere, except what is named."""
    return Spread(**{"min": value, "max": value, "avg": value, "sum": value, "skew": 0.0, **other})


def vertex(vertex_id: str, *upstream: str, **fields: Any) -> VertexFacts:
    defaults: dict[str, Any] = {
        "parallelism": 2,
        "status": "RUNNING",
        "busy_ratio": spread(0.3),
        "backpressured_ratio": spread(0.0),
        "idle_ratio": spread(0.7),
        "records_in_per_second": spread(100.0),
        "records_out_per_second": spread(100.0),
        "consume_buffers_seconds": spread(0.01),
        "watermark_ms": Spread(min=NOW_MS - 5_000, max=NOW_MS - 5_000),
    }
    if not upstream:
        defaults |= {"pending_records": spread(0.0), "consume_buffers_seconds": None, "records_in": 10_000}
    return VertexFacts(id=vertex_id, name=f"vertex {vertex_id}", upstream=upstream, **{**defaults, **fields})


def checkpoint(number: int, at_ms: int, **fields: Any) -> CheckpointFacts:
    defaults: dict[str, Any] = {
        "status": "COMPLETED",
        "triggered_ms": at_ms,
        "acknowledged_ms": at_ms + 500,
        "duration_seconds": 0.5,
        "state_size_bytes": 1_000_000,
        "checkpointed_size_bytes": 10_000,
    }
    return CheckpointFacts(id=number, **{**defaults, **fields})


def checkpoints(**fields: Any) -> CheckpointsFacts:
    history = tuple(checkpoint(9 - index, NOW_MS - 2_000 - 10_000 * index) for index in range(5))
    defaults: dict[str, Any] = {
        "enabled": True,
        "interval_seconds": 10.0,
        "timeout_seconds": 600.0,
        "completed": 9,
        "failed": 0,
        "in_progress": 0,
        "latest_completed": history[0],
        "history": history,
    }
    return CheckpointsFacts(**{**defaults, **fields})


def failing(count: int, cause: str = "Checkpoint expired before completing.") -> CheckpointsFacts:
    """So many failures after a completed one."""
    failed = tuple(
        checkpoint(20 - index, NOW_MS - 1_000 - 1_000 * index, status="FAILED", failure=cause) for index in range(count)
    )
    done = checkpoint(1, NOW_MS - 12_000)
    return checkpoints(history=(*failed, done), latest_completed=done, failed=count)


def job(**fields: Any) -> JobFacts:
    """source -> work -> sink, healthy."""
    defaults: dict[str, Any] = {
        "id": "a" * 32,
        "name": "orders",
        "cluster": "prod",
        "seen_ms": NOW_MS,
        "flink_version": "2.3.0",
        "state": "RUNNING",
        "started_ms": NOW_MS - 3_600_000,
        "running_since_ms": NOW_MS - 3_590_000,
        "restarts": 0,
        "vertices": (vertex("src"), vertex("work", "src"), vertex("sink", "work")),
        "checkpoints": checkpoints(),
    }
    return JobFacts(**{**defaults, **fields})


def with_vertex(facts: JobFacts, vertex_id: str, **fields: Any) -> JobFacts:
    """The job with some facts of one vertex changed."""
    changed = tuple(
        msgspec.structs.replace(each, **fields) if each.id == vertex_id else each for each in facts.vertices
    )
    return msgspec.structs.replace(facts, vertices=changed)


def snapshot(*jobs: JobFacts, taken_ms: int = NOW_MS, **status: Any) -> FleetSnapshot:
    """One source, `prod`, that answered unless `status` says otherwise."""
    source = SourceStatus(**{"name": "prod", "kind": "rest", "state": "ok", "age_seconds": 0.0, **status})
    return FleetSnapshot(taken_ms=taken_ms, poll_seconds=0.2, sources=(source,), jobs=jobs)
