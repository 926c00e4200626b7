"""Reading `flinkops.toml`: every key by name, every value with its unit, unknown ones refused with a suggestion."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from flinkops.config.policy import DEFAULT_CLASSES, JobClass, JobRule, Policy
from flinkops.config.settings import (
    SCALARS,
    KubernetesSettings,
    SourceSettings,
    parse_bool,
    parse_names,
    parse_rehearse,
    parse_rest_via,
    parse_text,
    parse_url,
)
from flinkops.errors import UsageError, did_you_mean
from flinkops.model.measures import MEASURES, Unit
from flinkops.model.quantities import parse_bytes, parse_duration

Parser = Callable[[object], Any]

SECRET_PREFIXES = ("env:", "file:")


def parse_secret(value: object) -> str:
    """A reference to a secret; ValueError for a literal one, without repeating it."""
    if isinstance(value, str) and value.startswith(SECRET_PREFIXES) and value.partition(":")[2]:
        return value
    raise ValueError("a secret does not belong in this file: write env:NAME or file:PATH")


def parse_ratio(value: object) -> float:
    """A number from 0 to 1; ValueError on anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not a ratio between 0 and 1")
    return float(value)


def parse_count(value: object) -> float:
    """A number of at least 1; ValueError on anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < float("inf"):
        raise ValueError(f"{value!r} is not a number of at least 1")
    return float(value)


def _texts(parse: Parser) -> Parser:
    """A parser of a table whose values `parse` reads."""

    def parse_table(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValueError("a table of texts is expected")
        return {str(key): parse(item) for key, item in value.items()}

    return parse_table


def or_off(parse: Parser) -> Parser:
    """A parser for which "off" means that the limit is not asked."""
    return lambda value: None if value == "off" else parse(value)


# Key in the file -> field and parser.
CLASS_KEYS: dict[str, tuple[str, Parser]] = {
    "latency_p99": ("latency_p99_seconds", or_off(parse_duration)),
    "skew": ("skew_seconds", or_off(parse_duration)),
    "watermark_delay": ("watermark_delay_seconds", parse_duration),
    "skew_margin": ("skew_margin_seconds", parse_duration),
    "checkpoint_age": ("checkpoint_age_seconds", or_off(parse_duration)),
    "checkpoint_failures": ("checkpoint_failures", parse_count),
    "state_limit": ("state_bytes", or_off(parse_bytes)),
    "late_ratio": ("late_ratio", or_off(parse_ratio)),
    "backpressure": ("backpressure_ratio", or_off(parse_ratio)),
    "availability": ("availability_ratio", or_off(parse_ratio)),
    "critical_factor": ("critical_factor", parse_count),
    "may_finish": ("may_finish", parse_bool),
}
_PARSERS: dict[Unit, Parser] = {"seconds": parse_duration, "bytes": parse_bytes, "ratio": parse_ratio}
MEASURE_KEYS: dict[str, tuple[str, Parser]] = {
    each.limit.key: (each.name, or_off(_PARSERS.get(each.unit, parse_count))) for each in MEASURES if each.limit
}
EVENT_TIME_KEYS = frozenset({"skew", "watermark_delay", "skew_margin"})
RULE_KEYS: dict[str, tuple[str, Parser]] = {
    "class": ("job_class", parse_text),
    "name": ("name", parse_text),
    "namespace": ("namespace", parse_text),
    "labels": ("labels", _texts(parse_text)),
}
SOURCE_KEYS: dict[str, tuple[str, Parser]] = {
    "name": ("name", parse_text),
    "rest": ("rest", parse_url),
    "headers": ("headers", _texts(parse_secret)),
    "username": ("username", parse_text),
    "password": ("password", parse_secret),
    "ca_file": ("ca_file", parse_text),
    "client_cert": ("client_cert", parse_text),
    "client_key": ("client_key", parse_text),
    "verify": ("verify", parse_bool),
}
KUBERNETES_KEYS: dict[str, tuple[str, Parser]] = {
    "context": ("context", parse_text),
    "kubeconfig": ("kubeconfig", parse_text),
    "namespaces": ("namespaces", parse_names),
    "all_namespaces": ("all_namespaces", parse_bool),
    "selector": ("selector", parse_text),
    "rest_via": ("rest_via", parse_rest_via),
}
HEALTH_KEYS: dict[str, tuple[str, Parser]] = {
    "default_class": ("default_class", parse_text),
    "stale_after": ("stale_after_seconds", parse_duration),
    "raise_after_polls": ("raise_after_polls", lambda value: int(parse_count(value))),
    "clear_after_polls": ("clear_after_polls", lambda value: int(parse_count(value))),
}
UPGRADE_KEYS: dict[str, tuple[str, Parser]] = {"rehearse": ("rehearse", parse_rehearse)}
TOP_KEYS = (
    *(scalar.key for scalar in SCALARS),
    *("sources", "classes", "jobs", "health", "alerts", "storage", "folders", "links", "upgrade"),
)


def refuse_unknown(keys: Iterable[str], known: Iterable[str], where: str) -> None:
    """UsageError for the first key that is not known, with the nearest that is."""
    names = list(known)
    for key in keys:
        if key not in names:
            hint = did_you_mean(key, names, f"known: {', '.join(names)}")
            raise UsageError(f'unknown key "{key}" in {where}', next_step=hint)


def read_fields(table: object, keys: Mapping[str, tuple[str, Parser]], where: str) -> dict[str, Any]:
    """The fields that a table of the file sets. UsageError names the key and the place of what is wrong."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    refuse_unknown(table, keys, where)
    return {keys[key][0]: read_value(keys[key][1], value, f'"{key}" in {where}') for key, value in table.items()}


