"""Which settings may leave the machine: those that Flink, its operator, the autoscaler and flinkops document.

Of all others only what cannot be a secret is shown: numbers, booleans, durations, sizes, the words of Flink's own enums
and names of classes. setting_keys.txt is generated (devtools/setting_keys.py).
"""

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from flinkops.outside.shapes import is_orderly

Kind = Literal["plain", "text", "items"]
"""Of a documented key: its values have a type; may hold any text; are a list of options or of names with values."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}+(?:\.[0-9]{1,20}+)?(?:[eE][+-]?[0-9]{1,3})?")
_AMOUNT = re.compile(
    r"[0-9]{1,20}+(?:\.[0-9]{1,9}+)? ?"
    r"(?:ns|nano|us|µs|micro|ms|milli|millis|s|sec|min|m|h|d|w|nanosecond|microsecond|millisecond|second|minute|hour|day"
    r"|week|b|byte|kb?|kib|mb?|mib|gb?|gib|tb?|tib|[kmgt]i|mebibyte|[kmgt]ibibytes|[kmgt]bytes|bytes|%)s?",
    re.IGNORECASE,
)
_ISO_DURATION = re.compile(r"P[0-9DTHMS.]{1,30}+")
_CLASS = re.compile(r"(?:[a-z_][\w$]{0,60}\.){1,12}[A-Z][\w$]{0,100}+")
_WORDS = frozenset({
    "", "true", "false", "yes", "no", "on", "off", "null", "none", "(none)", "******", "rocksdb", "hashmap", "forst",
    "filesystem", "jobmanager", "zookeeper", "kubernetes", "native", "standalone", "application", "session",
    "savepoint", "last-state", "stateless", "earliest", "latest", "earliest-offset", "latest-offset", "group-offsets",
    "timestamp", "json", "avro", "csv", "parquet", "orc", "gzip", "snappy", "lz4", "zstd", "exactly-once",
    "at-least-once", "event", "arrival", "region", "exponential-delay", "fixed-delay", "failure-rate", "tumbling",
    "sliding", "running", "suspended", "parent-first", "child-first", "info", "warn", "debug", "error",
})  # fmt: skip


def kind_of(key: str) -> Kind | None:
    """Of a documented key, else None.

    >>> kind_of("execution.checkpointing.interval"), kind_of("env.java.opts.all"), kind_of("my.own.key")
    ('plain', 'items', None)
    """
    exact, patterns, _ = _documented()
    if (kind := exact.get(key)) is not None:
        return kind
    parts = key.split(".")
    if len(parts) < 3:
        return None
    return next((patterns[form] for form in _forms(parts) if form in patterns), None)


def is_plain(value: str) -> bool:
    """Whether a value cannot hold a secret whatever its key is, as long as the key does not promise one.

    >>> [is_plain(one) for one in ("4", "true", "10 min", "1gb", "EXACTLY_ONCE", "org.acme.Job", "hunter2")]
    [True, True, True, True, True, True, False]
    """
    return len(value) <= 200 and _is_plain(value)


@lru_cache(maxsize=4096)
def _is_plain(value: str) -> bool:
    value = value.strip()
    if value.lower() in _WORDS or _enum_form(value) in _documented()[2]:
        return True
    if any(pattern.fullmatch(value) for pattern in (_NUMBER, _AMOUNT, _ISO_DURATION)):
        return True
    return _CLASS.fullmatch(value) is not None and is_orderly(value)


def _forms(parts: list[str]) -> list[str]:
    """A key with one of its inner parts, or two, taken for a name that the user chose."""
    inner = range(1, len(parts) - 1)
    return [
        ".".join([*parts[:first], "*", *parts[last + 1 :]])
        for first in inner
        for last in inner
        if first <= last <= first + 1
    ]


def _enum_form(value: str) -> str:
    return value.upper().replace("-", "_")


@cache
def _documented() -> tuple[dict[str, Kind], dict[str, Kind], frozenset[str]]:
    """Keys, keys with a chosen part, and the words of enums."""
    exact: dict[str, Kind] = {}
    patterns: dict[str, Kind] = {}
    values: set[str] = set()
    section = ""
    text = files("flinkops.outside").joinpath("setting_keys.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif section == "values":
            values.add(_enum_form(line))
        else:
            key, _, kind = line.rpartition(" ")
            (patterns if "*" in key else exact)[key] = kind  # type: ignore[assignment]
    return exact, patterns, frozenset(values)
