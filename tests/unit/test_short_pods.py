"""One pod that runs once: what is created, what came of it, each way to fail by its kind, and that nothing stays."""

import os
from typing import Any

import msgspec
import pytest

from flinkops.clock import FixedClock
from flinkops.errors import Denied, ExitCode, OperationFailed
from flinkops.sources.kubernetes import short_pods
from flinkops.sources.kubernetes.pod_log import PodLog
from flinkops.sources.kubernetes.pod_task import MOST_PAYLOAD_BYTES, Payload, PodTask, job_manifest, literal, this_place
from flinkops.sources.kubernetes.short_pods import PodEnd, PodFailed, run_pod
from tests.unit.fake_pods import DENIAL, FakePods, ended, running, serving, stamped, waiting, without_node

OWNER = {"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": {"name": "a", "uid": "u"}}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}
NOW_MS = 1_767_225_600_000


def task(**changes: Any) -> PodTask:
    pod = {
        "metadata": {"labels": {"team": "x"}, "annotations": {"a": "b"}},
        "spec": {"containers": [{"name": "main", "image": "i:1", "command": ["true"]}, {"name": "side", "image": "s"}]},
    }
    return msgspec.structs.replace(
        PodTask("pricing", "rehearsal", pod, 60, (Payload("jar", {"a.jar": b"\0jar"}),), OWNER, (DNS,)), **changes
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_pods, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(short_pods, "_PATIENCE_SECONDS", dict.fromkeys(("image", "quota", "volume", "container"), 0.02))


def run(pods: FakePods, given: PodTask | None = None, lines: list[str] | None = None) -> PodEnd:
    with serving(pods) as access:
        on_line = None if lines is None else lines.append
        return run_pod(access, given or task(), FixedClock(NOW_MS), note=lambda _text: None, on_line=on_line)


def failure(pods: FakePods, given: PodTask | None = None) -> PodFailed:
    with pytest.raises(PodFailed) as caught:
        run(pods, given)
    assert len(pods.removed) == 1, "it stays behind"
    return caught.value


def test_it_runs_once_gives_its_output_and_is_removed() -> None:
    told: list[str] = []
    pods = FakePods(
        [None, waiting("ContainerCreating"), running(), ended(3)],
        [stamped("one"), stamped("one", "two"), stamped("one", "two", "three")],
    )
    assert run(pods, lines=told) == PodEnd(3, "Error", ("one", "two"))
    assert told == ["one", "two"]
    (job,) = pods.of("jobs")
    assert pods.removed == [job["metadata"]["name"]]
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 60)
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["metadata"]["labels"]["team"] == "x"
    assert job["metadata"]["ownerReferences"][0]["uid"] == "u"


def test_all_that_is_created_belongs_to_the_job() -> None:
    pods = FakePods([ended(0)])
    run(pods)
    (job,) = pods.of("jobs")
    for other in (*pods.of("configmaps"), *pods.of("networkpolicies")):
        (owner,) = other["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Job", job["metadata"]["uid"])
        assert "blockOwnerDeletion" not in owner
    assert pods.content("-jar") == {"a.jar": b"\0jar"}
    (policy,) = pods.of("networkpolicies")
    assert policy["spec"]["egress"] == [DNS]
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    assert chosen.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    made = [one.split("/")[0] for one in pods.made]
    assert made == ["jobs", "networkpolicies", "configmaps"], "the pod may start with the last ConfigMap"


def test_no_policy_where_none_is_wanted() -> None:
    pods = FakePods([ended(0)])
    run(pods, task(egress=None))
    assert pods.of("networkpolicies") == []


def test_out_of_memory_is_told() -> None:
    assert run(FakePods([ended(137, "OOMKilled")])).out_of_memory


def test_the_api_server_may_be_away_for_a_while() -> None:
    pods = FakePods([running(), ended(0, "Completed")])
    pods.away = 5
    assert run(pods).exit_code == 0


@pytest.mark.parametrize(
    ("states", "why", "words"),
    [
        ([waiting("ImagePullBackOff", "no such \x1b[31mimage")], "image", "image of the pod cannot be had"),
        ([waiting("ErrImageNeverPull")], "image", "cannot be had"),
        ([waiting("CreateContainerConfigError", "no secret x")], "container", "no secret x"),
        ([without_node("0/1 nodes: Insufficient memory")], "unschedulable", "no node has room for the pod"),
    ],
)
@pytest.mark.thorough
def test_what_keeps_it_from_starting(states: list[dict[str, Any]], why: str, words: str) -> None:
    found = failure(FakePods(states), task(room_seconds=0.02))
    assert (found.why, found.exit_code) == (why, ExitCode.FAILED)
    assert words in found.what
    assert "\x1b" not in found.what


def test_an_image_that_comes_after_all_is_waited_for() -> None:
    pods = FakePods([waiting("ErrImagePull"), waiting("ErrImagePull"), running(), ended(0)])
    assert run(pods).exit_code == 0


def test_a_quota_keeps_the_job_from_making_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.sources.kubernetes.short_pods.new_name", lambda _purpose: "flinkops-rehearsal-1")
    pods = FakePods([None])
    about = {"kind": "Job", "name": "flinkops-rehearsal-1"}
    told = 'pods "x" is forbidden: exceeded quota: small'
    pods.events = [{"type": "Warning", "reason": "FailedCreate", "involvedObject": about, "message": told}]
    found = failure(pods)
    assert found.why == "quota"
    assert "exceeded quota" in found.what


