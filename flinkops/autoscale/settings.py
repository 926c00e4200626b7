"""The settings of a decision, under the names that the operator's autoscaler has for them (`job.autoscaler.*`).

A job that carries such settings is judged by them. Where flinkops' own default differs from the operator's,
docs/autoscaling.md says why.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from flinkops.errors import UsageError, did_you_mean
from flinkops.model.option_names import AUTOSCALER
from flinkops.model.quantities import parse_duration

Alignment = Literal["balanced", "evenly-spread", "off"]
RateMethod = Literal["fit", "ends"]
BusyMethod = Literal["skewed", "max", "avg"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds, shares between 0 and 1."""

    metrics_window_seconds: float = 900.0
    stabilization_seconds: float = 300.0
    cool_down_seconds: float = 60.0
    utilization_target: float = 0.7
    utilization_boundary: float = 0.3
    utilization_max: float | None = None  # None: target + boundary
    utilization_min: float | None = None  # None: target - boundary
    scale_down_interval_seconds: float = 3600.0
    min_parallelism: int = 1
    max_parallelism: int = 200
    vertex_limits: dict[str, tuple[int, int]] = {}  # vertex id -> its own least and greatest parallelism
    max_scale_down_factor: float = 0.9
    max_scale_up_factor: float = 100_000.0
    catch_up_seconds: float = 1800.0
    restart_seconds: float = 300.0  # until a restart after a rescale of this job was measured
    track_restart: bool = True
    restart_limit_seconds: float = 900.0  # of what was measured
    backlog_lag_seconds: float = 300.0
    observe_lag_seconds: float = 30.0
    observed_switch_ratio: float = 0.15
    observed_min_samples: int = 2
    block_ineffective: bool = True
    effectiveness_ratio: float = 0.1
    gc_ratio: float = 0.5
    heap_ratio: float = 0.95
    exclude: tuple[str, ...] = ()
    alignment: Alignment = "balanced"
    rates: RateMethod = "fit"
    busy: BusyMethod = "skewed"
    settle_seconds: float = 120.0  # a load that rises may do so for so long, at most half a window, before a decision
    quota_slots: int | None = None
    stale_after_seconds: float = 60.0

    @property
    def upper_utilization(self) -> float:
        """Above it, in the measure of the target rate, a vertex is too small."""
        return (
            self.utilization_target + self.utilization_boundary
            if self.utilization_max is None
            else self.utilization_max
        )

    @property
    def lower_utilization(self) -> float:
        """Below it a vertex is too large."""
        return (
            self.utilization_target - self.utilization_boundary
            if self.utilization_min is None
            else self.utilization_min
        )


def operator_defaults() -> Settings:
    """As flink-autoscaler 1.10.0 decides when nothing is set."""
    return Settings(
        max_scale_down_factor=0.6,
        block_ineffective=False,
        gc_ratio=1.0,
        heap_ratio=1.0,
        alignment="evenly-spread",
        track_restart=False,
        rates="ends",
        busy="max",
        settle_seconds=0.0,
    )


