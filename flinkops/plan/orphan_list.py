"""The list that a first run writes and a later one deletes from: what was unreferenced and unchanged in both. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from flinkops.plan.orphans import Decision, StoredFile, UnitFiles

BETWEEN_RUNS_SECONDS: Final = 86_400.0


class ListedFile(msgspec.Struct, frozen=True):
    """A file that nobody referred to, and when it was first seen so."""

    size_bytes: int
    modified_ms: int
    listed_ms: int


class OrphanList(msgspec.Struct, frozen=True):
    """Of one folder, as the sources that it was declared to be used by left it."""

    folder: str
    sources: tuple[str, ...]
    files: dict[str, ListedFile]
    schema_version: int = 1


class Selection(msgspec.Struct, frozen=True):
    """What may be deleted now, and what waits, with the time from which on it may go (None: nothing waits)."""

    delete: tuple[UnitFiles, ...]
    waiting: tuple[UnitFiles, ...]
    next_ms: int | None = None


def listed(
    decision: Decision, before: OrphanList | None, folder: str, sources: tuple[str, ...], now_ms: int
) -> OrphanList:
    """The new list: what was on the one before, unchanged, keeps its time; the rest begins now.

    A list of other sources, or from the future, counts for nothing. What was referred to meanwhile is listed anew.
    """
    known: Mapping[str, ListedFile] = {}
    if before is not None and (before.folder, before.sources) == (folder, sources):
        known = before.files
    files: dict[str, ListedFile] = {}
    for unit in decision.orphans:
        for file in unit.files:
            if file.modified_ms is not None:
                files[file.path] = ListedFile(
                    file.size_bytes, file.modified_ms, _since(known.get(file.path), file, now_ms)
                )
    return OrphanList(folder, sources, files)


def _since(known: ListedFile | None, file: StoredFile, now_ms: int) -> int:
    unchanged = known is not None and (known.size_bytes, known.modified_ms) == (file.size_bytes, file.modified_ms)
    return known.listed_ms if known is not None and unchanged and known.listed_ms <= now_ms else now_ms


def select(decision: Decision, current: OrphanList, *, older_than_seconds: float, now_ms: int) -> Selection:
    """Units whose every file is old enough and was listed a day ago; a folder goes as a whole or not at all."""
    delete: list[UnitFiles] = []
    waiting: list[UnitFiles] = []
    next_ms: int | None = None
    for unit in decision.orphans:
        since = [found.listed_ms if (found := current.files.get(one.path)) else None for one in unit.files]
        newest_ms = unit.newest_ms
        if newest_ms is None or None in since or now_ms - newest_ms < older_than_seconds * 1000:
            continue
        due_ms = max(one for one in since if one is not None) + int(BETWEEN_RUNS_SECONDS * 1000)
        if now_ms >= due_ms:
            delete.append(unit)
        else:
            waiting.append(unit)
            next_ms = due_ms if next_ms is None else max(next_ms, due_ms)
    return Selection(tuple(delete), tuple(waiting), next_ms)
