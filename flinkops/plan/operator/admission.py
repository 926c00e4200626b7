"""What the API server makes of a spec before the operator sees it: fields unknown to the schema are dropped. Pure.

Source: pruning of structural schemas, Kubernetes API reference (apiextensions/v1). A schema may be older than the
operator: Helm does not bring custom resource definitions up to date.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def admitted(value: Any, schema: Schema) -> Any:
    """`value` without what `schema` (of openAPIV3Schema) does not know, and without nulls that it does not allow.

    >>> job = {"properties": {"job": {"properties": {"state": {}}}}}
    >>> admitted({"job": {"state": "running", "savepointRedeployNonce": 3}, "x": 1}, job)
    {'job': {'state': 'running'}}
    """
    if isinstance(value, list):
        return [admitted(one, schema.get("items") or {}) for one in value]
    if not isinstance(value, Mapping):
        return value
    properties = schema.get("properties") or {}
    rest = schema.get("additionalProperties")
    anything = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or not (properties or rest)
    found: dict[str, Any] = {}
    for key, one in value.items():
        of_key = properties.get(key, rest if isinstance(rest, Mapping) else None)
        if of_key is not None:
            if one is not None or of_key.get("nullable"):
                found[key] = admitted(one, of_key)
        elif anything or rest is True:
            found[key] = one
    return found