def test_its_deadline() -> None:
    pods = FakePods([running(), None], [stamped("at work")])
    pods.job_conditions = [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]
    found = failure(pods)
    assert found.why == "deadline"
    assert "60 s" in found.what


def test_a_pod_that_was_evicted() -> None:
    evicted = {
        "spec": {"nodeName": "n"},
        "status": {"phase": "Failed", "reason": "Evicted", "message": "disk pressure"},
    }
    pods = FakePods([running(), evicted])
    pods.job_conditions = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]
    found = failure(pods)
    assert found.why == "gone"
    assert "disk pressure" in found.what


def test_a_job_that_somebody_removed() -> None:
    pods = FakePods([running(), None])
    pods.refuses["GET jobs"] = (200, "")
    with serving(pods) as access:
        pods.refuses = {}
        original = pods.answer

        def gone(method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
            alone = method == "GET" and "/jobs/" in target
            return (404, {"kind": "Status", "message": "not found"}) if alone else original(method, target, body)

        pods.answer = gone  # type: ignore[method-assign]
        with pytest.raises(PodFailed) as caught:
            run_pod(access, task(), FixedClock(NOW_MS), note=lambda _text: None)
    assert caught.value.why == "gone"


@pytest.mark.parametrize(
    ("request_", "resource", "removed"),
    [
        ("GET jobs", "list jobs", 0),
        ("POST jobs", "create jobs", 1),
        ("POST configmaps", "create configmaps", 1),
        ("POST networkpolicies", "create networkpolicies", 1),
        ("GET pods/log", "get pods/log", 1),
    ],
)
def test_a_missing_permission_names_the_role(request_: str, resource: str, removed: int) -> None:
    pods = FakePods([running()])
    pods.refuses[request_] = (403, DENIAL.format("create", "x"))
    with pytest.raises(Denied) as caught:
        run(pods)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert f"not allowed to {resource} in namespace pricing as ann" in caught.value.what
    assert "flinkops-pods in deploy/rbac-pods.yaml" in str(caught.value.next_step)
    assert len(pods.removed) == removed


def test_what_the_cluster_forbids_everybody_is_no_missing_permission() -> None:
    pods = FakePods([])
    pods.refuses["POST jobs"] = (403, 'jobs "x" is forbidden: exceeded quota: small, requested: count/jobs.batch=1')
    assert failure(pods).why == "refused"


def test_an_invalid_template_is_told_as_the_server_says() -> None:
    pods = FakePods([])
    pods.refuses["POST jobs"] = (422, "spec.template.spec.containers[0].image: Required value")
    with pytest.raises(Exception, match="Required value"):
        run(pods)


def _job(name: str, process: str, place: str, purpose: str = "rehearsal") -> dict[str, Any]:
    labels = dict(job_manifest(task(purpose=purpose), name)["metadata"]["labels"])
    labels |= {"flinkops.io/process": process, "flinkops.io/place": place}
    return {"metadata": {"name": name, "namespace": "pricing", "labels": labels}}


def test_what_a_killed_run_left_is_removed_by_the_next_and_nothing_else() -> None:
    mine = job_manifest(task(), "x")["metadata"]["labels"]["flinkops.io/process"]
    here = this_place()
    pods = FakePods([ended(0)])
    pods.others = [
        _job("dead", "999999999-1", here),
        _job("again", f"{os.getpid()}-1", here),  # its number was given again
        _job("living", mine, here),
        _job("elsewhere", "999999999-1", "another"),
        _job("other", "999999999-1", here, purpose="copy"),
    ]
    run(pods)
    assert pods.removed[:2] == ["dead", "again"]
    assert len(pods.removed) == 3  # and its own


def test_sizes_are_checked_before_anything_is_created() -> None:
    pods = FakePods([])
    with serving(pods) as access:
        for bad in (
            task(payloads=(Payload("jar", {"a": b"x" * (MOST_PAYLOAD_BYTES + 1)}),)),
            task(pod={"spec": {"containers": [{"name": "main", "command": ["x" * 200_000]}]}}),
            task(purpose="../Up"),
        ):
            with pytest.raises(OperationFailed):
                run_pod(access, bad, FixedClock(NOW_MS), note=lambda _text: None)
    assert pods.made == {}


def test_dollars_reach_the_command_as_they_are() -> None:
    assert literal("$(HOME) $$ $x") == "$$(HOME) $$$$ $$x"


def test_a_log_that_is_read_again_gives_each_line_once() -> None:
    lines: list[str] = []
    log = PodLog(lines.append)
    assert log.since is None
    log.take(b"")
    log.take(b"2026-01-01T00:00:00.1Z a\n2026-01-01T00:00:00.1Z b\n2026-01-01T00:00:00.12")
    assert log.since == "2026-01-01T00:00:00Z"
    log.take(b"2026-01-01T00:00:00.1Z a\n2026-01-01T00:00:00.1Z b\n2026-01-01T00:00:00.1Z c\n")
    log.take(b"2026-01-01T00:00:00.1Z a\n2026-01-01T00:00:00.12Z d d\n2026-01-01T00:00:01Z \xff\n")
    assert lines == ["a", "b", "c", "d d", "\ufffd"]
    log.take(b"2026-01-01T02:00:00.5+02:00 e\n")
    assert log.since == "2026-01-01T02:00:00+02:00"


def test_of_a_flood_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.sources.kubernetes.pod_log._MOST_LINES", 3)
    log = PodLog()
    log.take(stamped(*map(str, range(9))))
    assert list(log.lines) == ["6", "7", "8"]
