"""What is nobody's in a real folder: asked of sources, HA metadata and the journal, and removed only after a day."""

import os
from pathlib import Path

import pytest

from flinkops.act.executor import Executor
from flinkops.act.journal import Journal
from flinkops.act.orphan_lists import read_list, write_deletion, write_list
from flinkops.act.orphans import FolderReport, OrphanControl, OrphanSearch
from flinkops.act.state_references import within
from flinkops.clock import FixedClock
from flinkops.collect import Collector
from flinkops.config.folders import read_folders
from flinkops.errors import Refused, UsageError
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, JobFacts, SourceStatus
from flinkops.plan.identity import Stamp
from flinkops.plan.orphan_list import listed, select
from flinkops.plan.orphans import LAST_STATE
from flinkops.plan.storage import FolderDeletion, plan_deletion
from flinkops.sources.protocol import SourceSnapshot
from flinkops.sources.storage.stores import Stores
from tests.unit.test_savepoint_check import incremental, relative

OLD, NEW = "e" * 32, "a" * 32
DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS


class ToldSource:
    """A source of these jobs, or one that does not answer."""

    name, kind = "a", "rest"

    def __init__(self) -> None:
        self.jobs: tuple[JobFacts, ...] = ()
        self.state = "ok"
        self.resources: dict[str, str] = {}
        self.sees_all = True

    def poll(self, deadline_seconds: float) -> SourceSnapshot:
        status = SourceStatus(self.name, "rest", self.state, age_seconds=0.0)  # type: ignore[arg-type]
        return SourceSnapshot(status, (), self.jobs if self.state == "ok" else ())

    def resource_texts(self, *, deadline_seconds: float = 1.0) -> dict[str, str]:
        return self.resources

    def close(self) -> None:
        """There is nothing to let go of."""


