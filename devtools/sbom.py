"""The software bill of materials (CycloneDX 1.6): every package and jar that the repository pins, with its sums."""

import json
from typing import Any

from devtools.locks import Pin, lock, wanted_by
from flinkops import __version__
from flinkops.local.jars import Jar, manifest

FILE = "sbom.cdx.json"
_LOCKS = {
    "base": "what `pip install flinkops` brings, and what develops it",
    "local": "the extras `local` (the embedded fleet, Flink 2.3), `s3` and `dispatcher`",
    "flink120": "PyFlink of the second Flink line",
    "image": "flinkops' own image: the tool and the extra `s3`",
    "build": "what builds packages from source",
    "docs": "Sphinx, which makes a site of the documentation",
    "go": "Go, which builds the S3 server of the tests where none is installed",
}


def document() -> str:
    """The bill as JSON, the same for the same locks.

    ``scope``: required by the tool; optional: of an extra or a job; excluded: it only builds or tests.
    """
    components: dict[str, dict[str, Any]] = {}
    edges: dict[str, set[str]] = {}
    for name in _LOCKS:
        pins = lock(name)
        own = wanted_by(pins, {pin.name for pin in pins if "" in pin.groups})
        for pin in pins:
            _add(components, pin, name, _scope(name, pin.name in own))
        versions: dict[str, list[str]] = {}
        for pin in pins:
            versions.setdefault(pin.name, []).append(_reference(pin))
        for pin in pins:
            for wanting in pin.via:
                for reference in versions.get(wanting, ()):
                    edges.setdefault(reference, set()).add(_reference(pin))
    for group, jars in manifest().items():
        for jar in jars:
            _add_jar(components, jar, group)
    ordered = [components[reference] for reference in sorted(components)]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "flinkops", "version": __version__, "bom-ref": "flinkops"}
        },
        "components": ordered,
        "dependencies": [
            {"ref": "flinkops", "dependsOn": sorted(r for r, one in components.items() if one["scope"] == "required")},
            *({"ref": reference, "dependsOn": sorted(wanted)} for reference, wanted in sorted(edges.items())),
        ],
    }
    return json.dumps(bill, indent=1, sort_keys=False) + "\n"


def _scope(lock_name: str, own: bool) -> str:
    if lock_name == "base" and own:
        return "required"
    return "optional" if lock_name in ("local", "flink120", "image") and own else "excluded"


def _reference(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _add(components: dict[str, dict[str, Any]], pin: Pin, lock_name: str, scope: str) -> None:
    reference = _reference(pin)
    known = components.setdefault(
        reference,
        {
            "type": "library",
            "bom-ref": reference,
            "name": pin.name,
            "version": pin.version,
            "scope": scope,
            "purl": reference,
            "properties": [],
        },
    )
    order = ("required", "optional", "excluded")
    known["scope"] = min(known["scope"], scope, key=order.index)
    known["properties"].append({"name": "flinkops:lock", "value": f"locks/{lock_name}.txt"})  # which has the hashes


def _add_jar(components: dict[str, dict[str, Any]], jar: Jar, group: str) -> None:
    organisation, artifact, version = jar.coordinates.split(":")
    reference = f"pkg:maven/{organisation}/{artifact}@{version}"
    known = components.setdefault(
        reference,
        {
            "type": "library",
            "bom-ref": reference,
            "group": organisation,
            "name": artifact,
            "version": version,
            "scope": "optional",
            "hashes": [{"alg": "SHA-256", "content": jar.sha256}],
            "purl": reference,
            "properties": [],
        },
    )
    known["properties"].append({"name": "flinkops:jars", "value": group})
