"""Savepoints in object storage: what is asked for, what the answer means, and what changes meanwhile."""

import threading
from pathlib import Path

import pytest

from flinkops.act.savepoint_check import SavepointCheck, check_savepoint
from flinkops.act.storage import newer_beside, savepoints_in
from flinkops.sources.storage.location import Location
from flinkops.sources.storage.lookup import at_once, look_up
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores
from tests.effort import is_thorough
from tests.patience import PATIENT_SECONDS
from tests.unit.fake_storage import FakeObjects, FakeStores
from tests.unit.test_savepoint_metadata import Writer, after_keyed, operator, start

JOB = "abcdef0123456789"


def keyed(version: int = 4) -> Writer:
    """A metadata up to the managed keyed state of its only subtask."""
    return operator(start(version), version, 1).put("iii", 0, 0, 0)


def incremental(files: dict[str, int], version: int = 4) -> bytes:
    """Of an incremental checkpoint with these shared files."""
    writer = keyed(version).put("b", 5).put("q", 7).text("uuid").put("ii", 0, 128).nothing().put("i", len(files))
    for name, size in files.items():
        writer.text(name).file(name, size)
    return after_keyed(writer.put("i", 0), version).content


def changelog(files: dict[str, int]) -> bytes:
    """Of a checkpoint with changes in these files."""
    writer = keyed().put("b", 10).put("ii", 0, 1).put("i", len(files))
    for name, size in files.items():
        writer.put("q", 0).file(name, size)
    return after_keyed(writer.put("qq", 1, 2).text("id"), 4).content


def relative(files: dict[str, int]) -> bytes:
    """Of a savepoint with files beside its metadata."""
    writer = keyed().put("b", 5).put("q", 7).text("uuid").put("ii", 0, 128).nothing().put("i", len(files))
    for name, size in files.items():
        writer.text(name).relative(name, size)
    return after_keyed(writer.put("i", 0), 4).content


def check(bucket: FakeObjects, path: str = "s3://b/sp/1") -> SavepointCheck:
    return check_savepoint(path, FakeStores(b=bucket))


@pytest.mark.scaled
def test_a_savepoint_of_many_files_costs_a_request_for_a_thousand_and_one() -> None:
    files = 20_000 if is_thorough() else 2_000
    names = {f"{number:08x}": number for number in range(files)}
    bucket = FakeObjects({f"sp/1/{name}": size for name, size in names.items()} | {"sp/1/_metadata": relative(names)})
    seen: list[tuple[int, int]] = []
    found = check_savepoint("s3://b/sp/1", FakeStores(b=bucket), lambda done, of: seen.append((done, of)))
    assert (found.verdict, found.problems) == ("ok", ())
    assert found.total_bytes == sum(names.values())
    assert len(bucket.requests) <= files // 1_000 + 2  # a name more than the files, and one for the metadata
    assert [request for request in bucket.requests if request.startswith("entry")] == []
    assert seen[-1] == (files, files)


def test_few_files_in_a_large_shared_folder_are_not_searched_through_all_of_it() -> None:
    wanted = {"s3://b/shared/0000": 1, "s3://b/shared/z999": 1}
    others: dict[str, bytes | int] = {f"shared/{number:04}": 1 for number in range(5_000)}
    bucket = FakeObjects(others | {"shared/0000": 1, "shared/z999": 1, "chk-7/_metadata": incremental(wanted)})
    assert check(bucket, "s3://b/chk-7").verdict == "ok"
    assert len(bucket.requests) <= 4


def test_with_entropy_every_file_has_a_folder_of_its_own() -> None:
    files = {f"s3://b/{number:04x}/shared/file-{number}": number for number in range(300)}
    objects: dict[str, bytes | int] = {name.removeprefix("s3://b/"): size for name, size in files.items()}
    bucket = FakeObjects(objects | {"checkpoints/chk-3/_metadata": incremental(files)})
    assert check(bucket, "s3://b/checkpoints/chk-3").verdict == "ok"
    assert len(bucket.requests) <= 301


@pytest.mark.parametrize("name", ["a b", "a%20b", "a+b", "ä#ß?", "Ω/ж"])
def test_names_of_any_kind(name: str) -> None:
    bucket = FakeObjects({f"sp/1/{name}": 4, "sp/1/_metadata": relative({name: 4})})
    assert check(bucket).verdict == "ok"
    bucket.objects[f"sp/1/{name}"] = 3
    found = check(bucket)
    assert (found.verdict, found.problems) == ("bad", (f"{name}: 3 bytes, 4 expected",))


def test_files_of_the_changelog_have_a_byte_more_than_their_handles_say() -> None:
    content = changelog({"s3://b/dstl/1": 100})
    for size, verdict in ((101, "ok"), (100, "bad"), (102, "bad"), (0, "bad")):
        assert check(FakeObjects({"sp/1/_metadata": content, "dstl/1": size})).verdict == verdict
    for flag, verdict in ((b"\x01", "ok"), (b"\x00", "bad")):  # compressed: the handle counts what it was before
        assert check(FakeObjects({"sp/1/_metadata": content, "dstl/1": flag + b"x" * 40})).verdict == verdict


def test_a_claimed_savepoint_whose_files_flink_removed_is_bad() -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4, "2.sst": 4}), "sp/1/2.sst": 4})
    found = check(bucket)
    assert (found.verdict, found.problems) == ("bad", ("1.sst: missing",))


def test_a_file_that_was_written_since_the_listing_is_there() -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4, "2.sst": 4}), "sp/1/2.sst": 4})

    def write(request: str) -> None:
        if request.startswith("entry"):
            bucket.objects["sp/1/1.sst"] = 4

    bucket.before = write
    assert check(bucket).verdict == "ok"


