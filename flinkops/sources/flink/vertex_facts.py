"""The answers about one vertex as VertexFacts."""

from collections.abc import Mapping
from typing import Any

from flinkops.model.facts import Spread, VertexFacts
from flinkops.sources.flink import wire
from flinkops.sources.flink.metric_plan import MEASURED_FACTS
from flinkops.sources.flink.plan_facts import NOT_TOLD, EventTimeUse
from flinkops.sources.flink.wire import Aggregate, number

_SINGLE_VALUES = {"marker_p50_seconds", "marker_p99_seconds"}
_NOTHING = Spread()
_UNDEFINED_SECONDS = -0.001
_EARLIEST_MS, _LATEST_MS = -(2**62), 2**62
"""Between them lies every watermark that is a time; Long.MIN and Long.MAX lie outside, also as rounded doubles."""


def vertex_facts(
    vertex: wire.JobVertex,
    upstream: tuple[str, ...],
    spreads: Mapping[str, Spread],
    watermark: "Watermark | None",
    *,
    input_ships: tuple[str, ...] = (),
    source_partitions: int | None = None,
    event_time: EventTimeUse = NOT_TOLD,
    markers_left_out: int = 0,
) -> VertexFacts:
    """Puts it all together. A fact without a metric stays None."""
    fields: dict[str, Any] = {field: spread for field, spread in spreads.items() if spread != _NOTHING}
    measured = {field: fields.pop(field) for field in MEASURED_FACTS & fields.keys()}
    legacy = spreads.get("busy_ratio") == _NOTHING
    fields |= _event_time(fields, watermark, event_time, legacy=legacy and not upstream)
    fields |= _committed(fields)
    fields |= _exchanged(vertex.metrics, _read_by_source(fields, legacy=legacy))
    for field in _SINGLE_VALUES & fields.keys():
        fields[field] = fields[field].max
    return VertexFacts(
        id=vertex.id,
        name=vertex.name,
        parallelism=max(0, vertex.parallelism),
        max_parallelism=vertex.max_parallelism if vertex.max_parallelism and vertex.max_parallelism > 0 else None,
        status=vertex.status,
        upstream=upstream,
        input_ships=input_ships,
        source_partitions=source_partitions,
        markers_left_out=markers_left_out,
        started_ms=vertex.start_time if vertex.start_time > 0 else None,
        measured=measured,
        **fields,
    )


class Watermark:
    """The watermarks of a vertex's subtasks: Long.MIN (none yet) and Long.MAX (ended) are states, not times."""

    __slots__ = ("finished", "none_yet", "spread")

    def __init__(self, lowest: float | None, highest: float | None) -> None:
        self.none_yet = lowest is not None and lowest <= _EARLIEST_MS
        self.finished = lowest is not None and lowest >= _LATEST_MS
        self.spread = _watermark_spread(lowest, highest)

    @property
    def mixed(self) -> bool:
        """Some subtasks have a watermark and some have none yet: the aggregate hides the lowest real one."""
        return self.none_yet and self.spread is not None

    @classmethod
    def of(cls, metric: Aggregate) -> "Watermark":
        """As the aggregated endpoint gives it."""
        return cls(number(metric.min), number(metric.max))

    def refined(self, values: list[float]) -> "Watermark":
        """With the real times of the single subtasks in place of the aggregate."""
        times = [value for value in values if _EARLIEST_MS < value < _LATEST_MS]
        if not times:
            return self
        better = Watermark(min(times), max(times))
        better.none_yet = self.none_yet
        return better


def _watermark_spread(lowest: float | None, highest: float | None) -> Spread | None:
    low = None if lowest is None or not _EARLIEST_MS < lowest < _LATEST_MS else lowest
    high = None if highest is None or not _EARLIEST_MS < highest < _LATEST_MS else highest
    return None if low is None and high is None else Spread(min=low, max=high)


