"""From assessments to metric families: pure, and never an invalid exposition whatever the jobs are called."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from flinkops.exporter.labels import label
from flinkops.exporter.shard import Shard, share_key
from flinkops.model.assessment import LEVEL_ORDER, FleetAssessment, JobAssessment
from flinkops.model.states import ENDED, JobState
from flinkops.observability.catalogue import JOB_LABELS, Metric
from flinkops.observability.metrics import FLEET_METRICS, JOB_METRICS, VERTEX_METRICS
from flinkops.observability.metrics.fleet import FleetView
from flinkops.observability.slo import ObservedJob

_KNOWN_ANYWAY = ("id", "name", "namespace", "cluster", "kind", "health", "job_class", "limits", "data_age_seconds")
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(JobAssessment.__struct_fields__),
    "state": JobState.UNKNOWN.value,
    "vertices": (),
    "measures": {},
    "unknown": {},
    "recent_checkpoints": (),
}
UNNAMED = "(unnamed)"
"""An empty `job` label would let Prometheus put the scrape's own in its place."""

Labels = dict[str, str]


@dataclass(frozen=True)
class Options:
    """What of the fleet is exposed."""

    shard: Shard = field(default_factory=Shard)
    vertices: bool = False


def families(view: FleetView, options: Options) -> Iterator[Family]:
    """Every family that has a sample now; what is unknown is left out."""
    yield from _filled(FLEET_METRICS, [({}, view)])
    if view.assessment is None:
        return
    jobs = list(_distinct(view.assessment, options))
    yield from _filled(JOB_METRICS, jobs)
    if options.vertices:
        yield from _filled(
            VERTEX_METRICS,
            [
                (labels | {"vertex_id": label(vertex.id)}, vertex)
                for labels, observed in jobs
                for vertex in {vertex.id: vertex for vertex in observed.job.vertices}.values()
            ],
        )


def described(options: Options) -> Iterator[Family]:
    """The families without samples: what the registry wants to know, without polling the fleet."""
    for metrics in (FLEET_METRICS, JOB_METRICS, VERTEX_METRICS if options.vertices else ()):
        yield from map(_family, metrics)


def _distinct(assessment: FleetAssessment, options: Options) -> Iterator[tuple[Labels, ObservedJob]]:
    """One job for each label set: a live one before an ended one, then the worst, then the newest."""
    named: dict[tuple[str, ...], list[JobAssessment]] = {}
    for job in assessment.jobs:
        if options.shard.owns(share_key(job)):
            named.setdefault(_label_values(job), []).append(job)
    for values, jobs in named.items():
        shown = min(jobs, key=_precedence)
        live = sum(1 for job in jobs if job.state not in ENDED)
        yield dict(zip(JOB_LABELS, values, strict=True)), ObservedJob(_of_now(shown), live)


def _of_now(job: JobAssessment) -> JobAssessment:
    """The job without the numbers that were true when its source last answered, unless that is now.

    What stays: that its state is unknown, and the age of the last data.
    """
    if not any(reason.code.stale for reason in job.health.reasons):
        return job
    known = {name: getattr(job, name) for name in _KNOWN_ANYWAY}
    return JobAssessment(**{**_NOTHING, **known})


def _label_values(job: JobAssessment) -> tuple[str, ...]:
    return (label(job.namespace or ""), label(job.name) or UNNAMED, label(job.cluster))


def _precedence(job: JobAssessment) -> tuple[bool, int, int]:
    started_ms = job.facts.started_ms if job.facts else None
    return (job.state in ENDED, LEVEL_ORDER.get(job.health.level, 0), -(started_ms or 0))


def _filled(metrics: Iterable[Metric[Any]], subjects: Sequence[tuple[Labels, Any]]) -> Iterator[Family]:
    for metric in metrics:
        family = _family(metric)
        samples = family.samples
        for labels, subject in subjects:
            seen: set[tuple[str, ...]] = set()
            for values, number in metric.read(subject):
                if number is None or not math.isfinite(number):
                    continue
                if metric.labels:
                    safe = tuple(map(label, values))
                    if safe in seen:
                        continue
                    seen.add(safe)
                    samples.append(Sample(metric.name, labels | dict(zip(metric.labels, safe, strict=True)), number))
                else:
                    samples.append(Sample(metric.name, labels, number))
        if samples:
            yield family


def _family(metric: Metric[Any]) -> Family:
    if metric.type == "counter":
        return CounterMetricFamily(metric.name.removesuffix("_total"), metric.help)
    if metric.type == "info":
        return InfoMetricFamily(metric.name.removesuffix("_info"), metric.help)
    if metric.type == "summary":
        return SummaryMetricFamily(metric.name, metric.help)
    return GaugeMetricFamily(metric.name, metric.help)