class World:
    """A folder with what an old job left behind, and a job of now that still needs one file of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "state of all"
        self.source = ToldSource()
        self.clock = FixedClock(NOW_MS)
        (folder / "j").mkdir(mode=0o700)
        self.journal = Journal(folder / "j", self.clock)
        for number in (1, 2):
            self.write(f"{OLD}/chk-{number}/_metadata", incremental({self.path(f"{OLD}/shared/{number}"): 3}), number)
        for number in (1, 2, 3, 4):
            self.write(f"{OLD}/shared/{number}", b"abc")
        self.write(f"{NEW}/chk-9/_metadata", incremental({self.path(f"{OLD}/shared/3"): 3}), 50)
        self.write("notes.txt", b"mine")
        self.source.jobs = (job(NEW, self.path(f"{NEW}/chk-9")),)

    def path(self, name: str) -> str:
        return f"file:{self.root}/{name}"

    def write(self, name: str, content: bytes, day: float = 0) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (day * DAY_MS / 1000, day * DAY_MS / 1000))

    def search(self, *, with_last_states: bool = True, declared: bool = True) -> OrphanSearch:
        collector = Collector([self.source], self.clock)
        folders = {str(self.root): ("a",)} if declared else {}
        return OrphanSearch(
            collector, self.journal, Stores({}), self.clock, declared=folders, with_last_states=with_last_states
        )

    def report(self, **options: bool) -> FolderReport:
        return self.search(**options).report([] if options.get("declared", True) else [str(self.root)]).folders[0]

    def orphans(self, **options: bool) -> set[str]:
        decision = self.report(**options).decision
        assert decision is not None
        return {one.unit.path.removeprefix(f"{self.root}/") for one in decision.orphans}


def job(job_id: str, checkpoint: str | None, ended_ms: int | None = None, **configuration: str) -> JobFacts:
    completed = None if checkpoint is None else CheckpointFacts(9, "COMPLETED", external_path=checkpoint)
    facts = CheckpointsFacts(enabled=True, latest_completed=completed)
    return JobFacts(job_id, "count", "a", NOW_MS, checkpoints=facts, ended_ms=ended_ms, configuration=configuration)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_a_job_of_now_needs_stays_and_so_does_the_newest_state_of_one_that_is_gone(world: World) -> None:
    left = {f"{OLD}/chk-1", f"{OLD}/shared/1", f"{OLD}/shared/4"}
    assert world.orphans(with_last_states=False) == left
    assert world.orphans() == left | {f"{OLD}/chk-2", f"{OLD}/shared/2"}
    decision = world.report(with_last_states=False).decision
    assert decision is not None
    assert [one.path for one in decision.foreign] == [f"{world.root}/notes.txt"]
    assert LAST_STATE in {one.kept for one in decision.units}


def test_pointers_resources_and_the_journal_keep_what_they_name(world: World, tmp_path: Path) -> None:
    ha = tmp_path / "ha"
    (ha / "cluster").mkdir(parents=True)
    (ha / "cluster" / "completedCheckpoint1f").write_bytes(
        b"\xac\xed\x00\x05t\x00Afile:" + f"{world.root}/{OLD}/chk-1".encode()
    )
    world.source.jobs = (job(NEW, world.path(f"{NEW}/chk-9"), None, **{"high-availability.storageDir": str(ha)}),)
    assert world.orphans() == {f"{OLD}/chk-2", f"{OLD}/shared/2", f"{OLD}/shared/4"}
    world.source.resources = {"flinkdeployments/x/count": f'{{"status":{{"jobStatus":{{"jobId":"{OLD}"}}}}}}'}
    assert world.orphans() == set()


@pytest.mark.parametrize("what", ["nothing", "down", "part", "checkpoints", "undeclared", "metadata"])
def test_in_doubt_nothing_may_be_deleted(world: World, what: str) -> None:
    if what == "down":
        world.source.state = "unreachable"
    elif what == "part":
        world.source.sees_all = False
    elif what == "checkpoints":
        world.source.jobs = (JobFacts(NEW, "count", "a", NOW_MS, unknown={"checkpoints": "HTTP 500"}),)
    elif what == "metadata":
        world.write(f"{NEW}/chk-9/_metadata", b"torn", 50)
    assert bool(world.report(declared=what != "undeclared").refused) == (what != "nothing")


def deletion(world: World, at_ms: int, search: OrphanSearch) -> FolderDeletion:
    """One run of the command at this time: the list is kept, and what is due is to be deleted."""
    world.clock.set_to(at_ms)
    (found,) = search.report([]).folders
    assert found.decision is not None
    assert not found.refused
    current = listed(found.decision, read_list(world.journal.folder, found.folder), found.folder, ("a",), at_ms)
    write_list(world.journal.folder, current)
    units = select(found.decision, current, older_than_seconds=7 * 86_400, now_ms=at_ms).delete
    path, digest = write_deletion(world.journal.folder, f"p{at_ms}", found.folder, units)
    return FolderDeletion(found.folder, units, str(path), digest)


def test_it_goes_in_the_second_run_with_its_folders_and_nothing_else_does(world: World) -> None:
    search = world.search()
    assert deletion(world, NOW_MS, search).units == ()
    assert deletion(world, NOW_MS + DAY_MS - 1, search).units == ()
    due = deletion(world, NOW_MS + DAY_MS, search)
    assert len(due.units) == 5
    assert (os.stat(due.list_file).st_mode & 0o777, os.stat(Path(due.list_file).parent).st_mode & 0o777) == (
        0o600,
        0o700,
    )
    plan = plan_deletion([due], Stamp("p1", NOW_MS), why=(), refused=())
    executor = Executor(OrphanControl(search), world.journal, world.clock, stores=Stores({}))
    result = executor.run(plan)
    assert (result.outcome, result.seen["deleted_files"]) == ("verified", "5"), result
    left = sorted(str(one.relative_to(world.root)) for one in world.root.rglob("*"))
    assert left == sorted(
        ["notes.txt", OLD, f"{OLD}/shared", f"{OLD}/shared/3", NEW, f"{NEW}/chk-9", f"{NEW}/chk-9/_metadata"]
    )


def test_what_is_referred_to_since_the_plan_was_made_stops_it(world: World) -> None:
    search = world.search()
    deletion(world, NOW_MS, search)
    due = deletion(world, NOW_MS + DAY_MS, search)
    plan = plan_deletion([due], Stamp("p1", NOW_MS), why=(), refused=())
    executor = Executor(OrphanControl(search), world.journal, world.clock, stores=Stores({}))
    world.source.jobs += (job("b" * 32, world.path(f"{OLD}/chk-1")),)
    with pytest.raises(Refused, match="files are referred to by now"):
        executor.run(plan)
    assert (world.root / OLD / "chk-1" / "_metadata").exists()
    world.source.jobs = world.source.jobs[:1]
    Path(due.list_file).write_bytes(b"{}")
    with pytest.raises(Refused, match="was changed"):
        executor.run(plan)


def test_what_was_written_since_it_was_listed_stays(world: World) -> None:
    search = world.search()
    deletion(world, NOW_MS, search)
    due = deletion(world, NOW_MS + DAY_MS, search)
    world.write(f"{OLD}/shared/4", b"abcd")
    plan = plan_deletion([due], Stamp("p1", NOW_MS), why=(), refused=())
    result = Executor(OrphanControl(search), world.journal, world.clock, stores=Stores({})).run(plan)
    assert (result.outcome, result.seen["deleted_files"], result.seen["changed_files"]) == ("verified", "4", "1")
    assert (world.root / OLD / "shared" / "4").read_bytes() == b"abcd"


def test_a_claimed_savepoint_stays_whole_while_one_file_of_it_is_used(world: World) -> None:
    savepoint = f"savepoint-{OLD[:6]}-0a"
    world.write(f"{savepoint}/_metadata", relative({"x": 1, "y": 1}), 60)
    world.write(f"{savepoint}/x", b"1")
    world.write(f"{savepoint}/y", b"1")
    assert savepoint in world.orphans()
    world.write(f"{NEW}/chk-9/_metadata", incremental({world.path(f"{savepoint}/x"): 1}), 61)
    assert savepoint not in world.orphans()


@pytest.mark.parametrize("folder", ["", "/", "s3://", "relative/path", "a"])
def test_a_declaration_names_a_folder_and_sources(folder: str) -> None:
    with pytest.raises(UsageError):
        read_folders({folder: ["a"]}, "x.toml")


@pytest.mark.parametrize("names", [[], "a", [1], [""]])
def test_a_declaration_names_sources(names: object) -> None:
    with pytest.raises(UsageError):
        read_folders({"s3://b/c": names}, "x.toml")
    assert read_folders({"s3://b/c/": ["b", "a", "b"]}, "x.toml") == {"s3://b/c": ("a", "b")}


@pytest.mark.parametrize(
    ("folder", "root", "lies_in_it"),
    [
        ("s3://prices/flink/checkpoints", "s3://prices", True),
        ("s3a://prices/flink", "s3://prices/flink/", True),
        ("s3://prices", "s3://prices", True),
        ("s3://prices-old/flink", "s3://prices", False),
        ("s3://prices/flink-old", "s3://prices/flink", False),
        ("/data/flink", "/", True),
        ("/data/flink", "s3://data", False),
    ],
)
def test_a_folder_lies_in_a_whole_bucket_too(folder: str, root: str, lies_in_it: bool) -> None:
    assert within(folder, root) is lies_in_it
