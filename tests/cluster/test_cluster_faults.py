"""What goes wrong in the middle of an upgrade, on the real operator: the job ends up RUNNING with its state, or the
message says exactly what to do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flinkops.clock import SystemClock, iso_utc
from tests.cluster.acting import ACTION_SECONDS, CommandLine, another_parallelism, restored_from, settled
from tests.cluster.kit import DATA, FLINK, REPOSITORY, Cluster, count_manifest, wait_for

pytestmark = pytest.mark.timeout(600)

NAME = "faulty"
IMAGE = "faulty:1"
OPERATOR = ("-n", "flink-operator", "scale", "deployment", "flink-kubernetes-operator")
SCRIPT = ["-pyclientexec", "/usr/bin/python3", "-pyexec", "/usr/bin/python3", "-py", "/opt/flink/usrlib/faulty.py"]
QUICK = ("--yes", "--watch-for", "5s", "--checkpoints", "1")


@contextmanager
def deployed(cluster: Cluster, found: dict[str, Any]) -> Iterator[str]:
    """A job that has faults on demand, RUNNING as the operator sees it; its name."""
    name = found["metadata"]["name"]
    found["spec"]["job"]["args"] = SCRIPT
    cluster.delete_deployment(name)
    cluster.apply(found)
    try:
        wait_for(lambda: settled(cluster, name), "RUNNING", seconds=240)
        yield name
    finally:
        cluster.delete_deployment(name)


@pytest.fixture(scope="module")
def job(cluster: Cluster) -> Iterator[str]:
    """The job of nearly all tests here, with high availability."""
    cluster.kit.run("image", IMAGE, f"pyflink-{FLINK}", str(REPOSITORY / "tests" / "cluster" / "faulty_layer"))
    with deployed(cluster, count_manifest(cluster.kit, NAME, image=IMAGE)) as name:
        yield name


@pytest.fixture
def command_line(cluster: Cluster, job: str, tmp_path: Path) -> CommandLine:
    wait_for(lambda: settled(cluster, job), "the test before left it RUNNING", seconds=180)
    cluster.kubectl("delete", "lease", lease_of(job), "--ignore-not-found")  # of a test that failed in the middle
    return CommandLine(cluster, tmp_path / "journal")


def lease_of(job: str) -> str:
    return f"flinkops-flinkdeployment-{job}"


def arguments(*options: str) -> list[str]:
    return [f"--arg={one}" for one in (*SCRIPT, *options)]


def test_a_conflicting_edit_is_refused(cluster: Cluster, job: str, command_line: CommandLine, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    command_line.run("upgrade", job, "--savepoint", "--parallelism", "2", "--out", saved)
    edit = {"spec": {"flinkConfiguration": {"kubernetes.operator.savepoint.history.max.age": "2 d"}}}
    cluster.kubectl("patch", "flinkdeployment", job, "--type=merge", "-p", json.dumps(edit))
    pods = cluster.pods(job)
    refused = command_line.run("apply", saved, "--yes", expect=5)
    assert "edited by somebody else" in refused["stderr"]
    assert cluster.pods(job) == pods
    assert command_line.entries() == []


def test_a_lease_that_somebody_else_holds(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    now = (iso_utc(SystemClock().now_ms()) or "").replace("Z", "000Z")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease_of(job), "namespace": "default"},
        "spec": {"holderIdentity": "upgrade-x on afar", "leaseDurationSeconds": 60, "renewTime": now},
    }
    cluster.apply(lease)
    try:
        refused = command_line.run("upgrade", job, "--savepoint", "--parallelism", "2", *QUICK, expect=5)
        assert "upgrade-x on afar" in refused["stderr"]
    finally:
        cluster.kubectl("delete", "lease", lease_of(job))


@pytest.mark.by_hand
def test_a_crash_loop_that_begins_late_is_seen_and_taken_back(
    cluster: Cluster, job: str, command_line: CommandLine
) -> None:
    before = cluster.deployment(job)["spec"]["job"]["args"]
    crash = arguments("--crash-after", "45")
    done = command_line.run("upgrade", job, "--savepoint", *crash, "--yes", "--watch-for", "60s", expect=1)["result"]
    assert done["outcome"] == "rolled-back"
    assert "restart" in done["error"]
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, job)
    assert cluster.deployment(job)["spec"]["job"]["args"] == before


@pytest.mark.by_hand
def test_a_state_that_does_not_fit_is_taken_back(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    done = command_line.run("upgrade", job, "--savepoint", *arguments("--other-state"), *QUICK, expect=1)["result"]
    assert done["outcome"] == "rolled-back", done
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, job)


@pytest.mark.by_hand
def test_an_operator_that_is_down_is_waited_for(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    cluster.kubectl(*OPERATOR, "--replicas=0")
    try:
        change = ("--parallelism", another_parallelism(cluster, job), *QUICK, "--timeout", "25s")
        late = command_line.run("upgrade", job, "--savepoint", *change, expect=4)
        assert "action resume" in late["result"]["go_on"]
        assert late["result"]["outcome"] == "timed-out"
    finally:
        cluster.kubectl(*OPERATOR, "--replicas=1")
    done = command_line.run("upgrade", "--resume")["result"]
    assert done["outcome"] == "verified"
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, job)


@pytest.mark.parametrize("step", [pytest.param("savepoint", marks=pytest.mark.by_hand), "running"])
def test_killed_at_a_step_it_goes_on(cluster: Cluster, job: str, command_line: CommandLine, step: str) -> None:
    parallelism = another_parallelism(cluster, job)
    command_line.kill_at(step, "upgrade", job, "--savepoint", "--parallelism", parallelism, "--watch-for", "5s")
    done = command_line.run("upgrade", "--resume")["result"]
    assert done["outcome"] == "verified"
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, job)
    assert cluster.deployment(job)["spec"]["job"]["parallelism"] == int(parallelism)
    patches = [one for one in command_line.entries() if one["event"] == "outcome" and one["step"] == "patch"]
    assert len(patches) == 1


@pytest.mark.by_hand
def test_killed_on_the_way_back_it_goes_on(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    command_line.kill_at("old-running", "upgrade", job, "--savepoint", "--image", "nowhere:1")
    done = command_line.run("upgrade", "--resume", expect=1)["result"]
    assert done["outcome"] == "rolled-back"
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, job)
    assert cluster.deployment(job)["spec"]["image"] == IMAGE


@pytest.mark.by_hand
def test_suspended_and_resumed_from_the_savepoint_of_the_stop(
    cluster: Cluster, job: str, command_line: CommandLine
) -> None:
    savepoint = command_line.run("suspend", job, "--yes")["result"]["savepoint"]
    done: dict[str, Any] = command_line.run("resume", job, *QUICK)["result"]
    assert done["outcome"] == "verified"
    assert done["restored_from"] == restored_from(cluster, job)
    assert done["restored_from"].rpartition("/")[2] == savepoint.rpartition("/")[2]


def kill_jobmanager(cluster: Cluster, job: str) -> None:
    cluster.kubectl("delete", "pod", "-l", f"app={job},component=jobmanager", "--grace-period=0", "--force")


def completed(cluster: Cluster, job: str, at_least: int) -> dict[str, Any]:
    """The job of the REST API, once it has completed so many checkpoints; `newest` is the number of the last."""
    proxy = f"/api/v1/namespaces/default/services/{job}-rest:8081/proxy/jobs"

    def polled() -> dict[str, Any] | None:
        (found,) = json.loads(cluster.kubectl("get", "--raw", f"{proxy}/overview"))["jobs"]
        points = json.loads(cluster.kubectl("get", "--raw", f"{proxy}/{found['jid']}/checkpoints"))
        enough = points["counts"]["completed"] >= at_least
        return {**found, "newest": points["latest"]["completed"]["id"]} if enough else None

    found: dict[str, Any] = wait_for(polled, f"{at_least} checkpoints", seconds=60)
    return found


def resumed_from_what_is_left(cluster: Cluster, job: str, command_line: CommandLine, old_id: str, error: str) -> None:
    """As the message says: from the savepoint of the stop, which lies in the savepoint folder, the kit's own."""
    assert f"flinkops resume {job} --from" in error
    begun_seconds = command_line.entries()[0]["at_ms"] / 1000
    found = [(one.stat().st_mtime, one.name) for one in (DATA / "savepoints").glob(f"savepoint-{old_id[:6]}-*")]
    _, name = min(one for one in found if one[0] >= begun_seconds)  # later ones are of a job that restarted empty
    if f"flinkops suspend {job}" in error:
        wait_for(lambda: settled(cluster, job), "it runs, with empty state", seconds=180)
        command_line.run("suspend", job, "--yes")
    savepoint = f"file:/flink-data/savepoints/{name}"
    resumed = command_line.run("resume", job, "--from", savepoint, *QUICK)["result"]
    assert resumed["outcome"] == "verified"
    assert restored_from(cluster, job) == savepoint


