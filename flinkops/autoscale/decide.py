"""The decision: which parallelism each vertex should have, with the arithmetic that leads there (docs/autoscaling.md).

Pure: a window of metrics, settings and what is remembered go in; a decision and what is to be remembered come out.
What is not known holds: no step is ever taken on a missing or old number.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from flinkops.autoscale.alignment import aligned
from flinkops.autoscale.memory import Memory, Scaling, Wanted
from flinkops.autoscale.rates import Rates, evaluate
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Vertex, Window
from flinkops.model.quantities import human_rate, human_seconds

Verdict = Literal["hold", "scale", "blocked"]
_FULL = 0.9
"""A window that spans this share of its length is full: polls do not come at round times."""
_RISES = 1.15
"""The newer half of the window, against all of it: less is noise."""
_TIE = 1e-9
"""What exceeds a whole number, or a bound, by no more than rounding errors is that number, or on the bound."""


class VertexAdvice(msgspec.Struct, frozen=True):
    """One vertex: what it has, what it should have, and why. Rates in records per second."""

    id: str
    name: str
    current: int
    recommended: int
    true_processing_rate: float | None
    target_rate: float | None
    expected_rate: float | None  # what `recommended` would process
    utilization: float | None
    lag_records: float | None
    why: str
    outside: bool  # of the utilization bounds: reason enough to rescale
    waits_until_ms: int | None  # a scale-down that has to prove itself until then


class Decision(msgspec.Struct, frozen=True):
    """For one job at one time. `hold`: nothing to do, or not enough known; `blocked`: there would be."""

    job: str
    at_ms: int
    verdict: Verdict
    blocked_by: tuple[str, ...]
    vertices: tuple[VertexAdvice, ...]

    @property
    def changes(self) -> dict[str, int]:
        """Vertex id -> the parallelism to change it to; empty unless the verdict is `scale`."""
        if self.verdict != "scale":
            return {}
        return {each.id: each.recommended for each in self.vertices if each.recommended != each.current}


def decide(window: Window, settings: Settings, memory: Memory, now_ms: int) -> tuple[Decision, Memory]:
    """What to do with a job. `now_ms` tells how old the window is."""
    settings = msgspec.structs.replace(settings, restart_seconds=memory.restart_seconds(settings))
    usable = _usable(window, settings)
    holds = _holds(window, usable, settings, now_ms)
    rates, rising = _with_trend(usable, evaluate(usable, settings), settings)
    backlog = _backlog(window.vertices, rates, settings)
    advice: list[VertexAdvice] = []
    waiting: dict[str, tuple[Wanted, ...]] = {}
    for vertex in window.vertices:
        judge = _Judge(vertex, rates.get(vertex.id, Rates()), settings, memory, backlog, now_ms)
        one, pending = judge.advice()
        advice.append(one)
        if pending:
            waiting[vertex.id] = pending
    missing = [
        f"{each.name}: {rates[each.id].unknown}"
        for each in window.vertices
        if not each.finished and each.id not in settings.exclude and rates[each.id].unknown
    ]
    if holds or missing:
        held = tuple(msgspec.structs.replace(each, recommended=each.current, outside=False) for each in advice)
        return Decision(window.job, now_ms, "hold", tuple(holds or missing), held), memory
    since_ms = None
    if rising:
        since_ms = now_ms if memory.rising_since_ms is None else memory.rising_since_ms
    remembered = msgspec.structs.replace(memory, waiting=waiting, rising_since_ms=since_ms)
    if not any(each.outside and each.recommended != each.current for each in advice):
        kept = tuple(_kept(each) for each in advice)
        return Decision(window.job, now_ms, "hold", (), kept), remembered
    blocks = [*_blocks(window, advice, settings), *_unsettled(since_ms, now_ms, settings)]
    verdict: Verdict = "blocked" if blocks else "scale"
    return Decision(window.job, now_ms, verdict, tuple(blocks), tuple(advice)), remembered


def held(window: Window, settings: Settings, now_ms: int, why: str) -> Decision:
    """Hold, without a single number: `why` nothing that could be reckoned would mean anything."""
    advice = [
        _Judge(each, Rates(unknown=why), settings, Memory(), False, now_ms).advice()[0] for each in window.vertices
    ]
    return Decision(window.job, now_ms, "hold", (why,), tuple(advice))


def capacity(rates: Rates, utilization: float, settings: Settings, *, with_restart: bool) -> float | None:
    """Records per second that a vertex has to be able to process, to work at `utilization`.

    catch-up + target × restart / catch-up time + target / utilization.
    """
    if rates.target_rate is None or rates.catch_up_rate is None:
        return None
    if utilization <= 0:
        return math.inf
    restart = 0.0
    if with_restart and settings.catch_up_seconds:
        restart = rates.target_rate * settings.restart_seconds / settings.catch_up_seconds
    return rates.catch_up_rate + restart + rates.target_rate / min(1.0, utilization)


class _Judge:
    """One vertex before its settings and its past."""

    def __init__(
        self, vertex: Vertex, rates: Rates, settings: Settings, memory: Memory, backlog: bool, now_ms: int
    ) -> None:
        self._vertex = vertex
        self._rates = rates
        self._settings = settings
        self._memory = memory
        self._backlog = backlog
        self._now_ms = now_ms

    def advice(self) -> tuple[VertexAdvice, tuple[Wanted, ...]]:
        """The advice, and the scale-downs that wait."""
        vertex, rates = self._vertex, self._rates
        if vertex.finished:
            return self._advice(vertex.parallelism, "it has finished"), ()
        if vertex.id in self._settings.exclude:
            return self._advice(vertex.parallelism, "excluded by vertex.exclude.ids"), ()
        needed = capacity(rates, self._settings.utilization_target, self._settings, with_restart=True)
        if rates.true_rate is None or needed is None:
            return self._advice(
                vertex.parallelism, f"held: {rates.unknown or rates.unmeasured or 'its rates are not known'}"
            ), ()
        wanted, why = self._parallelism(needed, rates.true_rate)
        outside = self._is_outside(rates.true_rate)
        if wanted == vertex.parallelism:
            return self._advice(wanted, why), ()
        if wanted > vertex.parallelism:
            ineffective = self._ineffective(rates.true_rate)
            if ineffective and self._settings.block_ineffective:
                return self._advice(vertex.parallelism, f"{why}; held: {ineffective}"), ()
            return self._advice(wanted, f"{why}; {ineffective}" if ineffective else why, outside=outside), ()
        return self._downwards(wanted, why, outside=outside)

    def _parallelism(self, needed: float, true_rate: float) -> tuple[int, str]:
        """By the rates, between the bounds, aligned; and how it comes about."""
        vertex, settings = self._vertex, self._settings
        least, most = settings.vertex_limits.get(vertex.id, (settings.min_parallelism, settings.max_parallelism))
        lower = min(vertex.parallelism, least)
        upper = min(vertex.max_parallelism, max(vertex.parallelism, most))
        factor = needed / true_rate
        steps = [f"{vertex.parallelism} × {_rate(needed)} / {_rate(true_rate)} = {vertex.parallelism * factor:.2f}"]
        capped = min(max(factor, 1 - settings.max_scale_down_factor), 1 + settings.max_scale_up_factor)
        if capped != factor:
            steps.append(f"a step of at most × {capped:g}")
        exact = vertex.parallelism * capped
        whole = math.ceil(exact * (1 - _TIE)) if math.isfinite(exact) and exact < upper else upper
        bounded = min(max(lower, whole), upper)
        if bounded != whole:
            steps.append(f"between {lower} and {upper}")
        result = aligned(bounded, vertex.groups, lower, upper, settings.alignment)
        if result != bounded:
            what = "partitions" if vertex.partitions else "key groups"
            steps.append(f"{result} deals out {vertex.groups} {what} better than {bounded}")
        return result, "; ".join(steps)

    def _is_outside(self, true_rate: float) -> bool:
        """Too small even for the upper utilization, or too large for the lower one."""
        upper = 1.0 if self._backlog else self._settings.upper_utilization
        lower = 0.0 if self._backlog else self._settings.lower_utilization
        too_small_below = capacity(self._rates, upper, self._settings, with_restart=False)
        too_large_above = capacity(self._rates, lower, self._settings, with_restart=True)
        if too_small_below is None or too_large_above is None:
            return False
        return true_rate < too_small_below * (1 - _TIE) or true_rate > too_large_above * (1 + _TIE)

    def _ineffective(self, true_rate: float) -> str | None:
        """Why the last scale-up was no use; None when it was, or when there was none to this parallelism."""
        last = self._memory.last(self._vertex.id)
        if last is None or last.after != self._vertex.parallelism or last.after <= last.before:
            return None
        hoped, came = last.expected_rate - last.true_rate, true_rate - last.true_rate
        if hoped <= 0 or came / hoped >= self._settings.effectiveness_ratio:
            return None
        return (
            f"the last scale-up, {last.before} -> {last.after}, brought {_rate(max(0.0, came))} of "
            f"{_rate(hoped)} hoped for: something else limits it"
        )

    def _downwards(self, wanted: int, why: str, *, outside: bool) -> tuple[VertexAdvice, tuple[Wanted, ...]]:
        """A scale-down waits for the whole interval, and then takes the most that was wanted in it.

        What was wanted while the window still held metrics from before the first request is a blend of two loads, and
        counts only where the interval holds nothing else.
        """
        interval_ms = round(self._settings.scale_down_interval_seconds * 1000)
        if interval_ms <= 0:
            return self._advice(wanted, why, outside=outside), ()
        since_ms = self._now_ms - interval_ms
        past = (*self._memory.waiting.get(self._vertex.id, ()), Wanted(self._now_ms, wanted, outside))
        first_ms = past[0].at_ms
        # The first request stays, to tell how long there has been one; of the others those inside the interval count.
        kept = (past[0], *(each for each in past[1:] if each.at_ms > since_ms))
        if first_ms > since_ms:
            until_ms = first_ms + interval_ms
            left = human_seconds((until_ms - self._now_ms) / 1000)
            return (
                self._advice(
                    self._vertex.parallelism, f"{why}; a scale-down to {wanted} has to hold for {left} more", until_ms
                ),
                kept,
            )
        blended_ms = first_ms + round(self._settings.metrics_window_seconds * 1000)
        inside = [each for each in kept if each.at_ms >= blended_ms]
        inside = inside or [each for each in kept if each.at_ms > since_ms]
        most = max(inside, key=lambda each: each.parallelism)
        return self._advice(most.parallelism, f"{why}; the most wanted in the interval", outside=most.outside), kept

    def _advice(
        self, recommended: int, why: str, waits_until_ms: int | None = None, *, outside: bool = False
    ) -> VertexAdvice:
        vertex, rates = self._vertex, self._rates
        true_rate = rates.true_rate
        expected = None
        if true_rate is not None and math.isfinite(true_rate) and vertex.parallelism > 0:
            expected = true_rate / vertex.parallelism * recommended
        return VertexAdvice(
            id=vertex.id,
            name=vertex.name,
            current=vertex.parallelism,
            recommended=recommended,
            true_processing_rate=true_rate,
            target_rate=rates.target_rate,
            expected_rate=expected,
            utilization=rates.busy_ratio,
            lag_records=rates.lag_records,
            why=why,
            outside=outside,
            waits_until_ms=waits_until_ms,
        )


def _rate(value: float) -> str:
    return "∞/s" if math.isinf(value) else human_rate(value)


def _kept(advice: VertexAdvice) -> VertexAdvice:
    """Within the bounds no vertex is reason enough; what was reckoned stays visible."""
    if advice.recommended == advice.current:
        return advice
    why = f"{advice.why}; {advice.recommended} would fit better, but within the bounds it is not worth a rescale"
    return msgspec.structs.replace(advice, recommended=advice.current, why=why)


def _usable(window: Window, settings: Settings) -> Window:
    """The polls that count: after the stabilization, and from the last one on that is as old as the metrics window.

    That one lies a little outside of it: else a window that is no multiple of the time between polls never got full.
    """
    if not window.samples:
        return window
    newest_ms, length_ms = window.samples[-1].at_ms, settings.metrics_window_seconds * 1000
    old = [each.at_ms for each in window.samples if newest_ms - 2 * length_ms < each.at_ms <= newest_ms - length_ms]
    since_ms = max(old, default=newest_ms - length_ms)
    if window.running_since_ms is not None:
        since_ms = max(since_ms, window.running_since_ms + settings.stabilization_seconds * 1000)
    return window.since(since_ms)


def _holds(window: Window, usable: Window, settings: Settings, now_ms: int) -> list[str]:
    """Why no decision can be made at all."""
    if window.state != "RUNNING":
        return [f"the job is {window.state}"]
    if not window.vertices or not window.samples:
        return ["there are no metrics"]
    newest_ms = window.samples[-1].at_ms
    age_seconds = (now_ms - newest_ms) / 1000
    if abs(age_seconds) > settings.stale_after_seconds:
        how = "old" if age_seconds > 0 else "ahead: clocks apart"
        return [f"the newest metrics are {human_seconds(abs(age_seconds))} {how}"]
    if window.running_since_ms is not None:
        stable_ms = window.running_since_ms + round(settings.stabilization_seconds * 1000)
        if newest_ms < stable_ms:
            return [f"stabilizing: the metrics count in {human_seconds((stable_ms - newest_ms) / 1000)}"]
    if len(usable.samples) < 2:
        return ["rates need two polls at least"]
    span_seconds = (newest_ms - usable.samples[0].at_ms) / 1000
    if span_seconds < _FULL * settings.metrics_window_seconds:
        left = human_seconds(settings.metrics_window_seconds - span_seconds)
        return [f"the metrics window is full in {left}"]
    return []


def _backlog(vertices: Sequence[Vertex], rates: Mapping[str, Rates], settings: Settings) -> bool:
    """Some source is further behind than the threshold: then no scale-down, and full utilization is allowed."""
    for vertex in vertices:
        if vertex.inputs:
            continue
        rate = rates[vertex.id].input_rate
        lag = rates[vertex.id].lag_records or 0.0
        if rate is not None and lag > settings.backlog_lag_seconds * rate:
            return True
    return False


def _with_trend(window: Window, rates: dict[str, Rates], settings: Settings) -> tuple[dict[str, Rates], bool]:
    """Where more arrives in the newer half of the window than over all of it, the newer half tells what is to come.

    A window that holds two loads shows neither: a step up would be followed by two rescales, the first too small.
    """
    if settings.settle_seconds <= 0 or not window.samples:
        return rates, False
    middle_ms = (window.samples[0].at_ms + window.samples[-1].at_ms) / 2
    newer = evaluate(window.since(middle_ms), settings)
    rising = any(
        _exceeds(newer[vertex.id].target_rate, rates[vertex.id].target_rate)
        for vertex in window.vertices
        if not vertex.inputs
    )
    if not rising:
        return rates, False
    return {key: _greater(each, newer[key]) for key, each in rates.items()}, True


def _exceeds(newer: float | None, whole: float | None) -> bool:
    return newer is not None and whole is not None and newer > whole * _RISES


def _greater(whole: Rates, newer: Rates) -> Rates:
    if whole.target_rate is None or newer.target_rate is None or newer.target_rate <= whole.target_rate:
        return whole
    return msgspec.structs.replace(whole, target_rate=newer.target_rate)


def _unsettled(since_ms: int | None, now_ms: int, settings: Settings) -> list[str]:
    """While the load rises, a decision waits, for half a window at most: then the newer half is all of one load."""
    if since_ms is None:
        return []
    wait_seconds = min(settings.settle_seconds, settings.metrics_window_seconds / 2)
    left_seconds = wait_seconds - (now_ms - since_ms) / 1000
    return [f"the load is still rising: {human_seconds(left_seconds)} more"] if left_seconds > 0 else []


def _blocks(window: Window, advice: Sequence[VertexAdvice], settings: Settings) -> list[str]:
    """Why what should be done must not be done now."""
    blocks = []
    last = window.samples[-1]
    if last.gc_ratio is not None and last.gc_ratio > settings.gc_ratio:
        blocks.append(
            f"garbage collection takes {last.gc_ratio:.0%} of a TaskManager's time (limit {settings.gc_ratio:.0%}): "
            "more memory first (flinkops autoscale memory)"
        )
    if last.heap_ratio is not None and last.heap_ratio > settings.heap_ratio:
        blocks.append(
            f"a TaskManager's heap is {last.heap_ratio:.0%} full (limit {settings.heap_ratio:.0%}): "
            "more memory first (flinkops autoscale memory)"
        )
    now, wanted = max(each.current for each in advice), max(each.recommended for each in advice)
    if settings.quota_slots is not None and wanted > max(now, settings.quota_slots):
        blocks.append(f"{wanted} slots are needed, the quota is {settings.quota_slots}")
    if window.slots_free is not None and wanted - now > window.slots_free:
        blocks.append(f"{wanted} slots are needed, the job has {now} and {window.slots_free} are free")
    return blocks


def scalings(decision: Decision) -> tuple[Scaling, ...]:
    """What is remembered of a decision that was carried out."""
    return tuple(
        Scaling(
            at_ms=decision.at_ms,
            vertex=each.id,
            before=each.current,
            after=each.recommended,
            true_rate=each.true_processing_rate,
            expected_rate=each.expected_rate,
        )
        for each in decision.vertices
        if each.recommended != each.current and each.true_processing_rate is not None and each.expected_rate is not None
    )
