"""Actions on a real Flink: savepoints, in-place rescale, an upgrade that is killed in the middle, one that is bad."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local import job, kafka
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.storage.location import parse_location
from tests.local.shell import REPOSITORY, Shell

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]

NAME = "actions-under-test"


@pytest.fixture(scope="module")
def shell(embedded_fleet: FleetInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A job that runs, under a name and a topic of its own."""
    kafka.create_topic(embedded_fleet.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
    shell = Shell(embedded_fleet, tmp_path_factory.mktemp("journal"), NAME)
    control = RestControl(parse_endpoint(embedded_fleet.rest_url), SystemClock())
    try:
        job.submit(embedded_fleet, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
        yield shell
    finally:
        for job_id in shell.live():
            control.cancel(job_id)
        control.close()


def test_a_savepoint_is_taken_listed_verified_and_pruned(shell: Shell) -> None:
    taken = [shell.json("savepoint", "create", NAME, "--yes", "--format", form) for form in ("canonical", "native")]
    assert [one["result"]["outcome"] for one in taken] == ["verified", "verified"]
    paths = [one["result"]["savepoint"] for one in taken]
    assert all(Path(parse_location(path).path).is_dir() for path in paths)
    listed = shell.json("savepoint", "list", NAME)["savepoints"]
    assert [one["path"] for one in listed] == paths[::-1]
    for path in paths:
        check = shell.json("savepoint", "verify", path)
        assert check["verdict"] == "ok"
        assert check["operators"]
    assert shell.run("savepoint", "delete", paths[1], "--yes").returncode == 5  # the latest
    pruned = shell.json("savepoint", "prune", NAME, "--keep", "1", "--yes")
    assert pruned["result"]["outcome"] == "verified"
    assert not Path(parse_location(paths[0]).path).exists()
    assert shell.json("savepoint", "verify", paths[0], code=1)["verdict"] == "bad"


def test_a_savepoint_that_cannot_be_written_says_why(shell: Shell) -> None:
    failed = shell.json("savepoint", "create", NAME, "--yes", "--target", "file:///proc/nowhere", code=1)
    assert failed["result"]["outcome"] == "failed"
    assert "/proc/nowhere" in failed["result"]["error"]


@pytest.mark.by_hand  # the commands on a fake cluster refuse the same (tests/unit/test_action_commands.py)
def test_nothing_is_changed_when_it_must_not_be(shell: Shell) -> None:
    before = shell.json("savepoint", "list", NAME)
    assert shell.run("savepoint", "create", NAME, "--yes", "--read-only").returncode == 5
    assert shell.run("savepoint", "create", NAME).returncode == 5  # nobody there to confirm
    assert shell.json("savepoint", "create", NAME, "--plan")["result"] is None
    assert shell.run("rescale", NAME, "--parallelism", "99", "--yes").returncode == 5
    assert shell.run("upgrade", NAME, "--savepoint", "--yes").returncode == 5  # nothing would change
    assert shell.json("savepoint", "list", NAME) == before


@pytest.mark.by_hand  # as above
def test_a_saved_plan_is_refused_when_the_job_has_moved(shell: Shell, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    assert shell.run("savepoint", "create", NAME, "--out", str(saved)).returncode == 0
    content = json.loads(saved.read_text())
    assert shell.json("apply", str(saved), "--yes")["result"]["outcome"] == "verified"
    content["plan"]["target"]["job_id"] = "0" * 32
    saved.write_text(json.dumps(content))
    assert shell.run("apply", str(saved), "--yes").returncode == 2  # edited


@pytest.mark.by_hand  # test_autoscale and test_poller rescale in place; a chaos kill rescales by command
def test_rescaled_in_place_and_back(shell: Shell) -> None:
    before = shell.live()
    for parallelism in ("2", "1"):
        result = shell.json("rescale", NAME, "--parallelism", parallelism, "--yes")["result"]
        assert result["outcome"] == "verified"
        assert result["checkpoints_after"] >= 1
    assert shell.live() == before


def test_an_upgrade_killed_in_the_middle_goes_on(shell: Shell) -> None:
    old = shell.live()
    command = shell.command("upgrade", NAME, "--savepoint", "--parallelism", "2", "--yes")
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=shell.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stderr is not None
        seen = next((line for line in running.stderr if line.strip().startswith("stopped: ok")), None)
        running.send_signal(signal.SIGKILL)
    assert seen is not None
    assert running.returncode == -signal.SIGKILL
    (action,) = [one for one in shell.json("history", NAME)["actions"] if one["outcome"] is None]
    result = shell.json("action", "resume", action["id"])["result"]
    assert result["outcome"] == "verified"
    assert result["restored_from"] == result["savepoint"]
    assert shell.live() == [result["new_job_id"]]
    assert result["old_job_id"] in old
    compiled = next(step["seen"] for step in result["steps"] if step["name"] == "compile")
    assert "in a client here, which waits" in compiled, "it ended with the kill, and has submitted nothing"
    assert shell.run("upgrade", "--resume", action["id"]).returncode == 5  # it has ended


def test_wrong_options_are_found_while_the_old_job_runs(shell: Shell) -> None:
    before = shell.live()
    failed = shell.json("upgrade", NAME, "--savepoint", "--arg=--no-such-option", "--yes", code=1)
    assert failed["result"]["outcome"] == "failed"
    assert [step["name"] for step in failed["result"]["steps"]] == ["prepare"]
    assert shell.live() == before


def test_a_held_submission_is_what_starts_the_job(shell: Shell) -> None:
    result = shell.json("upgrade", NAME, "--savepoint", "--parallelism", "1", "--yes")["result"]
    assert result["outcome"] == "verified"
    seen = {step["name"]: step["seen"] for step in result["steps"]}
    assert "in a client here, which waits" in seen["compile"]
    assert shell.live() == [result["new_job_id"]]


def test_a_program_that_cannot_read_the_state_is_taken_back(shell: Shell) -> None:
    options = ["--name", NAME, "--topic", NAME, "--sink", "print", "--window", "session", "--gap", "1m"]
    result = shell.json("upgrade", NAME, "--savepoint", "--yes", *(f"--arg={option}" for option in options), code=1)[
        "result"
    ]
    assert result["outcome"] == "rolled-back"
    assert result["restored_from"] == result["savepoint"]
    assert result["checkpoints_after"] >= 2
    assert shell.live() == [result["new_job_id"]]
