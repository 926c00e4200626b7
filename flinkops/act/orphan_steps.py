"""The step that removes files which nobody refers to."""

from typing import Any

from flinkops.act.orphan_lists import Deletion, read_deletion
from flinkops.act.outcomes import OrphansDeleted
from flinkops.act.running import StepKind, StepRun
from flinkops.errors import OperationFailed
from flinkops.plan.orphans import StoredFile
from flinkops.plan.state_layout import unit_of
from flinkops.plan.step_inputs import DeleteOrphans
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.lookup import at_once, look_up
from flinkops.sources.storage.port import Entry, OutOfReach, Storage
from flinkops.sources.storage.stores import place_of

_AT_ONCE = 8
_TOLD_EACH = 1000


def delete_orphans(run: StepRun, given: DeleteOrphans) -> OrphansDeleted:
    """Remove what is as it was listed, folder by folder; look for each once more. A second time finds it gone."""
    listed = read_deletion(given.list_file, given.digest)
    root = place_of(listed.folder)
    try:
        storage = run.stores.at(root)
        unchanged, changed = _as_listed(storage, root, listed)
        for done, _ in enumerate(
            at_once(storage.delete, [root.other(one.path) for one in unchanged], threads=_AT_ONCE)
        ):
            if done % _TOLD_EACH == 0:
                run.note(f"deleted {done} of {len(unchanged)} files")
        left = [one.path for one, found in _found(storage, root, unchanged) if found is not None]
        _remove_empty_folders(storage, root, unchanged)
    except OutOfReach as problem:
        raise OperationFailed(problem.what, next_step=problem.next_step) from None
    if left:
        raise OperationFailed(f"{len(left)} of {len(unchanged)} files are still there, such as {left[0]}")
    return OrphansDeleted(len(unchanged), sum(one.size_bytes for one in unchanged), changed)


def _as_listed(storage: Storage, root: Location, listed: Deletion) -> tuple[list[StoredFile], int]:
    """What is there as it was listed, and how many files were written since; those gone are no matter."""
    unchanged: list[StoredFile] = []
    changed = 0
    for file, found in _found(storage, root, list(listed.files)):
        if found is None:
            continue
        if (found.size_bytes, found.modified_ms) == (file.size_bytes, file.modified_ms):
            unchanged.append(file)
        else:
            changed += 1
    order = {file.path: number for number, file in enumerate(listed.files)}
    return sorted(unchanged, key=lambda one: order[one.path]), changed


def _found(storage: Storage, root: Location, files: list[StoredFile]) -> list[tuple[StoredFile, Entry | None]]:
    """Each file as it is now. Raises OutOfReach."""
    by_folder: dict[Location, dict[str, StoredFile]] = {}
    for file in files:
        place = root.other(file.path)
        by_folder.setdefault(place.parent, {})[place.name] = file
    found: list[tuple[StoredFile, Entry | None]] = []
    for folder, named in by_folder.items():
        for name, entry in look_up(storage, folder, named):
            if isinstance(entry, OutOfReach):
                raise entry
            found.append((named[name], entry))
    return found


def _remove_empty_folders(storage: Storage, root: Location, files: list[StoredFile]) -> None:
    """Those that Flink had made for a snapshot or a job, never the folder that was declared or one above it."""
    folders = set()
    for file in files:
        if (unit := unit_of(file.path)) is None:
            continue
        top = unit.path if unit.kind == "savepoint" else file.path.partition(f"/{unit.job}/")[0] + f"/{unit.job}"
        place = root.other(file.path).parent
        while len(place.path) >= len(top) and len(place.path) > len(root.path):
            folders.add(place)
            place = place.parent
    for folder in sorted(folders, key=lambda one: len(one.path), reverse=True):
        storage.delete_folder(folder)


ORPHAN_STEPS: tuple[StepKind[Any, Any], ...] = (StepKind(DeleteOrphans, OrphansDeleted, delete_orphans),)