def settings_of(
    configuration: Mapping[str, str], overrides: Mapping[str, str], base: Settings | None = None
) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a job: `base`, then its own `job.autoscaler.*`, then `overrides`; and what could not be read.

    An unreadable value in the job's configuration is left out and reported, since nobody is there to mend it; an
    unreadable or unknown override raises UsageError.
    """
    fields: dict[str, Any] = {}
    unread: list[str] = []
    for key, value in configuration.items():
        option = OPTIONS.get(key.removeprefix(AUTOSCALER)) if key.startswith(AUTOSCALER) else None
        if option is None:
            continue
        try:
            fields[option[0]] = option[1](value)
        except ValueError as problem:
            unread.append(f"{key}: {problem}")
    for key, value in overrides.items():
        name, parse = _option(key)
        try:
            fields[name] = parse(value)
        except ValueError as problem:
            raise UsageError(f"{key}={value}: {problem}") from None
    found = msgspec.structs.replace(base or Settings(), **fields)
    _check(found)
    return found, tuple(unread)


def refuse_unreadable(given: Mapping[str, str]) -> None:
    """Raises UsageError for a value of an operator's option that its autoscaler could not read either.

    Those that it has and flinkops has not are let pass, and so are the ways to align, of which it has more.
    """
    known = {key: value for key, value in given.items() if key.removeprefix(AUTOSCALER) in OPTIONS.keys() - _ALIGNMENTS}
    settings_of({}, known)


def _option(key: str) -> tuple[str, Callable[[str], Any]]:
    short = key.removeprefix(AUTOSCALER)
    option = OPTIONS.get(short)
    if option is None:
        known = f"known: {', '.join(sorted(OPTIONS))}"
        raise UsageError(f'unknown setting "{key}"', next_step=did_you_mean(short, OPTIONS, known))
    return option


def _check(settings: Settings) -> None:
    if not 0 < settings.utilization_target <= 1:
        raise UsageError(f"utilization.target {settings.utilization_target:g} is not above 0 and at most 1")
    if (
        settings.lower_utilization > settings.utilization_target
        or settings.upper_utilization < settings.utilization_target
    ):
        raise UsageError("utilization.min, utilization.target and utilization.max have to rise in this order")
    if not 1 <= settings.min_parallelism <= settings.max_parallelism:
        raise UsageError("vertex.min-parallelism has to be at least 1 and at most vertex.max-parallelism")


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text} is negative or no number")
    return number


def _count(text: str) -> int:
    if not text.strip().isdigit():
        raise ValueError(f"{text} is no whole number")
    return int(text)


def _switch(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise ValueError(f"{text} is neither true nor false")
    return text.strip().lower() == "true"


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace(",", ";").split(";") if part.strip())


def _alignment(text: str) -> Alignment:
    modes: dict[str, Alignment] = {"balanced": "balanced", "evenly-spread": "evenly-spread", "off": "off"}
    mode = modes.get(text.strip().lower().replace("_", "-"))
    if mode is None:
        raise ValueError(f"{text} is none of {', '.join(modes)}")
    return mode


def _busy(text: str) -> BusyMethod:
    modes: dict[str, BusyMethod] = {"skewed": "skewed", "max": "max", "avg": "avg"}
    mode = modes.get(text.strip().lower())
    if mode is None:
        raise ValueError(f"{text} is none of {', '.join(modes)}")
    return mode


def _limits(text: str) -> dict[str, tuple[int, int]]:
    """`ID:LEAST-GREATEST,...`."""
    limits = {}
    for part in _list(text):
        vertex, _, bounds = part.partition(":")
        least, _, greatest = bounds.partition("-")
        limits[vertex] = (_count(least), _count(greatest))
        if not 1 <= limits[vertex][0] <= limits[vertex][1]:
            raise ValueError(f"{part}: the least has to be at least 1 and at most the greatest")
    return limits


_ALIGNMENTS = frozenset({"scaling.parallelism-alignment.mode", "scaling.key-group.partitions.adjust.mode"})
OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "metrics.window": ("metrics_window_seconds", parse_duration),
    "stabilization.interval": ("stabilization_seconds", parse_duration),
    "cool-down": ("cool_down_seconds", parse_duration),
    "utilization.target": ("utilization_target", _number),
    "target.utilization": ("utilization_target", _number),
    "target.utilization.boundary": ("utilization_boundary", _number),
    "utilization.max": ("utilization_max", _number),
    "utilization.min": ("utilization_min", _number),
    "scale-down.interval": ("scale_down_interval_seconds", parse_duration),
    "scale-up.grace-period": ("scale_down_interval_seconds", parse_duration),
    "vertex.min-parallelism": ("min_parallelism", _count),
    "vertex.max-parallelism": ("max_parallelism", _count),
    "vertex.limits": ("vertex_limits", _limits),
    "vertex.exclude.ids": ("exclude", _list),
    "scale-down.max-factor": ("max_scale_down_factor", _number),
    "scale-up.max-factor": ("max_scale_up_factor", _number),
    "catch-up.duration": ("catch_up_seconds", parse_duration),
    "restart.time": ("restart_seconds", parse_duration),
    "restart.time-tracking.enabled": ("track_restart", _switch),
    "restart.time-tracking.limit": ("restart_limit_seconds", parse_duration),
    "backlog-processing.lag-threshold": ("backlog_lag_seconds", parse_duration),
    "observed-true-processing-rate.lag-threshold": ("observe_lag_seconds", parse_duration),
    "observed-true-processing-rate.switch-threshold": ("observed_switch_ratio", _number),
    "observed-true-processing-rate.min-observations": ("observed_min_samples", _count),
    "scaling.effectiveness.detection.enabled": ("block_ineffective", _switch),
    "scaling.effectiveness.threshold": ("effectiveness_ratio", _number),
    "memory.gc-pressure.threshold": ("gc_ratio", _number),
    "memory.heap-usage.threshold": ("heap_ratio", _number),
    "metrics.busy-time.aggregator": ("busy", _busy),
    "scaling.parallelism-alignment.mode": ("alignment", _alignment),
    "scaling.key-group.partitions.adjust.mode": ("alignment", _alignment),
    "settle": ("settle_seconds", parse_duration),
    "quota.slots": ("quota_slots", _count),
}
"""Key after `job.autoscaler.` -> field and parser.

`cool-down`, `settle`, `vertex.limits` and `quota.slots` are flinkops' own."""
