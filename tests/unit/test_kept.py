"""`status --keep`, `exporter --keep`, `record --last`: the last hours on disk."""

import os
from pathlib import Path

import pytest

from flinkops.errors import OperationFailed, UsageError
from flinkops.kept import ABANDONED_SECONDS, SUFFIX, Keeper, kept_in, write_last
from flinkops.recording import MAGIC, Recording, copy_frames
from tests.fake_flink import FakeFlink, serving
from tests.fake_flink import Recording as Samples
from tests.unit.builders import NOW_MS, job, snapshot
from tests.unit.command_line import Cli


def taken(keeper: Keeper, *seconds: int) -> None:
    for each in seconds:
        at_ms = NOW_MS + each * 1000
        keeper(snapshot(job(seen_ms=at_ms), taken_ms=at_ms))


def times(path: Path) -> list[int]:
    recording = Recording(path)
    try:
        return [(at_ms - NOW_MS) // 1000 for at_ms in recording.times_ms]
    finally:
        recording.close()


def quiet(line: str) -> None:
    raise AssertionError(line)


class TestKeeper:
    @pytest.mark.thorough
    def test_keeps_at_least_what_was_asked_for_and_not_much_more(self, tmp_path: Path) -> None:
        keeper = Keeper(600, tmp_path / "kept", quiet)
        for second in range(0, 6_000, 10):
            taken(keeper, second)
            kept = times(keeper.path)
            assert kept[-1] == second
            assert kept[0] <= max(0, second - 600)
            assert kept[-1] - kept[0] <= 600 * 1.25 + 20 * 10 + 10
        keeper.close()

    def test_never_grows_over_its_room(self, tmp_path: Path) -> None:
        keeper = Keeper(86_400, tmp_path / "kept", quiet, max_bytes=20_000)
        sizes = []
        for second in range(0, 3_000, 10):
            taken(keeper, second)
            sizes.append(keeper.path.stat().st_size)
        assert max(sizes) <= 20_000 + 8_000  # one snapshot more
        assert times(keeper.path)[-1] == 2_990
        keeper.close()

    def test_is_its_owner_s_and_gone_at_a_normal_end(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "kept"
        keeper = Keeper(600, folder, quiet)
        taken(keeper, 0)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert keeper.path.stat().st_mode & 0o777 == 0o600
        keeper.close()
        keeper.close()
        assert list(folder.iterdir()) == []

    def test_a_full_disk_is_one_line_and_nothing_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        keeper = Keeper(600, tmp_path, said.append)
        taken(keeper, 0)

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        taken(keeper, 10, 20)
        assert said == [f"flinkops: snapshots are not kept any more: {said[0].partition('more: ')[2]}"]
        assert "No space left on device" in said[0]
        assert not keeper.path.exists()

    def test_a_folder_that_cannot_be_made_is_said_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OperationFailed, match="cannot keep snapshots in"):
            Keeper(600, tmp_path / "file" / "kept", quiet)

    def test_what_killed_processes_left_goes_after_a_week(self, tmp_path: Path) -> None:
        old, young = (tmp_path / f"{number}-00{SUFFIX}" for number in (1, 2))
        for path, age in ((old, ABANDONED_SECONDS + 60), (young, 60)):
            path.write_bytes(MAGIC)
            at = path.stat().st_mtime - age
            os.utime(path, (at, at))
        Keeper(600, tmp_path, quiet).close()
        assert [path.name for path in tmp_path.iterdir()] == [young.name]


class TestLast:
    def test_the_newest_of_several_is_written_and_left_where_it_is(self, tmp_path: Path) -> None:
        older, newer = Keeper(6_000, tmp_path / "kept", quiet), Keeper(6_000, tmp_path / "kept", quiet)
        taken(older, 0, 10)
        taken(newer, *range(0, 1_000, 10))
        target = tmp_path / "last.rec"
        kept, frames = write_last(target, 300, tmp_path / "kept")
        assert kept.path == newer.path
        assert kept.pid == os.getpid()
        written = times(target)
        assert len(written) == frames
        assert written[0] <= 690 <= written[1] + 200
        assert written[-1] == 990
        assert target.stat().st_mode & 0o777 == 0o600
        assert len(kept_in(tmp_path / "kept")) == 2
        older.close()
        newer.close()

    def test_nobody_keeps_any(self, tmp_path: Path) -> None:
        with pytest.raises(OperationFailed, match="nobody keeps snapshots"):
            write_last(tmp_path / "x.rec", 300, tmp_path / "none")

    def test_never_over_a_file(self, tmp_path: Path) -> None:
        keeper = Keeper(600, tmp_path / "kept", quiet)
        taken(keeper, 0)
        target = tmp_path / "mine"
        target.write_text("mine")
        with pytest.raises(UsageError, match="exists"):
            write_last(target, 300, tmp_path / "kept")
        assert target.read_text() == "mine"
        keeper.close()

    def test_what_is_no_recording_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / f"1-0{SUFFIX}").write_text("no recording")
        (tmp_path / f"x-0{SUFFIX}").write_bytes(MAGIC)
        (tmp_path / f"2-0{SUFFIX}").mkdir()
        assert kept_in(tmp_path) == []


def test_a_copy_begins_at_a_whole_snapshot_and_fits(tmp_path: Path) -> None:
    keeper = Keeper(86_400, tmp_path, quiet)
    taken(keeper, *range(0, 1_000, 10))
    whole = keeper.path.stat().st_size
    for most in (whole, whole // 2, whole // 10, 100):
        target = tmp_path / f"copy-{most}"
        copied = copy_frames(keeper.path, target, since_ms=NOW_MS, most_bytes=most)
        assert copied.size == target.stat().st_size <= most + len(MAGIC)
        recording = Recording(target)
        assert len(recording) == copied.frames
        for number in range(len(recording)):
            assert recording.snapshot(number).taken_ms == recording.times_ms[number]
        recording.close()
    keeper.close()


class TestCommands:
    def test_status_keeps_while_it_watches_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        with serving(flink := FakeFlink(Samples.load("flink-2.3-count"))):
            assert Cli(capsys)("status", "--rest", flink.url, "--once", "-o", "name", "--keep", "2h").code == 0
        folder = tmp_path / "flinkops" / "kept"
        assert folder.is_dir()
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("command", [("status", "--once"), ("exporter",)])
    def test_where_nothing_can_be_polled_no_file_stays_behind(
        self,
        command: tuple[str, ...],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        nothing_from_outside: None,
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        assert Cli(capsys)(*command, "--keep", "2h").code == 3
        assert list(tmp_path.rglob(f"*{SUFFIX}")) == []

    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (("status", "--keep", "soon"), 2, "--keep soon"),
            (("status", "--keep", "0"), 2, "nothing would be kept"),
            (("exporter", "--keep-dir", "x"), 2, "--keep-dir says where"),
            (("record", "--last", "2h", "--seconds", "3", "f.rec"), 2, "exclude each other"),
            (("record", "--keep-dir", "x", "f.rec"), 2, "--keep-dir is the folder"),
            (("record", "--last", "2h", "f.rec", "--keep-dir", "none"), 1, "nobody keeps snapshots in none"),
        ],
    )
    def test_bad_usage_is_one_line(
        self,
        arguments: tuple[str, ...],
        code: int,
        says: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ran = Cli(capsys)(*arguments, *(() if arguments[0] == "record" else ("--rest", "http://127.0.0.1:9")))
        assert ran.code == code
        assert says in ran.err
        assert len(ran.err.splitlines()) == 1
