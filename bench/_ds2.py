"""DS2 as published: Kalavri et al., "Three steps is all you need", OSDI 2018, sections 3 and 4.

At each policy interval every operator gets, in one pass over the graph, the least parallelism whose true rate reaches
the target rate that follows from the sources' arrivals. A proposal counts after the warm-up of the last rescale, and
after `activation` proposals in a row; then their median is applied. `target_rate_ratio` is the paper's head-room. It
knows neither lag to catch up with, nor bounds of utilization, nor a scale-down that has to prove itself.
"""

import math
import statistics
from collections import deque

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.decide import Decision, VertexAdvice
from flinkops.autoscale.rates import evaluate
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import PolledJob, Window, window_of

RATES = Settings(rates="ends", busy="skewed", catch_up_seconds=0.0)


class Ds2(Controller):
    """One job. Seconds as in the paper's settings; `activation` in policy intervals."""

    def __init__(
        self,
        *,
        policy_interval_seconds: float = 60.0,
        warm_up_seconds: float = 60.0,
        activation: int = 1,
        target_rate_ratio: float = 1.0,
        max_parallelism: int = 200,
    ) -> None:
        super().__init__(RATES)
        self._interval_seconds = policy_interval_seconds
        self._warm_up_seconds = warm_up_seconds
        self._activation = activation
        self._ratio = target_rate_ratio
        self._most = max_parallelism
        self._seen: deque[PolledJob] = deque()
        self._proposals: deque[dict[str, int]] = deque(maxlen=activation)
        self._last_ms: int | None = None

    def observe(
        self,
        polled: PolledJob,
        *,
        slots_free: int | None = None,
        memory: tuple[float | None, float | None] = (None, None),
    ) -> Decision:
        """Decide with one more poll; `slots_free` and `memory` are not part of DS2."""
        self._seen.append(polled)
        now_ms = polled.sample.at_ms
        while len(self._seen) > 2 and self._seen[1].sample.at_ms <= now_ms - self._interval_seconds * 1000:
            self._seen.popleft()
        window = window_of(self._seen)
        since_ms = window.running_since_ms or 0
        usable = window.since(since_ms + self._warm_up_seconds * 1000)
        if polled.state != "RUNNING" or len(usable.samples) < 2 or self._between(now_ms):
            return self._decision(window, now_ms, {})
        self._last_ms = now_ms
        proposal = self._proposal(usable)
        if not proposal:
            return self._decision(window, now_ms, {})
        self._proposals.append(proposal)
        if len(self._proposals) < self._activation:
            return self._decision(window, now_ms, {})
        return self._decision(
            window, now_ms, {key: round(statistics.median(each[key] for each in self._proposals)) for key in proposal}
        )

    def rescaled(self, decision: Decision, at_ms: int) -> None:
        """The decision was carried out: what was proposed before counts no more."""
        self._proposals.clear()

    def _between(self, now_ms: int) -> bool:
        return self._last_ms is not None and now_ms - self._last_ms < self._interval_seconds * 1000

    def _proposal(self, window: Window) -> dict[str, int]:
        rates = evaluate(window, RATES)
        found = {}
        for vertex in window.vertices:
            one = rates[vertex.id]
            if one.true_rate is None or one.target_rate is None:
                return {}
            each = one.true_rate / vertex.parallelism
            needed = one.target_rate * self._ratio / each if math.isfinite(each) and each else 1
            found[vertex.id] = min(self._most, vertex.max_parallelism, max(1, math.ceil(needed - 1e-9)))
        return found

    def _decision(self, window: Window, now_ms: int, wanted: dict[str, int]) -> Decision:
        advice = tuple(
            VertexAdvice(
                id=each.id,
                name=each.name,
                current=each.parallelism,
                recommended=wanted.get(each.id, each.parallelism),
                true_processing_rate=None,
                target_rate=None,
                expected_rate=None,
                utilization=None,
                lag_records=None,
                why="DS2",
                outside=True,
                waits_until_ms=None,
            )
            for each in window.vertices
        )
        changes = any(each.recommended != each.current for each in advice)
        return Decision(window.job, now_ms, "scale" if changes else "hold", (), advice)
