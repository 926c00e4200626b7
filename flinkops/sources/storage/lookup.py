"""Finds many files of a folder with few requests."""

from collections.abc import Iterable, Iterator

from flinkops.sources.storage.location import Location
from flinkops.sources.storage.port import Entry, OutOfReach, Storage

Found = Entry | OutOfReach | None
"""The file; why it is not known; None: there is none."""


def look_up(storage: Storage, folder: Location, names: Iterable[str]) -> Iterator[tuple[str, Found]]:
    """Each of these names once, in any order.

    A listing, as long as that takes fewer requests than the names that are left: the folder of shared files may hold
    a thousand times as many as one checkpoint names.
    """
    left = set(names)
    if storage.names_per_request > 1:
        pages = 0
        try:
            for page in storage.pages(folder, starts_with=_common_start(left)):
                pages += 1
                for entry in page:
                    if entry.name in left and not entry.is_folder:
                        left.discard(entry.name)
                        yield entry.name, entry
                if pages >= len(left):
                    break
            else:
                yield from ((name, None) for name in left)
                return
        except OutOfReach as problem:
            yield from ((name, problem) for name in left)
            return
    for name in left:
        yield name, _one(storage, folder.child(name))


def _common_start(names: set[str]) -> str:
    first, last = min(names, default=""), max(names, default="")
    return first[: next((at for at, one in enumerate(first) if not last.startswith(one, at)), len(first))]


def _one(storage: Storage, place: Location) -> Found:
    try:
        return storage.entry(place)
    except OutOfReach as problem:
        return problem
