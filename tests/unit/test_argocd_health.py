"""Argo CD's health script, run by Lua 5.1 as Argo CD runs it, on recorded objects of real operators."""

import copy
from typing import Any

import lupa.lua51
import pytest
import yaml

from devtools import argocd
from devtools.bootstrap import REPOSITORY
from tests.unit import cr_samples

SCRIPTS = yaml.safe_load((REPOSITORY / argocd.FILE).read_text(encoding="utf-8"))["data"]


def health(found: dict[str, Any]) -> tuple[str, str]:
    """(status, message), by the script that Argo CD's settings hold for the kind."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    for name in ("io", "os", "require", "package"):  # Argo CD's sandbox has none of them
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(copy.deepcopy(found), recursive=True)
    said = lua.execute(SCRIPTS[f"resource.customizations.health.flink.apache.org_{found['kind']}"])
    return str(said["status"]), str(said["message"])


EXPECTED = {
    "1.7.0": "PPPPP HHPHH PPPPH HPPPP PPPHP SSS".replace(" ", ""),
    "1.15.0": "PPPPH PPPPP HPPPP PPPPH PPPPP HPSPP".replace(" ", ""),
}
"""One letter an object, in the order of time: Healthy, Progressing, Suspended."""


@pytest.mark.parametrize("operator", cr_samples.OPERATORS)
def test_from_the_first_deployment_to_the_suspension(operator: str) -> None:
    objects = [cr_samples.resource(operator, int(number)) for number in cr_samples.recorded(operator)["resources"]]
    assert "".join(health(one)[0][0] for one in objects) == EXPECTED[operator]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1, "the operator has not acted yet"),
        (6, "the operator has not acted on the last change yet"),
        (18, "the JobManager is DEPLOYING"),  # though the operator says STABLE
        (20, "the job is RUNNING"),
    ],
)
def test_it_says_why(number: int, message: str) -> None:
    assert health(cr_samples.resource("1.15.0", number))[1] == message


@pytest.mark.parametrize(
    ("place", "status"), [(0, "Healthy"), (1, "Progressing"), (2, "Progressing"), (4, "Healthy"), (9, "Degraded")]
)
def test_a_pair_from_blue_to_green_and_an_aborted_transition(place: int, status: str) -> None:
    found, message = health(cr_samples.blue_green()[place]["pair"])
    assert found == status
    assert place != 9 or "Aborting deployment 'pair-blue'" in message


def test_what_failed_is_degraded_and_its_message_is_short() -> None:
    status, message = health(cr_samples.case("failed-storage"))
    assert status == "Degraded"
    assert len(message) < 310
    assert health(cr_samples.blue_green()[2]["green"])[0] == "Degraded"  # an error, though DEPLOYED


def changed(**status: Any) -> dict[str, Any]:
    found = cr_samples.resource("1.15.0", 5)
    found["status"].update(status)
    return found


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"jobStatus": {"state": "FAILED"}}, "Degraded"),
        ({"jobStatus": {"state": "CANCELED"}}, "Degraded"),
        ({"jobStatus": {"state": "FINISHED"}, "jobManagerDeploymentStatus": "MISSING"}, "Healthy"),
        ({"jobStatus": {"state": "RESTARTING"}}, "Progressing"),
        ({"jobStatus": None}, "Progressing"),
        ({"jobStatus": {"state": "ENLIGHTENED"}}, "Unknown"),
        ({"lifecycleState": "ENLIGHTENED"}, "Unknown"),
        ({"lifecycleState": "ROLLED_BACK"}, "Degraded"),
        ({"lifecycleState": "DEPLOYED"}, "Progressing"),
        ({"jobManagerDeploymentStatus": "MISSING"}, "Degraded"),
        ({"error": "spec.job.parallelism must be positive"}, "Degraded"),  # refused; the old job still runs
        ({"error": "spec refused", "observedGeneration": 0}, "Degraded"),
        ({"lifecycleState": 7, "jobStatus": "x", "error": {"a": 1}}, "Progressing"),
    ],
)
def test_never_healthy_unless_it_is_known_to_run(status: dict[str, Any], expected: str) -> None:
    assert health(changed(**status))[0] == expected


def test_session_clusters_and_session_jobs() -> None:
    cluster = changed(jobStatus={})
    del cluster["spec"]["job"]
    assert health(cluster)[0] == "Healthy"
    job = changed()
    job["kind"] = "FlinkSessionJob"
    del job["status"]["jobManagerDeploymentStatus"]
    assert health(job)[0] == "Healthy"
    job["status"]["jobStatus"]["state"] = "FAILED"
    assert health(job)[0] == "Degraded"