def read_value(parse: Parser, value: object, where: str) -> Any:
    """What `parse` makes of the value; UsageError, saying where, when it refuses."""
    try:
        return parse(value)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def read_sources(value: object, where: str) -> tuple[tuple[SourceSettings, ...], tuple[KubernetesSettings, ...]]:
    """The ``[[sources]]`` of a file: Flink endpoints (with ``rest``), and Kubernetes clusters (``context``, …).

    UsageError when one has no address or two share a name.
    """
    sources: list[SourceSettings] = []
    clusters: list[KubernetesSettings] = []
    for number, table in enumerate(_tables(value, "sources", where), 1):
        place = f"[[sources]] number {number} of {where}"
        if isinstance(table, dict) and "rest" not in table and table.keys() & KUBERNETES_KEYS.keys():
            clusters.append(KubernetesSettings(**read_fields(table, KUBERNETES_KEYS, place)))
            continue
        fields = read_fields(table, SOURCE_KEYS, place)
        if "rest" not in fields:
            raise UsageError(f'"rest" is missing in {place}', next_step='or, for Kubernetes, "context"')
        sources.append(SourceSettings(**{"name": fields["rest"], **fields}))
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'two [[sources]] of {where} are named "{name}"')
    return tuple(sources), tuple(clusters)


def read_policy(data: Mapping[str, object], where: str, base: Policy) -> Policy:
    """`base` with the ``classes``, ``jobs`` and ``health`` of a file laid over it."""
    classes = {**DEFAULT_CLASSES, **base.classes}
    tables = data.get("classes", {})
    if not isinstance(tables, dict):
        raise UsageError(f"[classes] of {where} is not a table of tables")
    for name, table in tables.items():
        place = f"[classes.{name}] of {where}"
        fields = read_fields(table, {**CLASS_KEYS, **MEASURE_KEYS}, place)
        limits = {name: fields.pop(name) for name, _ in MEASURE_KEYS.values() if name in fields}
        if "checkpoint_age" in table:
            fields["checkpoint_age_asked"] = fields["checkpoint_age_seconds"] is not None
        if EVENT_TIME_KEYS & table.keys():
            fields["skew_asked"] = table.get("skew") != "off"
        before = classes.get(name, JobClass(name=name))
        classes[name] = msgspec.structs.replace(before, measures={**before.measures, **limits}, **fields)
    rules = tuple(
        JobRule(**{"job_class": "", **read_fields(table, RULE_KEYS, f"[[jobs]] number {number} of {where}")})
        for number, table in enumerate(_tables(data.get("jobs", []), "jobs", where), 1)
    )
    fields = read_fields(data.get("health", {}), HEALTH_KEYS, f"[health] of {where}")
    policy = msgspec.structs.replace(base, **{**fields, "classes": classes, "rules": rules or base.rules})
    for name in (*(rule.job_class for rule in rules), policy.default_class):
        if name not in classes:
            refuse_unknown([name], classes, f"the classes that [[jobs]] and [health] of {where} name")
    return policy


def _tables(value: object, key: str, where: str) -> list[object]:
    if not isinstance(value, list):
        raise UsageError(f"[[{key}]] of {where} is not a list of tables")
    return value
