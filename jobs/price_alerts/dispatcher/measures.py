"""What the dispatcher measures of itself, for Prometheus and for the status card."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from aiohttp.web import AppRunner

_BUCKETS_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0)
_GROWTH = 1.02
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST_SECONDS = 1e-4
_SLOTS = 900  # up to 1.5 hours
_MINUTE = 60


class LastMinute:
    """Quantiles of the last minute, within 2 %. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: list[dict[int, int]] = [{} for _ in range(_MINUTE)]
        self._seconds = [-1] * _MINUTE

    def add(self, seconds: float) -> None:
        """One measurement."""
        second = int(self._clock())
        place = second % _MINUTE
        if self._seconds[place] != second:
            self._seconds[place] = second
            self._counts[place] = {}
        slot = 0 if seconds <= _SMALLEST_SECONDS else 1 + int(math.log(seconds / _SMALLEST_SECONDS) / _LOG_GROWTH)
        counts = self._counts[place]
        slot = min(slot, _SLOTS)
        counts[slot] = counts.get(slot, 0) + 1

    def quantiles(self, *wanted: float) -> list[float] | None:
        """The quantiles in seconds; None when nothing was measured in the last minute."""
        oldest = int(self._clock()) - _MINUTE
        total: dict[int, int] = {}
        for second, counts in zip(self._seconds, self._counts, strict=True):
            if second > oldest:
                for slot, count in counts.items():
                    total[slot] = total.get(slot, 0) + count
        if not total:
            return None
        return [_quantile(total, each) for each in wanted]


def _quantile(counts: dict[int, int], wanted: float) -> float:
    rank, seen = wanted * sum(counts.values()), 0
    for slot in sorted(counts):
        seen += counts[slot]
        if seen >= rank:
            break
    return _SMALLEST_SECONDS * _GROWTH**slot


class Measures:
    """The dispatcher's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.read = Counter("flinkops_alerts_read", "Alerts read from Kafka.", registry=self.registry)
        self.delivered = Counter("flinkops_alerts_delivered", "Deliveries answered with 2xx.", registry=self.registry)
        self.attempts = Counter("flinkops_alerts_attempts", "Requests sent.", registry=self.registry)
        self.failures = Counter(
            "flinkops_alerts_failures", "Requests that failed, by reason.", ["reason"], registry=self.registry
        )
        self.retries = Counter("flinkops_alerts_retries", "Requests to be repeated.", registry=self.registry)
        self.dead = Counter(
            "flinkops_alerts_dead_letters", "Deliveries given up, by reason.", ["reason"], registry=self.registry
        )
        self.repeats = Counter(
            "flinkops_alerts_repeats_dropped", "Alerts that came again and were not sent again.", registry=self.registry
        )
        self.parked = Counter(
            "flinkops_alerts_parked", "Deliveries put aside for clients behind.", registry=self.registry
        )
        self.delivery = Histogram(
            "flinkops_alerts_delivery_latency_seconds",
            "From Kafka's append of the scrape (of the alert, where it names none) to the receiver's 2xx.",
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.dispatch = Histogram(
            "flinkops_alerts_dispatch_latency_seconds",
            "From Kafka's append of the alert to the receiver's 2xx.",
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.last_minute = LastMinute()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The gauges: their values are read when Prometheus scrapes."""
        yield from self._recent()
        for name, (text, value) in self.gauges.items():
            yield GaugeMetricFamily(f"flinkops_alerts_{name}", text, value=value())

    def _recent(self) -> Iterator[Metric]:
        recent = GaugeMetricFamily(
            "flinkops_alerts_delivery_latency_recent_seconds",
            "Delivery latency of the last minute; absent when nothing was delivered in it.",
            labels=["quantile"],
        )
        for quantile, value in zip(("0.5", "0.99"), self.last_minute.quantiles(0.5, 0.99) or (), strict=False):
            recent.add_metric([quantile], value)
        yield recent

    def delivered_one(self, delivery_seconds: float, dispatch_seconds: float) -> None:
        """A delivery was answered with 2xx."""
        self.delivered.inc()
        self.delivery.observe(delivery_seconds)
        self.dispatch.observe(dispatch_seconds)
        self.last_minute.add(delivery_seconds)


async def serve(measures: Measures, host: str, port: int, healthy: Callable[[], bool]) -> "AppRunner":
    """Serve /metrics and /healthz until the runner is cleaned up. Raises OSError when the port is taken."""
    from aiohttp import web
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(measures.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if healthy() else web.Response(text="stuck\n", status=503)

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/healthz", health)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
