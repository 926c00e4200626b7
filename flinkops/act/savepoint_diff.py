"""What differs between two savepoints: operators that came or went, states, parallelism, sizes. Pure."""

from typing import Literal

import msgspec

from flinkops.act.savepoint_content import OperatorContent, SavepointContent

Change = Literal["added", "gone", "changed", "same"]


class OperatorChange(msgspec.Struct, frozen=True):
    """One operator in both. ``what``: one phrase for each thing that differs."""

    id: str
    label: str
    change: Change
    bytes_before: int | None
    bytes_after: int | None
    what: tuple[str, ...] = ()


def savepoint_diff(before: SavepointContent, after: SavepointContent) -> tuple[OperatorChange, ...]:
    """Every operator of either, those of `after` first, matched by their ids, as Flink does."""
    old, new = ({one.id: one for one in content.operators} for content in (before, after))
    changes = [_change(old.get(one.id), one) for one in new.values()]
    gone = (one for one in old.values() if one.id not in new)
    return (*changes, *(OperatorChange(one.id, one.label, "gone", one.total_bytes, None) for one in gone))


def _change(old: OperatorContent | None, new: OperatorContent) -> OperatorChange:
    if old is None:
        return OperatorChange(new.id, new.label, "added", None, new.total_bytes)
    what = [
        f"{name} {one} -> {other}"
        for name, one, other in (
            ("parallelism", old.parallelism, new.parallelism),
            ("max parallelism", old.max_parallelism, new.max_parallelism),
            ("keys", old.key_serializer, new.key_serializer),
        )
        if one != other
    ]
    if old.states is not None and new.states is not None:
        known = {one.name: one for one in old.states}
        wanted = {one.name: one for one in new.states}
        what += [f"state {name} added" for name in wanted if name not in known]
        what += [f"state {name} gone" for name in known if name not in wanted]
        what += [
            f"state {name}: {known[name].kind} {known[name].serializer} -> {one.kind} {one.serializer}"
            for name, one in wanted.items()
            if name in known and (known[name].kind, known[name].serializer) != (one.kind, one.serializer)
        ]
    change: Change = "changed" if what or old.total_bytes != new.total_bytes else "same"
    return OperatorChange(new.id, new.label, change, old.total_bytes, new.total_bytes, tuple(what))
