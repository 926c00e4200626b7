"""Metrics of the vertices of a job: opt-in, since a fleet may have ten thousand of them."""

from collections.abc import Callable, Iterable

from flinkops.model.assessment import VertexAssessment
from flinkops.observability.catalogue import Metric, Reading, gauge
from flinkops.observability.metrics.reading import attribute

_VERTICES = "/jobs/:id/vertices/:vertex/subtasks/metrics"


def _info(vertex: VertexAssessment) -> Iterable[Reading]:
    yield (vertex.name,), 1.0


def _field(name: str) -> Callable[[VertexAssessment], float | None]:
    return attribute(VertexAssessment, name)


VERTEX_METRICS: tuple[Metric[VertexAssessment], ...] = (
    Metric("flinkops_vertex_info", "info", "", "The vertex's name.", "/jobs/:id", _info, ("vertex",)),
    gauge("flinkops_vertex_parallelism", "count", "Parallelism of the vertex.", "/jobs/:id", _field("parallelism")),
    gauge(
        "flinkops_vertex_busy_ratio",
        "ratio",
        "Share of time that the busiest subtask works.",
        f"{_VERTICES} busyTimeMsPerSecond",
        _field("busy_ratio"),
    ),
    gauge(
        "flinkops_vertex_backpressured_ratio",
        "ratio",
        "Share of time that the worst subtask waits for buffers downstream.",
        f"{_VERTICES} backPressuredTimeMsPerSecond",
        _field("backpressured_ratio"),
    ),
    gauge(
        "flinkops_vertex_records_in_per_second",
        "records per second",
        "Records in, over all subtasks.",
        f"{_VERTICES} numRecordsInPerSecond",
        _field("records_in_per_second"),
    ),
    gauge(
        "flinkops_vertex_records_out_per_second",
        "records per second",
        "Records out, over all subtasks.",
        f"{_VERTICES} numRecordsOutPerSecond",
        _field("records_out_per_second"),
    ),
    gauge(
        "flinkops_vertex_event_time_skew_seconds",
        "seconds",
        "Now minus the vertex's least valid watermark.",
        f"{_VERTICES} watermarks",
        _field("skew_seconds"),
    ),
    gauge(
        "flinkops_vertex_watermark_spread_seconds",
        "seconds",
        "Greatest minus least watermark over the vertex's subtasks.",
        f"{_VERTICES} watermarks",
        _field("watermark_spread_seconds"),
    ),
)
