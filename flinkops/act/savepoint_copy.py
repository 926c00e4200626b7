"""Copying a savepoint to another folder or storage: its files, its metadata last, then all of it looked at there."""

from collections.abc import Iterator
from typing import Any, Final

from flinkops.act.java_stream import MetadataError
from flinkops.act.outcomes import SavepointCopied
from flinkops.act.running import StepKind, StepRun
from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.savepoint_metadata import SavepointMetadata, parse_metadata
from flinkops.act.storage import Absent, MetadataFile, read_metadata_file
from flinkops.errors import OperationFailed
from flinkops.model.places import METADATA_FILE
from flinkops.plan.step_inputs import CopySavepoint
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.lookup import at_once, look_up
from flinkops.sources.storage.port import OutOfReach, Storage
from flinkops.sources.storage.stores import Stores, place_of

_PIECE_BYTES: Final = 8 * 2**20
_AT_ONCE: Final = 4


def not_relocatable(metadata: SavepointMetadata) -> str | None:
    """Why a snapshot cannot be restored from another place; None: all that it names is relative to its own folder."""
    absolute = [one for one in metadata.files if not one.relative]
    if not absolute:
        return None
    kinds = {kind for one in metadata.details for kind in one.kinds}
    if any(one.changelog for one in absolute) or "changelog" in kinds:
        why = "it is a checkpoint with a changelog"
    elif "incremental" in kinds:
        why = "it is an incremental checkpoint, or was written with entropy"
    else:
        why = "it is a checkpoint, or was written with entropy"
    return f"{why}: it names {len(absolute)} of its {len(metadata.files)} files by their full paths"


def occupied(target: str, content: bytes, stores: Stores) -> str | None:
    """Why the copy cannot go there; None: nothing is there, or this copy, maybe in part. Raises OutOfReach."""
    place = place_of(target)
    found = stores.at(place).read(place.child(METADATA_FILE), 0, len(content) + 1)
    return None if found is None or found.raw == content else f"{target} holds another savepoint"


def copy_savepoint(run: StepRun, given: CopySavepoint) -> SavepointCopied:
    """Copy what is not there yet with its size. The metadata comes last: before it no savepoint is there."""
    try:
        file = read_metadata_file(given.path, run.stores)
        metadata = parse_metadata(file.content)
        if (why := not_relocatable(metadata) or occupied(given.target, file.content, run.stores)) is not None:
            raise OperationFailed(f"{given.path} is not copied: {why}")
        copied = list(_copied(run, file, metadata, place_of(given.target)))
        _write(run.stores, place_of(given.target).child(METADATA_FILE), [file.content])
    except Absent as missing:
        raise OperationFailed(f"{given.path}: {missing}") from None
    except MetadataError as damage:
        raise OperationFailed(f"{given.path}: its _metadata is not usable: {damage}") from None
    except OutOfReach as trouble:
        raise OperationFailed(trouble.what, next_step=trouble.next_step) from None
    check = check_savepoint(given.target, run.stores)
    if check.verdict != "ok":
        raise OperationFailed(f"the copy is {check.verdict}: {check.why}", next_step=check.next_step)
    return SavepointCopied(given.target, len(copied), sum(copied), check.why)


def _copied(run: StepRun, file: MetadataFile, metadata: SavepointMetadata, target: Location) -> Iterator[int]:
    """The bytes of each file that was not there with its size."""
    missing = _missing(run.stores, metadata, target)
    storage, folder = file.storage, file.folder

    def copy(name: str) -> int:
        count = 0

        def pieces() -> Iterator[bytes]:
            nonlocal count
            for piece in _pieces(storage, folder.child(name)):
                count += len(piece)
                yield piece

        _write(run.stores, target.child(name), pieces())
        return count

    for done, (_, size) in enumerate(at_once(copy, missing, threads=_AT_ONCE), 1):
        run.note(f"copied {done} of {len(missing)} files")
        yield size


def _missing(stores: Stores, metadata: SavepointMetadata, target: Location) -> list[str]:
    wanted = {one.path: one.end_bytes for one in metadata.files}
    by_folder: dict[Location, dict[str, str]] = {}
    for path in wanted:
        place = target.child(path)
        by_folder.setdefault(place.parent, {})[place.name] = path
    missing: list[str] = []
    for folder, named in by_folder.items():
        for name, found in look_up(stores.at(folder), folder, named):
            if isinstance(found, OutOfReach):
                raise found
            if found is None or found.size_bytes != wanted[named[name]]:
                missing.append(named[name])
    return sorted(missing)


def _pieces(storage: Storage, place: Location) -> Iterator[bytes]:
    """A file from its beginning to its end. Raises OutOfReach."""
    start = 0
    while True:
        found = storage.read(place, start, _PIECE_BYTES)
        if found is None:
            raise OutOfReach(f"{place.path} was removed while it was copied")
        if found.raw:
            yield found.raw
        if len(found.raw) < _PIECE_BYTES:
            return
        start += len(found.raw)


def _write(stores: Stores, place: Location, pieces: Any) -> None:
    stores.at(place).write(place, pieces)


COPY_STEPS: tuple[StepKind[Any, Any], ...] = (StepKind(CopySavepoint, SavepointCopied, copy_savepoint),)
