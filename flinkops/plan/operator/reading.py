"""How the Flink operator reads a spec: defaults filled in, values of the field's type, the rest dropped. Pure.

Two specs that read the same are the same to the operator, however they are written. Source: the ``api.spec`` classes
of apache/flink-kubernetes-operator 1.7 to 1.16, Jackson's coercions, and the Kubernetes API's types of a pod
(:mod:`flinkops.plan.operator.pod_schema`).
"""

import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from flinkops.outside.kubernetes_quantities import Quantity
from flinkops.plan.operator.pod_schema import CLASSES, FieldType
from flinkops.plan.operator.rules import Rules

Spec = Mapping[str, Any]


class Unreadable(ValueError):
    """The operator throws when it reads or compares this; the text is what it would say."""


def read_spec(spec: Spec, rules: Rules) -> dict[str, Any]:
    """The fields that the operator of `rules` knows, each as it has it in memory; those that are null are left out.

    ``flinkConfiguration`` is flat text. Raises Unreadable.
    """
    read: dict[str, Any] = {"flinkConfiguration": read_configuration(spec.get("flinkConfiguration"), rules)}
    for name, reader in _TOP.items():
        if spec.get(name) is not None:
            read[name] = reader(spec[name], rules)
    return read


def read_configuration(value: Any, rules: Rules) -> dict[str, str]:
    """``flinkConfiguration`` as flat text: operators from 1.13 on also take nested objects, lists and bare values."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unreadable(f"flinkConfiguration is no map: {_shown(value)}")
    if not rules.nested_configuration:
        return {str(key): _text(one) for key, one in value.items() if one is not None}
    flat: dict[str, str] = {}
    _flatten(value, "", flat)
    return flat


def _flatten(value: Mapping[str, Any], prefix: str, into: dict[str, str]) -> None:
    for key, one in value.items():
        if isinstance(one, Mapping):
            _flatten(one, f"{prefix}{key}.", into)
        elif isinstance(one, list):
            if one:
                into[f"{prefix}{key}"] = ";".join(_node_text(item) for item in one)
        else:
            into[f"{prefix}{key}"] = _node_text(one)


def _node_text(value: Any) -> str:
    """``JsonNode.asText``: null is a word, an object or a list is empty."""
    if value is None:
        return "null"
    return "" if isinstance(value, (Mapping, list)) else _text(value)


# --- scalars, as Jackson reads them -----------------------------------------------------------------------------


def _text(value: Any, _rules: Rules | None = None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return java_double(value)
    raise Unreadable(f"a text cannot be read from {_shown(value)}")


def _whole(value: Any, _rules: Rules | None = None) -> int | None:
    """An Integer or Long: a fraction is cut off, an empty text is null."""
    if isinstance(value, (bool, Mapping, list)):
        raise Unreadable(f"a whole number cannot be read from {_shown(value)}")
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            return int(value.strip())
        except ValueError:
            raise Unreadable(f"a whole number cannot be read from {_shown(value)}") from None
    return int(value)


def _number(value: Any, _rules: Rules | None = None) -> float | None:
    if isinstance(value, (bool, Mapping, list)):
        raise Unreadable(f"a number cannot be read from {_shown(value)}")
    if isinstance(value, str) and not value.strip():
        return None
    try:
        return float(value)
    except ValueError:
        raise Unreadable(f"a number cannot be read from {_shown(value)}") from None


def _switch(value: Any, _rules: Rules | None = None) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str) and value.strip() in ("", "true", "True", "TRUE", "false", "False", "FALSE"):
        return value.strip().lower() == "true" if value.strip() else None
    raise Unreadable(f'only "true" or "false" are read, not {_shown(value)}')


def _one_of(what: str, allowed: Callable[[Rules], frozenset[str]]) -> Callable[[Any, Rules], str]:
    def read(value: Any, rules: Rules) -> str:
        if not isinstance(value, str) or value not in allowed(rules):
            raise Unreadable(f"this operator knows no {what} {_shown(value)}")
        return value

    return read


def java_double(value: float) -> str:
    """``Double.toString``: at least one digit after the point, and an exponent from 10^7 on and below 10^-3.

    >>> java_double(2.0), java_double(1e7), java_double(0.001), java_double(1.25e-5)
    ('2.0', '1.0E7', '0.001', '1.25E-5')
    """
    if not math.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e7:
        text = format(Decimal(repr(value)), "f") if math.isfinite(value) else str(value)
        return text if "." in text or not math.isfinite(value) else f"{text}.0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    figures = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1
    return f"{'-' if sign else ''}{figures[0]}.{figures[1:] or '0'}E{power}"


# --- the operator's own classes ---------------------------------------------------------------------------------


def _object(fields: Mapping[str, Callable[[Any, Rules], Any]], **defaults: Any) -> Callable[[Any, Rules], Any]:
    def read(value: Any, rules: Rules) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Unreadable(f"an object cannot be read from {_shown(value)}")
        known = {key: reader(value[key], rules) for key, reader in fields.items() if value.get(key) is not None}
        return {**defaults, **{key: one for key, one in known.items() if one is not None}}

    return read


def _texts(value: Any, rules: Rules) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise Unreadable(f"a map cannot be read from {_shown(value)}")
    return {str(key): _text(one, rules) for key, one in value.items() if one is not None}


def _list_of_texts(value: Any, _rules: Rules) -> list[str | None]:
    if not isinstance(value, list):
        raise Unreadable(f"a list cannot be read from {_shown(value)}")
    return [None if one is None else _text(one) for one in value]


def _since(ability: str, reader: Callable[[Any, Rules], Any]) -> Callable[[Any, Rules], Any]:
    """A field that only operators with this ability have; the others drop it."""
    return lambda value, rules: reader(value, rules) if getattr(rules, ability) else None


def _tls(value: Any, rules: Rules) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"a list cannot be read from {_shown(value)}")
    return [_pod(one, "IngressTLS") for one in value]


def _template(value: Any, rules: Rules) -> Any:
    """A pod template. Newer operators forget what is not metadata and spec; older ones read a whole Pod."""
    read = _pod(value, "PodTemplateSpec")
    if not rules.whole_pod:
        return read
    marks = {key: _text(value[key]) for key in ("apiVersion", "kind") if value.get(key) is not None}
    return {"apiVersion": "v1", "kind": "Pod", **marks, **read}


def _resources(value: Any, _rules: Rules) -> Any:
    return _pod(value, "ResourceRequirements")


_RESOURCE = _object({"cpu": _number, "memory": _text, "ephemeralStorage": _text})
_JOB = _object(
    {
        "jarURI": _text,
        "parallelism": _whole,
        "entryClass": _text,
        "args": _list_of_texts,
        "state": _one_of("job state", lambda _: frozenset({"running", "suspended"})),
        "upgradeMode": _one_of("upgrade mode", lambda _: frozenset({"savepoint", "last-state", "stateless"})),
        "savepointTriggerNonce": _whole,
        "initialSavepointPath": _text,
        "checkpointTriggerNonce": _whole,
        "allowNonRestoredState": _switch,
        "savepointRedeployNonce": _since("savepoint_redeploy", _whole),
        "autoscalerResetNonce": _since("autoscaler_reset", _whole),
    },
    parallelism=0,
    args=[],
    state="running",
    upgradeMode="stateless",
)
_INGRESS = _object(
    {
        "template": _text,
        "className": _text,
        "annotations": _texts,
        "labels": _since("ingress_labels", _texts),
        "tls": _since("ingress_labels", _tls),
    }
)
_TOP: Mapping[str, Callable[[Any, Rules], Any]] = {
    "job": _JOB,
    "restartNonce": _whole,
    "image": _text,
    "imagePullPolicy": _text,
    "serviceAccount": _text,
    "flinkVersion": _one_of("flinkVersion", lambda rules: rules.flink_versions),
    "ingress": _INGRESS,
    "podTemplate": _template,
    "jobManager": _object(
        {
            "resource": _RESOURCE,
            "replicas": _whole,
            "podTemplate": _template,
            "resources": _since("resources", _resources),
        },
        replicas=1,
    ),
    "taskManager": _object(
        {
            "resource": _RESOURCE,
            "replicas": _whole,
            "podTemplate": _template,
            "resources": _since("resources", _resources),
        }
    ),
    "logConfiguration": _texts,
    "mode": _one_of("mode", lambda _: frozenset({"native", "standalone"})),
    "deploymentName": _text,
}


# --- the Kubernetes API's classes -------------------------------------------------------------------------------


def _pod(value: Any, name: str) -> Any:
    """An object of the Kubernetes API: empty lists and maps are dropped, empty objects are not.

    A field that the class does not have never comes to the operator: the API server drops it.
    """
    if not isinstance(value, Mapping):
        raise Unreadable(f"a {name} cannot be read from {_shown(value)}")
    fields = CLASSES[name]
    read: dict[str, Any] = dict(_FILLED_IN.get(name, {}))
    for key, one in value.items():
        kind = fields.get(key)
        if kind is not None and one is not None:
            found = _of_type(one, kind)
            if found is not None and not (found == {} and kind.is_map) and found != []:
                read[key] = found
    return read


_FILLED_IN = {"OwnerReference": {"apiVersion": "v1", "kind": "OwnerReference"}}
"""What the Kubernetes client of the operator has where a field is absent."""


def _of_type(value: Any, kind: FieldType) -> Any:
    if kind.is_list:
        if not isinstance(value, list):
            raise Unreadable(f"a list cannot be read from {_shown(value)}")
        return [None if one is None else _element(one, kind.of) for one in value]
    if kind.is_map:
        if not isinstance(value, Mapping):
            raise Unreadable(f"a map cannot be read from {_shown(value)}")
        return {str(key): None if one is None else _element(one, kind.of) for key, one in value.items()}
    return _element(value, kind.of)


def _element(value: Any, kind: str) -> Any:
    scalar = _SCALARS.get(kind)
    return scalar(value) if scalar is not None else _pod(value, kind)


def _quantity(value: Any) -> Quantity:
    if isinstance(value, Mapping):
        value = f"{value.get('amount') or ''}{value.get('format') or ''}"
    if value == "":
        raise Unreadable("Invalid quantity string format passed.")
    return Quantity(_text(value))


def _port(value: Any) -> tuple[str, str]:
    """An IntOrString: 8080 and "8080" are two things."""
    return ("text", value) if isinstance(value, str) else ("number", str(_whole(value)))


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "s": _text,
    "i": _whole,
    "b": _switch,
    "q": _quantity,
    "x": _port,
    "*": lambda value: json.dumps(value, sort_keys=True),
}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"
