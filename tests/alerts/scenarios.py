"""Six scenarios for every alert, as tests of promtool: what the alert says over time, fed with series of samples."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

GAP = float("nan")
"""No scrape, as when Prometheus itself was away."""
Signal = Callable[[float], float | None]
"""The value of a series at a minute; None: scraped, and not there (Prometheus then marks the series as stale)."""
Signals = Mapping[str, Signal]

SCENARIOS = ("fires", "just-below", "resolves", "absent", "counter-reset", "scrape-gap")
STEPS_PER_MINUTE = 2
ORDERS = '{job="orders",namespace="shop",cluster="blue"}'
GAP_MINUTES = 7
"""Longer than Prometheus polls back (5 min), so that the alert's condition is gone for a while."""


def constant(value: float) -> Signal:
    """The same value all the time."""
    return lambda minute: value


@dataclass(frozen=True)
class Case:
    """What makes an alert fire and what only nearly does; the six scenarios follow.

    ``lead`` minutes of `bad` make it fire; ``tail`` minutes after its end (`recovered`, by default `below`) it is over.
    ``reset`` is what a restart of the job changes beyond `below` and a restart counter that starts again.
    """

    alert: str
    severity: str
    bad: Signals
    below: Signals
    lead: int
    tail: int = 7
    not_before: int | None = None
    reset: Signals = field(default_factory=dict)
    recovered: Signals | None = None
    absent_fires: bool = False
    evaluation: str = "1m"
    restarts: str = "flinkops_job_restarts_total" + ORDERS

    def tests(self) -> Iterator[dict[str, Any]]:
        """promtool's test groups, one for each scenario."""
        for scenario in SCENARIOS:
            series, checks = getattr(self, "_" + scenario.replace("-", "_"))()
            yield {
                "name": scenario,
                "interval": "30s",
                "input_series": [
                    {"series": name, "values": _values(signal, max(checks))} for name, signal in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{self.alert}",severity="{self.severity}",'
                        'alertstate="firing"}) or vector(0)',
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": int(firing)}],
                    }
                    for minute, firing in checks.items()
                ],
            }

    def _fires(self) -> tuple[Signals, dict[int, bool]]:
        early = {} if self.not_before is None else {self.not_before: False}
        return self.bad, early | {self.lead: True, self.lead + 10: True}

    def _just_below(self) -> tuple[Signals, dict[int, bool]]:
        end = self.lead + 10
        return self.below, dict.fromkeys(range(0, end + 1, max(1, end // 20)), False)

    def _resolves(self) -> tuple[Signals, dict[int, bool]]:
        end = self.lead + 1
        over = end + self.tail
        return _then(self.bad, end, self.recovered or self.below), {self.lead: True, over: False, over + 9: False}

    def _absent(self) -> tuple[Signals, dict[int, bool]]:
        end = self.lead + 1
        nothing = dict.fromkeys(self.bad, _nothing)
        return _then(self.bad, end, nothing), {self.lead: True, end + self.tail + 6: self.absent_fires}

    def _counter_reset(self) -> tuple[Signals, dict[int, bool]]:
        reset = {self.restarts: _restarts, **self.below, **self.reset}
        return reset, dict.fromkeys(range(0, self.lead + 20, 2), False)

    def _scrape_gap(self) -> tuple[Signals, dict[int, bool]]:
        start, end = self.lead + 1, self.lead + 1 + GAP_MINUTES
        gap = {name: _gap(signal, start, end) for name, signal in self.bad.items()}
        return gap, dict.fromkeys(range(self.lead, end + 8), True)


def _restarts(minute: float) -> float:
    """A counter that had come far and starts again at the tenth minute."""
    return 40.0 if minute < 10 else 0.0 if minute < 11 else 1.0


def _nothing(minute: float) -> None:
    return None


def _then(first: Signals, until: int, second: Signals) -> Signals:
    def spliced(name: str) -> Signal:
        return lambda minute: (first if minute < until else second).get(name, _nothing)(minute)

    return {name: spliced(name) for name in {**first, **second}}


def _gap(signal: Signal, start: int, end: int) -> Signal:
    return lambda minute: GAP if start <= minute < end else signal(minute)


def _values(signal: Signal, minutes: int) -> str:
    """promtool's notation."""
    written: list[str] = []
    present = False
    for step in range((minutes + 1) * STEPS_PER_MINUTE):
        value = signal(step / STEPS_PER_MINUTE)
        if value is None:
            written.append("stale" if present else "_")
            present = False
        elif math.isnan(value):
            written.append("_")
        else:
            written.append(f"{value:.10g}")
            present = True
    return " ".join(written)
