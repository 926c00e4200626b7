"""How the Flink operator compares two specs: which class a change is of. Pure.

Source: apache/flink-kubernetes-operator, ``ReflectiveDiffBuilder`` and the ``@SpecDiff`` marks of ``JobSpec``,
``AbstractFlinkSpec`` and ``TaskManagerSpec``, releases 1.7 to 1.15 (the marks are the same in all). The greatest class
of all changed fields wins.
"""

import json
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from flinkops.model.switches import is_on

Spec = Mapping[str, Any]


class Change(IntEnum):
    """What the operator does about a changed field; the values are in the operator's order."""

    NONE = 0
    IGNORE = 1  # written down, nothing happens to the job
    SCALE = 2  # in place where the scheduler can, else as UPGRADE
    UPGRADE = 3  # stopped and started again, by the upgrade mode
    SAVEPOINT_REDEPLOY = 4  # cancelled without a savepoint and started from initialSavepointPath; 1.8 and newer

    @property
    def word(self) -> str:
        """As the contract's ``change`` says it."""
        return self.name.lower().replace("_", "-")


class FieldChange(NamedTuple):
    """One field that differs; ``path`` as the operator's SpecChanged event writes it."""

    path: str
    before: Any
    after: Any
    change: Change

    @property
    def line(self) -> str:
        """``job.parallelism : 1 -> 2``, as in the operator's event."""
        return f"{self.path} : {_shown(self.before)} -> {_shown(self.after)}"


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
_OVERRIDES_PREFIX = "pipeline.jobvertex-parallelism-overrides"


def configuration(spec: Spec) -> dict[str, str]:
    """``flinkConfiguration`` as flat text: newer operators also take nested objects and bare values."""
    return dict(_flat(spec.get("flinkConfiguration") or {}))


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


def last_reconciled(resource: Mapping[str, Any], which: str = "lastReconciledSpec") -> Spec | None:
    """The spec that the operator acted on last (or ``lastStableSpec``); None before the first deployment."""
    status = (resource.get("status") or {}).get("reconciliationStatus") or {}
    raw = status.get(which)
    try:
        spec = json.loads(raw).get("spec") if isinstance(raw, str) else None
    except (ValueError, AttributeError):
        return None
    return spec if isinstance(spec, Mapping) else None


def compare(before: Spec, after: Spec) -> list[FieldChange]:
    """All fields that differ, ordered by path. `before` usually is :func:`last_reconciled`."""
    native = str(after.get("mode") or "native") == "native"
    left, right = _normal(before), _normal(after)
    found: list[FieldChange] = []
    for key in sorted(left.keys() | right.keys()):
        old, new = left.get(key), right.get(key)
        if key == "flinkConfiguration":
            found += _compare_fields("flinkConfiguration.", old or {}, new or {}, lambda one: _setting(one, native))
        elif key == "job" and old and new:
            found += _compare_fields("job.", old, new, lambda one: _job_field(one, native, right["job"]))
        elif key == "taskManager" and old and new:
            found += _compare_fields("taskManager.", old, new, lambda one: _replicas(one, native))
        elif old != new:
            found.append(FieldChange(key, old, new, Change.UPGRADE))
    return [one for one in found if one.change is not Change.NONE]


def change_class(changes: list[FieldChange]) -> Change:
    """The greatest of all."""
    return max((one.change for one in changes), default=Change.NONE)


_IN_PLACE = "kubernetes.operator.job.upgrade.inplace-scaling.enabled"
_BEFORE_IN_PLACE = frozenset({"v1_13", "v1_14", "v1_15", "v1_16", "v1_17"})


def not_in_place(before: Spec, after: Spec) -> str | None:
    """Why a SCALE under the adaptive scheduler is a redeployment all the same; None when the operator does it in place.

    Source: NativeFlinkService.scale of operator 1.7.0. While its autoscaler is on it puts its overrides back itself.
    """
    settings = configuration(after)
    if not is_on(settings, _IN_PLACE, default=True):
        return f"{_IN_PLACE} is false"
    if after.get("flinkVersion") in _BEFORE_IN_PLACE:
        return "Flink scales in place from 1.18 on"
    gone = _overridden(configuration(before)) - _overridden(settings)
    if gone and not is_on(settings, "job.autoscaler.enabled", default=False):
        return f"the parallelism override of {min(gone)} is taken away, which the operator does not do in place"
    return None


def _overridden(settings: Mapping[str, str]) -> set[str]:
    pairs = settings.get(_OVERRIDES_PREFIX, "").strip("{} ").split(",")
    return {pair.rpartition(":")[0].strip(" '\"") for pair in pairs if ":" in pair}


def _compare_fields(prefix: str, old: Spec, new: Spec, classify: Any) -> Iterator[FieldChange]:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield FieldChange(f"{prefix}{key}", old.get(key), new.get(key), classify(key))


def _setting(key: str, native: bool) -> Change:
    if key.startswith(_IGNORED_PREFIXES):
        return Change.IGNORE
    return Change.SCALE if native and key.startswith(_OVERRIDES_PREFIX) else Change.UPGRADE


def _job_field(key: str, native: bool, job: Spec) -> Change:
    if key in _IGNORED_JOB_FIELDS:
        return Change.IGNORE
    if key == "savepointRedeployNonce":
        # Taking the nonce away means nothing.
        return Change.SAVEPOINT_REDEPLOY if job.get(key) is not None else Change.NONE
    return Change.SCALE if key == "parallelism" and not native else Change.UPGRADE


def _replicas(key: str, native: bool) -> Change:
    return Change.SCALE if key == "replicas" and not native else Change.UPGRADE


def _normal(spec: Spec) -> dict[str, Any]:
    """Without what means nothing: nulls, and defaults that only one side spells out."""
    normal: dict[str, Any] = _without_nulls({key: value for key, value in spec.items() if key != "flinkConfiguration"})
    normal["flinkConfiguration"] = configuration(spec)
    job = normal.get("job")
    if job:
        normal["job"] = {"state": "running", "upgradeMode": "stateless", "parallelism": 0, "args": [], **job}
    if "jobManager" in normal:
        normal["jobManager"] = {"replicas": 1, **normal["jobManager"]}
    for holder in (normal, normal.get("jobManager") or {}, normal.get("taskManager") or {}):
        template = holder.get("podTemplate")
        if isinstance(template, dict):
            holder["podTemplate"] = {key: value for key, value in template.items() if key not in ("apiVersion", "kind")}
    if normal.get("mode") == "native":
        del normal["mode"]
    return normal


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{prefix}{key}.")
        elif one is not None:
            yield f"{prefix}{key}", _as_text(one)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 200 else f"{text[:199]}…"
