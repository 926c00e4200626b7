"""Which of the hundreds of metrics of a vertex are asked for, and what becomes of them.

The names are listed once for each attempt of a vertex; from them a MetricPlan is made: the request paths and, for
each fact, the metrics that it is combined from. One declarative table, and the metrics of model/measures.py.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flinkops.model.facts import Spread
from flinkops.model.measures import MEASURES
from flinkops.sources.flink.wire import Aggregate, number

MAX_URL_CHARACTERS = 3500
"""Flink's HTTP server takes a request line of 4096; a path prefix of a proxy has to fit as well."""
MAX_SPLITS = 32
MAX_MARKER_SUBTASKS = 32
"""Three requests. Of a wider vertex the worst subtask may be one that is not asked: `MetricPlan.markers_left_out`."""

Combine = Callable[[Sequence[Aggregate]], Spread]


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of VertexFacts and the metrics that give it: exact task metrics, or the end of an operator's metric."""

    field: str
    combine: Combine
    scale: float = 1.0


def added(metrics: Sequence[Aggregate]) -> Spread:
    """The sum of sums; the other columns say something only when there is one metric."""
    if len(metrics) == 1:
        return spread(metrics[0])
    sums = [number(each.sum) for each in metrics]
    minima, maxima = _numbers(each.min for each in metrics), _numbers(each.max for each in metrics)
    return Spread(
        min=min(minima, default=None),
        max=max(maxima, default=None),
        sum=None if any(each is None for each in sums) else sum(each for each in sums if each is not None),
    )


def worst(metrics: Sequence[Aggregate]) -> Spread:
    """Of several metrics the one with the greatest maximum."""
    if len(metrics) == 1:
        return spread(metrics[0])
    return spread(max(metrics, key=lambda each: _or_least(number(each.max))))


def largest(metrics: Sequence[Aggregate]) -> Spread:
    """Of several metrics the one with the greatest sum."""
    return spread(max(metrics, key=lambda each: _or_least(number(each.sum))))


def spread(metric: Aggregate, scale: float = 1.0) -> Spread:
    """One answer as it is, times `scale`; a NaN is None."""
    return Spread(
        min=_times(metric.min, scale),
        max=_times(metric.max, scale),
        avg=_times(metric.avg, scale),
        sum=_times(metric.sum, scale),
        skew=number(metric.skew),
    )


