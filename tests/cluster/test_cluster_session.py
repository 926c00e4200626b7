"""Session jobs on a real operator: three on one session cluster, changed in waves, one brought back, one suspended."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.cluster.acting import CommandLine
from tests.cluster.kit import Cluster, state_of, wait_for
from tests.cluster.session_job import SESSION, session_cluster, session_job

pytestmark = [pytest.mark.timeout(600), pytest.mark.by_hand]

NAMES = ("ticks-a", "ticks-b", "ticks-c")
ALL = ("-l", "team=sessions")
QUICKLY = ("--watch-for", "5s", "--yes")


class Jobs(NamedTuple):
    """Three session jobs that run, the jar that they are of, and flinkops."""

    jar: str
    command_line: CommandLine


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, count_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with session_cluster(cluster, tmp_path_factory.mktemp("session")) as jar:
        cluster.apply(*(session_job(name, jar) for name in NAMES))
        wait_for(lambda: all(runs(cluster, name) for name in NAMES), "all run", seconds=180)
        yield Jobs(jar, CommandLine(cluster, tmp_path_factory.mktemp("journal")))


def resource(cluster: Cluster, name: str) -> dict[str, Any]:
    return cluster.get("flinksessionjobs.flink.apache.org", name)


def runs(cluster: Cluster, name: str) -> bool:
    return state_of(resource(cluster, name)) == ("RUNNING", "STABLE")


def restored(cluster: Cluster, name: str) -> str | None:
    """What the resource's job was restored from, as Flink itself has it."""
    job_id = resource(cluster, name)["status"]["jobStatus"]["jobId"]
    path = f"/api/v1/namespaces/default/services/{SESSION}-rest:8081/proxy/jobs/{job_id}/checkpoints"
    found = json.loads(cluster.kubectl("get", "--raw", path))["latest"]["restored"]
    return None if found is None else str(found["external_path"])


def test_all_are_upgraded_in_waves_and_each_is_verified(cluster: Cluster, jobs: Jobs) -> None:
    command = ("upgrade", *ALL, "--savepoint", "--parallelism", "2", "--max-unavailable", "2")
    done = jobs.command_line.run(*command, *QUICKLY)
    assert [len(wave) for wave in done["waves"]] == [2, 1]
    assert sorted(done["summary"]["verified"]) == [f"default/{name}" for name in NAMES]
    for name in NAMES:
        result = done["jobs"][f"default/{name}"]["result"]
        assert result["savepoint"] == result["restored_from"] == restored(cluster, name)
        assert result["restarts_after"] == 0
        assert resource(cluster, name)["spec"]["job"]["parallelism"] == 2
    again = jobs.command_line.run(*command, *QUICKLY)
    assert (again["waves"], len(again["unchanged"])) == ([], 3)


def test_one_of_them_is_rehearsed_in_a_pod_for_all(cluster: Cluster, jobs: Jobs) -> None:
    """Its jar is fetched in the pod, which is of the session cluster's image; the change is the same for all."""
    other = 3 - int(resource(cluster, NAMES[0])["spec"]["job"]["parallelism"])
    command = ("upgrade", *ALL, "--savepoint", "--parallelism", str(other), "--rehearse", "--max-unavailable", "2")
    done = jobs.command_line.run(*command, *QUICKLY)
    (first,), *_ = done["waves"]
    results = {key: one["result"] for key, one in done["jobs"].items()}
    assert {one["outcome"] for one in results.values()} == {"verified"}
    steps = {key: [step["name"] for step in one["steps"]] for key, one in results.items()}
    assert [key for key, names in steps.items() if "rehearse" in names] == [first]
    assert results[first]["seen"]["rehearsal"] == "restores", results[first]["seen"]
    left = ("get", "jobs,pods,configmaps", "-l", "flinkops.io/purpose=rehearsal", "-o", "name")
    wait_for(lambda: not cluster.kubectl(*left).split(), "nothing of the rehearsal stays", seconds=60, every=0.2)


def test_a_jar_that_is_not_there_stops_the_waves_and_the_old_job_comes_back(cluster: Cluster, jobs: Jobs) -> None:
    missing = jobs.jar.replace("ticks", "nowhere")
    command = ("upgrade", *ALL, "--savepoint", "--jar", missing, "--canary", "--max-unavailable", "2")
    done = jobs.command_line.run(*command, *QUICKLY, expect=1)
    (first,), *_ = done["waves"]
    assert done["summary"]["failed"] == [first]
    assert len(done["summary"]["not_started"]) == 2
    result = done["jobs"][first]["result"]
    assert result["outcome"] == "rolled-back"
    assert "cannot submit the job" in result["error"]
    assert result["savepoint"] == result["restored_from"] == restored(cluster, first.rpartition("/")[2])
    assert {resource(cluster, name)["spec"]["job"]["jarURI"] for name in NAMES} == {jobs.jar}


def test_suspended_and_resumed_beside_the_others(cluster: Cluster, jobs: Jobs) -> None:
    name, *others = reversed(NAMES)
    before = [resource(cluster, one)["status"]["jobStatus"]["jobId"] for one in others]
    stopped = jobs.command_line.run("suspend", name, "--yes")["result"]
    assert stopped["outcome"] == "verified"
    assert cluster.job(name)["state"] == "FINISHED"
    back = jobs.command_line.run("resume", name, *QUICKLY)["result"]
    assert (back["outcome"], back["restored_from"]) == ("verified", stopped["savepoint"])
    assert restored(cluster, name) == stopped["savepoint"]
    assert [resource(cluster, one)["status"]["jobStatus"]["jobId"] for one in others] == before


def test_last_state_is_refused_with_the_reason(jobs: Jobs) -> None:
    done = jobs.command_line.run("upgrade", NAMES[0], "--last-state", "--parallelism", "1", "--plan", expect=5)
    assert any("no last-state for session jobs" in line for line in done["plan"]["refused"])
