"""What the Flink operator's validation says of the autoscaler's settings, where that is on. Pure.

Source: ``AutoscalerValidator`` and ``CalendarUtils`` of operator 1.7 to 1.16; it says nothing while the autoscaler is
off. A setting that is neither in the spec nor known to be a default of the operator's is taken as not set: what it
stands at was accepted before.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from flinkops.model.option_names import AUTOSCALER, OPERATOR
from flinkops.plan.operator.configuration import (
    AUTOSCALER_ON,
    Option,
    Settings,
    Unparsable,
    parse_double,
)
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.worlds import World

_TARGET_BY_DEFAULT = 0.7
_WINDOW_SECONDS, _RECONCILE_SECONDS = 15 * 60.0, 60.0
_RECONCILE_INTERVAL = Option(f"{OPERATOR}reconcile.interval")


class _Number(NamedTuple):
    """A number within bounds; ``switch``: from operator 1.16 on looked at only while this is on."""

    name: str
    least: float = 0.0
    most: float | None = None
    since: int = 7
    switch: str | None = None


_NUMBERS = (
    _Number("memory.gc-pressure.threshold", most=1.0, since=16),
    _Number("memory.heap-usage.threshold", most=1.0, since=16),
    _Number("observed-scalability.coefficient-min", 0.01, 1.0, since=12, switch="observed-scalability.enabled"),
    _Number("scaling.effectiveness.threshold", 0.0, 1.0, since=16, switch="scaling.effectiveness.detection.enabled"),
    _Number("memory.tuning.overhead", 0.0, 1.0, since=16, switch="memory.tuning.enabled"),
)


def autoscaler(view: View, _: Spec, settings: Settings) -> Iterator[str]:
    """The first thing that it refuses. Raises Unparsable where it throws."""
    world = view.world
    if not settings.of_spec.keys() & set(AUTOSCALER_ON.keys) and settings.defaults is None:
        return
    if not settings.switch(AUTOSCALER_ON, world, default=False):
        return
    for number in (*_utilization(view, settings), *_NUMBERS):
        if view.rules.minor < number.since:
            continue
        watched = number.switch is None or view.rules.minor < 16
        if watched or settings.switch(_option(number.switch or ""), world, default=False):
            yield from _number(settings, world, number)
    if view.rules.minor >= 8:
        yield from _excluded(settings, world)
    if view.rules.minor >= 16:
        yield from _window(settings, world)


def _option(name: str) -> Option:
    older: tuple[str, ...] = (f"{OPERATOR}{AUTOSCALER}{name}",)
    if name == "utilization.target":
        was = f"{AUTOSCALER}target.utilization"
        older = (*older, f"{OPERATOR}{was}", was)
    return Option(f"{AUTOSCALER}{name}", older)


def _utilization(view: View, settings: Settings) -> tuple[_Number, ...]:
    """The first ones, in the operator's order; the target is an end of two ranges. Raises Unparsable for that alone."""
    factors = _Number("scale-down.max-factor"), _Number("scale-up.max-factor")
    boundary = _Number("target.utilization.boundary")
    if view.rules.minor < 11:
        return (*factors, _Number("target.utilization"), boundary)
    target = settings.typed(_option("utilization.target"), view.world, parse_double, (None,))
    middle = _TARGET_BY_DEFAULT if target is None else target
    return (
        *factors,
        _Number("utilization.target", 0.0, 1.0),
        boundary,
        _Number("utilization.max", middle, 1.0),
        _Number("utilization.min", 0.0, middle),
    )


def _number(settings: Settings, world: World, number: _Number) -> Iterator[str]:
    option = _option(number.name)
    try:
        value = settings.typed(option, world, parse_double, (None,))
    except Unparsable:
        yield f"Invalid value in the autoscaler config {option.key}"
        return
    if value is not None and (value < number.least or (number.most is not None and value > number.most)):
        most = "+Infinity" if number.most is None else number.most
        yield (
            f"The AutoScalerOption {option.key} is invalid, it should be a value within the range"
            f" [{number.least}, {most}]"
        )


def _window(settings: Settings, world: World) -> Iterator[str]:
    window = _seconds(settings, _option("metrics.window"), world, _WINDOW_SECONDS)
    interval = _seconds(settings, _RECONCILE_INTERVAL, world, _RECONCILE_SECONDS)
    if window < interval:
        yield (
            f"The autoscaler metric window ({AUTOSCALER}metrics.window={window:g} s) must not be smaller than the"
            f" operator reconcile interval ({_RECONCILE_INTERVAL.key}={interval:g} s)"
        )


def _seconds(settings: Settings, option: Option, world: World, default: float) -> float:
    known = settings.defaults is not None or settings.of_spec.keys() & set(option.keys)
    found = settings.duration(option, world) if known else None
    return default if found is None else found


def _excluded(settings: Settings, world: World) -> Iterator[str]:
    """Lists in YAML's form are not read here; of those nothing is said."""
    option = _option("excluded.periods")
    text = settings.raw(option, world, (None,)) or ""
    for period in [] if text.strip().startswith("[") else text.split(";"):
        parts = [part.strip() for part in period.split("&&")]
        if not period.strip():
            continue
        daily, cron = [is_daily(part) for part in parts], [is_cron(part) for part in parts]
        shown = f"Invalid value {period.strip()} in the autoscaler config {option.key}"
        if len(parts) > 2:
            yield shown
        elif not all(is_daily(part) or is_cron(part) for part in parts):
            yield f"{shown}, the value is neither a valid daily expression nor a valid cron expression"
        elif len(parts) == 2 and not (any(daily) and any(cron)):
            yield (
                f"{shown}, the value can not be configured as dailyExpression && dailyExpression or"
                " cronExpression && cronExpression"
            )


def is_daily(text: str) -> bool:
    """``DailyCalendar`` of Quartz: "9:30:30-10:50:20", hours and minutes at least, the start before the end."""
    ends = text.split("-")
    times = [[part.strip() for part in end.split(":")] for end in ends]
    if len(ends) != 2 or not all(2 <= len(time) <= 4 and all(map(str.isdecimal, time)) for time in times):
        return False
    limits = (24, 60, 60, 1000)
    numbers = [[int(part) for part in time] + [0] * (4 - len(time)) for time in times]
    inside = all(part < limit for time in numbers for part, limit in zip(time, limits, strict=True))
    return inside and numbers[0] < numbers[1]


_CRON_FIELD = re.compile(r"[0-9A-Z*?,/\-#]+")


def is_cron(text: str) -> bool:
    """The form of a ``CronExpression`` of Quartz: six or seven fields, one of the two days "?"."""
    fields = text.upper().split()[:7]
    if len(fields) < 6 or not all(map(_CRON_FIELD.fullmatch, fields)):
        return False
    return ("?" in fields[3]) != ("?" in fields[5])
