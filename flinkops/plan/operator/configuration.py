"""The settings that the Flink operator goes by: those of the spec over its own defaults, read as Flink does. Pure.

Source: ``FlinkConfigManager`` of apache/flink-kubernetes-operator 1.7 to 1.16, and Flink's ``Configuration``.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from flinkops.model import overrides
from flinkops.model.option_names import AUTOSCALER_ENABLED, CHECKPOINT_DIRECTORY, OPERATOR, SAVEPOINT_DIRECTORY
from flinkops.plan.operator.map_option import read_map
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.worlds import Fact, FactKind, World

T = TypeVar("T")


class Unparsable(ValueError):
    """The operator throws when it reads this setting."""


class Option(NamedTuple):
    """A setting: its key, and older keys that count where it is absent."""

    key: str
    older: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """In the order in which they are asked."""
        return (self.key, *self.older)


HA_TYPE = Option("high-availability.type", ("high-availability", "recovery.mode"))
SCHEDULER = Option("jobmanager.scheduler")
SCHEDULER_MODE = Option("scheduler-mode")
OVERRIDES = Option(overrides.OVERRIDES)
IN_PLACE = Option(f"{OPERATOR}job.upgrade.inplace-scaling.enabled")
IGNORE_PENDING = Option(f"{OPERATOR}job.upgrade.ignore-pending-savepoint")
FALLBACK = Option(f"{OPERATOR}job.upgrade.last-state-fallback.enabled")
CANCEL = Option(f"{OPERATOR}job.upgrade.last-state.job-cancel.enabled")
MAX_AGE = Option(f"{OPERATOR}job.upgrade.last-state.max.allowed.checkpoint.age")
ROLLBACK = Option(f"{OPERATOR}deployment.rollback.enabled")
HEALTH_CHECK = Option(f"{OPERATOR}cluster.health-check.enabled")
RECOVERY = Option(
    f"{OPERATOR}jm-deployment-recovery.enabled", (f"{OPERATOR}reconciler.jm-deployment-recovery.enabled",)
)
PERIODIC_SAVEPOINTS = Option(f"{OPERATOR}periodic.savepoint.interval")
ALLOWED_SCHEMES = Option(f"{OPERATOR}user.artifacts.allowed-schemes")
RESTRICTED_HOSTS = Option(f"{OPERATOR}user.artifacts.disallow-restricted-hosts")
AUTOSCALER_ON = Option(AUTOSCALER_ENABLED, (f"{OPERATOR}{AUTOSCALER_ENABLED}",))


_OF_A_CLUSTER = (
    *HA_TYPE.keys,
    SCHEDULER.key,
    SCHEDULER_MODE.key,
    OVERRIDES.key,
    *SAVEPOINT_DIRECTORY,
    *CHECKPOINT_DIRECTORY,
)


def of_running_cluster(settings: Mapping[str, str]) -> dict[str, str]:
    """Those that tell of the operator's defaults, of all that a cluster runs with: the operator itself sets others.

    >>> of_running_cluster({"high-availability.type": "kubernetes", "high-availability.cluster-id": "count"})
    {'high-availability.type': 'kubernetes'}
    """
    return {key: settings[key] for key in _OF_A_CLUSTER if key in settings}


def savepoint_option(rules: Rules) -> Option:
    """Where savepoints go. Operators before 1.11 know only the key of Flink 1.x."""
    return _directory(SAVEPOINT_DIRECTORY, rules)


def checkpoint_option(rules: Rules) -> Option:
    """Where checkpoints go, likewise."""
    return _directory(CHECKPOINT_DIRECTORY, rules)


def _directory(names: tuple[str, str], rules: Rules) -> Option:
    new, old = names
    return Option(new, (old,)) if rules.new_directory_keys else Option(old)


class Settings(NamedTuple):
    """Settings of a spec over the operator's defaults. ``defaults`` None: these are not known, so asking is a Fact.

    ``running`` are those that the cluster was deployed with, where they were read from it: what it has and the spec
    that it was deployed from does not comes from the defaults.
    """

    of_spec: Mapping[str, str]
    defaults: Mapping[str, str] | None
    running: Mapping[str, str] | None = None
    of_running: Mapping[str, str] = {}

    def raw(self, option: Option, world: World, likely: tuple[str | None, ...]) -> str | None:
        """Its text; None where it is not set. `likely` are the values that it may have, where it is not known."""
        for key in option.keys:
            found = self._at(key, world, likely if key == option.key else (None,))
            if found is not None:
                return found
        return None

    def _at(self, key: str, world: World, likely: tuple[str | None, ...]) -> str | None:
        if key in self.of_spec:
            return self.of_spec[key]
        if self.defaults is not None:
            return self.defaults.get(key)
        if self.running is not None and key in _OF_A_CLUSTER and key not in self.of_running:
            return self.running.get(key)
        return world.ask(Fact(FactKind.OPERATOR_DEFAULT, key), likely)

    def overlaid(self, more: Mapping[str, str]) -> "Settings":
        """With these over those of the spec."""
        return self._replace(of_spec={**self.of_spec, **more})

    def typed(self, option: Option, world: World, read: Callable[[str], T], likely: tuple[str | None, ...]) -> T | None:
        """Raises Unparsable as the operator does, naming the key."""
        text = self.raw(option, world, likely)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError:
            raise Unparsable(f"Could not parse value '{text}' for key '{option.key}'.") from None

    def switch(self, option: Option, world: World, *, default: bool) -> bool:
        """A boolean: "true" and "false" in any case; all else is an error of the operator's. Raises Unparsable."""
        found = self.typed(option, world, _boolean, (None, str(not default).lower()))
        return default if found is None else found

    def duration(self, option: Option, world: World) -> float | None:
        """In seconds. Raises Unparsable."""
        return self.typed(option, world, parse_duration, (None, "10 min"))

    def word(self, option: Option, world: World, allowed: frozenset[str], likely: tuple[str | None, ...]) -> str | None:
        """One of `allowed`, in lower case. Raises Unparsable."""

        def read(text: str) -> str:
            if text.lower() not in allowed:
                raise ValueError(text)
            return text.lower()

        return self.typed(option, world, read, likely)

    def overrides(self, world: World, rules: Rules) -> dict[str, str | None]:
        """The parallelism of vertices by id: under the key itself, or one by one below it. Raises Unparsable."""
        below = f"{OVERRIDES.key}."
        found = self.typed(OVERRIDES, world, lambda text: read_map(text, yaml=rules.yaml_maps), (None,))
        if found is not None:
            return found
        flat = {**(self.defaults or {}), **self.of_spec}
        return {key.removeprefix(below): value for key, value in flat.items() if key.startswith(below)}

    def has_directory(self, option: Option, world: World) -> bool:
        """Whether it is set to more than white space."""
        found = self.raw(option, world, (None, "somewhere"))
        return found is not None and bool(found.strip())

    def ha_on(self, world: World) -> bool:
        """Whether high availability is on, under its new or old key."""
        found = self.raw(HA_TYPE, world, (None, "kubernetes"))
        return found is not None and found.upper() not in ("NONE", "STANDALONE")


