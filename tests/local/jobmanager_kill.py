"""A JobManager that is killed in the middle of an upgrade, and what has to come of it."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from flinkops.act.rest.control import RestControl
from flinkops.assess.checkpoints import newest_completed
from flinkops.clock import SystemClock
from flinkops.local import fleet
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import CheckpointsFacts
from flinkops.model.places import same_place
from tests.local.shell import REPOSITORY, Shell
from tests.local.test_price_streaming import await_true


def checkpoints_of(info: FleetInfo, job_id: str) -> CheckpointsFacts | None:
    """As Flink has them; None where it does not know the job."""
    control = RestControl(parse_endpoint(info.rest_url), SystemClock())
    try:
        found = control.job(job_id)
    finally:
        control.close()
    return None if found is None else found.checkpoints


def newest_checkpoint(info: FleetInfo, job_id: str) -> tuple[int, str]:
    """The number and path of the job's newest checkpoint; 0 before the first."""
    found = checkpoints_of(info, job_id)
    newest = None if found is None else newest_completed(found)
    return (0, "") if newest is None else (newest.id, newest.external_path or "")


def upgrade_with_a_killed_jobmanager(shell: Shell, home: Path, parallelism: int) -> dict[str, Any]:
    """The result of an upgrade whose JobManager dies after its first steps, and is started again.

    The old job has to be back, from what it had left behind, which may be a savepoint that nobody noted.
    """
    (old,) = shell.live()
    await_true("two checkpoints", lambda: newest_checkpoint(shell.info, old)[0] >= 2)
    (manager,) = [one for one in fleet.up(home).processes if one.role == "jobmanager"]
    options = ("--savepoint", "--parallelism", str(parallelism), "--yes", "-o", "json", "--timeout", "5m")
    with subprocess.Popen(
        shell.command("upgrade", shell.name, *options),
        cwd=REPOSITORY,
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert any(line.strip().startswith("measure: ok") for line in running.stderr)
        os.kill(manager.pid, signal.SIGKILL)
        await_true("the JobManager has died", lambda: not manager.alive)
        fleet.up(home)
        told, said = running.communicate(timeout=400)
    result: dict[str, Any] = json.loads(told)["result"]
    assert (running.returncode, result["outcome"]) == (1, "rolled-back"), told + said
    (back,) = shell.live()
    assert back == result["new_job_id"] != old
    found = checkpoints_of(shell.info, back)
    assert found is not None
    assert found.restored is not None
    assert same_place(found.restored.external_path, result["restored_from"])
    assert old in result["restored_from"] or f"savepoint-{old[:6]}-" in result["restored_from"]
    return result
