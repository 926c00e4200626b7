"""How the Flink operator compares two specs: which class a change is of. Pure.

Source: apache/flink-kubernetes-operator, ``ReflectiveDiffBuilder`` and the ``@SpecDiff`` marks of ``JobSpec``,
``AbstractFlinkSpec`` and ``TaskManagerSpec``, releases 1.7 to 1.16. The greatest class of all changed fields wins.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from flinkops.model.json_reading import section
from flinkops.model.option_names import SAVEPOINT_DIRECTORY
from flinkops.model.overrides import OVERRIDES
from flinkops.model.places import DEFAULT_SCHEME_KEY, qualified
from flinkops.outside.kubernetes_quantities import BadQuantity, Quantity
from flinkops.plan.operator.reading import Spec, Unreadable, read_configuration, read_spec
from flinkops.plan.operator.rules import NEWEST, Rules


class Change(StrEnum):
    """What the operator does about a changed field, as the contract's ``change`` says it; in the operator's order."""

    NONE = "none"
    IGNORE = "ignore"  # written down, nothing happens to the job
    SCALE = "scale"  # in place where the scheduler can, else as UPGRADE
    UPGRADE = "upgrade"  # stopped and started again, by the upgrade mode
    SAVEPOINT_REDEPLOY = "savepoint-redeploy"  # cancelled without a savepoint, started from initialSavepointPath
    UNREADABLE = "unreadable"  # the operator throws when it reads or compares the specs

    @property
    def rank(self) -> int:
        """Its place in the order."""
        return _ORDER.index(self)


_ORDER = list(Change)


class FieldChange(NamedTuple):
    """One field that differs; ``path`` as the operator's SpecChanged event writes it, values as it has them."""

    path: str
    before: Any
    after: Any
    change: Change

    @property
    def line(self) -> str:
        """``job.parallelism : 1 -> 2``, as in the operator's event."""
        return f"{self.path} : {_shown(self.before)} -> {_shown(self.after)}"


class Comparison(NamedTuple):
    """All fields that differ, ordered by path, or why the operator cannot tell."""

    fields: tuple[FieldChange, ...]
    error: str | None = None

    @property
    def change(self) -> Change:
        """The greatest class of all fields."""
        return Change.UNREADABLE if self.error is not None else change_class(self.fields)


_NULL_IS_NONE = frozenset({"restartNonce", "savepointRedeployNonce"})
_IGNORED_JOB_FIELDS = frozenset(
    {
        "upgradeMode",
        "allowNonRestoredState",
        "initialSavepointPath",
        "savepointTriggerNonce",
        "checkpointTriggerNonce",
        "autoscalerResetNonce",
    }
)
_IGNORED_PREFIXES = ("job.autoscaler", "parallelism.default", "kubernetes.operator")
_NEWEST_RULES = Rules(NEWEST)


def configuration(spec: Spec) -> dict[str, str]:
    """``flinkConfiguration`` as flat text, in whatever form; empty where the operator could not read it either."""
    try:
        return read_configuration(spec.get("flinkConfiguration"), _NEWEST_RULES)
    except Unreadable:
        return {}


def job_of(spec: Spec) -> Mapping[str, Any]:
    """``spec.job``, empty for a session cluster."""
    job = spec.get("job")
    return job if isinstance(job, Mapping) else {}


def upgrade_mode(spec: Spec) -> str:
    """``spec.job.upgradeMode``; the API's default is stateless."""
    return str(job_of(spec).get("upgradeMode") or "stateless")


def desired_state(spec: Spec) -> str:
    """``spec.job.state``: running (the default) or suspended."""
    return str(job_of(spec).get("state") or "running")


def ha_on(spec: Spec) -> bool:
    """Whether the spec itself turns high availability on; the operator's defaults may do it too."""
    settings = configuration(spec)
    found = settings.get("high-availability.type", settings.get("high-availability", "NONE"))
    return found.upper() not in ("NONE", "STANDALONE")


def savepoint_directory(spec: Spec) -> str | None:
    """Where savepoints go by the spec itself, under its new or old key."""
    settings = configuration(spec)
    directory = next((found for key in SAVEPOINT_DIRECTORY if (found := settings.get(key))), None)
    return directory and qualified(directory, settings.get(DEFAULT_SCHEME_KEY))


