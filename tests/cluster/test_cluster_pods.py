"""Pods that run once, on a real cluster and with the shipped roles alone: result, removal, and after a kill -9."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.clock import SystemClock
from flinkops.errors import Denied
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.pod_task import MANAGED, MANAGER, Payload, PodTask, literal
from flinkops.sources.kubernetes.short_pods import PodFailed, run_pod
from tests.cluster.accounts import OPERATOR, READER, kubeconfig_of, pod_role, shipped_roles
from tests.cluster.kit import FLINK, REPOSITORY, Cluster, wait_for

pytestmark = pytest.mark.timeout(600)
IMAGE = f"pyflink:{FLINK}"


@pytest.fixture(scope="module")
def account(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of the account that acts, with the roles of deploy/ in namespace default."""
    with shipped_roles(cluster, cluster_wide=False), pod_role(cluster):
        yield kubeconfig_of(cluster, OPERATOR, tmp_path_factory.mktemp("account"))


def task(script: str, *, image: str = IMAGE, seconds: int = 90, memory: str = "64Mi", room: float = 60.0) -> PodTask:
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", literal(script)],
        "volumeMounts": [{"name": "flinkops-files", "mountPath": "/files"}],
        "resources": {"requests": {"memory": memory}, "limits": {"memory": memory}},
    }
    pod = {"spec": {"containers": [container]}}
    payload = Payload("files", {"a.bin": bytes(range(256))})
    return PodTask("default", "test", pod, seconds, (payload,), egress=(), room_seconds=room)


def left(cluster: Cluster) -> list[str]:
    kinds = "jobs,pods,configmaps,networkpolicies"
    return cluster.kubectl("get", kinds, "-l", f"{MANAGED}={MANAGER},flinkops.io/purpose=test", "-o", "name").split()


def test_a_pod_runs_once_and_nothing_of_it_stays(cluster: Cluster, account: str) -> None:
    access, lines = open_access(account), list[str]()
    script = "cksum < /files/a.bin; echo \"$((6*7)) $$(HOME)\" 2>&1; head -c 40000 /dev/zero | tr '\\0' x; echo; exit 7"
    end = run_pod(access, task(script), SystemClock(), note=lambda _text: None, on_line=lines.append)
    assert end.exit_code == 7
    assert list(end.output) == lines
    assert lines[0] == "1313719201 256"
    assert lines[-1] == "x" * 40000, "a long line comes in one piece"
    wait_for(lambda: not left(cluster), "all of it is gone", seconds=60, every=0.2)


@pytest.mark.by_hand
def test_what_keeps_a_pod_from_running_is_told_by_its_kind(cluster: Cluster, account: str) -> None:
    access = open_access(account)
    for given, why in (
        (task("true", image="nowhere:1"), "image"),
        (task("true", memory="900Gi", room=1.0), "unschedulable"),
        (task("sleep 60", seconds=6), "deadline"),
    ):
        with pytest.raises(PodFailed) as caught:
            run_pod(access, given, SystemClock(), note=lambda _text: None)
        assert caught.value.why == why, caught.value.what
    wait_for(lambda: not left(cluster), "all of it is gone", seconds=60, every=0.2)


def test_what_a_killed_run_left_is_removed_by_the_next(cluster: Cluster, account: str) -> None:
    code = (
        "from tests.cluster.test_cluster_pods import *\n"
        f"run_pod(open_access({account!r}), task('echo up; sleep 80'), SystemClock(), note=print, on_line=print)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert "up\n" in iter(victim.stdout.readline, "")
        victim.send_signal(signal.SIGKILL)
    assert left(cluster), "it had something to leave"
    run_pod(open_access(account), task("true"), SystemClock(), note=lambda _text: None)
    wait_for(lambda: not left(cluster), "all of both is gone", seconds=60, every=0.2)


@pytest.mark.by_hand
def test_without_the_role_it_is_named_and_nothing_is_created(cluster: Cluster, account: str, tmp_path: Path) -> None:
    assert account
    access = open_access(kubeconfig_of(cluster, READER, tmp_path))
    with pytest.raises(Denied) as caught:
        run_pod(access, task("true"), SystemClock(), note=lambda _text: None)
    assert "flinkops-pods in deploy/rbac-pods.yaml" in str(caught.value.next_step)
    assert not left(cluster)
