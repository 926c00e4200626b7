"""The custom collector: a poll and fresh families at each scrape, so that a vanished job's series vanish."""

import platform
from collections.abc import Iterator
from contextvars import ContextVar

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import flinkops
from flinkops.exporter.families import Options, described, families
from flinkops.exporter.poller import SharedPoller
from flinkops.observability.metrics.fleet import FleetView

DEADLINE_SECONDS = 8.0
"""Below Prometheus' scrape timeout of 10 s."""

scrape_deadline_seconds: ContextVar[float] = ContextVar("scrape_deadline_seconds", default=DEADLINE_SECONDS)
"""The deadline of the scrape that this thread answers; the server sets it from the scraper's own timeout."""


class FleetCollector(Collector):
    """Turns the newest observation into families."""

    def __init__(self, poller: SharedPoller, options: Options) -> None:
        self._poller = poller
        self._options = options

    def describe(self) -> Iterator[Family]:
        """What may come, without a poll."""
        return described(self._options)

    def collect(self) -> Iterator[Family]:
        """What is there now."""
        seen = self._poller.newest(scrape_deadline_seconds.get())
        view = FleetView(
            version=flinkops.__version__,
            python=platform.python_version(),
            shard=self._options.shard.index,
            shards=self._options.shard.count,
            polls=self._poller.polls,
            failed_polls=self._poller.failed_polls,
            overdue_scrapes=self._poller.overdue_scrapes,
            taken_ms=self._poller.taken_ms,
            assessment=seen.assessment if seen else None,
            clusters=seen.snapshot.clusters if seen else (),
        )
        return families(view, self._options)
