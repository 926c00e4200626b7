"""What flinkops itself writes to and removes from a real S3 server: copies of savepoints, and what nobody refers to."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flinkops.act.executor import Executor
from flinkops.act.journal import Journal
from flinkops.act.orphan_lists import write_deletion
from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.state_folder import read_folder
from flinkops.act.storage_control import StorageControl
from flinkops.clock import SystemClock
from flinkops.local.s3_server import S3Access
from flinkops.model.plan import Plan, Result
from flinkops.plan.identity import Stamp
from flinkops.plan.orphans import References, decide
from flinkops.plan.storage import FolderDeletion, plan_copy, plan_deletion
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of
from tests.local.s3 import bucket, running_server
from tests.unit.test_savepoint_check import relative

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]

PARTS_BYTES = 20 * 2**20
"""More than is sent in one request."""
FILES = {"a b": 3, "100%": 4, "a+b": 5, "übér": 6, "empty": 0, "large": PARTS_BYTES}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3 server")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[S3Access]:
    with running_server(home) as access:
        yield access


@pytest.fixture
def stores(server: S3Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with closing(Stores({})) as found:
        yield found


def run(plan: Plan, folder: Path, stores: Stores) -> Result:
    folder.mkdir(mode=0o700, exist_ok=True)
    clock = SystemClock()
    return Executor(StorageControl(), Journal(folder, clock), clock, stores=stores).run(plan)


def savepoint(folder: Path) -> None:
    """Whole, with a file that has a pattern: each piece of it has to come to its place."""
    folder.mkdir(parents=True)
    for name, size in FILES.items():
        content = b"".join(number.to_bytes(4, "big") for number in range(size // 4)) if size > 100 else b"x" * size
        (folder / name).write_bytes(content)
    (folder / "_metadata").write_bytes(relative(FILES))


def test_a_savepoint_goes_to_the_bucket_and_comes_back_the_same(home: Path, stores: Stores, tmp_path: Path) -> None:
    first, back = tmp_path / "savepoint-1a2b3c-00ff", tmp_path / "back"
    savepoint(first)
    there = "s3://flinkops/copies of ü/savepoint-1a2b3c-00ff"
    for number, (path, target) in enumerate(((str(first), there), (there, str(back)))):
        result = run(plan_copy(path, target, Stamp(f"p{number}", 0), what="whole", refused=()), tmp_path / "j", stores)
        assert (result.outcome, result.seen["copied_files"]) == ("verified", str(len(FILES))), result
        assert check_savepoint(target, stores).verdict == "ok"
    for name in (*FILES, "_metadata"):
        assert (back / name).read_bytes() == (first / name).read_bytes(), name
    (bucket(home) / "copies of ü" / "savepoint-1a2b3c-00ff" / "a b").unlink()
    again = run(plan_copy(str(first), there, Stamp("p9", 0), what="whole", refused=()), tmp_path / "j", stores)
    assert (again.outcome, again.seen["copied_files"]) == ("verified", "1")


def test_an_upload_that_broke_off_leaves_nothing(home: Path, stores: Stores) -> None:
    def torn() -> Iterator[bytes]:
        for _ in range(PARTS_BYTES // 2**20):
            yield bytes(2**20)
        raise OutOfReach("the source is gone")

    place = place_of("s3://flinkops/torn/file")
    with pytest.raises(OutOfReach, match="the source is gone"):
        stores.at(place).write(place, torn())
    assert stores.at(place).entry(place) is None
    elsewhere = place_of("s3://no-such-bucket/x")
    with pytest.raises(OutOfReach, match="no bucket"):
        stores.at(elsewhere).write(elsewhere, [b"x"])


def test_what_nobody_refers_to_goes_and_the_rest_stays(home: Path, stores: Stores, tmp_path: Path) -> None:
    job, other = "e" * 32, "a" * 32
    root = place_of("s3://flinkops/state")
    for name in (f"{job}/chk-1/a b%20", f"{job}/shared/1+ü", f"{other}/shared/2", "notes"):
        path = bucket(home) / "state" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"abc")
    found = read_folder(root, stores)
    decision = decide(found.files, found.snapshots, References(live_jobs={other: "runs"}))
    units = decision.orphans
    assert {one.unit.path for one in units} == {f"state/{job}/chk-1", f"state/{job}/shared/1+ü"}
    folder = "s3://flinkops/state"
    (tmp_path / "j").mkdir(mode=0o700)
    path, digest = write_deletion(tmp_path / "j", "p1", folder, units)
    plan = plan_deletion([FolderDeletion(folder, units, str(path), digest)], Stamp("p1", 0), why=(), refused=())
    result = run(plan, tmp_path / "j", stores)
    assert (result.outcome, result.seen["deleted_files"], result.seen["deleted_bytes"]) == ("verified", "2", "6"), (
        result
    )
    left = {one.path for one in read_folder(root, stores).files}
    assert left == {f"state/{other}/shared/2", "state/notes"}
