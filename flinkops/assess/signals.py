"""All signals of one job at one poll, computed once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flinkops.assess.backlog import backlog
from flinkops.assess.backpressure import backpressure, emit_lag_seconds, held_ratio
from flinkops.assess.checkpoints import checkpoints
from flinkops.assess.latency import latency
from flinkops.assess.measured import measured
from flinkops.assess.rates import Rates, rates
from flinkops.assess.signal import left_out
from flinkops.assess.skew import EventTime, event_time
from flinkops.assess.state import StateSize, state_size
from flinkops.clock import iso_utc
from flinkops.config.policy import JobClass
from flinkops.model.assessment import Backlog, Backpressure, Checkpoints, Latency
from flinkops.model.event_time import has_watermark
from flinkops.model.facts import JobFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from flinkops.model.measures import MEASURES, PENDING_RECORDS
from flinkops.model.numbers import add_known, total, whole, worst
from flinkops.model.states import ENDED


class Signals(NamedTuple):
    """Values, and in ``unknown`` or ``not_applicable`` the reason for each part that is None, by its path."""

    graph: Graph
    rates: Rates
    latency: Latency | None
    event_time: EventTime
    state: StateSize
    backpressure: Backpressure | None
    checkpoints: Checkpoints | None
    measures: dict[str, float]
    backlog: Backlog | None
    unknown: dict[str, str]
    not_applicable: dict[str, str]

    def fields(self) -> dict[str, Any]:
        """What they give, by the fields of JobAssessment; a test holds the types."""
        return {
            "records_in_per_second": self.rates.records_in_per_second,
            "records_out_per_second": self.rates.records_out_per_second,
            "records_dropped_per_second": self.rates.records_dropped_per_second,
            "late_records": self.rates.late_records,
            "late_ratio": self.rates.late_ratio,
            "processing_latency_seconds": self.latency,
            "event_time_skew_seconds": self.event_time.skew_seconds,
            "watermark": iso_utc(self.event_time.watermark_ms),
            "state_bytes": self.state.state_bytes,
            "state_keys": self.state.state_keys,
            "state_bytes_per_key": self.state.bytes_per_key,
            "state_growth_bytes_per_hour": self.state.growth_bytes_per_hour,
            "outlook": self.state.outlook,
            "backpressure": self.backpressure,
            "checkpoints": self.checkpoints,
            "backlog": self.backlog,
            "measures": {each.name: self.measures.get(each.name) for each in MEASURES},
        }

    def asked(self, path: str, limit: float | None) -> float | None:
        """The limit, unless this job cannot have what it is for."""
        return None if path in self.not_applicable else limit


def signals(job: JobFacts, past: Sequence[JobSample], job_class: JobClass) -> Signals:
    """Everything that is derived from the facts of a job and its earlier samples."""
    graph = Graph(job.vertices)
    flow = rates(job, graph, past, job_class)
    delay = latency(job, graph, past)
    time = event_time(job, graph, past, job_class)
    size = state_size(job, past, job_class)
    held = backpressure(job, graph, past)
    points = checkpoints(job, past)
    numbers = measured(job, job_class)
    waits = backlog(job, numbers.value.get(PENDING_RECORDS.name), numbers.unknown, numbers.not_applicable, past)
    unknown: dict[str, str] = {}
    not_applicable: dict[str, str] = {}
    unknown.update(points.unknown)
    not_applicable.update(points.not_applicable)
    # Of a job that has ended nothing flows, waits or passes any more.
    for moving in (size, flow, delay, time, held, numbers, waits):
        (not_applicable if job.state in ENDED else unknown).update(moving.unknown)
        not_applicable.update(moving.not_applicable)
    return Signals(
        graph,
        flow.value,
        delay.value,
        time.value,
        size.value,
        held.value,
        points.value,
        numbers.value,
        waits.value,
        unknown,
        not_applicable,
    )


def to_sample(job: JobFacts, found: Signals, breached: tuple[str, ...]) -> JobSample:
    """What is remembered of this poll."""
    points, flow = found.checkpoints, found.rates
    return JobSample(
        at_ms=job.seen_ms,
        state=job.state,
        job_id=job.id,
        restarts=job.restarts,
        records_in_per_second=flow.records_in_per_second,
        records_dropped_per_second=flow.records_dropped_per_second,
        late_records=flow.late_records,
        accepted_records=flow.accepted_records,
        unchanged_dropped=flow.unchanged_dropped,
        latency_p99_seconds=found.latency.p99 if found.latency else None,
        skew_seconds=found.event_time.skew_seconds,
        watermark_seen=any(map(has_watermark, job.vertices)),
        state_bytes=found.state.state_bytes,
        stored_bytes=_stored_bytes(job),
        emit_lag_seconds=emit_lag_seconds(found.graph),
        backpressured_ratio=found.backpressure.ratio if found.backpressure else None,
        checkpoint_duration_seconds=points.duration_seconds if points else None,
        checkpoint_age_seconds=points.age_seconds if points else None,
        checkpoints_failed_in_a_row=points.failed_in_a_row if points else None,
        pending_records=found.measures.get(PENDING_RECORDS.name),
        measures=found.measures,
        busiest=tuple(
            (vertex.id, busy, held_ratio(vertex) or 0.0)
            for vertex in job.vertices
            if (busy := worst(vertex.busy_ratio)) is not None
        ),
        breached=breached,
    )


def _stored_bytes(job: JobFacts) -> int | None:
    """What RocksDB's files take; None where those of a vertex could not be read."""
    if left_out(job, "state_sst_bytes") is not None:
        return None
    return whole(add_known(total(vertex.state_sst_bytes) for vertex in job.vertices))
