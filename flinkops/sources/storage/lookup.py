"""Finds many files of a folder with few requests."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from flinkops.sources.storage.location import Location
from flinkops.sources.storage.port import Entry, OutOfReach, Storage

A = TypeVar("A")
B = TypeVar("B")

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


def at_once(work: Callable[[A], B], items: Sequence[A], *, threads: int) -> Iterator[tuple[A, B]]:
    """Each item with what `work` makes of it, as they are done; raises what `work` raises.

    The threads are not waited for: whoever interrupts a command does not wait for a storage that hangs.
    """
    todo: SimpleQueue[A] = SimpleQueue()
    done: SimpleQueue[tuple[A, B] | BaseException] = SimpleQueue()

    def run() -> None:
        while True:
            try:
                item = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((item, work(item)))
            except BaseException as problem:  # noqa: BLE001 - it is raised where the result is waited for
                done.put(problem)

    for item in items:
        todo.put(item)
    for number in range(min(threads, len(items))):
        threading.Thread(target=run, name=f"storage-{number}", daemon=True).start()
    try:
        for _ in items:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        with suppress(Empty):
            while True:
                todo.get_nowait()


def _common_start(names: set[str]) -> str:
    first, last = min(names, default=""), max(names, default="")
    return first[: next((at for at, one in enumerate(first) if not last.startswith(one, at)), len(first))]


def _one(storage: Storage, place: Location) -> Found:
    try:
        return storage.entry(place)
    except OutOfReach as problem:
        return problem
