"""The operator's autoscaler keeps its state in a ConfigMap, `autoscaler-NAME`: read here, of operators 1.7 to 1.16.

`scalingHistory`, `scalingTracking` and `collectedMetrics` are base64(gzip(YAML)); `delayedScaleDown` and
`configOverrides` are YAML; `parallelismOverrides` is `k:v,...` with or without braces. It is outside text: sizes are
bounded, and what cannot be read is said, not guessed.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml

from flinkops.clock import parse_iso_utc
from flinkops.model.overrides import parse_overrides

OVERRIDES = "parallelismOverrides"
"""The key of the parallelism that the operator's autoscaler keeps, by vertex."""
MAX_BYTES = 16 * 1024 * 1024
"""A ConfigMap holds 1 MB; gzip makes of YAML at most some ten times as much."""


class PastScaling(msgspec.Struct, frozen=True):
    """One vertex that the operator rescaled. Rates in records per second."""

    at_ms: int
    vertex: str
    before: int
    after: int
    true_rate: float | None = None
    target_rate: float | None = None
    expected_rate: float | None = None
    lag_records: float | None = None
    load_ratio: float | None = None


class WaitingDown(msgspec.Struct, frozen=True):
    """A scale-down that the operator holds back: since when, and what it wanted, where the operator says so."""

    vertex: str
    since_ms: int
    wanted: tuple[int, ...] = ()


class Collected(msgspec.Struct, frozen=True):
    """One collection of metrics, under the operator's own names. NaN is left out."""

    at_ms: int
    vertices: dict[str, dict[str, float]]
    job: dict[str, float] = {}


class OperatorState(msgspec.Struct, frozen=True):
    """All that the ConfigMap says; oldest first. ``unread``: the keys that could not be read, and why."""

    overrides: dict[str, int] = {}
    settings: dict[str, str] = {}
    scalings: tuple[PastScaling, ...] = ()
    waiting: tuple[WaitingDown, ...] = ()
    collected: tuple[Collected, ...] = ()
    restart_seconds: float | None = None  # the longest restart after a rescale that it measured
    unread: dict[str, str] = {}


def decode_configmap(data: Mapping[str, str]) -> OperatorState:
    """The ConfigMap's data. Never raises: what is damaged is in `unread`."""
    unread: dict[str, str] = {}

    def read(key: str, parse: Callable[[str], Any], empty: Any) -> Any:
        if key not in data:
            return empty
        try:
            return parse(data[key])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError, zlib.error) as problem:
            unread[key] = " ".join(str(problem).split())[:120] or type(problem).__name__
            return empty

    return OperatorState(
        overrides=read(OVERRIDES, parse_overrides, {}),
        settings=read("configOverrides", lambda text: _texts(_yaml(text)), {}),
        scalings=read("scalingHistory", lambda text: _scalings(_yaml(unpacked(text))), ()),
        waiting=read("delayedScaleDown", lambda text: _waiting(_yaml(text)), ()),
        collected=read("collectedMetrics", lambda text: _collected(_yaml(unpacked(text))), ()),
        restart_seconds=read("scalingTracking", lambda text: _restart(_yaml(unpacked(text))), None),
        unread=unread,
    )


def unpacked(text: str) -> str:
    """base64(gzip(text)), or the text itself, as old operators had it. Raises ValueError for too much."""
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text
    unpacking = zlib.decompressobj(wbits=31)
    content = unpacking.decompress(packed, MAX_BYTES)
    if unpacking.unconsumed_tail:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    return content.decode("utf-8")


def instant_ms(value: object) -> int:
    """An instant as Jackson writes it: ISO-8601, or seconds with nanoseconds behind the point."""
    if isinstance(value, bool):
        raise ValueError("no instant")
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError("no instant")
        return round(value * 1000)
    text = str(value)
    if text.replace(".", "", 1).isdigit():
        return round(float(text) * 1000)
    return parse_iso_utc(text)


class _NoDates(yaml.SafeLoader):
    """Instants stay text: PyYAML's own cannot hold nanoseconds."""


_NoDates.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    if "&" in text and "*" in text:
        raise ValueError("it has YAML aliases, which no operator writes")
    return yaml.load(text, _NoDates) or {}  # noqa: S506 - a SafeLoader


def _texts(given: Any) -> dict[str, str]:
    pairs = given.get("overrides", given) if isinstance(given, dict) else {}
    return {str(key): str(value) for key, value in pairs.items()}


def _number(value: object) -> float | None:
    """A metric; Jackson writes NaN and Infinity as words."""
    try:
        number = float(str(value).replace("Infinity", "inf"))
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _scalings(given: dict[str, Any]) -> tuple[PastScaling, ...]:
    found = []
    for vertex, times in given.items():
        for at, summary in times.items():
            metrics = summary.get("metrics") or {}

            def metric(name: str, column: str, metrics: dict[str, Any] = metrics) -> float | None:
                return _number((metrics.get(name) or {}).get(column))

            found.append(
                PastScaling(
                    at_ms=instant_ms(at),
                    vertex=str(vertex),
                    before=int(summary["currentParallelism"]),
                    after=int(summary["newParallelism"]),
                    true_rate=metric("TRUE_PROCESSING_RATE", "average"),
                    target_rate=metric("TARGET_DATA_RATE", "average"),
                    expected_rate=metric("EXPECTED_PROCESSING_RATE", "current"),
                    lag_records=metric("LAG", "current"),
                    load_ratio=metric("LOAD", "average"),
                )
            )
    return tuple(sorted(found, key=lambda each: (each.at_ms, each.vertex)))


def _waiting(given: dict[str, Any]) -> tuple[WaitingDown, ...]:
    """Up to operator 1.10 an instant a vertex; since then with what was recommended meanwhile."""
    delayed = given.get("delayedVertices", given.get("firstTriggerTime", given))
    found = []
    for vertex, about in delayed.items():
        if not isinstance(about, dict):
            found.append(WaitingDown(str(vertex), instant_ms(about)))
            continue
        wanted = tuple(int(each["parallelism"]) for each in about.get("recommendedParallelisms") or ())
        found.append(WaitingDown(str(vertex), instant_ms(about["firstTriggerTime"]), wanted))
    return tuple(found)


def _collected(given: dict[str, Any]) -> tuple[Collected, ...]:
    found = [
        Collected(
            at_ms=instant_ms(at),
            vertices={
                str(vertex): _metrics(metrics) for vertex, metrics in (polled.get("vertexMetrics") or {}).items()
            },
            job=_metrics(polled.get("globalMetrics") or {}),
        )
        for at, polled in given.items()
    ]
    return tuple(sorted(found, key=lambda each: each.at_ms))


def _metrics(given: dict[str, Any]) -> dict[str, float]:
    numbers = {str(name): _number(value) for name, value in given.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def _restart(given: dict[str, Any]) -> float | None:
    """Durations are seconds, or ISO-8601 such as PT12.5S."""
    seconds = [
        _number(str(each["restartDuration"]).removeprefix("PT").removesuffix("S"))
        for each in (given.get("scalingRecords") or {}).values()
        if isinstance(each, dict) and each.get("restartDuration") is not None
    ]
    return max((each for each in seconds if each is not None), default=None)
