"""Savepoints on a real S3 server, as on local disk: whole, damaged, out of reach, of any name, of any size."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from flinkops.act.savepoint_check import SavepointCheck, check_savepoint
from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.act.storage import newer_beside, savepoints_in
from flinkops.config.storage import StorageSettings
from flinkops.local.s3_server import S3Access
from flinkops.sources.storage.location import parse_location
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of
from tests.local.s3 import bucket, running_server
from tests.local.storage_port import FILES, holds_the_port
from tests.unit.test_savepoint_check import JOB, changelog, incremental, relative

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SAVEPOINTS = REPOSITORY / "tests" / "unit" / "savepoints"
ODD = "sp 1 a%20b+ü#?&=Ω"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3 server")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[S3Access]:
    with running_server(home) as access:
        yield access


@pytest.fixture
def stores() -> Iterator[Stores]:
    with closing(Stores({})) as found:
        yield found


@pytest.fixture(autouse=True)
def logged_in(server: S3Access, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def check(path: str, table: Mapping[str, StorageSettings] = {}) -> SavepointCheck:
    with closing(Stores(table)) as stores:
        return check_savepoint(path, stores)


def write(folder: Path, files: Mapping[str, bytes | int]) -> None:
    """Objects; a number stands for so many bytes."""
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            os.truncate(place, content)


def savepoint(home: Path, name: str, real: str = "flink-2.3-rocksdb-canonical") -> Path:
    """A real savepoint's `_metadata`, with files of the right sizes."""
    content = (SAVEPOINTS / f"{real}.metadata").read_bytes()
    folder = bucket(home) / name
    write(folder, {"_metadata": content, **{one.path: one.end_bytes for one in parse_metadata(content).files}})
    return folder


@pytest.mark.parametrize("real", sorted(path.stem for path in SAVEPOINTS.glob("*.metadata")))
def test_real_savepoints_are_whole_until_a_byte_is_missing(home: Path, real: str) -> None:
    folder = savepoint(home, f"{ODD}/{real}", real)
    found = check(f"s3://flinkops/{ODD}/{real}")
    assert (found.verdict, found.problems) == ("ok", ())
    files = [path for path in folder.iterdir() if path.name != "_metadata"]
    if not files:
        return
    os.truncate(files[0], files[0].stat().st_size - 1)
    assert check(f"s3a://flinkops/{ODD}/{real}/").verdict == "bad"
    files[0].unlink()
    assert [files[0].name in problem for problem in check(f"s3p://flinkops//{ODD}/{real}/_metadata").problems] == [True]


def test_a_path_that_was_escaped_is_the_same_savepoint(home: Path) -> None:
    savepoint(home, "with blank+plus")
    assert check("s3://flinkops/with%20blank+plus").verdict == "ok"
    assert check("s3://flinkops/with%20blank plus").verdict == "bad"


def test_shared_and_changelog_files_with_entropy(home: Path) -> None:
    names = {f"{number:04x}/shared/é {number}": number + 1 for number in range(30)}
    write(bucket(home), {**names, "chk-5/_metadata": incremental({f"s3://flinkops/{a}": b for a, b in names.items()})})
    assert check("s3://flinkops/chk-5").verdict == "ok"
    logs = {"s3://flinkops/dstl/one": 10, "s3://flinkops/dstl/two": 90}
    write(bucket(home), {"dstl/one": 11, "dstl/two": b"\x01compressed", "chk-6/_metadata": changelog(logs)})
    assert check("s3://flinkops/chk-6").verdict == "ok"
    write(bucket(home), {"dstl/one": 10})
    assert check("s3://flinkops/chk-6").verdict == "bad"


def test_a_metadata_that_is_none_is_bad(home: Path) -> None:
    cut = (SAVEPOINTS / "flink-2.3-rocksdb-native.metadata").read_bytes()[:-9]
    for content in (b"", b"<html>", cut):
        write(bucket(home), {"broken/_metadata": content})
        found = check("s3://flinkops/broken")
        assert (found.verdict, "is not usable" in found.why) == ("bad", True)


