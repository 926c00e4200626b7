"""What changed from one snapshot to the next, as JSON, and how to apply it.

A change of a struct is an object: a changed field under its own name; ``~field``: the change of a struct in that
field; ``#field``: a list of structs that have a key, in the new order: ``[key]`` unchanged, ``[key, change]``
changed, ``[key, null, value]`` new. Which keys: a job's cluster and id, the id of a vertex or checkpoint, a name.
"""

from typing import Any

import msgspec

from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointsFacts,
    ClusterFacts,
    JobFacts,
    SourceStatus,
    VertexFacts,
)

Json = dict[str, Any]


def changes(old: msgspec.Struct, new: msgspec.Struct) -> Json:
    """The change from `old` to `new`, structs of one type."""
    found: Json = {}
    for field in new.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before is after or before == after:
            continue
        if isinstance(before, CheckpointsFacts) and isinstance(after, CheckpointsFacts):
            found[f"~{field}"] = changes(before, after)
        elif (listed := _list_changes(before, after)) is not None:
            found[f"#{field}"] = listed
        else:
            found[field] = after
    return found


def applied(content: Json, change: Json) -> Json:
    """The JSON of the new struct, from that of the old one. Raises KeyError and the like when it does not fit."""
    result = dict(content)
    for name, value in change.items():
        if name[0] == "~":
            result[name[1:]] = applied(content[name[1:]], value)
        elif name[0] == "#":
            result[name[1:]] = _applied_list(content.get(name[1:], []), value)
        else:
            result[name] = value
    return result


def _list_changes(before: object, after: object) -> list[list[Any]] | None:
    """None when it is no tuple of structs with unique keys."""
    if not isinstance(before, tuple) or not isinstance(after, tuple) or not before or not after:
        return None
    old = {_key(each): each for each in before}
    new = {_key(each): each for each in after}
    if None in old or None in new or len(old) < len(before) or len(new) < len(after):
        return None
    listed: list[list[Any]] = []
    for key, value in new.items():
        same = old.get(key)
        if same is None:
            listed.append([key, None, value])
        elif same == value:
            listed.append([key])
        else:
            listed.append([key, changes(same, value)])
    return listed


def _applied_list(content: list[Json], listed: list[list[Any]]) -> list[Json]:
    old = {_json_key(each): each for each in content}
    result: list[Json] = []
    for key, *change in listed:
        if not change:
            result.append(old[key])
        elif change[0] is not None:
            result.append(applied(old[key], change[0]))
        else:
            result.append(change[1])
    return result


def _key(value: object) -> str | None:
    if isinstance(value, JobFacts):
        return f"{value.cluster}\n{value.id}"
    if isinstance(value, VertexFacts | CheckpointFacts):
        return str(value.id)
    return value.name if isinstance(value, SourceStatus | ClusterFacts) else None


def _json_key(value: Json) -> str:
    if "cluster" in value:
        return f"{value['cluster']}\n{value['id']}"
    return str(value["id"] if "id" in value else value["name"])
