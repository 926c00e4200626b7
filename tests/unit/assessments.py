"""Assessments for tests: a healthy job with every number known, to be changed field by field."""

from typing import Any

import msgspec

from flinkops.model.assessment import (
    Backpressure,
    Bottleneck,
    Checkpoints,
    Commit,
    Delivery,
    FleetAssessment,
    Health,
    JobAssessment,
    Latency,
    Limits,
    StateOutlook,
    VertexAssessment,
)
from flinkops.model.facts import (
    CheckpointsFacts,
    JobFacts,
    RescaleFacts,
    RestoredFacts,
    SourceStatus,
    Spread,
    VertexFacts,
)
from flinkops.model.measures import MEASURES

NOW_MS = 1_800_000_000_000

FACTS = JobFacts(
    id="a" * 32,
    name="orders",
    cluster="blue",
    seen_ms=NOW_MS,
    state="RUNNING",
    started_ms=NOW_MS - 3_600_000,
    vertices=(
        VertexFacts(
            id="v1",
            name="Source",
            parallelism=2,
            pending_records=Spread(sum=12.0),
            source_idle_seconds=Spread(max=0.5),
        ),
    ),
    checkpoints=CheckpointsFacts(enabled=True, timeout_seconds=600.0, interval_seconds=10.0),
    rescales=(RescaleFacts(started_ms=NOW_MS - 60_000),),
    configuration={"pipeline.jobvertex-parallelism-overrides": "v1:2"},
)

HEALTHY = JobAssessment(
    id=FACTS.id,
    name="orders",
    namespace="shop",
    cluster="blue",
    flink_version="2.3.0",
    kind="rest",
    state="RUNNING",
    lifecycle_state=None,
    uptime_seconds=3600.0,
    parallelism=2,
    restarts=1,
    health=Health("ok"),
    records_in_per_second=1000.0,
    records_out_per_second=100.0,
    records_dropped_per_second=900.0,
    late_records=5,
    late_ratio=0.001,
    processing_latency_seconds=Latency(0.01, 0.04, "measured"),
    delivery_latency_seconds=Delivery(0.012, 0.038),
    event_time_skew_seconds=31.0,
    watermark="2027-01-15T08:00:00.000Z",
    state_bytes=1_000_000,
    state_keys=5000,
    state_bytes_per_key=200.0,
    state_growth_bytes_per_hour=3600.0,
    backpressure=Backpressure("low", 0.2, Bottleneck("Sink", "slow", "external")),
    checkpoints=Checkpoints("COMPLETED", 0.5, 4.0, 1_000_000, 10.0, 0, 40, 1),
    commits={"iceberg": Commit("SUCCESS", 8.0)},
    vertices=(VertexAssessment("v1", "Source", 2, 0.5, 0.2, 0.3, 1000.0, 900.0, None, "known", 1.0, 31.0),),
    unknown={},
    measures={each.name: 0.5 for each in MEASURES},
    job_class="windowed",
    limits=Limits(latency_p99_seconds=0.05, skew_seconds=60.0, checkpoint_age_seconds=30.0),
    outlook=StateOutlook(limit_bytes=10_000_000, seconds_to_limit=9e6),
    data_age_seconds=1.0,
    facts=FACTS,
    restored=RestoredFacts(id=3, at_ms=NOW_MS - 3_000_000, is_savepoint=True),
)

UNKNOWN = JobAssessment(
    id="",
    name="orders",
    namespace=None,
    cluster="blue",
    flink_version=None,
    kind="rest",
    state="UNKNOWN",
    lifecycle_state=None,
    uptime_seconds=None,
    parallelism=None,
    restarts=None,
    health=Health("unknown"),
    records_in_per_second=None,
    records_out_per_second=None,
    records_dropped_per_second=None,
    late_records=None,
    late_ratio=None,
    processing_latency_seconds=None,
    event_time_skew_seconds=None,
    watermark=None,
    state_bytes=None,
    state_keys=None,
    state_bytes_per_key=None,
    state_growth_bytes_per_hour=None,
    backpressure=None,
    checkpoints=None,
    commits=None,
    vertices=(),
    unknown={},
    measures=dict.fromkeys(each.name for each in MEASURES),
)


def job(**changes: Any) -> JobAssessment:
    """The healthy job with some fields changed."""
    return msgspec.structs.replace(HEALTHY, **changes)


def fleet(*jobs: JobAssessment, taken_ms: int = NOW_MS) -> FleetAssessment:
    """An assessment of one source that answered."""
    source = SourceStatus(name="blue", kind="rest", state="ok", age_seconds=1.0, seconds=0.1)
    return FleetAssessment(taken_ms, 0.2, (source,), jobs)