def test_what_is_not_there_is_bad_and_what_cannot_be_asked_is_unknown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    savepoint(home, "one")
    assert check("s3://flinkops/none").why == "there is no such folder"
    assert check("s3://flinkops").why == "there is no _metadata in it"
    assert (wrong := check("s3://flinkop/one")).verdict == "unknown"
    assert "there is no bucket s3://flinkop" in wrong.why
    assert check("s3://no_bucket!/one").verdict == "unknown"
    for name, value, why in (
        ("AWS_SECRET_ACCESS_KEY", "wrong", "refuses the log-in (403, SignatureDoesNotMatch)"),
        ("AWS_ACCESS_KEY_ID", "stranger", "refuses the log-in"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "does not answer"),
        ("AWS_PROFILE", "none-such", "does not exist"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            found = check("s3://flinkops/one")
        assert (found.verdict, why in found.why, bool(found.next_step)) == ("unknown", True, True), found
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nobodys-secret")
    denied = check("s3://flinkops/one")
    assert (denied.verdict, "denies access (403, AccessDenied)" in denied.why) == ("unknown", True), denied
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials" in check("s3://flinkops/one").why


def test_a_file_where_a_folder_is_to_be_is_no_matter_of_time(home: Path, stores: Stores) -> None:
    write(bucket(home), {"taken": b"x"})
    assert check("s3://flinkops/taken").why == "there is no such folder"
    place = place_of("s3://flinkops/taken/savepoint-1/_metadata")
    with pytest.raises(OutOfReach, match="does not take the request") as told:
        stores.at(place).write(place, [b"x"])
    assert told.value.next_step == "see the path: something else is there"


def test_the_settings_say_where_a_bucket_is(server: S3Access, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savepoint(home, "one")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    here = StorageSettings(endpoint=server.endpoint, region="us-east-1", path_style=True)
    assert check("s3://flinkops/one", {"s3://*": here}).verdict == "ok"
    closed = StorageSettings(endpoint="http://127.0.0.1:9")
    assert check("s3://flinkops/one", {"s3://*": here, "s3://flinkops": closed}).verdict == "unknown"


def test_both_recoveries_find_what_nobody_noted(home: Path, stores: Stores) -> None:
    write(
        bucket(home),
        {
            "sp/savepoint-abcdef-1/_metadata": b"x",
            "sp/savepoint-abcdef-2/1.sst": 4,
            "sp/savepoint-fedcba-3/_metadata": b"x",
            "c/chk-7/_metadata": b"x",
            "c/chk-11/_metadata": b"x",
            "c/chk-12/1.sst": 4,
        },
    )
    assert savepoints_in("s3://flinkops/sp/", JOB, stores, since_seconds=0) == ["s3://flinkops/sp/savepoint-abcdef-1"]
    assert savepoints_in("s3://flinkops/sp", JOB, stores, since_seconds=4e9) == []
    assert newer_beside("s3://flinkops/c/chk-7", stores) == ["s3://flinkops/c/chk-11"]


def test_every_method_of_the_port(home: Path, stores: Stores) -> None:
    write(bucket(home), FILES)
    holds_the_port(parse_location("s3://flinkops/port"), stores)
    assert not (bucket(home) / "port" / "a b").exists()


def test_a_savepoint_of_more_than_a_page(home: Path) -> None:
    files = {f"{number:05} file": number % 7 for number in range(2_500)}
    write(bucket(home) / "large", {**files, "_metadata": relative(files)})
    assert check("s3://flinkops/large").verdict == "ok"
    (bucket(home) / "large" / "01777 file").unlink()
    assert check("s3://flinkops/large").problems == ("01777 file: missing",)


def test_a_listing_that_changes_while_it_is_checked(home: Path, stores: Stores) -> None:
    """Progress is told after 1,000 files: what comes meanwhile is looked up once more, what goes is said."""
    files = {f"{number:05} file": number % 7 for number in range(2_500)}
    content: dict[str, bytes | int] = {**files, "_metadata": relative(files)}
    write(bucket(home) / "moving", content)
    first, folder = bucket(home) / "moving" / "00003 file", bucket(home) / "moving"
    first.unlink()
    comes = check_savepoint("s3://flinkops/moving", stores, lambda _done, _of: write(folder, {first.name: 3}))
    assert (comes.verdict, comes.problems) == ("ok", ())
    first.unlink()
    newer = {"_metadata": relative({"other": 1})}
    anew = check_savepoint("s3://flinkops/moving", stores, lambda _done, _of: write(folder, newer))
    assert (anew.verdict, "written anew" in anew.why) == ("unknown", True), anew
    write(folder, content)
    first.unlink()
    removed = check_savepoint(
        "s3://flinkops/moving", stores, lambda _done, _of: (folder / "_metadata").unlink(missing_ok=True)
    )
    assert (removed.verdict, removed.why) == ("bad", "it was removed while it was checked")


def test_the_command_tells_no_secret(home: Path, server: S3Access) -> None:
    savepoint(home, "by command")
    for path, code, verdict in (("by command", 0, "ok"), ("none", 1, "bad")):
        done = command("savepoint", "verify", f"s3://flinkops/{path}", "-o", "json")
        assert (done.returncode, json.loads(done.stdout)["verdict"]) == (code, verdict), done.stderr
        assert server.secret_key not in done.stdout + done.stderr
    done = command("savepoint", "verify", "s3://flinkop/none", "--debug")
    assert done.returncode == 3
    assert "there is no bucket" in done.stdout
    assert done.stderr.strip().startswith("see the path")
    assert "Traceback" not in done.stderr
    assert server.secret_key not in done.stdout + done.stderr


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flinkops", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
