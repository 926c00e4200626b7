"""Metrics of a job: records, latency, skew, backpressure, parallelism."""

from collections.abc import Iterable

from flinkops.model.assessment import Delivery, Latency
from flinkops.model.facts import JobFacts
from flinkops.model.overrides import OVERRIDES, drifted, readable_overrides
from flinkops.observability.catalogue import Metric, Reading, counter, gauge
from flinkops.observability.metrics.reading import field, seconds
from flinkops.observability.slo import ObservedJob

_SUBTASKS = "/jobs/:id/vertices/:vertex/subtasks/metrics"


def drifted_vertices(facts: JobFacts | None) -> int | None:
    """How many vertices do not run at the parallelism that the job's settings demand; None where none is demanded.

    Flink has ignored these overrides at submission (FLINK-38770): autoscaling is then silently dead.
    """
    if facts is None or not (demanded := readable_overrides(facts.configuration.get(OVERRIDES, ""))):
        return None
    return len(drifted(demanded, facts.vertices))


def _drift(observed: ObservedJob) -> float | None:
    return drifted_vertices(observed.job.facts)


def _last_rescale(observed: ObservedJob) -> float | None:
    facts = observed.job.facts
    return seconds(facts.rescales[0].started_ms) if facts and facts.rescales else None


def _quantiles(latency: Latency | Delivery | None) -> Iterable[Reading]:
    if latency:
        yield ("0.5",), latency.p50
        yield ("0.99",), latency.p99


def _latency_method(observed: ObservedJob) -> Iterable[Reading]:
    latency = observed.job.processing_latency_seconds
    if latency:
        yield (latency.method,), 1.0


def _bottleneck(observed: ObservedJob) -> Iterable[Reading]:
    found = observed.job.backpressure.bottleneck if observed.job.backpressure else None
    if found:
        yield (found.vertex, found.kind), 1.0


def _backpressure(observed: ObservedJob) -> float | None:
    return observed.job.backpressure.ratio if observed.job.backpressure else None


FLOW_METRICS: tuple[Metric[ObservedJob], ...] = (
    gauge(
        "flinkops_job_records_in_per_second",
        "records per second",
        "Records that the sources take in.",
        f"{_SUBTASKS} numRecordsInPerSecond of the sources",
        field("records_in_per_second"),
    ),
    gauge(
        "flinkops_job_records_out_per_second",
        "records per second",
        "Records that reach the sinks.",
        f"{_SUBTASKS} numRecordsOutPerSecond",
        field("records_out_per_second"),
    ),
    gauge(
        "flinkops_job_records_dropped_per_second",
        "records per second",
        "Records that the job drops as unchanged.",
        "job metric group flinkops, unchangedDropped",
        field("records_dropped_per_second"),
    ),
    counter(
        "flinkops_job_late_records_total",
        "records",
        "Records behind the watermark; starts again at 0 with a restart.",
        "numLateRecordsDropped, flinkops.lateRecords",
        field("late_records"),
    ),
    gauge("flinkops_job_late_ratio", "ratio", "Late records of those accepted.", "assessment", field("late_ratio")),
    Metric(
        "flinkops_job_processing_latency_seconds",
        "summary",
        "seconds",
        "From a record's ingestion to its processing, by quantile.",
        "flinkops.processingLatencyMs, latency markers, or Little's law: see the method",
        lambda observed: _quantiles(observed.job.processing_latency_seconds),
        ("quantile",),
    ),
    Metric(
        "flinkops_job_delivery_latency_seconds",
        "summary",
        "seconds",
        "From a record's ingestion to the receiver's word that it has the result, by quantile, of the last minute.",
        "the metrics of the dispatcher that the job names (flinkops.delivery-metrics-url)",
        lambda observed: _quantiles(observed.job.delivery_latency_seconds),
        ("quantile",),
    ),
    Metric(
        "flinkops_job_processing_latency_method_info",
        "info",
        "",
        "How the latency is known: measured, markers, estimated.",
        "assessment",
        _latency_method,
        ("method",),
    ),
    gauge(
        "flinkops_job_event_time_skew_seconds",
        "seconds",
        "Now minus the least valid watermark.",
        f"{_SUBTASKS} currentOutputWatermark",
        field("event_time_skew_seconds"),
    ),
    gauge(
        "flinkops_job_backpressure_ratio",
        "ratio",
        "Share of time that the worst subtask is backpressured.",
        f"{_SUBTASKS} backPressuredTimeMsPerSecond",
        _backpressure,
    ),
    Metric(
        "flinkops_job_bottleneck_info",
        "info",
        "",
        "The vertex that holds the others up, and why.",
        "assessment",
        _bottleneck,
        ("vertex", "kind"),
    ),
    gauge(
        "flinkops_job_parallelism",
        "count",
        "The greatest parallelism of its vertices.",
        "/jobs/:id",
        field("parallelism"),
    ),
    gauge(
        "flinkops_job_last_rescale_timestamp_seconds",
        "seconds",
        "When the adaptive scheduler last rescaled the job.",
        "/jobs/:id/rescales/history, Flink 2.3",
        _last_rescale,
    ),
    gauge(
        "flinkops_job_override_drift_vertices",
        "count",
        "Vertices that do not run at the parallelism demanded for them; absent where none is demanded.",
        f"/jobs/:id and {OVERRIDES}",
        _drift,
    ),
)
