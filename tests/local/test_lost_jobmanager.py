"""A real JobManager that is killed in the middle of an upgrade, without high availability and without the operator."""

from pathlib import Path

import pytest

from flinkops.local import fleet, job, kafka
from tests.local.guard import guarded
from tests.local.jobmanager_kill import upgrade_with_a_killed_jobmanager
from tests.local.shell import Shell
from tests.local.test_actions import NAME

pytestmark = [pytest.mark.local, pytest.mark.long, pytest.mark.timeout(600)]


def test_the_old_job_comes_back_from_its_last_checkpoint(tmp_path: Path) -> None:
    with guarded(tmp_path / "home") as home:
        info = fleet.up(home)
        kafka.create_topic(info.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
        job.submit(info, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
        upgrade_with_a_killed_jobmanager(Shell(info, tmp_path / "journal", NAME), home, 2)
