"""JSON schemas for kubeconform, from an API server's own /openapi/v2: its kinds, and those of its CRDs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCATION = "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json"
"""Of a file in the folder, as kubeconform's -schema-location spells it."""
_KINDS = "x-kubernetes-group-version-kind"


def write_schemas(openapi: Mapping[str, Any], folder: Path) -> int:
    """One file a kind, in which a field that the server does not know is an error; how many."""
    definitions = {name: _strict(one) for name, one in openapi["definitions"].items()}
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
    count = 0
    for name, definition in openapi["definitions"].items():
        for kind in definition.get(_KINDS, ()):
            group = kind["group"] or kind["version"]  # as kubeconform calls the core group
            file = folder / f"{group}-{kind['version']}-{kind['kind'].lower()}.json"
            file.write_text(json.dumps({"$ref": f"definitions.json#/definitions/{name}"}), encoding="utf-8")
            count += 1
    return count


def _strict(schema: Any) -> Any:
    """A schema; the names in `properties` are no keywords."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {key: _strict(value) for key, value in schema.items() if key != "properties" and key != _KINDS}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = reference.replace("#/", "definitions.json#/", 1)
    if "properties" in schema:
        found["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if not found.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    return found
