"""What every storage owes the port, whichever server is behind it."""

from flinkops.sources.storage.location import Location
from flinkops.sources.storage.stores import Stores

FILES: dict[str, bytes | int] = {"port/a b": b"0123456789", "port/deep/er": 4, "port/empty": 0}
"""What has to be there before; a number stands for so many bytes."""


def holds_the_port(folder: Location, stores: Stores) -> None:
    """``folder``: `port`, with `FILES`, and nothing else beside it that begins with `por`. Deletes `a b`."""
    storage = stores.at(folder)
    entries = [one for page in storage.pages(folder) for one in page]
    assert {one.name: one.size_bytes for one in entries} == {"a b": 10, "empty": 0, "deep": None}
    assert all(one.modified_ms for one in entries if not one.is_folder)
    entry = storage.entry(folder.child("a b"))
    assert entry is not None
    assert (entry.name, entry.size_bytes) == ("a b", 10)
    assert storage.entry(folder.child("a")) is storage.entry(folder.child("deep")) is None
    asked = (("a b", 2, 3), ("a b", 8, 99), ("empty", 0, 9))
    ranges = [storage.read(folder.child(name), start, length) for name, start, length in asked]
    assert [found.raw if found else None for found in ranges] == [b"234", b"89", b""]
    assert storage.read(folder.child("none"), 0, 1) is None
    assert [storage.is_folder(one) for one in (folder, folder.parent.child("por"), folder.parent)] == [
        True,
        False,
        True,
    ]
    storage.delete(folder.child("a b"))
    storage.delete(folder.child("a b"))
    assert storage.entry(folder.child("a b")) is None
