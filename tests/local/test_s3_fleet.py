"""Savepoints of a real Flink on a real S3 server: taken, verified, upgraded from, pruned, found after a kill."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.s3_gateway import gateway
from flinkops.act.rest.control import RestControl
from flinkops.assess.checkpoints import newest_completed
from flinkops.clock import SystemClock
from flinkops.local import fleet, job, kafka, s3_server
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.places import same_place
from tests.local.guard import guarded
from tests.local.s3 import bucket
from tests.local.shell import REPOSITORY, Shell
from tests.local.test_price_streaming import await_true

NAME = "on-object-storage"
# By hand until it has been seen to pass as a whole.
pytestmark = [pytest.mark.local, pytest.mark.by_hand, pytest.mark.timeout(900)]


def checkpoints(info: FleetInfo, job_id: str) -> tuple[int, str]:
    """The number and path of the job's newest checkpoint; 0 before the first."""
    control = RestControl(parse_endpoint(info.rest_url), SystemClock())
    found = control.job(job_id)
    control.close()
    newest = newest_completed(found.checkpoints) if found is not None and found.checkpoints is not None else None
    return (0, "") if newest is None else (newest.id, newest.external_path or "")


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
    await_true("a checkpoint", lambda: checkpoints(shell.info, running)[0] > 0)
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


def test_what_the_job_comes_back_from_is_found_in_the_bucket(shell: Shell, home: Path) -> None:
    """The JobManager dies in the middle of an upgrade: what the job comes back from is found in the bucket."""
    (old,) = shell.live()
    info = shell.info
    await_true("two checkpoints", lambda: checkpoints(info, old)[0] >= 2)
    current = fleet.up(home)
    (manager,) = [one for one in current.processes if one.role == "jobmanager"]
    options = ("--savepoint", "--parallelism", "1", "--yes", "-o", "json", "--timeout", "5m")
    command = shell.command("upgrade", NAME, *options)
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert any(line.strip().startswith("measure: ok") for line in running.stderr)
        os.kill(manager.pid, signal.SIGKILL)
        await_true("the JobManager has died", lambda: not manager.alive)
        fleet.up(home)
        told, said = running.communicate(timeout=400)
    result = json.loads(told)["result"]
    assert (running.returncode, result["outcome"]) == (1, "rolled-back"), told + said
    (back,) = shell.live()
    assert back == result["new_job_id"] != old
    control = RestControl(parse_endpoint(info.rest_url), SystemClock())
    found = control.job(back)
    control.close()
    assert found is not None
    assert found.checkpoints is not None
    assert found.checkpoints.restored is not None
    assert same_place(found.checkpoints.restored.external_path, result["restored_from"])
    assert result["restored_from"].startswith("s3://flinkops/")
    assert old in result["restored_from"] or f"savepoint-{old[:6]}-" in result["restored_from"]
    assert "all there" in result["seen"]["files"]
