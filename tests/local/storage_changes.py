"""What flinkops itself writes to a storage and removes from it, whichever server is behind it."""

from pathlib import Path

from flinkops.act.executor import Executor
from flinkops.act.journal import Journal
from flinkops.act.orphan_lists import write_deletion
from flinkops.act.savepoint_check import check_savepoint
from flinkops.act.state_folder import read_folder
from flinkops.act.storage_control import StorageControl
from flinkops.clock import SystemClock
from flinkops.model.plan import Plan, Result
from flinkops.plan.identity import Stamp
from flinkops.plan.orphans import References, decide
from flinkops.plan.storage import FolderDeletion, plan_copy, plan_deletion
from flinkops.sources.storage.stores import Stores, place_of
from tests.unit.test_savepoint_check import relative

PARTS_BYTES = 20 * 2**20
"""More than is sent in one request."""
FILES = {"a b": 3, "100%": 4, "a+b": 5, "übér": 6, "empty": 0, "large": PARTS_BYTES}
ENDED, LIVE = "e" * 32, "a" * 32


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


def copies_there_and_back(root: str, stores: Stores, folder: Path) -> None:
    """From the disk below `root` and back, byte by byte; a second copy sends what is missing alone."""
    first, back = folder / "savepoint-1a2b3c-00ff", folder / "back"
    savepoint(first)
    there = f"{root}/copies of ü/savepoint-1a2b3c-00ff"
    for number, (path, target) in enumerate(((str(first), there), (there, str(back)))):
        result = run(plan_copy(path, target, Stamp(f"p{number}", 0), what="whole", refused=()), folder / "j", stores)
        assert (result.outcome, result.seen["copied_files"]) == ("verified", str(len(FILES))), result
        assert check_savepoint(target, stores).verdict == "ok"
    for name in (*FILES, "_metadata"):
        assert (back / name).read_bytes() == (first / name).read_bytes(), name
    lost = place_of(f"{there}/a b")
    stores.at(lost).delete(lost)
    again = run(plan_copy(str(first), there, Stamp("p9", 0), what="whole", refused=()), folder / "j", stores)
    assert (again.outcome, again.seen["copied_files"]) == ("verified", "1")


def removes_what_nobody_refers_to(root: str, stores: Stores, folder: Path) -> None:
    """The checkpoint and the rest of a job that has ended; not what a live job has, nor what Flink does not name."""
    root = f"{root}/state"
    for name in (f"{ENDED}/chk-1/a b%20", f"{ENDED}/shared/1+ü", f"{LIVE}/shared/2", "notes"):
        place = place_of(f"{root}/{name}")
        stores.at(place).write(place, [b"abc"])
    at = place_of(root)
    found = read_folder(at, stores)
    units = decide(found.files, found.snapshots, References(live_jobs={LIVE: "runs"})).orphans
    assert {one.unit.path for one in units} == {f"{at.path}/{ENDED}/chk-1", f"{at.path}/{ENDED}/shared/1+ü"}
    (folder / "j").mkdir(mode=0o700)
    path, digest = write_deletion(folder / "j", "p1", root, units)
    plan = plan_deletion([FolderDeletion(root, units, str(path), digest)], Stamp("p1", 0), why=(), refused=())
    result = run(plan, folder / "j", stores)
    removed = (result.outcome, result.seen["deleted_files"], result.seen["deleted_bytes"])
    assert removed == ("verified", "2", "6"), result
    left = {one.path for one in read_folder(at, stores).files}
    assert left == {f"{at.path}/{LIVE}/shared/2", f"{at.path}/notes"}