@pytest.mark.by_hand
def test_a_jobmanager_killed_during_the_savepoint(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    """It carries on by its metadata, or its job had just ended: then it is as in the test below."""
    old = completed(cluster, job, 2)
    change = ("--parallelism", another_parallelism(cluster, job), *QUICK[1:])
    with command_line.begun("savepoint", "upgrade", job, "--savepoint", *change) as process:
        kill_jobmanager(cluster, job)
        done = json.loads(process.communicate(timeout=ACTION_SECONDS)[0])["result"]
    if done["outcome"] == "failed":
        resumed_from_what_is_left(cluster, job, command_line, old["jid"], done["error"])
        return
    assert done["outcome"] in ("verified", "rolled-back"), json.dumps(done)
    assert restored_from(cluster, job) == done["restored_from"]


@pytest.mark.by_hand
def test_a_job_that_ended_before_the_operator_noted_its_savepoint(
    cluster: Cluster, job: str, command_line: CommandLine
) -> None:
    """The operator asks for a manual restore; the savepoint is in its folder, and the message says how to continue."""
    running = completed(cluster, job, 2)
    cluster.kubectl(*OPERATOR, "--replicas=0")
    try:
        wait_for(lambda: not cluster.operator_pods(), "the operator is down", seconds=60)
        change = ("--parallelism", another_parallelism(cluster, job), *QUICK[1:])
        with command_line.begun("savepoint", "upgrade", job, "--savepoint", *change) as process:
            cluster.stop_with_savepoint(job, running["jid"])
            kill_jobmanager(cluster, job)
            cluster.kubectl(*OPERATOR, "--replicas=1")
            done = json.loads(process.communicate(timeout=ACTION_SECONDS)[0])["result"]
    finally:
        cluster.kubectl(*OPERATOR, "--replicas=1")
    assert done["outcome"] == "failed", json.dumps(done)
    assert "Manual restore required" in done["error"]
    resumed_from_what_is_left(cluster, job, command_line, running["jid"], done["error"])


@pytest.fixture
def careless(cluster: Cluster) -> Iterator[str]:
    """One without high availability."""
    found = count_manifest(cluster.kit, "careless", image=IMAGE)
    settings = found["spec"]["flinkConfiguration"]
    for key in [key for key in settings if key.startswith("high-availability")]:
        del settings[key]
    settings["execution.checkpointing.interval"] = "20s"  # REST tells of them 3 s late
    with deployed(cluster, found) as name:
        yield name


def test_a_job_that_forgot_its_state_is_brought_back_with_it(
    cluster: Cluster, job: str, careless: str, tmp_path: Path
) -> None:
    """Its JobManager dies in mid-upgrade and comes back without state; the operator would save that, and continue."""
    command_line = CommandLine(cluster, tmp_path / "journal")
    completed(cluster, careless, 1)
    cluster.kubectl(*OPERATOR, "--replicas=0")
    try:
        wait_for(lambda: not cluster.operator_pods(), "the operator is down", seconds=60)
        with command_line.begun(
            "savepoint", "upgrade", careless, "--savepoint", "--parallelism", "2", *QUICK[1:]
        ) as process:
            kill_jobmanager(cluster, careless)
            wait_for(lambda: command_line.seen("savepoint"), "it is seen", seconds=120)
            cluster.kubectl(*OPERATOR, "--replicas=1")
            done = json.loads(process.communicate(timeout=ACTION_SECONDS)[0])["result"]
    finally:
        cluster.kubectl(*OPERATOR, "--replicas=1")
    assert done["outcome"] == "rolled-back", json.dumps(done)
    assert "began with empty state, although checkpoint" in done["error"]
    assert done["restored_from"] == restored_from(cluster, careless)
    assert "/chk-" in done["restored_from"]
    assert cluster.deployment(careless)["spec"]["job"]["parallelism"] == 1


@pytest.mark.by_hand
def test_an_api_server_that_is_restarted_in_mid_upgrade(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    """The operator loses sight of the job with it, and may stop it by last-state; then the old spec comes back."""
    number = completed(cluster, job, 2)["newest"]
    change = ("--parallelism", another_parallelism(cluster, job), *QUICK[1:])
    with command_line.begun("savepoint", "upgrade", job, "--savepoint", *change) as process:
        cluster.kit.restart_api_server()
        done = json.loads(process.communicate(timeout=ACTION_SECONDS)[0])["result"]
    assert done["outcome"] in ("verified", "rolled-back"), json.dumps(done)
    assert done["restored_from"] == restored_from(cluster, job)
    if done["outcome"] == "rolled-back":
        assert "without a savepoint (by last-state)" in done["error"]
        assert int(done["restored_from"].rpartition("/chk-")[2]) >= number


@pytest.fixture
def no_room_for_savepoints() -> Iterator[None]:
    """Flink runs as another user, which may not write there any more."""
    folder = DATA / "savepoints"
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    yield
    folder.chmod(mode)


@pytest.mark.usefixtures("no_room_for_savepoints")
@pytest.mark.by_hand
def test_a_savepoint_directory_that_is_not_writable(cluster: Cluster, job: str, command_line: CommandLine) -> None:
    before, pods = cluster.deployment(job)["spec"], cluster.pods(job)
    change = ("--parallelism", another_parallelism(cluster, job), *QUICK)
    done = command_line.run("upgrade", job, "--savepoint", *change, expect=1)["result"]
    assert done["outcome"] == "rolled-back", done
    assert "savepoint" in done["error"]
    assert done["restored_from"].startswith("nothing: the old job was never stopped")
    assert (cluster.deployment(job)["spec"], cluster.pods(job)) == (before, pods)
