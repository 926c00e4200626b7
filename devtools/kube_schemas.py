"""JSON schemas for kubeconform, from an API server's own /openapi/v2: its kinds, and those of its CRDs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCATION = "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json"
"""Of a file in the folder, as kubeconform's -schema-location spells it."""
_KINDS = "x-kubernetes-group-version-kind"
_INT_OR_STRING = {"x-kubernetes-int-or-string", "int-or-string"}


def write_schemas(openapi: Mapping[str, Any], folder: Path) -> int:
    """One file a kind, in which a field that the server does not know is an error; how many."""
    definitions = {name: _strict(one) for name, one in openapi["definitions"].items()}
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
    count = 0
    for name, definition in openapi["definitions"].items():
        for kind in definition.get(_KINDS, ()):
            file = folder / f"{kind['group']}-{kind['version']}-{kind['kind'].lower()}.json"
            file.write_text(json.dumps({"$ref": f"definitions.json#/definitions/{name}"}), encoding="utf-8")
            count += 1
    return count


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _strict(value) for key, value in schema.items() if not key.startswith("x-kubernetes-group")}
    if isinstance(ref := found.get("$ref"), str):
        found["$ref"] = ref.replace("#/", "definitions.json#/", 1)
    if found.get("format") in _INT_OR_STRING or found.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in found and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found
