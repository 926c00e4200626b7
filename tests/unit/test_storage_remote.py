"""GCS, Azure and HDFS through fsspec's interface: what the libraries answer, and what they raise."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.storage import read_metadata_file
from flinkops.sources.storage.location import Kind, Location, parse_location
from flinkops.sources.storage.port import Entry, OutOfReach, Storage
from flinkops.sources.storage.remote import RemoteStorage
from flinkops.sources.storage.stores import Stores
from tests.unit.test_savepoint_check import relative

MOMENT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MOMENT_MS = int(MOMENT.timestamp() * 1000)
TIMES: dict[Kind, dict[str, Any]] = {
    "gs": {"updated": "2026-11-28T12:00:00.000Z"},
    "azure": {"last_modified": MOMENT},
    "hdfs": {"mtime": MOMENT},
}
WRITTEN = {"gs": "gs://bucket/sp/1", "azure": "abfss://data@account/sp/1", "hdfs": "hdfs://nn:8020/sp/1"}


class FakeLibrary:
    """An fsspec file system, as far as it is asked."""

    def __init__(self, files: dict[str, bytes], times: dict[str, Any]) -> None:
        self.files = files
        self.times = times
        self.problem: Exception | None = None

    def _names(self) -> dict[str, bytes]:
        if self.problem is not None:
            raise self.problem
        return self.files

    def info(self, path: str) -> dict[str, Any]:
        if path in self._names():
            return {"name": path, "type": "file", "size": len(self.files[path]), **self.times}
        if self.isdir(path):
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    def isdir(self, path: str) -> bool:
        return any(one.startswith(path.rstrip("/") + "/") for one in self._names())

    def exists(self, path: str) -> bool:
        return path in self._names() or self.isdir(path)

    def ls(self, path: str, *, detail: bool, refresh: bool) -> list[dict[str, Any]]:
        assert detail
        assert refresh
        start = path.rstrip("/") + "/"
        found = {start + one[len(start) :].partition("/")[0] for one in self._names() if one.startswith(start)}
        if not found:
            raise FileNotFoundError(path)
        return [self.info(one) for one in sorted(found)]

    def cat_file(self, path: str, *, start: int, end: int) -> bytes:
        if path not in self._names():
            raise FileNotFoundError(path)
        return self.files[path][start:end]

    def rm_file(self, path: str) -> None:
        if self._names().pop(path, None) is None:
            raise FileNotFoundError(path)


class OneStore(Stores):
    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self._one = storage

    def at(self, _place: Location) -> Storage:
        return self._one


@pytest.fixture(params=["gs://bucket", "abfss://data@account.dfs.core.windows.net", "hdfs://nn:8020"])
def root(request: pytest.FixtureRequest) -> Location:
    return parse_location(f"{request.param}/sp/1")


@pytest.fixture
def library(root: Location) -> FakeLibrary:
    inside = {"gs": "bucket/sp/1", "azure": "data/sp/1", "hdfs": "/sp/1"}[root.kind]
    names = {"1 a%b.sst": b"1234", "deep/2": b"x", "_metadata": relative({"1 a%b.sst": 4})}
    return FakeLibrary({f"{inside}/{name}": content for name, content in names.items()}, TIMES[root.kind])


@pytest.fixture
def storage(library: FakeLibrary, root: Location) -> RemoteStorage:
    return RemoteStorage(library, root.kind, root.storage)


def test_every_method_of_the_port(storage: RemoteStorage, root: Location) -> None:
    assert storage.entry(root.child("1 a%b.sst")) == Entry("1 a%b.sst", 4, MOMENT_MS)
    assert storage.entry(root) is storage.entry(root.child("none")) is None
    listed = [entry for page in storage.pages(root) for entry in page]
    assert {one.name: one.is_folder for one in listed} == {"1 a%b.sst": False, "deep": True, "_metadata": False}
    assert [one.name for page in storage.pages(root, starts_with="1") for one in page] == ["1 a%b.sst"]
    assert list(storage.pages(root.child("none"))) == []
    piece, none = storage.read(root.child("1 a%b.sst"), 1, 2), storage.read(root.child("none"), 0, 1)
    assert (piece.raw if piece else None, none) == (b"23", None)
    assert [storage.is_folder(one) for one in (root, root.parent, root.child("none"))] == [True, True, False]
    storage.delete(root.child("1 a%b.sst"))
    storage.delete(root.child("1 a%b.sst"))
    assert storage.entry(root.child("1 a%b.sst")) is None


def test_a_savepoint_is_checked_there(storage: RemoteStorage, library: FakeLibrary, root: Location) -> None:
    text = WRITTEN[root.kind]
    assert check_savepoint(text, OneStore(storage)).verdict == "ok"
    assert read_metadata_file(text, OneStore(storage)).written_ms() == MOMENT_MS
    name = next(one for one in library.files if one.endswith(".sst"))
    library.files[name] = b"123"
    assert check_savepoint(text, OneStore(storage)).verdict == "bad"


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (PermissionError("secret"), "denies access"),
        (OSError("secret"), "cannot be asked: OSError"),
        (RuntimeError("secret"), "cannot be asked: RuntimeError"),
    ],
)
def test_what_a_library_raises_is_out_of_reach_and_tells_no_secret(
    storage: RemoteStorage, library: FakeLibrary, root: Location, problem: Exception, why: str
) -> None:
    library.problem = problem
    for ask in (storage.entry, storage.is_folder, lambda place: list(storage.pages(place)), storage.delete):
        with pytest.raises(OutOfReach, match=why) as told:
            ask(root)
        assert "secret" not in told.value.line()
        assert told.value.next_step is not None


class OutOfRange(Exception):
    """As azure.core and gcsfs have it for a range behind the end of a file, which an empty one has at 0."""

    status_code = 416


def test_a_range_behind_the_end_is_empty(storage: RemoteStorage, library: FakeLibrary, root: Location) -> None:
    library.files["x"] = b""
    library.problem = OutOfRange()
    found = storage.read(root.child("x"), 0, 9)
    assert found is not None
    assert found.raw == b""


def test_no_bucket_of_that_name_is_out_of_reach(library: FakeLibrary, storage: RemoteStorage, root: Location) -> None:
    library.files.clear()
    with pytest.raises(OutOfReach, match="there is no"):
        storage.is_folder(root)


@pytest.mark.parametrize("path", ["gs://bucket/sp", "abfss://data@account/sp", "hdfs:///sp"])
def test_a_library_that_is_missing_is_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gcsfs", "adlfs", "fsspec.implementations.arrow"):
        monkeypatch.setitem(sys.modules, name, None)
    found = check_savepoint(path, Stores({}))
    assert (found.verdict, "not installed" in found.why) == ("unknown", True)
    assert found.next_step is not None
    assert found.next_step.startswith("pip install 'flinkops[")


CHATTY = """
import logging

class GCSFileSystem:
    def __init__(self, **options):
        pass

    def cat_file(self, path, start, end):
        logging.getLogger("gcsfs").error("retrying", exc_info=OSError("a traceback"))
        raise FileNotFoundError(path)

    def isdir(self, path):
        return not path.endswith("sp")

    exists = isdir
"""


def test_what_a_library_logs_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "gcsfs.py").write_text(CHATTY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [
        sys.executable,
        "-m",
        "flinkops",
        "savepoint",
        "verify",
        "gs://bucket/sp",
        "--journal",
        str(tmp_path / "j"),
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, ""), done
    assert "there is no such folder" in done.stdout
