"""The catalogue of metrics: each one once, with its unit, its meaning and where its number comes from.

The exporter, the alert rules, the dashboards and docs/metrics.md all read this; a new signal is one entry in one of
the lists (job_metrics, vertex_metrics, fleet_metrics).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

MetricType = Literal["gauge", "counter", "info", "summary"]
Unit = Literal["seconds", "bytes", "bytes per second", "records per second", "ratio", "records", "count", "state", ""]

JOB_LABELS = ("namespace", "job", "cluster")
"""Stable over restarts and upgrades: never the job's id."""
VERTEX_LABELS = (*JOB_LABELS, "vertex_id")

T = TypeVar("T")
Reading = tuple[tuple[str, ...], float | None]
"""Values of a metric's own labels, and the number; None is left out of the scrape: absent, not zero."""


@dataclass(frozen=True)
class Metric(Generic[T]):
    """One metric as it is exposed; ``read`` takes its readings from what it describes.

    ``name`` is the exposed name, of a counter with ``_total``. ``labels`` are those beyond the scope's own.
    """

    name: str
    type: MetricType
    unit: Unit
    description: str
    source: str
    read: Callable[[T], Iterable[Reading]]
    labels: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The HELP line: the meaning and the source."""
        return f"{self.description} Source: {self.source}."


def one(value: Callable[[T], float | None]) -> Callable[[T], Iterable[Reading]]:
    """Readings of a metric that has no labels of its own."""
    return lambda subject: (((), value(subject)),)


def gauge(name: str, unit: Unit, description: str, source: str, value: Callable[[T], float | None]) -> Metric[T]:
    """A gauge without labels of its own."""
    return Metric(name, "gauge", unit, description, source, one(value))


def counter(name: str, unit: Unit, description: str, source: str, value: Callable[[T], float | None]) -> Metric[T]:
    """A counter without labels of its own; `name` ends in ``_total``."""
    return Metric(name, "counter", unit, description, source, one(value))
