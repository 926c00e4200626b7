"""From metrics to rates: what comes in, what each vertex could process, what it will have to (docs/autoscaling.md).

Kalavri et al., "Three steps is all you need", OSDI 2018 (DS2): the true rate of an operator is what it would process
if it never waited; the target rate of each follows from the sources' along the job graph. With flink-autoscaler's
additions: lag is caught up with, and a source that lags shows its true rate by its speed.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from flinkops.autoscale.settings import Settings
from flinkops.autoscale.window import Sample, Vertex, VertexSample, Window

Read = Callable[[VertexSample], float | None]


class Rates(msgspec.Struct, frozen=True):
    """One vertex, evaluated. Records per second; `true_rate` is infinite for a vertex that costs no time.

    None: not known, and `unknown` or `unmeasured` says why.
    """

    input_rate: float | None = None
    busy_ratio: float | None = None
    true_rate: float | None = None
    target_rate: float | None = None
    catch_up_rate: float | None = None
    lag_records: float | None = None
    unknown: str | None = None
    unmeasured: str | None = None  # Flink never tells its busy time: this vertex is left alone, the others need not be


def evaluate(window: Window, settings: Settings) -> dict[str, Rates]:
    """Every vertex of the window, by id."""
    found: dict[str, Rates] = {}
    downstream = _downstream(window.vertices)
    for vertex in window.vertices:
        if vertex.finished:
            found[vertex.id] = Rates(input_rate=0.0, true_rate=math.inf, target_rate=0.0, catch_up_rate=0.0)
            continue
        rates = _own(vertex, window.samples, settings)
        if vertex.inputs:
            found[vertex.id] = _from_inputs(vertex, rates, window, found, downstream, settings)
        else:
            found[vertex.id] = _from_source(vertex, rates, window.samples, settings)
    return found


def series(samples: Sequence[Sample], vertex_id: str, read: Read) -> list[tuple[float, float]]:
    """Seconds and values at the polls that have one; none at all when the newest poll has none: that is stale."""
    points: list[tuple[float, float]] = []
    value = None
    for sample in samples:
        metrics = sample.vertices.get(vertex_id)
        value = known(read(metrics)) if metrics is not None else None
        if value is not None:
            points.append((sample.at_ms / 1000, value))
    return points if value is not None else []


def slope(points: Sequence[tuple[float, float]], settings: Settings) -> float | None:
    """How much a metric rises a second; None with fewer than two values.

    `ends`: between the first and the last value. `fit`: the least-squares line through all of them; Flink refreshes
    its counters every 10 s, and what that costs at the ends it does not cost the line.
    """
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    (first_at, first), (last_at, last) = points[0], points[-1]
    if settings.rates == "ends":
        return (last - first) / (last_at - first_at)
    # From the first point on, or the squares of times since 1970 would eat the digits.
    count, at_sum, value_sum, products, squares = len(points), 0.0, 0.0, 0.0, 0.0
    for at, value in points:
        seconds, rise = at - first_at, value - first
        at_sum += seconds
        value_sum += rise
        products += seconds * rise
        squares += seconds * seconds
    return (count * products - at_sum * value_sum) / (count * squares - at_sum * at_sum)


def counter_rate(samples: Sequence[Sample], vertex_id: str, read: Read, settings: Settings) -> float | None:
    """The rate of a counter; None also when it fell, for then another attempt counts."""
    points = series(samples, vertex_id, read)
    if any(after[1] < before[1] for before, after in itertools.pairwise(points)):
        return None
    rate = slope(points, settings)
    return None if rate is None else max(0.0, rate)


def mean(samples: Sequence[Sample], vertex_id: str, read: Read) -> float | None:
    """The mean of a metric over the window."""
    values = [value for _, value in series(samples, vertex_id, read)]
    return math.fsum(values) / len(values) if values else None


def known(value: float | None) -> float | None:
    """Without NaN, infinity and negative numbers, none of which these metrics can be."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def records_in(sample: VertexSample) -> float | None:
    """Flink's numRecordsIn."""
    return sample.records_in


def records_out(sample: VertexSample) -> float | None:
    """Flink's numRecordsOut."""
    return sample.records_out


def pending(sample: VertexSample) -> float | None:
    """Flink's pendingRecords."""
    return sample.pending_records


def _own(vertex: Vertex, samples: Sequence[Sample], settings: Settings) -> Rates:
    """What a vertex's own metrics say: its input, its busy time, its true rate."""
    rate = counter_rate(samples, vertex.id, records_in, settings)
    if rate is None:
        return Rates(unknown="how many records come in is not known over the window")
    if rate == 0 and _reads(vertex, samples):
        return Rates(unknown="its counters have not moved yet, though Flink says that records come in")
    busy = _busy(vertex, samples, settings)
    observed = None if vertex.inputs else _observed(vertex.id, samples, settings)
    if rate == 0:
        by_busy: float | None = math.inf
    elif busy is None:
        by_busy = None
    else:
        by_busy = rate / busy if busy > 0 else math.inf
    use_observed = observed is not None and (
        by_busy is None or math.isinf(by_busy) or by_busy > observed * (1 + settings.observed_switch_ratio)
    )
    true_rate = observed if use_observed else by_busy
    never = not any(sample.vertices[vertex.id].busy_max_ratio is not None for sample in samples)
    return Rates(
        input_rate=rate,
        busy_ratio=busy,
        true_rate=true_rate,
        unknown=None if true_rate is not None or never else "its busy time is not known now",
        unmeasured="Flink tells no busy time of it (legacy sources have none)" if true_rate is None and never else None,
    )


