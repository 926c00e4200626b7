"""Copying a savepoint: whole or not at all, from and to any storage, begun again after an interrupt."""

from pathlib import Path

import pytest

from flinkops.act.executor import Executor
from flinkops.act.journal import Journal
from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.savepoint_copy import not_relocatable, occupied
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.act.storage_control import StorageControl
from flinkops.clock import FixedClock
from flinkops.model.plan import Result
from flinkops.plan.identity import Stamp
from flinkops.plan.storage import plan_copy
from tests.unit.fake_storage import FakeObjects, FakeStores
from tests.unit.test_checkpoint_kinds import FOLDER, SIZES
from tests.unit.test_savepoint_check import relative

NAMES = {"with blank": 3, "100%": 4, "a+b": 5, "übér": 6, "empty": 0, "deep/er": 2}
PATH, TARGET = "s3://a/sp/savepoint-1a2b3c-00ff", "s3://b/copies/savepoint-1a2b3c-00ff"


def savepoint() -> FakeObjects:
    objects: dict[str, bytes | int] = {f"sp/savepoint-1a2b3c-00ff/{name}": bytes(size) for name, size in NAMES.items()}
    return FakeObjects(objects | {"sp/savepoint-1a2b3c-00ff/_metadata": relative(NAMES)})


def copy(folder: Path, stores: FakeStores, target: str = TARGET, plan_id: str = "p1") -> Result:
    folder.mkdir(mode=0o700, exist_ok=True)
    clock = FixedClock(1_000)
    executor = Executor(StorageControl(), Journal(folder, clock), clock, stores=stores)
    return executor.run(plan_copy(PATH, target, Stamp(plan_id, 1_000), what="whole", refused=()))


@pytest.mark.parametrize("where", ["bucket", "folder"])
def test_all_of_it_arrives_and_its_metadata_last(tmp_path: Path, where: str) -> None:
    source, other = savepoint(), FakeObjects({})
    target = TARGET if where == "bucket" else str(tmp_path / "with blank" / "savepoint-1a2b3c-00ff")
    stores = FakeStores(a=source, b=other)
    result = copy(tmp_path / "j", stores, target)
    assert result.outcome == "verified", result
    assert (result.seen["copied_files"], result.seen["copied_bytes"]) == ("6", "20")
    assert check_savepoint(target, stores).verdict == "ok"
    if where == "bucket":
        assert [one for one in other.requests if one.startswith("write")][-1].endswith("/_metadata")
    else:
        assert {one.name for one in (tmp_path / "with blank" / "savepoint-1a2b3c-00ff").iterdir()} >= {
            "100%",
            "a+b",
            "übér",
        }


def test_what_broke_off_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    source, other = savepoint(), FakeObjects({})
    written: list[str] = []

    def break_off(request: str) -> None:
        if request.startswith("write"):
            written.append(request)
            if len(written) == 4:
                other.denied.add(request)

    other.before = break_off
    stores = FakeStores(a=source, b=other)
    assert copy(tmp_path / "j", stores).outcome == "failed"
    assert "copies/savepoint-1a2b3c-00ff/_metadata" not in other.objects
    there = len(other.objects)
    assert there >= 3
    other.denied.clear()
    other.before = lambda _request: None
    result = copy(tmp_path / "j", stores, plan_id="p2")
    assert (result.outcome, result.seen["copied_files"]) == ("verified", str(6 - there))
    again = copy(tmp_path / "j", stores, plan_id="p3")
    assert (again.outcome, again.seen["copied_files"]) == ("verified", "0")


def test_another_savepoint_in_its_place_stays(tmp_path: Path) -> None:
    other = FakeObjects({"copies/savepoint-1a2b3c-00ff/_metadata": b"another one"})
    stores = FakeStores(a=savepoint(), b=other)
    result = copy(tmp_path / "j", stores)
    assert (result.outcome, "holds another savepoint" in (result.error or "")) == ("failed", True)
    assert other.objects == {"copies/savepoint-1a2b3c-00ff/_metadata": b"another one"}
    assert occupied(TARGET, b"another one", stores) is None


def test_a_file_that_goes_meanwhile_leaves_no_savepoint(tmp_path: Path) -> None:
    source, other = savepoint(), FakeObjects({})
    del source.objects["sp/savepoint-1a2b3c-00ff/100%"]
    result = copy(tmp_path / "j", FakeStores(a=source, b=other))
    assert (result.outcome, "was removed" in (result.error or "")) == ("failed", True)
    assert "copies/savepoint-1a2b3c-00ff/_metadata" not in other.objects


@pytest.mark.parametrize("name", sorted(SIZES))
def test_checkpoints_of_every_kind_are_refused(name: str) -> None:
    metadata = parse_metadata((FOLDER / name).read_bytes(), detailed=True)
    why = not_relocatable(metadata)
    assert why is not None
    assert ("changelog" in name) == ("changelog" in why)


@pytest.mark.parametrize("path", sorted(FOLDER.parent.glob("*.metadata")), ids=lambda one: one.name)
def test_savepoints_of_either_format_and_line_name_their_files_by_relative_paths(path: Path) -> None:
    assert not_relocatable(parse_metadata(path.read_bytes(), detailed=True)) is None
