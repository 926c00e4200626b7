"""Metrics of polling itself: the exporter, its sources, the clusters seen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flinkops.model.assessment import FleetAssessment
from flinkops.model.facts import ClusterFacts, SourceStatus
from flinkops.observability.catalogue import Metric, Reading, counter, gauge
from flinkops.observability.metrics.reading import seconds

_SLOW_SECONDS = 60.0
"""A source whose data are older than this does not answer, whatever it is still working on."""


@dataclass(frozen=True)
class FleetView:
    """What the exporter knows of itself and of its last poll; no assessment until the first is done."""

    version: str
    python: str
    shard: int
    shards: int
    polls: int
    failed_polls: int
    overdue_scrapes: int
    taken_ms: int | None = None
    """Of the newest snapshot, also when it is too old to be shown."""
    assessment: FleetAssessment | None = None
    clusters: tuple[ClusterFacts, ...] = ()


def _sources(value: Callable[[SourceStatus], float | None]) -> Callable[[FleetView], Iterable[Reading]]:
    def read(view: FleetView) -> Iterable[Reading]:
        for source in view.assessment.sources if view.assessment else ():
            yield (source.name,), value(source)

    return read


def _clusters(value: Callable[[ClusterFacts], float | None]) -> Callable[[FleetView], Iterable[Reading]]:
    def read(view: FleetView) -> Iterable[Reading]:
        for cluster in view.clusters:
            yield (cluster.name,), value(cluster)

    return read


def _up(source: SourceStatus) -> float:
    slow = source.state == "stale" and source.age_seconds is not None and source.age_seconds <= _SLOW_SECONDS
    return float(source.state == "ok" or slow)


def _build(view: FleetView) -> Iterable[Reading]:
    yield (view.version, view.python), 1.0


FLEET_METRICS: tuple[Metric[FleetView], ...] = (
    Metric("flinkops_build_info", "info", "", "The exporter's version.", "flinkops", _build, ("version", "python")),
    gauge(
        "flinkops_exporter_shard",
        "count",
        "Which share of the jobs this exporter has, from 1.",
        "--shard",
        lambda v: v.shard,
    ),
    gauge(
        "flinkops_exporter_shards", "count", "Into how many shares the jobs are split.", "--shard", lambda v: v.shards
    ),
    counter("flinkops_exporter_polls_total", "count", "Polls of the fleet.", "exporter", lambda v: v.polls),
    counter(
        "flinkops_exporter_failed_polls_total",
        "count",
        "Polls that gave nothing.",
        "exporter",
        lambda v: v.failed_polls,
    ),
    counter(
        "flinkops_exporter_overdue_scrapes_total",
        "count",
        "Scrapes whose poll was not done by the deadline and that got the previous one, or none.",
        "exporter",
        lambda v: v.overdue_scrapes,
    ),
    gauge(
        "flinkops_snapshot_timestamp_seconds",
        "seconds",
        "When the facts were collected.",
        "collector",
        lambda v: seconds(v.taken_ms),
    ),
    gauge(
        "flinkops_poll_duration_seconds",
        "seconds",
        "How long the collection took.",
        "collector",
        lambda v: v.assessment.poll_seconds if v.assessment else None,
    ),
    Metric(
        "flinkops_source_up",
        "gauge",
        "state",
        "1 when the source answers, be it too slowly for all of its jobs; 0 when it does not, or its data are old.",
        "collector",
        _sources(_up),
        ("source",),
    ),
    Metric(
        "flinkops_source_age_seconds",
        "gauge",
        "seconds",
        "Age of the source's newest data; absent when it never answered.",
        "collector",
        _sources(lambda source: source.age_seconds),
        ("source",),
    ),
    Metric(
        "flinkops_source_poll_duration_seconds",
        "gauge",
        "seconds",
        "How long the source took to answer.",
        "collector",
        _sources(lambda source: source.seconds),
        ("source",),
    ),
    Metric(
        "flinkops_cluster_taskmanagers",
        "gauge",
        "count",
        "TaskManagers registered.",
        "/overview",
        _clusters(lambda cluster: cluster.taskmanagers),
        ("cluster",),
    ),
    Metric(
        "flinkops_cluster_slots",
        "gauge",
        "count",
        "Task slots.",
        "/overview",
        _clusters(lambda cluster: cluster.slots_total),
        ("cluster",),
    ),
    Metric(
        "flinkops_cluster_slots_available",
        "gauge",
        "count",
        "Task slots that no job uses.",
        "/overview",
        _clusters(lambda cluster: cluster.slots_available),
        ("cluster",),
    ),
)