def test_a_checkpoint_that_flink_removes_meanwhile_is_not_called_damaged() -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4}), "sp/1/1.sst": 4})

    def remove(request: str) -> None:
        if request.startswith("list"):
            bucket.objects.clear()

    bucket.before = remove
    found = check(bucket)
    assert (found.verdict, found.why, found.metadata) == ("bad", "it was removed while it was checked", None)


def test_one_that_is_written_anew_meanwhile_is_unknown() -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4}), "sp/1/2.sst": 4})

    def rewrite(request: str) -> None:
        if request.startswith("list"):
            bucket.objects["sp/1/_metadata"] = relative({"2.sst": 4})

    bucket.before = rewrite
    assert check(bucket).verdict == "unknown"


@pytest.mark.parametrize("denied", ["read", "list", "*"])
def test_no_rights_are_unknown_with_the_reason(denied: str) -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4, "2.sst": 4})})
    bucket.denied = {denied}
    found = check(bucket)
    assert found.verdict == "unknown"
    assert "access denied" in found.why
    assert found.next_step == "ask for it"


def test_what_is_known_to_be_missing_is_bad_though_more_is_out_of_reach() -> None:
    files = {"s3://b/shared/1": 4, "s3://c/shared/2": 4}
    bucket, other = FakeObjects({"chk-1/_metadata": incremental(files)}), FakeObjects({})
    other.denied = {"*"}
    assert check_savepoint("s3://b/chk-1", FakeStores(b=bucket, c=other)).verdict == "bad"
    bucket.objects["shared/1"] = 4
    assert check_savepoint("s3://b/chk-1", FakeStores(b=bucket, c=other)).verdict == "unknown"


def test_a_metadata_of_0_bytes_or_cut_off_is_bad() -> None:
    whole = relative({"1.sst": 4})
    for content in (b"", whole[:-3]):
        assert check(FakeObjects({"sp/1/_metadata": content, "sp/1/1.sst": 4})).verdict == "bad"


def test_nothing_there_and_no_metadata_are_told_apart() -> None:
    assert check(FakeObjects({"sp/1/1.sst": 4})).why == "there is no _metadata in it"
    assert check(FakeObjects({"sp/2/1.sst": 4})).why == "there is no such folder"


def test_object_storage_is_asked_only_where_the_run_has_settings_for_it() -> None:
    found = check_savepoint("s3://b/sp/1", Stores())
    assert (found.verdict, found.why) == ("unknown", "storage s3://b is not asked from here")


def test_savepoints_of_a_job_are_found_in_a_bucket() -> None:
    bucket = FakeObjects(
        {
            "x/sp/savepoint-abcdef-1/_metadata": b"x",
            "x/sp/savepoint-abcdef-2/1.sst": 4,  # not complete
            "x/sp/savepoint-fedcba-3/_metadata": b"x",
        }
    )
    stores = FakeStores(b=bucket)
    assert savepoints_in("s3://b/x/sp/", JOB, stores, since_seconds=0) == ["s3://b/x/sp/savepoint-abcdef-1"]
    assert savepoints_in("s3a://b/x/_entropy_/sp", JOB, stores, since_seconds=0) == ["s3a://b/x/sp/savepoint-abcdef-1"]
    assert savepoints_in("s3://b/x/sp", JOB, stores, since_seconds=2) == []
    bucket.denied = {"*"}
    assert savepoints_in("s3://b/x/sp", JOB, stores, since_seconds=0) == []
    assert savepoints_in("oss://b/x/sp", JOB, stores, since_seconds=0) == []


def test_checkpoints_beside_one_are_found_in_a_bucket() -> None:
    names = ("c/chk-7", "c/chk-9", "c/chk-11", "c/chk-x", "c/chk-6")
    bucket = FakeObjects({f"{name}/_metadata": b"x" for name in names} | {"c/chk-12/1.sst": 4, "c/shared/1": 4})
    stores = FakeStores(b=bucket)
    assert newer_beside("s3://b/c/chk-7", stores) == ["s3://b/c/chk-11", "s3://b/c/chk-9"]
    assert newer_beside("s3://b/c/chk-7/_metadata", stores) == ["s3://b/c/chk-11", "s3://b/c/chk-9"]
    assert newer_beside("s3://b/c/other", stores) == newer_beside("nothing", stores) == []
    bucket.denied = {"*"}
    assert newer_beside("s3://b/c/chk-7", stores) == []


def test_several_are_done_at_once_and_what_goes_wrong_is_raised() -> None:
    together = threading.Barrier(3)
    found = dict(at_once(lambda _one: together.wait(PATIENT_SECONDS) >= 0, ["a", "b", "c"], threads=3))
    assert found == {"a": True, "b": True, "c": True}
    assert list(at_once(int, [], threads=3)) == []
    with pytest.raises(ValueError, match="rubbish"):
        list(at_once(int, ["1", "rubbish", "2"], threads=2))


def test_local_names_are_looked_up_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"abc")
    (tmp_path / "folder").mkdir()
    place = Location("file", "", str(tmp_path))
    storage = Stores().at(place)
    found = dict(look_up(storage, place, ["1", "2"]))
    assert found["2"] is None
    assert not isinstance(found["1"], OutOfReach)
    assert found["1"] is not None
    assert found["1"].size_bytes == 3
    assert sorted(one.name for page in storage.pages(place) for one in page if one.is_folder) == ["folder"]
    assert list(storage.pages(place.child("none"))) == []
    storage.delete(place.child("1"))
    storage.delete(place.child("1"))
    assert storage.entry(place.child("1")) is None
