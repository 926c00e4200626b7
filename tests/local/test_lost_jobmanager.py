"""A real JobManager that is killed in the middle of an upgrade, without high availability and without the operator."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from flinkops.act.rest.control import RestControl
from flinkops.assess.checkpoints import newest_completed
from flinkops.clock import SystemClock
from flinkops.local import fleet, job, kafka
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.places import same_place
from tests.local.guard import guarded
from tests.local.shell import REPOSITORY, Shell
from tests.local.test_actions import NAME
from tests.local.test_price_streaming import await_true

pytestmark = [pytest.mark.local, pytest.mark.long, pytest.mark.timeout(600)]


def completed(control: RestControl, job_id: str) -> int:
    """The number of the job's newest checkpoint; 0 before the first."""
    found = control.job(job_id)
    newest = newest_completed(found.checkpoints) if found is not None and found.checkpoints is not None else None
    return 0 if newest is None else newest.id


def test_the_old_job_comes_back_from_its_last_checkpoint(tmp_path: Path) -> None:
    with guarded(tmp_path / "home") as home:
        info = fleet.up(home)
        kafka.create_topic(info.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
        job.submit(info, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
        shell = Shell(info, tmp_path / "journal", NAME)
        (old,) = shell.live()
        control = RestControl(parse_endpoint(info.rest_url), SystemClock())
        await_true("two checkpoints", lambda: completed(control, old) >= 2)
        (manager,) = [one for one in info.processes if one.role == "jobmanager"]
        command = shell.command(
            "upgrade", NAME, "--savepoint", "--parallelism", "2", "--yes", "-o", "json", "--timeout", "3m"
        )
        with subprocess.Popen(
            command, cwd=REPOSITORY, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            assert running.stderr is not None
            assert any(line.strip().startswith("measure: ok") for line in running.stderr)
            os.kill(manager.pid, signal.SIGKILL)
            await_true("the JobManager has died", lambda: not manager.alive)
            fleet.up(home)
            told, said = running.communicate(timeout=300)
        result = json.loads(told)["result"]
        assert (running.returncode, result["outcome"]) == (1, "rolled-back"), told + said
        (back,) = shell.live()
        assert back == result["new_job_id"] != old
        found = control.job(back)
        control.close()
        assert found is not None
        assert found.checkpoints is not None
        assert found.checkpoints.restored is not None
        assert same_place(found.checkpoints.restored.external_path, result["restored_from"])
        assert old in result["restored_from"] or f"savepoint-{old[:6]}-" in result["restored_from"]