def last_reconciled(resource: Mapping[str, Any], which: str = "lastReconciledSpec") -> Spec | None:
    """The spec that the operator acted on last (or ``lastStableSpec``); None before the first deployment."""
    status = section(section(resource, "status"), "reconciliationStatus")
    raw = status.get(which)
    try:
        spec = json.loads(raw).get("spec") if isinstance(raw, str) else None
    except (ValueError, AttributeError, RecursionError):
        return None
    return spec if isinstance(spec, Mapping) else None


def is_native(spec: Spec) -> bool:
    """Whether Flink itself asks Kubernetes for TaskManagers (``spec.mode``; the default)."""
    return str(spec.get("mode") or "native") == "native"


def compared(before: Spec, after: Spec, rules: Rules, *, native: bool | None = None) -> Comparison:
    """What the operator of `rules` makes of the two; `before` usually is :func:`last_reconciled`.

    `native` is of the session cluster where the spec is that of a session job.
    """
    native = is_native(after) if native is None else native
    try:
        found = list(_differences(read_spec(before, rules), read_spec(after, rules), rules, native))
    except (Unreadable, BadQuantity) as problem:
        return Comparison((), str(problem))
    return Comparison(tuple(sorted(found, key=lambda one: one.path)))


def compare(before: Spec, after: Spec, rules: Rules = _NEWEST_RULES) -> list[FieldChange]:
    """The fields of :func:`compared`, where nothing is asked of them but that they differ."""
    return list(compared(before, after, rules).fields)


def change_class(changes: Iterable[FieldChange]) -> Change:
    """The greatest of all."""
    return max((one.change for one in changes), key=lambda one: one.rank, default=Change.NONE)


def _differences(left: Spec, right: Spec, rules: Rules, native: bool) -> Iterator[FieldChange]:
    """Both as the operator read them."""
    inner: dict[str, Callable[[str], Change]] = {
        "flinkConfiguration": lambda key: _setting(key, native),
        "job": lambda key: _job_field(key, native),
        "taskManager": lambda key: _replicas(key, native),
    }
    for key in left.keys() | right.keys():
        old, new = left.get(key), right.get(key)
        if key in inner and old is not None and new is not None:
            yield from _compare_fields(f"{key}.", old, new, inner[key], rules)
        elif old != new and not _left_alone(key, new, rules):
            yield FieldChange(key, old, new, Change.UPGRADE)


def _compare_fields(
    prefix: str, old: Spec, new: Spec, classify: Callable[[str], Change], rules: Rules
) -> Iterator[FieldChange]:
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before != after and not _left_alone(key, after, rules):
            yield FieldChange(f"{prefix}{key}", before, after, classify(key))


def _left_alone(key: str, after: Any, rules: Rules) -> bool:
    """Whether taking the field away means nothing."""
    return after is None and key in _NULL_IS_NONE and rules.savepoint_redeploy


def _setting(key: str, native: bool) -> Change:
    if key.startswith(_IGNORED_PREFIXES):
        return Change.IGNORE
    return Change.SCALE if native and key.startswith(OVERRIDES) else Change.UPGRADE


def _job_field(key: str, native: bool) -> Change:
    if key in _IGNORED_JOB_FIELDS:
        return Change.IGNORE
    if key == "savepointRedeployNonce":
        return Change.SAVEPOINT_REDEPLOY
    return Change.SCALE if key == "parallelism" and not native else Change.UPGRADE


def _replicas(key: str, native: bool) -> Change:
    return Change.SCALE if key == "replicas" and not native else Change.UPGRADE


def as_json(value: Any) -> Any:
    """A value that the operator has in memory, as it would write it."""
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, tuple):
        kind, text = value
        return int(text) if kind == "number" else text
    if isinstance(value, Mapping):
        return {key: as_json(one) for key, one in value.items()}
    return [as_json(one) for one in value] if isinstance(value, list) else value


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = value if isinstance(value, str) else json.dumps(as_json(value), sort_keys=True)
    return text if len(text) <= 200 else f"{text[:199]}…"
