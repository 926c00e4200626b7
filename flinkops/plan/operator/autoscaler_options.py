"""The options of the operator's autoscaler by its version: one that it does not know is ignored without a word. Pure.

Source: apache/flink-kubernetes-operator, ``AutoScalerOptions`` of the releases 1.7 to 1.15 and of main (1.16).
"""

from collections.abc import Mapping
from typing import NamedTuple

from flinkops.errors import UsageError, did_you_mean
from flinkops.model.operator_bugs import version_numbers
from flinkops.model.option_names import AUTOSCALER

_OLDEST = 7


class AutoscalerOption(NamedTuple):
    """One option, by the minor version of the operator (1.x) that it came with."""

    name: str  # after AUTOSCALER
    default: str | None
    since: int = _OLDEST
    before: str | None = None  # its name until then, which later versions still read


_OPTIONS = (
    AutoscalerOption("backlog-processing.lag-threshold", "5 min"),
    AutoscalerOption("catch-up.duration", "30 min"),
    AutoscalerOption("enabled", "false"),
    AutoscalerOption("excluded.periods", None, 8),
    AutoscalerOption("flink.rest-client.timeout", "10 s"),
    AutoscalerOption("history.max.age", "24 h"),
    AutoscalerOption("history.max.count", "3"),
    AutoscalerOption("memory.gc-pressure.threshold", "1.0", 8),
    AutoscalerOption("memory.heap-usage.threshold", "1.0", 8),
    AutoscalerOption("memory.tuning.enabled", "false", 8),
    AutoscalerOption("memory.tuning.maximize-managed-memory", "false", 8),
    AutoscalerOption("memory.tuning.overhead", "0.2", 8),
    AutoscalerOption("memory.tuning.scale-down-compensation.enabled", "true", 8),
    AutoscalerOption("metrics.busy-time.aggregator", "MAX"),
    AutoscalerOption("metrics.custom-evaluators", None, 16),
    AutoscalerOption("metrics.window", "15 min"),
    AutoscalerOption("observed-scalability.coefficient-min", "0.5", 12),
    AutoscalerOption("observed-scalability.enabled", "false", 12),
    AutoscalerOption("observed-scalability.min-observations", "3", 12),
    AutoscalerOption("observed-true-processing-rate.lag-threshold", "30 s"),
    AutoscalerOption("observed-true-processing-rate.min-observations", "2"),
    AutoscalerOption("observed-true-processing-rate.switch-threshold", "0.15"),
    AutoscalerOption("quota.cpu", None, 9),
    AutoscalerOption("quota.memory", None, 9),
    AutoscalerOption("restart.time", "5 min"),
    AutoscalerOption("restart.time-tracking.enabled", "false", 8),
    AutoscalerOption("restart.time-tracking.limit", "15 min", 8),
    AutoscalerOption("scale-down.interval", "1 h", 10, "scale-up.grace-period"),
    AutoscalerOption("scale-down.max-factor", "0.6"),
    AutoscalerOption("scale-up.max-factor", "100000.0"),
    AutoscalerOption("scaling.custom-executors", None, 16),
    AutoscalerOption("scaling.effectiveness.detection.enabled", "false"),
    AutoscalerOption("scaling.effectiveness.threshold", "0.1"),
    AutoscalerOption("scaling.enabled", "true"),
    AutoscalerOption("scaling.event.interval", "30 min"),
    AutoscalerOption("scaling.key-group.partitions.adjust.mode", "EVENLY_SPREAD", 11),
    AutoscalerOption("scaling.parallelism-alignment.mode", "BALANCED", 16),
    AutoscalerOption("stabilization.interval", "5 min"),
    AutoscalerOption("target.utilization.boundary", "0.3"),
    AutoscalerOption("utilization.max", None, 11),
    AutoscalerOption("utilization.min", None, 11),
    AutoscalerOption("utilization.target", "0.7", 11, "target.utilization"),
    AutoscalerOption("vertex.exclude.ids", None),
    AutoscalerOption("vertex.max-parallelism", "200"),
    AutoscalerOption("vertex.min-parallelism", "1"),
)
_BY_NAME = {name: one for one in _OPTIONS for name in (one.name, one.before) if name}
_FAMILIES = ("metrics.custom-evaluator.", "scaling.custom-executor.", "scaling.parallelism-alignment.mode.")
_FAMILIES_SINCE = 16


class NamedFor(NamedTuple):
    """Settings under the names that one version reads, with AUTOSCALER; and what is not known of it."""

    settings: dict[str, str]
    doubts: tuple[str, ...] = ()


def named_for(given: Mapping[str, str], version: str | None) -> NamedFor:
    """`given` by the names, with or without AUTOSCALER, of any version; `version` is the operator's, None: not known.

    An option that was renamed is given the name that this version reads. Raises UsageError for one that it has not.
    """
    minor = _minor(version)
    settings: dict[str, str] = {}
    doubts: list[str] = []
    for key, value in given.items():
        short = key.removeprefix(AUTOSCALER)
        name, since = _name_and_since(short, minor)
        if minor is not None and since > minor:
            raise UsageError(
                f"the autoscaler of operator {version} has no {short}: it came with 1.{since}",
                next_step=f"it has: {', '.join(known_to(minor))}",
            )
        if minor is None and since > _OLDEST:
            doubts.append(f"{short} came with operator 1.{since}, and which version runs here is not known")
        if settings.setdefault(AUTOSCALER + name, value) != value:
            raise UsageError(f"{short} is given twice, under two names: {settings[AUTOSCALER + name]} and {value}")
    return NamedFor(settings, tuple(doubts))


def default_of(name: str, version: str | None) -> str | None:
    """What an option is when it is not set, in this version; None where it has no value or the version no such option.

    >>> default_of("scaling.parallelism-alignment.mode", "1.16.0"), default_of("target.utilization", "1.7.0")
    ('BALANCED', '0.7')
    """
    option, minor = _BY_NAME.get(name), _minor(version)
    if option is None or (minor is not None and minor < option.since and name == option.name):
        return None
    return option.default


def known_to(minor: int) -> tuple[str, ...]:
    """The names of all options of operator 1.`minor`."""
    return tuple(sorted(one.name if minor >= one.since else str(one.before) for one in _OPTIONS if _has(one, minor)))


def _has(option: AutoscalerOption, minor: int) -> bool:
    return minor >= option.since or option.before is not None


def _name_and_since(short: str, minor: int | None) -> tuple[str, int]:
    """The name to write, and the version that it came with. A name of before is read by all."""
    if short.startswith(_FAMILIES):
        return short, _FAMILIES_SINCE
    option = _BY_NAME.get(short)
    if option is None:
        raise UsageError(
            f"the operator's autoscaler has no option {short}",
            next_step=did_you_mean(short, _BY_NAME, f"it has: {', '.join(sorted(_BY_NAME))}"),
        )
    if option.before is not None and (minor is None or minor < option.since):
        return option.before, _OLDEST
    return option.name, option.since


def _minor(version: str | None) -> int | None:
    numbers = version_numbers(version)
    if len(numbers) < 2:
        return None
    return numbers[1] if numbers[0] == 1 else 10**6  # newer than all that is known
