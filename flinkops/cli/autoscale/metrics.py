"""What the control loop decides, for Prometheus: `autoscale run --listen`."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from flinkops.autoscale.decide import Decision
from flinkops.errors import OperationFailed, UsageError

VERDICTS = ("hold", "scale", "blocked")


class DecisionMetrics:
    """A registry of its own, served until the process ends. Raises UsageError or OperationFailed for the address."""

    def __init__(self, listen: str) -> None:
        address, _, port = listen.rpartition(":")
        if not port.isdecimal():
            raise UsageError(f"--listen {listen}: ADDRESS:PORT is expected")
        registry = CollectorRegistry()
        vertex = ("job", "vertex")
        self._current = Gauge("flinkops_autoscale_parallelism", "As it runs.", vertex, registry=registry)
        self._wanted = Gauge("flinkops_autoscale_recommended_parallelism", "As decided.", vertex, registry=registry)
        self._true = Gauge(
            "flinkops_autoscale_true_rate_per_second", "What it could process.", vertex, registry=registry
        )
        self._target = Gauge("flinkops_autoscale_target_rate_per_second", "What it has to.", vertex, registry=registry)
        self._verdict = Gauge(
            "flinkops_autoscale_verdict", "1 for the present one.", ("job", "verdict"), registry=registry
        )
        self._rescales = Counter("flinkops_autoscale_rescales", "Rescales by outcome.", ("outcome",), registry=registry)
        try:
            self.server, _ = start_http_server(int(port), address or "127.0.0.1", registry)
        except OSError as problem:
            raise OperationFailed(f"cannot listen on {listen}: {problem.strerror or problem}") from None

    def decided(self, decision: Decision) -> None:
        """The newest decision; what is not known is not shown."""
        for verdict in VERDICTS:
            self._verdict.labels(decision.job, verdict).set(decision.verdict == verdict)
        for gauge in (self._true, self._target):
            gauge.clear()
        for each in decision.vertices:
            self._current.labels(decision.job, each.name).set(each.current)
            self._wanted.labels(decision.job, each.name).set(each.recommended)
            if each.true_processing_rate is not None and math.isfinite(each.true_processing_rate):
                self._true.labels(decision.job, each.name).set(each.true_processing_rate)
            if each.target_rate is not None:
                self._target.labels(decision.job, each.name).set(each.target_rate)

    def rescaled(self, outcome: str) -> None:
        """A rescale was tried."""
        self._rescales.labels(outcome).inc()