def _exchanged(io: wire.IoMetrics, read_by_source: int | None) -> dict[str, Any]:
    """Records and bytes in and out, and how the subtasks spent their time; None where not all of them have reported."""
    complete_in, complete_out = io.read_records_complete, io.write_records_complete
    records_in = io.read_records if complete_in else None
    return {
        "records_in": read_by_source if not records_in and read_by_source is not None else records_in,
        "records_out": io.write_records if complete_out else None,
        "bytes_in": io.read_bytes if complete_in else None,
        "bytes_out": io.write_bytes if complete_out else None,
        "accumulated_busy_ms": number(io.accumulated_busy_time) if complete_in else None,
        "accumulated_backpressured_ms": number(io.accumulated_backpressured_time) if complete_in else None,
        "accumulated_idle_ms": number(io.accumulated_idle_time) if complete_in else None,
    }


def _event_time(
    fields: dict[str, Any], watermark: Watermark | None, use: EventTimeUse, *, legacy: bool
) -> dict[str, Any]:
    """Where the vertex stands in event time, and whether it needs it. Takes the timers out of `fields`."""
    timers = fields.pop("event_timers", None)
    waits = timers is not None and (timers.sum or 0.0) > 0
    return {
        "source_is_timed": _timed(fields, legacy=legacy),
        "source_is_legacy": legacy,
        "needs_event_time": True if waits else use.needs,
        "makes_watermarks": use.makes,
        "window_seconds": use.window_seconds,
        "watermark_ms": watermark.spread if watermark else None,
        "watermark_none_yet": watermark.none_yet if watermark else False,
        "watermark_finished": watermark.finished if watermark else False,
    }


def _committed(fields: dict[str, Any]) -> dict[str, Any]:
    """What a committer has done. Takes its metrics out of `fields`."""
    commits, failed, age = (fields.pop(field, None) for field in ("commits", "commit_failed", "commit_age_seconds"))
    if age is None:  # any committer counts; only Iceberg's says when the last commit was
        commits = failed = None
    return {
        "commit_age_seconds": _commit_age(age),
        "commit_failed": _integer(failed.sum) if failed else None,
        "commits": _integer(commits.sum) if commits else None,
    }


def _read_by_source(fields: dict[str, Any], *, legacy: bool) -> int | None:
    """How many records a source operator has read; None for other vertices. Takes its own metrics out of `fields`.

    A legacy source (SourceFunction; its busy time is NaN) counts only what it emits, which is what it read; so does one
    that generates its records: it counts none that it reads.
    """
    read, emitted, rate = (fields.pop(field, None) for field in ("records_in", "emitted", "emitted_per_second"))
    generates = read is not None and not read.sum and emitted is not None and bool(emitted.sum)
    if emitted is not None and (legacy or generates):
        if rate is not None:
            fields["records_in_per_second"] = rate
        return _integer(emitted.sum)
    return None if read is None else _integer(read.sum)


def _timed(fields: dict[str, Any], *, legacy: bool) -> bool | None:
    """Whether the records of a source carry a time or wait in something that can be counted; None: not known.

    Flink's ``currentEmitEventTimeLag`` is -1 where records have no timestamp (InternalSourceReaderMetricGroup,
    UNDEFINED); a source of the old API (SourceFunction) has neither that metric nor ``pendingRecords``.
    """
    lag = fields.get("source_emit_lag_seconds")
    if (
        lag is not None
        and lag.max is not None
        and lag.max < 0
        and lag.min is not None
        and lag.min >= _UNDEFINED_SECONDS
    ):
        fields.pop("source_emit_lag_seconds")
        return None if "pending_records" in fields else False
    if lag is not None or "pending_records" in fields:
        return True
    return False if legacy else None


def _commit_age(age: Spread | None) -> float | None:
    """The newest commit of any committer; Iceberg says a negative or absurd age before its first one."""
    if age is None or age.min is None or age.min < 0:
        return None
    return age.min


def _integer(value: float | None) -> int | None:
    return None if value is None else round(value)
