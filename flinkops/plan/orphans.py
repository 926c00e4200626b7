"""Which files under a folder of savepoints and checkpoints nobody refers to any more. Pure.

In doubt a file is referred to: what is wrongly kept costs storage, what is wrongly removed is state loss.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from flinkops.plan.state_layout import Unit, tail_of, unit_of

MIN_AGE_SECONDS: Final = 86_400.0
"""What is younger may be a snapshot in the making, or one that a job is about to start from."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file as a listing has it; ``path`` as its storage has it."""

    path: str
    size_bytes: int
    modified_ms: int | None = None


class SnapshotContent(msgspec.Struct, frozen=True):
    """What the ``_metadata`` of a snapshot says. ``problem``: why it is not known, then nothing else is.

    ``names``: the tails (`state_layout.tail_of`) of all files that it names.
    """

    names: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    modified_ms: int = 0
    problem: str | None = None


class References(msgspec.Struct, frozen=True):
    """What is referred to, each with by what. ``gaps``: what could not be asked; nothing may be removed then.

    ``keys`` are those of snapshots (`state_layout`), ``live_jobs`` the ids of jobs that have not ended, ``files`` the
    tails of what snapshots outside of the folder name.
    """

    keys: Mapping[str, str] = {}
    live_jobs: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    gaps: tuple[str, ...] = ()


class UnitFiles(msgspec.Struct, frozen=True):
    """One unit with its files; ``kept``: by what it is referred to, None: by nothing."""

    unit: Unit
    files: tuple[StoredFile, ...]
    kept: str | None = None

    @property
    def total_bytes(self) -> int:
        """Of all its files."""
        return sum(one.size_bytes for one in self.files)

    @property
    def newest_ms(self) -> int | None:
        """When the last of its files was written; None when that is not known of each."""
        times = [one.modified_ms for one in self.files]
        return None if None in times else max(one for one in times if one is not None)


class Decision(msgspec.Struct, frozen=True):
    """What a folder holds. ``foreign``: files that Flink does not name so, which are never removed."""

    units: tuple[UnitFiles, ...]
    foreign: tuple[StoredFile, ...]
    gaps: tuple[str, ...]

    @property
    def orphans(self) -> tuple[UnitFiles, ...]:
        """What nobody refers to."""
        return tuple(one for one in self.units if one.kept is None)


LAST_STATE: Final = "the newest state of a job that no source knows"


def decide(
    files: Iterable[StoredFile],
    contents: Mapping[str, SnapshotContent],
    references: References,
    *,
    with_last_states: bool = False,
) -> Decision:
    """Who refers to what. ``contents`` are those of all snapshots in the folder, by their folder's path.

    `with_last_states`: the newest snapshot of a job that no source knows is not kept for that alone.
    """
    by_unit: dict[Unit, list[StoredFile]] = {}
    foreign: list[StoredFile] = []
    for file in files:
        unit = unit_of(file.path)
        if unit is None:
            foreign.append(file)
        else:
            by_unit.setdefault(unit, []).append(file)
    kept = _Kept(by_unit, contents, references)
    kept.by_references()
    kept.by_unknown_snapshots()
    if not with_last_states:
        kept.last_states()
    found = [UnitFiles(unit, tuple(own), kept.reasons.get(unit)) for unit, own in by_unit.items()]
    return Decision(tuple(found), tuple(foreign), (*references.gaps, *dict.fromkeys(kept.gaps)))


class _Kept:
    """What is kept, and why; what a kept snapshot names is kept with it."""

    def __init__(
        self,
        by_unit: Mapping[Unit, list[StoredFile]],
        contents: Mapping[str, SnapshotContent],
        references: References,
    ) -> None:
        self._units = by_unit
        self._contents = contents
        self._references = references
        self._by_tail: dict[str, list[Unit]] = {}
        for unit, own in by_unit.items():
            for file in own:
                self._by_tail.setdefault(tail_of(file.path), []).append(unit)
        self._by_key: dict[str, list[Unit]] = {}
        for unit in by_unit:
            self._by_key.setdefault(unit.key, []).append(unit)
        self.reasons: dict[Unit, str] = {}
        self.gaps: list[str] = []

    def by_references(self) -> None:
        """What sources, the journal, and snapshots elsewhere refer to."""
        live = self._references.live_jobs
        for unit in self._units:
            if (why := self._references.keys.get(unit.key)) is not None:
                self._keep(unit, why)
            if (why := live.get(unit.job)) is not None:
                self._keep(unit, why)
        for tail, why in self._references.files.items():
            for unit in self._by_tail.get(tail, ()):
                self._keep(unit, why)

    def by_unknown_snapshots(self) -> None:
        """Snapshots under names of somebody's own: they are kept, and what they name."""
        known = {unit.path for unit in self._units}
        for folder, content in self._contents.items():
            if folder not in known:
                self._follow(folder, content)

    def last_states(self) -> None:
        """Of each job the newest snapshot, the newest whole one too: no source may know the job any more."""
        groups: dict[tuple[str, str, frozenset[str]], list[tuple[int, str, Unit]]] = {}
        for unit in self._units:
            content = self._contents.get(unit.path)
            if unit.is_snapshot and content is not None:
                group = (unit.path.removesuffix(unit.key), unit.job[:6], content.operators)
                groups.setdefault(group, []).append((content.modified_ms, unit.path, unit))
        for snapshots in groups.values():
            newest_first = [unit for _, _, unit in sorted(snapshots, key=lambda one: one[:2], reverse=True)]
            whole = [unit for unit in newest_first if self._is_whole(unit)]
            for unit in (newest_first[0], *whole[:1]):
                self._keep(unit, LAST_STATE)

    def _is_whole(self, unit: Unit) -> bool:
        content = self._contents[unit.path]
        return content.problem is None and all(name in self._by_tail for name in content.names)

    def _keep(self, unit: Unit, why: str) -> None:
        todo = [(unit, why)]
        while todo:
            one, reason = todo.pop()
            if one in self.reasons:
                continue
            self.reasons[one] = reason
            todo += [(other, reason) for other in self._by_key[one.key] if other != one]
            if one.is_snapshot and (content := self._contents.get(one.path)) is not None:
                todo += self._named(one.path, content)

    def _follow(self, folder: str, content: SnapshotContent) -> None:
        for unit, why in self._named(folder, content):
            self._keep(unit, why)

    def _named(self, folder: str, content: SnapshotContent) -> list[tuple[Unit, str]]:
        if content.problem is not None:
            self.gaps.append(f"what {folder} refers to is not known: {content.problem}")
            return []
        units = (unit for name in content.names for unit in self._by_tail.get(name, ()))
        return [(unit, f"{folder} refers to it") for unit in units]
