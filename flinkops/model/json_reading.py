"""Reading JSON of somebody else's making: what is of another type than is asked for is not there. Pure."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def section(parent: object, key: str) -> Json:
    """The object under `key`, or an empty one where there is none."""
    child = parent.get(key) if isinstance(parent, Mapping) else None
    return child if isinstance(child, Mapping) else {}


def items(parent: object, key: str) -> list[Json]:
    """The objects of the list under `key`; what is no object is left out."""
    child = parent.get(key) if isinstance(parent, Mapping) else None
    return [one for one in child if isinstance(one, Mapping)] if isinstance(child, list) else []


def text(parent: object, key: str) -> str | None:
    """The non-empty string under `key`, else None."""
    child = parent.get(key) if isinstance(parent, Mapping) else None
    return child if isinstance(child, str) and child else None
