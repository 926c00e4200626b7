"""Metrics of the measures: each entry of model/measures.py is one."""

from collections.abc import Callable

from flinkops.model.measures import MEASURES, Measure
from flinkops.observability.catalogue import Metric, gauge
from flinkops.observability.slo import ObservedJob

_SUBTASKS = "/jobs/:id/vertices/:vertex/subtasks/metrics"


def metric_name(measure: Measure) -> str:
    """As it is exposed."""
    return f"flinkops_job_{measure.name}"


def _read(name: str) -> Callable[[ObservedJob], float | None]:
    return lambda observed: observed.job.measures.get(name)


MEASURED_METRICS: tuple[Metric[ObservedJob], ...] = tuple(
    gauge(
        metric_name(each),
        each.unit,
        f"{each.meaning[0].upper()}{each.meaning[1:]}.",
        f"{_SUBTASKS} {each.of_flink}",
        _read(each.name),
    )
    for each in MEASURES
)