def _boolean(text: str) -> bool:
    if text.upper() not in ("TRUE", "FALSE"):
        raise ValueError(text)
    return text.upper() == "TRUE"


def parse_duration(text: str) -> float:
    """Seconds of a duration as Flink writes it: "10 min", "600000" (milliseconds). Raises ValueError; ISO is none.

    >>> parse_duration("10 min"), parse_duration("500")
    (600.0, 0.5)
    """
    match = _DURATION.fullmatch(text.strip().lower())
    factor = _UNITS.get(match[2] or "ms") if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is no duration of Flink's")
    return int(match[1]) * factor


def parse_double(text: str) -> float:
    """``Double.parseDouble``, but for hexadecimal digits. Raises ValueError.

    >>> parse_double(" 0.5f"), parse_double("1e-3")
    (0.5, 0.001)
    """
    return float(re.sub(r"(?<=[\d.])[dDfF]$", "", text.strip().replace("_", "?")))


def duration_seconds(text: str | None) -> float | None:
    """As :func:`parse_duration`; None where it is none.

    >>> duration_seconds("10 min"), duration_seconds("PT1M30S"), duration_seconds(None)
    (600.0, None, None)
    """
    try:
        return None if text is None else parse_duration(text)
    except ValueError:
        return None


_DURATION = re.compile(r"(\d+)\s*([a-zµ]*)")
_UNITS = {
    name: factor
    for names, factor in (
        (("d", "day", "days"), 86400.0),
        (("h", "hour", "hours"), 3600.0),
        (("m", "min", "minute", "minutes"), 60.0),
        (("s", "sec", "secs", "second", "seconds"), 1.0),
        (("ms", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
        (("us", "µs", "micro", "micros", "microsecond", "microseconds"), 1e-6),
        (("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    )
    for name in names
}

_NAMESPACE = f"{OPERATOR}default-configuration.namespace."
_VERSION = f"{OPERATOR}default-configuration.flink-version."


def operator_defaults(own: Mapping[str, str], namespace: str, flink_version: str | None) -> dict[str, str]:
    """The operator's own configuration as it counts for one resource.

    >>> own = {"a": "1", f"{_VERSION}v1_18+.a": "2", f"{_NAMESPACE}prod.b": "3"}
    >>> found = operator_defaults(own, "prod", "v1_20")
    >>> found["a"], found["b"]
    ('2', '3')
    """
    prefixes = [f"{_NAMESPACE}{namespace}."]
    numbers = _flink_numbers(flink_version)
    if numbers is not None:
        later = {
            since: match[0]
            for key in own
            if (match := _FROM_VERSION.match(key)) and (since := _flink_numbers(match[1])) and since <= numbers
        }
        prefixes += [later[one] for one in sorted(later)] + [f"{_VERSION}{flink_version}."]
    found = dict(own)
    for prefix in prefixes:
        found.update({key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)})
    return found


_FROM_VERSION = re.compile(re.escape(_VERSION) + r"(v\d+_\d+)\+\.")


def _flink_numbers(version: object) -> tuple[int, int] | None:
    match = re.fullmatch(r"v(\d+)_(\d+)", version) if isinstance(version, str) else None
    return (int(match[1]), int(match[2])) if match else None


def flink_at_least(version: object, major: int, minor: int) -> bool:
    """Whether ``flinkVersion`` is this one or newer."""
    numbers = _flink_numbers(version)
    return numbers is not None and numbers >= (major, minor)
