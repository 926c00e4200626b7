"""High availability with its data on a real S3 server: a killed JobManager takes its jobs up again from the bucket."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.s3_gateway import gateway
from flinkops.errors import FlinkopsError
from flinkops.local import fleet, job, kafka, s3_server
from tests.local.guard import guarded
from tests.local.jobmanager_kill import checkpoints_of, newest_checkpoint
from tests.local.s3 import bucket
from tests.local.shell import Shell
from tests.local.test_price_streaming import await_true

NAME = "highly-available"
pytestmark = [pytest.mark.local, pytest.mark.by_hand, pytest.mark.timeout(900)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with guarded(tmp_path / "home") as home:
        yield home


def test_a_killed_jobmanager_takes_the_job_up_from_the_bucket(home: Path) -> None:
    info = fleet.up(home, ha=True, s3=gateway())
    kafka.create_topic(info.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
    job.submit(info, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
    shell = Shell(info, home.parent / "journal", NAME)
    shell.environment |= s3_server.access(home).environment
    (running,) = shell.live()
    await_true("two checkpoints", lambda: newest_checkpoint(info, running)[0] >= 2)
    before = newest_checkpoint(info, running)[0]
    pointers = list((bucket(home) / "ha").rglob("completedCheckpoint*"))
    assert pointers
    (manager,) = [one for one in fleet.up(home).processes if one.role == "jobmanager"]
    os.kill(manager.pid, signal.SIGKILL)
    await_true("the JobManager has died", lambda: not manager.alive)

    def restored() -> bool:
        try:
            found = checkpoints_of(info, running)
        except FlinkopsError:  # the new one is not there yet
            return False
        return found is not None and found.restored is not None and newest_checkpoint(info, running)[0] > before

    await_true("the same job goes on from a checkpoint", restored)
    found = checkpoints_of(info, running)
    assert found is not None
    assert found.restored is not None
    assert (found.restored.external_path or "").startswith(f"s3://flinkops/checkpoints/{running}/chk-")
    assert shell.live() == [running]
    considered = {one["what"]: one["count"] for one in shell.json("storage", "orphans")["considered"]}
    assert considered["HA pointers"] > 0
