"""What is true and unmasked is for its owner alone: plans and the journal, and the folders that they lie in."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.act.journal import Journal
from flinkops.act.lock import loop_lock
from flinkops.clock import FixedClock
from flinkops.errors import Refused
from flinkops.ownership import open_to
from flinkops.private_file import write_private
from tests.fake_flink import FakeFlink
from tests.unit.command_line import Cli

pytestmark = pytest.mark.usefixtures("nothing_from_outside")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody can come to: pytest's own lie behind one that lets nobody pass."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize(("mode", "is_open"), [(0o700, False), (0o755, True), (0o711, True), (0o777, True)])
def test_a_folder_is_open_when_others_can_list_or_enter_it(reachable: Path, mode: int, is_open: bool) -> None:
    reachable.chmod(mode)
    assert (open_to(reachable) == "everybody on this machine") is is_open


def test_a_folder_above_that_lets_nobody_pass_protects(reachable: Path) -> None:
    below = reachable / "below"
    below.mkdir(mode=0o755)
    assert open_to(below) is None
    reachable.chmod(0o711)
    assert open_to(below) == "everybody on this machine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_user_and_another_group_are_others(reachable: Path) -> None:
    reachable.chmod(0o750)
    os.chown(reachable, 0, 54_321)
    assert open_to(reachable) == "the group gid 54321"
    os.chown(reachable, 54_321, 0)
    assert open_to(reachable) == "uid 54321"


def test_a_plan_is_not_saved_where_others_can_read(cli: Cli, flink: FakeFlink, reachable: Path) -> None:
    reachable.chmod(0o755)
    save = ("savepoint", "create", "windows", "--target", "s3://b/sp", "--rest", flink.url, "--out")
    refused = cli(*save, str(reachable / "plan.json"))
    assert refused.code == 5
    assert f"everybody on this machine can read into {reachable}" in refused.err
    assert not list(reachable.iterdir())
    reachable.chmod(0o700)
    assert cli(*save, str(reachable / "plan.json")).code == 0
    (plan,) = reachable.iterdir()
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    assert json.loads(plan.read_text("utf-8"))


def test_nothing_is_done_beside_a_journal_that_others_can_read(cli: Cli, flink: FakeFlink, reachable: Path) -> None:
    reachable.chmod(0o755)
    act = ("savepoint", "create", "windows", "--target", "s3://b/sp", "--yes", "--rest", flink.url, "--journal")
    refused = cli(*act, str(reachable))
    assert refused.code == 5
    assert "can read into" in refused.err
    assert not [request for request in flink.requests if request.startswith("POST")]
    assert cli("history", "--journal", str(reachable)).code == 0


def test_a_journal_folder_that_is_not_there_yet_is_made_for_its_owner(reachable: Path) -> None:
    reachable.chmod(0o755)
    journal = Journal(reachable / "journal", FixedClock(0))
    journal.refuse_shared()
    journal.folder.mkdir(0o777)
    journal.folder.chmod(0o755)
    with pytest.raises(Refused, match="everybody on this machine can read into"):
        journal.refuse_shared()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    write_private(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_every_folder_that_is_made_for_the_journal_is_private(reachable: Path) -> None:
    """An action makes its lock first, in a folder of the journal's that is not there either."""
    with loop_lock(reachable / "state" / "journal", "job"):
        pass
    assert open_to(reachable / "state" / "journal") is None