TASK_METRICS: dict[str, Fact] = {
    "numRecordsInPerSecond": Fact("records_in_per_second", added),
    "numRecordsOutPerSecond": Fact("records_out_per_second", added),
    "busyTimeMsPerSecond": Fact("busy_ratio", added, 0.001),
    "backPressuredTimeMsPerSecond": Fact("backpressured_ratio", added, 0.001),
    "idleTimeMsPerSecond": Fact("idle_ratio", added, 0.001),
    "softBackPressuredTimeMsPerSecond": Fact("soft_backpressured_ratio", added, 0.001),
    "hardBackPressuredTimeMsPerSecond": Fact("hard_backpressured_ratio", added, 0.001),
    "estimatedTimeToConsumeBuffersMs": Fact("consume_buffers_seconds", added, 0.001),
}
_MEASURED = [(each.metric, Fact(each.name, worst, each.metric.scale)) for each in MEASURES if each.metric]
MEASURED_FACTS = frozenset(fact.field for _, fact in _MEASURED)
"""Facts that are no fields of VertexFacts: of measures that bring their metric along."""
TASK_METRICS |= {metric.name: fact for metric, fact in _MEASURED if metric.of == "task"}
SOURCE_METRICS: dict[str, Fact] = {
    "numRecordsInPerSecond": Fact("records_in_per_second", added),
    "numRecordsIn": Fact("records_in", added),
    "numRecordsOutPerSecond": Fact("emitted_per_second", added),
    "numRecordsOut": Fact("emitted", added),
    "pendingRecords": Fact("pending_records", added),
    "currentEmitEventTimeLag": Fact("source_emit_lag_seconds", worst, 0.001),
    "sourceIdleTime": Fact("source_idle_seconds", worst, 0.001),
}
OPERATOR_METRICS: dict[str, Fact] = {
    "numLateRecordsDropped": Fact("late_records", added),
    "flinkops.lateRecords": Fact("late_records", added),
    "flinkops.processingLatencyMs_median": Fact("latency_p50_seconds", worst, 0.001),
    "flinkops.processingLatencyMs_p99": Fact("latency_p99_seconds", worst, 0.001),
    "flinkops.unchangedDropped": Fact("unchanged_dropped", added),
    "flinkops.unchangedDroppedPerSecond": Fact("unchanged_dropped_per_second", added),
    "flinkops.acceptedRecords": Fact("accepted", added),
    "successfulCommittables": Fact("commits", added),
    "failedCommittables": Fact("commit_failed", added),
}
OPERATOR_METRICS |= {metric.name: fact for metric, fact in _MEASURED if metric.of == "operator"}
OPERATOR_PREFIXES: dict[str, Fact] = {"flinkops.malformed": Fact("malformed", added)}
OPERATOR_ENDINGS: dict[str, Fact] = {
    ".elapsedSecondsSinceLastSuccessfulCommit": Fact("commit_age_seconds", worst),
    "_estimate-num-keys": Fact("state_keys", largest),
    "_estimate-live-data-size": Fact("state_live_bytes", added),
    "_total-sst-files-size": Fact("state_sst_bytes", added),
}
EVENT_TIMERS = Fact("event_timers", added)
"""Of RocksDB, where its native metrics are on: timers that wait for a watermark."""
SPLIT_ENDINGS: dict[str, Fact] = {
    ".watermark.pausedTimeMsPerSecond": Fact("split_paused_ratio", worst, 0.001),
    ".watermark.idleTimeMsPerSecond": Fact("split_idle_ratio", worst, 0.001),
}
_PREFIXES, _ENDINGS = tuple(OPERATOR_PREFIXES), (*OPERATOR_ENDINGS, *SPLIT_ENDINGS)
"""Most of the hundreds of names are none of these: told in one step each, since a first poll reads all of them."""
MARKER_ENDINGS: dict[str, Fact] = {
    ".latency_median": Fact("marker_p50_seconds", worst, 0.001),
    ".latency_p99": Fact("marker_p99_seconds", worst, 0.001),
}
WRITERS = ("__Writer", "IcebergStreamWriter")
"""How the operators that hand records to an external system are called: sinks of Flink's API, Iceberg's first one."""
WRITTEN = Fact("records_written_per_second", added)
_PARTITION = re.compile(r"\.KafkaSourceReader\.(topic\..+\.partition\.\d+)\.currentOffset$")
WATERMARK_OUT, WATERMARK_IN = "currentOutputWatermark", "currentInputWatermark"


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """What to ask of one vertex: `queries` are values of ``get=``, `wanted` maps a metric to its fact."""

    queries: tuple[str, ...]
    wanted: dict[str, Fact]
    watermark: str | None
    too_many_splits: int = 0
    markers_left_out: int = 0
    source_partitions: int | None = None


def metric_plan(names: Iterable[str], *, vertex_name: str, is_source: bool) -> MetricPlan:
    """Chooses from the listed names. The number chosen does not grow with the parallelism."""
    known = set(names)
    wanted: dict[str, Fact] = {}
    splits: dict[str, Fact] = {}
    markers: list[str] = []
    for name in known:
        if name.startswith("latency."):
            markers.append(name)
        elif (fact := TASK_METRICS.get(name)) is not None:
            wanted[name] = fact
        elif (fact := _operator_fact(name, is_source)) is not None:
            (splits if ".split." in name else wanted)[name] = fact
    if is_source and any(fact.field == "records_in_per_second" for name, fact in wanted.items() if "." in name):
        wanted.pop("numRecordsInPerSecond", None)  # a source task's own is always 0
    split_count = len(splits) // len(SPLIT_ENDINGS)
    if split_count <= MAX_SPLITS:
        wanted.update(splits)
    marker_facts, left_out = _marker_facts(markers)
    wanted.update(marker_facts)
    watermark = _watermark_name(known, vertex_name)
    asked = sorted(wanted) if watermark is None else sorted({*wanted, watermark})
    too_many = split_count if split_count > MAX_SPLITS else 0
    return MetricPlan(tuple(queries_of(asked)), wanted, watermark, too_many, left_out, _source_partitions(known))


def _source_partitions(names: Iterable[str]) -> int | None:
    """Kafka's reader has a metric for each partition that it was given; none of them: not known."""
    found = {match[1] for name in names if name.endswith(".currentOffset") and (match := _PARTITION.search(name))}
    return len(found) or None


def combined(plan: MetricPlan, answer: dict[str, Aggregate]) -> dict[str, Spread]:
    """The facts of the plan that were answered, in their units."""
    found: dict[str, tuple[Fact, list[Aggregate]]] = {}
    for name, fact in plan.wanted.items():
        metric = answer.get(name)
        if metric is not None:
            entry = found.get(fact.field)
            if entry is None:
                found[fact.field] = (fact, [metric])
            else:
                entry[1].append(metric)
    return {field: _scaled(fact, metrics) for field, (fact, metrics) in found.items()}


