"""Savepoints of a real Flink on a real S3 server: taken, verified, upgraded from, pruned, found after a kill."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.s3_gateway import gateway
from flinkops.local import fleet, job, kafka, s3_server
from flinkops.model.places import same_place
from tests.local.guard import guarded
from tests.local.jobmanager_kill import newest_checkpoint, upgrade_with_a_killed_jobmanager
from tests.local.s3 import bucket
from tests.local.shell import Shell
from tests.local.test_price_streaming import await_true

NAME = "on-object-storage"
GONE = "e" * 32
# The first three are CI's: S3 has three minutes of it in all. The others take four more.
pytestmark = [pytest.mark.local, pytest.mark.long, pytest.mark.timeout(900)]


def file_of(home: Path, path: str) -> Path:
    """The folder that the server keeps an object in."""
    return bucket(home) / path.removeprefix("s3://flinkops/")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with guarded(tmp_path_factory.mktemp("objects") / "home") as home:
        yield home


@pytest.fixture(scope="module")
def shell(home: Path) -> Shell:
    """A job that runs, on a fleet whose state is in a bucket, and the log-in to that."""
    info = fleet.up(home, s3=gateway())
    kafka.create_topic(info.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
    job.submit(info, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
    shell = Shell(info, home.parent / "journal", NAME)
    shell.environment |= s3_server.access(home).environment
    return shell


def test_savepoints_are_taken_and_verified(shell: Shell, home: Path) -> None:
    """Two savepoints and a checkpoint, whole; one of them with a damaged metadata, or out of reach."""
    paths: list[str] = []
    for form in ("canonical", "native"):
        result = shell.json("savepoint", "create", NAME, "--yes", "--format", form)["result"]
        assert (result["outcome"], "all there" in result["seen"]["files"]) == ("verified", True), result
        paths.append(result["savepoint"])
    assert all(path.startswith("s3://flinkops/savepoints/savepoint-") for path in paths)
    (running,) = shell.live()
    await_true("a checkpoint", lambda: newest_checkpoint(shell.info, running)[0] > 0)
    checks = [shell.json("savepoint", "verify", path) for path in (*paths, NAME)]
    assert [one["verdict"] for one in checks] == ["ok", "ok", "ok"]
    ids = [{operator["operator_id"] for operator in one["operators"]} for one in checks]
    assert ids[0] == ids[1] != set()
    metadata = file_of(home, paths[0]) / "_metadata"
    content = metadata.read_bytes()
    metadata.write_bytes(content[:-1])
    assert shell.json("savepoint", "verify", paths[0], code=1)["verdict"] == "bad"
    metadata.write_bytes(content)
    with_rights = shell.environment["AWS_SECRET_ACCESS_KEY"]
    shell.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
    unknown = shell.json("savepoint", "verify", paths[0], code=3)
    shell.environment["AWS_SECRET_ACCESS_KEY"] = with_rights
    assert (unknown["verdict"], unknown["next_step"] is not None) == ("unknown", True)


def test_an_upgrade_starts_from_a_savepoint_in_the_bucket(shell: Shell) -> None:
    """From a savepoint in the bucket, whose files the check has seen."""
    done = shell.json("upgrade", NAME, "--savepoint", "--parallelism", "2", "--yes", "--timeout", "5m")
    result: dict[str, Any] = done["result"]
    assert result["outcome"] == "verified", result
    assert result["restored_from"] == result["savepoint"]
    assert "all there" in result["seen"]["files"]
    listed = shell.json("savepoint", "list", NAME)["savepoints"]
    assert listed[0]["path"] == result["savepoint"]
    assert "was started from it" in listed[0]["in_use"]


def test_what_nothing_depends_on_is_removed_and_seen_to_be_gone(shell: Shell, home: Path) -> None:
    paths = [one["path"] for one in shell.json("savepoint", "list", NAME)["savepoints"] if not one["in_use"]]
    assert paths
    result = shell.json("savepoint", "prune", NAME, "--keep", "1", "--yes")["result"]
    assert result["outcome"] == "verified", result
    assert not any((file_of(home, path) / "_metadata").exists() for path in paths)
    assert shell.json("savepoint", "verify", paths[0], code=1)["verdict"] == "bad"


@pytest.mark.by_hand
def test_a_copy_of_a_savepoint_on_the_disk_is_one_that_flink_starts_from(shell: Shell, home: Path) -> None:
    """Out of the bucket, with nothing but relative paths in its metadata; a checkpoint is refused."""
    taken = shell.json("savepoint", "create", NAME, "--yes", "--format", "native")["result"]["savepoint"]
    target = home.parent / "copy of it"
    copied = shell.json("savepoint", "copy", taken, str(target), "--yes")["result"]
    assert copied["outcome"] == "verified", copied
    path = copied["seen"]["copied_to"]
    assert Path(path).parent == target
    assert shell.json("savepoint", "verify", path)["verdict"] == "ok"
    again = shell.json("savepoint", "copy", taken, str(target), "--yes")["result"]
    assert (again["outcome"], again["seen"]["copied_files"]) == ("verified", "0")
    (running,) = shell.live()
    refused = shell.run("savepoint", "copy", newest_checkpoint(shell.info, running)[1], str(target), "--yes")
    assert (refused.returncode, "by their full paths" in refused.stderr) == (5, True), refused.stderr
    shell.json("suspend", NAME, "--yes", "--timeout", "5m")
    resumed = shell.json("resume", NAME, "--from", path, "--yes", "--timeout", "5m")["result"]
    assert (resumed["outcome"], same_place(resumed["restored_from"], path)) == ("verified", True), resumed


def aged(folder: Path, days: float) -> None:
    """Everything in it was written so long ago."""
    moment = time.time() - days * 86_400
    for one in folder.rglob("*"):
        if one.is_file():
            os.utime(one, (moment, moment))


def a_day_ago(journal: Path) -> None:
    """As if the first run had been a day earlier."""
    for path in (journal / "orphans").glob("*.json"):
        found = json.loads(path.read_bytes())
        for one in found["files"].values():
            one["listed_ms"] -= 25 * 3_600_000
        path.write_text(json.dumps(found), encoding="utf-8")


@pytest.mark.by_hand
def test_what_nobody_refers_to_goes_after_a_day_and_all_else_stays(shell: Shell, home: Path, tmp_path: Path) -> None:
    """A job that is gone left checkpoints behind; those of the job that runs stay, and so does its newest state."""
    (running,) = shell.live()
    await_true("a checkpoint", lambda: newest_checkpoint(shell.info, running)[0] > 0)
    current = file_of(home, newest_checkpoint(shell.info, running)[1])
    dead = current.parents[1] / GONE
    for number in (1, 2):
        shutil.copytree(current, dead / f"chk-{number}", ignore=shutil.ignore_patterns("*-*-*-*"))
    (dead / "shared").mkdir()
    (dead / "shared" / "left over").write_bytes(b"abc")
    aged(dead, 8)
    settings = tmp_path / "flinkops.toml"
    source = shell.info.rest_url.removeprefix("http://")
    settings.write_text(f'[folders]\n"s3://flinkops" = ["{source}"]\n', encoding="utf-8")
    shell.environment["FLINKOPS_CONFIG"] = str(settings)
    (folder,) = shell.json("storage", "orphans")["folders"]
    assert folder["refused"] == []
    gone = {one["path"] for one in folder["orphans"] if GONE in one["path"]}
    assert gone == {f"checkpoints/{GONE}/chk-1", f"checkpoints/{GONE}/shared/left over"}
    assert not any(running in one["path"] for one in folder["orphans"])
    options = ("storage", "orphans", "--delete", "--older-than", "7d", "--yes")
    for _ in range(2):
        (listed,) = shell.json(*options)["folders"]
        assert (set(listed["delete"]["waiting"]), listed["delete"]["now"]) == (gone, [])
    a_day_ago(shell.folder)
    done = shell.json(*options)["result"]
    assert (done["outcome"], int(done["seen"]["deleted_files"])) == ("verified", 2), done
    assert sorted(one.name for one in dead.rglob("*") if one.is_file()) == ["_metadata"]
    assert shell.json("savepoint", "verify", newest_checkpoint(shell.info, running)[1])["verdict"] == "ok"
    settings.write_text(f'[folders]\n"s3://flinkops" = ["{source}", "another"]\n', encoding="utf-8")
    refused = shell.run(*options)
    assert (refused.returncode, "another, which uses it, was not asked" in refused.stderr) == (5, True), refused.stderr
    del shell.environment["FLINKOPS_CONFIG"]


@pytest.mark.by_hand
def test_what_the_job_comes_back_from_is_found_in_the_bucket(shell: Shell, home: Path) -> None:
    """The JobManager dies in the middle of an upgrade: what the job comes back from is found in the bucket."""
    result = upgrade_with_a_killed_jobmanager(shell, home, 3)
    assert result["restored_from"].startswith("s3://flinkops/")
    assert shell.json("savepoint", "verify", result["restored_from"])["verdict"] == "ok"
