"""A quota that keeps a job from getting more TaskManagers: there is neither a pod nor an event that says so."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.model.facts import ClusterFacts, JobFacts, SourceStatus, VertexFacts
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.quota import lacks_slots, used_up
from flinkops.sources.kubernetes.source import KubernetesSource
from flinkops.sources.protocol import SourceSnapshot
from tests.fake_flink import Recording
from tests.patience import PATIENT_SECONDS
from tests.unit.cr_samples import quota, resource
from tests.unit.kube_server import Answer, ApiServer, serving, status, write_kubeconfig

GIB = 1024**3


def of(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used}}


def taskmanager(ready: str = "True") -> dict[str, Any]:
    pod: dict[str, Any] = quota()["pods"][1]
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition["status"] = ready
    return pod


def test_a_quota_of_pods_as_it_was_on_a_cluster() -> None:
    recorded = quota()
    (found,) = used_up(recorded["quotas"], recorded["pods"])
    assert (found.code, found.object) == ("quota", "team-quota")
    assert found.text == "no room for another TaskManager: pods: 2 of 2 used"


def test_while_a_taskmanager_is_on_its_way_it_is_that_which_is_waited_for() -> None:
    recorded = quota()
    assert used_up(recorded["quotas"], [recorded["pods"][0], taskmanager("False")]) == ()
    (jobmanager,) = recorded["pods"][:1]
    assert used_up(recorded["quotas"], [jobmanager]) != ()


def test_a_taskmanager_that_is_ending_makes_room() -> None:
    recorded = quota()
    recorded["pods"][1]["metadata"]["deletionTimestamp"] = "2026-11-30T09:00:00Z"
    assert used_up(recorded["quotas"], recorded["pods"]) == ()


@pytest.mark.parametrize(
    ("hard", "used", "full"),
    [
        ({"limits.memory": "4Gi"}, {"limits.memory": "2Gi"}, False),  # one asks for 1728Mi
        ({"limits.memory": "3Gi"}, {"limits.memory": "2Gi"}, True),
        ({"cpu": "1"}, {"cpu": "900m"}, True),  # requests.cpu: 200m
        ({"requests.cpu": "1"}, {"requests.cpu": "800m"}, False),
        ({"count/pods": "2"}, {"count/pods": "1"}, False),
        ({"persistentvolumeclaims": "0", "services": "1"}, {"services": "1"}, False),
        ({"pods": "many"}, {"pods": "2"}, False),
        ({"pods": "2"}, {}, False),
    ],
)
def test_what_another_taskmanager_needs_is_what_the_others_ask_for(
    hard: dict[str, str], used: dict[str, str], full: bool
) -> None:
    assert bool(used_up([of(hard, used)], [taskmanager()])) is full


def test_without_any_taskmanager_only_a_quota_without_rest_is_full() -> None:
    assert used_up([of({"limits.cpu": "2"}, {"limits.cpu": "1900m"})], []) == ()
    assert used_up([of({"limits.cpu": "2"}, {"limits.cpu": "2"})], []) != ()


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, True),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass"}]}}, False),
        ({"scopes": "nonsense"}, True),
    ],
)
def test_a_quota_of_other_pods_is_left_out(spec: dict[str, Any], counts: bool) -> None:
    assert bool(used_up([of({"pods": "1"}, {"pods": "1"}, **spec)], [taskmanager()])) is counts


@given(st.integers(0, 64), st.integers(0, 64), st.integers(1, 16))
def test_it_is_full_exactly_when_another_one_does_not_fit(hard: int, used: int, one: int) -> None:
    pod = taskmanager()
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": str(one * GIB)}}
    found = used_up([of({"limits.memory": f"{hard}Gi"}, {"limits.memory": f"{used}Gi"})], [pod])
    assert bool(found) is (used + one > hard)


def poll(state: str, statuses: tuple[str, ...], available: int | None) -> SourceSnapshot:
    vertices = tuple(VertexFacts(id=str(at), name="x", parallelism=1, status=each) for at, each in enumerate(statuses))
    job = JobFacts(id="a", name="busy", cluster="kit", seen_ms=0, state=state, vertices=vertices)
    cluster = ClusterFacts("kit", taskmanagers=1, slots_total=1, slots_available=available)
    return SourceSnapshot(SourceStatus("kit", "rest", "ok"), (cluster,), (job,))


@pytest.mark.parametrize(
    ("state", "statuses", "available", "lacks"),
    [
        ("RUNNING", ("RUNNING", "SCHEDULED"), 0, True),
        ("RUNNING", ("RUNNING", "RUNNING"), 0, False),
        ("RUNNING", ("SCHEDULED",), 1, False),
        ("RUNNING", ("SCHEDULED",), None, False),  # not known
        ("CREATED", (), 0, True),
        ("RESTARTING", ("CREATED",), 0, True),
        ("FINISHED", ("CREATED",), 0, False),
    ],
)
def test_slots_are_lacking_while_a_job_waits_and_none_is_free(
    state: str, statuses: tuple[str, ...], available: int | None, lacks: bool
) -> None:
    snapshot = poll(state, statuses, available)
    assert lacks_slots(snapshot) is lacks
    assert lacks_slots(msgspec.structs.replace(snapshot, clusters=())) is False
    assert lacks_slots(None) is False


def waiting(api: ApiServer, *, available: int = 0) -> None:
    """A job whose subtasks wait for slots, behind the service of count; two pods, and a quota of two."""
    recording = Recording.load("flink-2.3-count")
    prefix = "/api/v1/namespaces/default/services/count-rest:8081/proxy"

    def flink(path: str, query: dict[str, str]) -> Answer:
        inner = path.removeprefix(prefix)
        code, found = recording.answer(inner, "&".join(f"{key}={value}" for key, value in query.items()))
        if inner == f"/jobs/{recording.jobs[0]['jid']}":
            found = found | {"vertices": [each | {"status": "SCHEDULED"} for each in found["vertices"]]}
        return code, found | {"slots-available": available} if inner == "/overview" else found

    deployment = resource("1.15.0", 12)
    deployment["status"]["jobStatus"]["jobId"] = recording.jobs[0]["jid"]
    api.lists("default", deployment)
    api.proxies[prefix] = flink
    for what, found in {"pods": quota()["pods"], "events": [], "resourcequotas": quota()["quotas"]}.items():
        api.answers[f"/api/v1/namespaces/default/{what}"] = lambda *_, found=found: (200, {"items": found})


def stuck(url: str, tmp_path: Path) -> list[str]:
    source = KubernetesSource(open_access(write_kubeconfig(url, tmp_path)))
    try:
        (job,) = source.poll(PATIENT_SECONDS).jobs
        assert job.state == "RUNNING"
        assert job.resource is not None
        return [each.object for each in job.resource.stuck]
    finally:
        source.close()


def test_a_running_job_that_waits_for_slots_tells_the_quota_that_is_used_up(tmp_path: Path) -> None:
    api = ApiServer()
    with serving(api) as url:
        waiting(api)
        assert stuck(url, tmp_path) == ["team-quota"]
        api.answers["/api/v1/namespaces/default/resourcequotas"] = lambda *_: status(403, "forbidden")
        assert stuck(url, tmp_path) == []
        api.asked.clear()
        waiting(api, available=1)
        assert stuck(url, tmp_path) == []
        assert not any("resourcequotas" in one for one in api.asked)