def _scaled(fact: Fact, metrics: list[Aggregate]) -> Spread:
    if len(metrics) == 1:
        return spread(metrics[0], fact.scale)
    result = fact.combine(metrics)
    if fact.scale == 1.0:
        return result
    return Spread(
        min=_times(result.min, fact.scale),
        max=_times(result.max, fact.scale),
        avg=_times(result.avg, fact.scale),
        sum=_times(result.sum, fact.scale),
        skew=result.skew,
    )


def _operator_fact(name: str, is_source: bool) -> Fact | None:
    """`name` is OPERATOR.METRIC; the operator's own name has no dots."""
    operator, dot, metric = name.partition(".")
    if not dot:
        return None
    if is_source and operator.startswith("Source_") and metric in SOURCE_METRICS:
        return SOURCE_METRICS[metric]
    if metric == "numRecordsInPerSecond" and operator.endswith(WRITERS):
        return WRITTEN
    if metric in OPERATOR_METRICS:
        return OPERATOR_METRICS[metric]
    if metric.startswith(_PREFIXES):
        return next(fact for prefix, fact in OPERATOR_PREFIXES.items() if metric.startswith(prefix))
    if not name.endswith(_ENDINGS):
        return None
    if ".split." in name:
        return next((fact for ending, fact in SPLIT_ENDINGS.items() if name.endswith(ending)), None)
    if "_timer_state/" in name and name.endswith("_estimate-num-keys"):  # timers, not keys
        return EVENT_TIMERS if "_timer_state/event_" in name else None
    return next((fact for ending, fact in OPERATOR_ENDINGS.items() if name.endswith(ending)), None)


def _marker_facts(names: list[str]) -> tuple[dict[str, Fact], int]:
    """Latency markers that end here, and of how many subtasks they are not asked; of one operator.

    ``latency.[source_id.S.][source_subtask_index.N.]operator_id.O.operator_subtask_index.N.latency_p99``
    """
    if not names:
        return {}, 0
    stems = sorted({stem for name in names for stem in _marker_stem(name)})
    operators = sorted({stem.partition(".operator_id.")[2].partition(".")[0] for stem in stems})
    of_one = [stem for stem in stems if f".operator_id.{operators[0]}." in stem]
    step = max(1, len(of_one) // MAX_MARKER_SUBTASKS)
    known = set(names)
    asked = of_one[::step][:MAX_MARKER_SUBTASKS]
    facts = {stem + ending: fact for stem in asked for ending, fact in MARKER_ENDINGS.items() if stem + ending in known}
    return facts, len(of_one) - len(asked)


def _marker_stem(name: str) -> tuple[str, ...]:
    return tuple(name[: -len(ending)] for ending in MARKER_ENDINGS if name.endswith(ending))


def _watermark_name(known: set[str], vertex_name: str) -> str | None:
    """The watermark that leaves the chain: that of its last operator, found by where its name stands in the vertex's.

    Metric names have _ for some characters of the operator's name, and at most 80 characters of it.
    """
    chain = _mangled(vertex_name)
    leaving = [name for name in known if name.endswith(f".{WATERMARK_OUT}") and name.count(".") == 1]
    if leaving:
        return max(leaving, key=lambda name: (chain.rfind(name.partition(".")[0][:80]), name))
    return WATERMARK_IN if WATERMARK_IN in known else None


def _mangled(name: str) -> str:
    return name.translate(_MANGLING)


_MANGLING = str.maketrans(dict.fromkeys(" .:,", "_"))


def queries_of(names: Iterable[str]) -> list[str]:
    """``get=`` values of a bounded length. A comma inside a name cannot be escaped for Flink and is left out."""
    queries: list[str] = []
    current = ""
    for name in names:
        if "," in name:
            continue
        escaped = quote(name, safe="/")
        if current and len(current) + len(escaped) + 1 > MAX_URL_CHARACTERS:
            queries.append(current)
            current = ""
        current = f"{current},{escaped}" if current else escaped
    if current:
        queries.append(current)
    return queries


def _numbers(values: Iterable[float | str | None]) -> list[float]:
    return [parsed for parsed in map(number, values) if parsed is not None]


def _times(value: float | str | None, scale: float) -> float | None:
    parsed = number(value)
    return None if parsed is None else parsed * scale


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