def _reads(vertex: Vertex, samples: Sequence[Sample]) -> bool:
    """Whether Flink's own rate, of the last minute, is more than nothing throughout."""
    rates = [
        known(sample.vertices[vertex.id].records_in_per_second) for sample in samples if vertex.id in sample.vertices
    ]
    return bool(rates) and all(rate is not None and rate > 0 for rate in rates)


def _busy(vertex: Vertex, samples: Sequence[Sample], settings: Settings) -> float | None:
    """The share of time that the vertex works.

    `max`: of its busiest subtask. `avg`: of all, from the accumulated time. `skewed`: the latter, which is exact
    and of the same moment as the counters, times how much busier than the average the busiest one is.
    """
    greatest = mean(samples, vertex.id, lambda sample: sample.busy_max_ratio)
    if settings.busy == "max":
        return greatest
    accumulated = counter_rate(samples, vertex.id, lambda sample: sample.busy_ms, settings)
    if accumulated is None:
        return greatest
    average = accumulated / 1000 / vertex.parallelism
    gauge = mean(samples, vertex.id, lambda sample: sample.busy_avg_ratio)
    if settings.busy == "avg" or greatest is None or not gauge:
        return average
    return average * max(1.0, greatest / gauge)


def _observed(vertex_id: str, samples: Sequence[Sample], settings: Settings) -> float | None:
    """The speed of a source that lags: then it works as fast as it can, but for what holds it back.

    Polls without lag count with the mean of those before them, as flink-autoscaler has it.
    """
    seen: list[float] = []
    for sample in samples:
        one = sample.vertices.get(vertex_id)
        rate = known(one.records_in_per_second) if one else None
        if one is None or rate is None:
            continue
        lags = (known(one.pending_records) or 0.0) >= settings.observe_lag_seconds * rate
        held = known(one.backpressured_ratio)
        if rate > 0 and lags and held is not None and held < 1:
            seen.append(rate / (1 - held))
        elif rate > 0 and len(seen) >= settings.observed_min_samples:
            seen.append(math.fsum(seen) / len(seen))
    return math.fsum(seen) / len(seen) if len(seen) >= max(1, settings.observed_min_samples) else None


def _from_source(vertex: Vertex, rates: Rates, samples: Sequence[Sample], settings: Settings) -> Rates:
    """A source has to take in what arrives: what it reads, and what its lag grows by; and the lag itself in time."""
    if rates.input_rate is None:
        return rates
    values = [known(sample.vertices[vertex.id].pending_records) for sample in samples if vertex.id in sample.vertices]
    lag, grows = 0.0, 0.0
    if any(value is not None for value in values):
        points = series(samples, vertex.id, pending)
        growth = slope(points, settings)
        if growth is None:
            return msgspec.structs.replace(rates, unknown="its lag is known at some polls only")
        lag, grows = points[-1][1], growth
    return msgspec.structs.replace(
        rates,
        target_rate=max(0.0, rates.input_rate + grows),
        catch_up_rate=lag / settings.catch_up_seconds if settings.catch_up_seconds else 0.0,
        lag_records=lag,
    )


def _from_inputs(
    vertex: Vertex,
    rates: Rates,
    window: Window,
    found: Mapping[str, Rates],
    downstream: Mapping[str, Sequence[str]],
    settings: Settings,
) -> Rates:
    """What its inputs will have to take in, times what each sends it for one record."""
    target = catch_up = 0.0
    for upstream in vertex.inputs:
        above = found.get(upstream, Rates())
        ratio = _edge_ratio(upstream, vertex, rates.input_rate, window, found, downstream, settings)
        if ratio is None or above.target_rate is None or above.catch_up_rate is None:
            return msgspec.structs.replace(rates, unknown=rates.unknown or "what its inputs will send it is not known")
        target += above.target_rate * ratio
        catch_up += above.catch_up_rate * ratio
    return msgspec.structs.replace(rates, target_rate=target, catch_up_rate=catch_up)


def _edge_ratio(
    upstream: str,
    vertex: Vertex,
    own: float | None,
    window: Window,
    found: Mapping[str, Rates],
    downstream: Mapping[str, Sequence[str]],
    settings: Settings,
) -> float | None:
    """Records over the edge for each record into `upstream`; `own`: the vertex's input rate.

    Flink counts no edges. With one input it is all that comes in; else what is left after the other inputs, where
    those have no other output; else what goes out of `upstream`.
    """
    rate = found[upstream].input_rate if upstream in found else None
    if rate is None:
        return None
    if rate == 0:
        return 0.0
    found_rate = own
    others = [other for other in vertex.inputs if other != upstream]
    if any(len(downstream[other]) > 1 for other in others):
        found_rate = counter_rate(window.samples, upstream, records_out, settings)
    elif others:
        outs = [counter_rate(window.samples, other, records_out, settings) for other in others]
        known_outs = [out for out in outs if out is not None]
        found_rate = own - math.fsum(known_outs) if own is not None and len(known_outs) == len(outs) else None
    return None if found_rate is None else max(0.0, found_rate) / rate


def _downstream(vertices: Sequence[Vertex]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {vertex.id: [] for vertex in vertices}
    for vertex in vertices:
        for upstream in vertex.inputs:
            result[upstream].append(vertex.id)
    return result
