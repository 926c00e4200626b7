"""What lies in a folder of savepoints and checkpoints: its files, and what each snapshot's ``_metadata`` names."""

import os
from collections.abc import Callable, Iterator

import msgspec

from flinkops.act.java_stream import MetadataError
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.act.storage import MAX_METADATA_BYTES
from flinkops.model.places import METADATA_FILE
from flinkops.plan.orphans import SnapshotContent, StoredFile
from flinkops.plan.state_layout import tail_of
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.lookup import at_once
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores

_AT_ONCE = 8
Progress = Callable[[int], None]
"""Told how many files have been seen."""


class FolderContents(msgspec.Struct, frozen=True):
    """All files of a folder, and the contents of its snapshots by their folder's path."""

    files: tuple[StoredFile, ...]
    snapshots: dict[str, SnapshotContent]


def read_folder(root: Location, stores: Stores, progress: Progress = lambda _seen: None) -> FolderContents:
    """Everything below `root`. Raises OutOfReach when any of it cannot be listed; what is not there is empty."""
    files: list[StoredFile] = []
    for file in walk(root, stores):
        files.append(file)
        if len(files) % 1000 == 0:
            progress(len(files))
    end = f"/{METADATA_FILE}"
    written = {one.path.removesuffix(end): one.modified_ms for one in files if one.path.endswith(end)}
    snapshots: dict[str, SnapshotContent] = {}
    places = [root.other(path) for path in written]
    for place, found in at_once(lambda place: read_content(place, stores), places, threads=_AT_ONCE):
        if found is not None:
            snapshots[place.path] = msgspec.structs.replace(found, modified_ms=written[place.path] or 0)
    return FolderContents(tuple(files), snapshots)


def walk(root: Location, stores: Stores) -> Iterator[StoredFile]:
    """Every file below a folder; links to folders are not followed. Raises OutOfReach."""
    storage = stores.at(root)
    todo = [root]
    while todo:
        folder = todo.pop()
        for page in storage.pages(folder):
            for entry in page:
                place = folder.child(entry.name)
                if entry.size_bytes is None:
                    if not _is_link(place):
                        todo.append(place)
                else:
                    yield StoredFile(place.path, entry.size_bytes, entry.modified_ms)


def _is_link(place: Location) -> bool:
    return place.kind == "file" and os.path.islink(place.path)


def read_content(folder: Location, stores: Stores) -> SnapshotContent | None:
    """What the ``_metadata`` of a snapshot names; None: it has none. What cannot be read is a `problem`."""
    try:
        found = stores.at(folder).read(folder.child(METADATA_FILE), 0, MAX_METADATA_BYTES + 1)
    except OutOfReach as trouble:
        return SnapshotContent(problem=trouble.what)
    if found is None:
        return None
    try:
        metadata = parse_metadata(found.raw)
    except MetadataError as damage:
        return SnapshotContent(problem=f"its _metadata is not usable: {damage}")
    return SnapshotContent(
        names=frozenset(tail_of(folder.child(one.path).path if one.relative else one.path) for one in metadata.files),
        operators=frozenset(one.operator_id for one in metadata.operators),
    )
