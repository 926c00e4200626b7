"""JSON merge patches (RFC 7396) of a resource, made and applied. Pure."""

from collections.abc import Mapping
from typing import Any

from flinkops.model.json_reading import section


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from `before` to `after`.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4, "d": 3}, "e": 5})
    {'a': None, 'b': {'c': 4}, 'e': 5}
    """
    patch: dict[str, Any] = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if key not in after:
            patch[key] = None
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := merge_patch(old, new):
                patch[key] = inner
        elif old != new or key not in before:
            patch[key] = new
    return patch


def merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON merge patch (RFC 7396) makes of `before`.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    after = dict(before)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, Mapping):
            old = after.get(key)
            after[key] = merged(old if isinstance(old, Mapping) else {}, value)
        else:
            after[key] = value
    return after


def changed_paths(patch: Mapping[str, Any], above: str = "spec") -> list[str]:
    """The fields that a merge patch sets or removes.

    >>> changed_paths({"image": "a:1", "job": {"parallelism": 2}})
    ['spec.image', 'spec.job.parallelism']
    """
    paths = []
    for key, value in patch.items():
        here = f"{above}.{key}"
        paths += changed_paths(value, here) if isinstance(value, Mapping) and value else [here]
    return paths


def spec_patch(resource: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that gives the resource this spec; empty when it has it."""
    patch = merge_patch(section(resource, "spec"), wanted)
    return {"spec": patch} if patch else {}
