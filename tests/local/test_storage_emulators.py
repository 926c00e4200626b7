"""The storage port on emulators of Azure and Google Cloud Storage, by hand: docs/storage.md has what was tried.

Azurite: ``AZURE_STORAGE_CONNECTION_STRING``. fake-gcs-server: ``STORAGE_EMULATOR_HOST``. Each with its extra installed.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.savepoint_content import savepoint_content
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.act.storage import newer_beside, savepoints_in
from flinkops.sources.storage.location import parse_location
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of
from tests.local.storage_changes import copies_there_and_back, removes_what_nobody_refers_to
from tests.local.storage_port import FILES, holds_the_port
from tests.unit.test_savepoint_check import JOB, relative

# Warnings of the libraries, which become errors in the middle of an upload, are theirs.
pytestmark = [
    pytest.mark.local,
    pytest.mark.by_hand,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
]

SAVEPOINTS = Path(__file__).resolve().parents[1] / "unit" / "savepoints"
ODD = "sp 1 a%20b+ü&=Ω"
ROOTS = {
    "AZURE_STORAGE_CONNECTION_STRING": "abfss://flinkops@devstoreaccount1.dfs.core.windows.net",
    "STORAGE_EMULATOR_HOST": "gs://flinkops",
}


@pytest.fixture(params=sorted(ROOTS))
def root(request: pytest.FixtureRequest) -> str:
    """Of a bucket or container that is there already."""
    if request.param not in os.environ:
        pytest.skip(f"no emulator in {request.param}")
    return ROOTS[request.param]


@pytest.fixture
def stores() -> Iterator[Stores]:
    with closing(Stores({})) as found:
        yield found


def write(stores: Stores, folder: str, files: Mapping[str, bytes | int]) -> None:
    """Files; a number stands for so many bytes."""
    for name, content in files.items():
        place = place_of(f"{folder}/{name}")
        stores.at(place).write(place, [content if isinstance(content, bytes) else bytes(content)])


@pytest.mark.parametrize("real", sorted(path.stem for path in SAVEPOINTS.glob("*.metadata")))
def test_real_savepoints_are_whole_until_a_byte_is_missing(root: str, stores: Stores, real: str) -> None:
    content = (SAVEPOINTS / f"{real}.metadata").read_bytes()
    files = {one.path: one.end_bytes for one in parse_metadata(content).files}
    folder = f"{root}/{ODD}/{real}"
    write(stores, folder, {"_metadata": content, **files})
    found = check_savepoint(folder, stores)
    assert (found.verdict, found.problems) == ("ok", ())
    if not files:
        return
    name = next(iter(files))
    write(stores, folder, {name: files[name] - 1})
    assert check_savepoint(folder, stores).verdict == "bad"
    place = place_of(f"{folder}/{name}")
    stores.at(place).delete(place)
    assert [name in problem for problem in check_savepoint(folder, stores).problems] == [True]


def test_a_metadata_that_is_none_is_bad(root: str, stores: Stores) -> None:
    cut = (SAVEPOINTS / "flink-2.3-rocksdb-native.metadata").read_bytes()[:-9]
    for content in (b"", b"<html>", cut):
        write(stores, f"{root}/broken", {"_metadata": content})
        found = check_savepoint(f"{root}/broken", stores)
        assert (found.verdict, "is not usable" in found.why) == ("bad", True)


def test_what_is_not_there_is_bad_and_no_bucket_is_unknown(root: str, stores: Stores) -> None:
    assert check_savepoint(f"{root}/none", stores).why == "there is no such folder"
    elsewhere = root.replace("flinkops", "none-such")
    wrong = check_savepoint(f"{elsewhere}/one", stores)
    assert (wrong.verdict, bool(wrong.next_step)) == ("unknown", True), wrong


def test_both_recoveries_find_what_nobody_noted(root: str, stores: Stores) -> None:
    files: dict[str, bytes | int] = {f"sp/savepoint-{name}/_metadata": b"x" for name in ("abcdef-1", "fedcba-3")}
    files |= {f"c/chk-{number}/_metadata": b"x" for number in (7, 11)} | {"c/chk-12/1.sst": 4}
    write(stores, root, files)
    assert savepoints_in(f"{root}/sp/", JOB, stores, since_seconds=0) == [f"{root}/sp/savepoint-abcdef-1"]
    assert newer_beside(f"{root}/c/chk-7", stores) == [f"{root}/c/chk-11"]


def test_every_method_of_the_port(root: str, stores: Stores) -> None:
    write(stores, root, FILES)
    holds_the_port(parse_location(f"{root}/port"), stores)


def test_an_upload_that_broke_off_leaves_nothing(root: str, stores: Stores) -> None:
    def torn() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(2**20)
        raise OutOfReach("the source is gone")

    place = place_of(f"{root}/torn/file")
    with pytest.raises(OutOfReach, match="the source is gone"):
        stores.at(place).write(place, torn())
    assert stores.at(place).entry(place) is None


def test_a_savepoint_of_many_files(root: str, stores: Stores) -> None:
    files = {f"{number:05} file": number % 7 for number in range(300)}
    write(stores, f"{root}/large", {**files, "_metadata": relative(files)})
    assert check_savepoint(f"{root}/large", stores).verdict == "ok"
    place = place_of(f"{root}/large/00177 file")
    stores.at(place).delete(place)
    assert check_savepoint(f"{root}/large", stores).problems == ("00177 file: missing",)


@pytest.mark.parametrize("real", sorted(path.stem for path in SAVEPOINTS.glob("*.metadata")))
def test_what_is_in_it_is_what_is_seen_on_the_disk(root: str, stores: Stores, real: str, tmp_path: Path) -> None:
    content = (SAVEPOINTS / f"{real}.metadata").read_bytes()
    for folder in (f"{root}/shown/{real}", str(tmp_path / real)):
        write(
            stores, folder, {"_metadata": content, **{one.path: one.end_bytes for one in parse_metadata(content).files}}
        )
    there, here = savepoint_content(f"{root}/shown/{real}", stores), savepoint_content(str(tmp_path / real), stores)
    assert there.operators
    assert there.written_ms is not None
    assert there == msgspec.structs.replace(here, path=there.path, written_ms=there.written_ms)


def test_a_savepoint_is_copied_there_and_back(root: str, stores: Stores, tmp_path: Path) -> None:
    copies_there_and_back(f"{root}/{uuid4().hex}", stores, tmp_path)


def test_what_nobody_refers_to_goes_and_the_rest_stays(root: str, stores: Stores, tmp_path: Path) -> None:
    removes_what_nobody_refers_to(f"{root}/{uuid4().hex}", stores, tmp_path)
