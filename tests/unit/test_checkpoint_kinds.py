"""Checkpoints of every kind that Flink 1.20 and 2.3 wrote, with the sizes that their files had on disk."""

import json
from pathlib import Path

import pytest

from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.savepoint_content import savepoint_content
from flinkops.act.savepoint_metadata import parse_metadata
from tests.unit.fake_storage import FakeObjects, FakeStores

FOLDER = Path(__file__).parent / "savepoints" / "kinds"
SIZES: dict[str, dict[str, int]] = json.loads((FOLDER / "sizes.json").read_text(encoding="utf-8"))
PATH = "s3://bucket/own/chk-6"
COMPRESSED = b"\x01"


def bucket(name: str) -> FakeObjects:
    """The checkpoint in its folder, and what it shares with others where it names it."""
    objects: dict[str, bytes | int] = {"own/chk-6/_metadata": (FOLDER / name).read_bytes()}
    for path, size in SIZES[name].items():
        content = COMPRESSED + bytes(size - 1) if "compressed/" in path else size
        objects[path if "/" in path else f"own/chk-6/{path}"] = content
    return FakeObjects(objects)


def test_there_is_one_of_each_kind() -> None:
    kinds = {name.removesuffix(".checkpoint").split("-", 2)[2] for name in SIZES}
    assert kinds >= {
        "incremental",
        "changelog",
        "changelog-compressed",
        "merged",
        "merged-across",
        "unaligned",
        "forst",
    }
    assert {path.name for path in FOLDER.glob("*.checkpoint")} == set(SIZES)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_it_is_whole_as_flink_left_it(name: str) -> None:
    objects = bucket(name)
    found = check_savepoint(PATH, FakeStores(bucket=objects))
    assert (found.verdict, found.problems) == ("ok", ()), found
    assert found.metadata is not None
    assert len(found.metadata.files) == len(SIZES[name]) > 0


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_file_that_is_missing_or_too_short_makes_it_bad(name: str) -> None:
    for path in [path for path in bucket(name).objects if not path.endswith("_metadata")]:
        objects = bucket(name)
        del objects.objects[path]
        assert check_savepoint(PATH, FakeStores(bucket=objects)).verdict == "bad", path
    shortened = bucket(name)
    last = {one.path.removeprefix("s3://bucket/"): one for one in parse_metadata((FOLDER / name).read_bytes()).files}
    for path, file in last.items():
        key = path if not file.relative else f"own/chk-6/{path}"
        before = shortened.objects[key]
        shortened.objects[key] = file.end_bytes - 1 if not file.changelog else file.end_bytes
        if file.end_bytes:
            assert check_savepoint(PATH, FakeStores(bucket=shortened)).verdict == "bad", path
        shortened.objects[key] = before


@pytest.mark.parametrize("name", sorted(SIZES))
def test_its_operators_and_bytes_are_shown(name: str) -> None:
    found = savepoint_content(PATH, FakeStores(bucket=bucket(name)))
    assert found.form == "checkpoint"
    assert found.seen_with_flink == ("2.3" if "-2.3-" in name else "1.20")
    assert [len(one.subtask_bytes) for one in found.operators] == [2, 2, 2]
    assert all(one > 100_000 for one in found.operators[0].subtask_bytes)
    in_flight = found.operators[1].total_bytes  # of the source: only an unaligned checkpoint holds records in flight
    assert (in_flight > 100_000) is ("unaligned" in name)
