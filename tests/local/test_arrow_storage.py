"""HDFS as pyarrow has it, over another of its file systems: a name node can be had, its native library cannot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import LocalFileSystem

from flinkops.sources.storage.location import parse_location
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.remote import RemoteStorage

pytestmark = pytest.mark.local


def test_an_upload_that_broke_off_leaves_nothing(tmp_path: Path) -> None:
    """What was written is there from its first byte on, other than in object storage."""
    storage = RemoteStorage(ArrowFSWrapper(LocalFileSystem()), "hdfs", "hdfs://nn")

    def torn() -> Iterator[bytes]:
        yield b"abc"
        raise OutOfReach("the source is gone")

    place = parse_location(f"hdfs://nn{tmp_path}/file")
    with pytest.raises(OutOfReach, match="the source is gone"):
        storage.write(place, torn())
    assert not list(tmp_path.iterdir())
    storage.write(place, [b"abc", b"d"])
    assert (tmp_path / "file").read_bytes() == b"abcd"
    entry = storage.entry(place)
    assert entry is not None
    assert (entry.size_bytes, entry.modified_ms is not None) == (4, True)
