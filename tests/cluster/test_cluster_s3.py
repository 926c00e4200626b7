"""The price job as it is shipped, with its state on S3: upgraded, rolled back, recovered after a lost JobManager.

And the storage read from a pod beside it, by somebody without a log-in to the bucket.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from flinkops.local.s3_server import S3Access
from tests.cluster.accounts import OPERATOR as OPERATOR_ACCOUNT
from tests.cluster.accounts import kubeconfig_of, pod_role, shipped_roles
from tests.cluster.acting import CommandLine, another_parallelism, restored_from, settled, shown
from tests.cluster.broker import broker
from tests.cluster.kit import FLINK, Cluster, wait_for
from tests.cluster.object_store import BUCKET, add_layers, catalog, object_store, on_s3, plugin_layer, secret
from tests.cluster.price_job import JOB, build_image
from tests.cluster.test_cluster_faults import OPERATOR, completed, kill_jobmanager
from tests.cluster.test_cluster_newer_operators import definition_1_10
from tests.local.price_records import market
from tests.local.topics import send

pytestmark = [pytest.mark.timeout(3600), pytest.mark.by_hand]

NAME = "price-aggregation"
IMAGE = "price-aggregation:s3"
KILLED_SECONDS = 1500.0
"""The stop that fails, the rollback and one more start than an upgrade has: 8 minutes at a load of 35."""
QUICK = ("--yes", "--watch-for", "5s", "--checkpoints", "1", "--timeout", "40m")
"""With 20 minutes for a start: JVMs took six at a load of 40."""


class Running(NamedTuple):
    """The job, and its storage."""

    access: S3Access
    command_line: CommandLine


@pytest.fixture(scope="module")
def job(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """RUNNING, with records behind it and a first checkpoint in the bucket."""
    folder = tmp_path_factory.mktemp("s3")
    build_image(cluster, folder / "job", JOB, IMAGE)
    add_layers(cluster, IMAGE, f"pyflink-{FLINK}", folder / "job" / "tree", plugin_layer(folder / "plugin"))
    with object_store(cluster, folder) as access, catalog() as address, broker(cluster, folder) as bootstrap:
        send(bootstrap, "raw-scrapes-in", market(seed=3, minutes=20, skus=4).records)
        arguments = ["--bootstrap", bootstrap, "--topic", "raw-scrapes-in", "--dead-letter", "topic:raw-scrapes-dead"]
        arguments += ["--warehouse", f"s3://{BUCKET}/{NAME}/warehouse", "--catalog", address]
        cluster.delete_deployment(NAME)
        cluster.apply(secret(NAME, access), on_s3(NAME, IMAGE, access, arguments, parallelism=1))
        os.environ.update(access.environment)
        try:
            wait_for(lambda: settled(cluster, NAME), "it runs", seconds=900)
            completed(cluster, NAME, 1)
            yield Running(access, CommandLine(cluster, folder / "journal"))
        finally:
            cluster.delete_deployment(NAME)
            cluster.kubectl("delete", "secret", NAME, "--ignore-not-found")


def test_a_savepoint_upgrade_is_verified(cluster: Cluster, job: Running) -> None:
    done = shown("upgrade", job.command_line.run("upgrade", NAME, "--savepoint", "--parallelism", "2", *QUICK))
    assert done["outcome"] == "verified"
    assert done["savepoint"].startswith(f"s3://{BUCKET}/{NAME}/savepoints/")
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, NAME)
    assert "all there" in done["seen"]["files"]


def test_a_bad_one_is_rolled_back(cluster: Cluster, job: Running) -> None:
    done = shown("bad", job.command_line.run("upgrade", NAME, "--savepoint", "--image", "nowhere:1", *QUICK, expect=1))
    assert done["outcome"] == "rolled-back"
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, NAME)
    assert cluster.deployment(NAME)["spec"]["image"] == IMAGE


def test_the_savepoint_that_nobody_noted_is_found_in_the_bucket(cluster: Cluster, job: Running) -> None:
    """The job stops with a savepoint while the operator is down, and its JobManager dies before anybody is told."""
    wait_for(lambda: settled(cluster, NAME), "the test before left it running", seconds=300)
    running = completed(cluster, NAME, 2)
    cluster.kubectl(*OPERATOR, "--replicas=0")
    try:
        wait_for(lambda: not cluster.operator_pods(), "the operator is down", seconds=60)
        change = ("--parallelism", another_parallelism(cluster, NAME), *QUICK[1:])
        with job.command_line.begun("savepoint", "upgrade", NAME, "--savepoint", *change) as process:
            taken = cluster.stop_with_savepoint(NAME, running["jid"])
            kill_jobmanager(cluster, NAME)
            cluster.kubectl(*OPERATOR, "--replicas=1")
            said, complaint = process.communicate(timeout=KILLED_SECONDS)
            assert said, complaint
            told = json.loads(said)
    finally:
        cluster.kubectl(*OPERATOR, "--replicas=1")
    done = shown("killed", told)
    assert done["outcome"] in ("verified", "rolled-back", "failed")  # verified: it was noted before the kill
    if done["outcome"] == "failed":
        assert f"flinkops resume {NAME} --from" in done["error"]
        assert taken.rpartition("/")[2] in done["error"]
        done = shown("resume", job.command_line.run("resume", NAME, "--from", taken, *QUICK))
        assert done["outcome"] == "verified"
    assert restored_from(cluster, NAME) == done["restored_from"]
    assert done["restored_from"].rpartition("/")[2] == taken.rpartition("/")[2]


class Laptop:
    """That of whoever is on call: the shipped roles in this namespace, and no log-in to the bucket."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._where = ("--kubeconfig", kubeconfig_of(cluster, OPERATOR_ACCOUNT, folder), "--journal", str(folder / "j"))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flinkops", "savepoint", *arguments, *self._where]

    def run(self, *arguments: str, code: int = 0) -> str:
        """What it printed, on stderr where it failed."""
        done = subprocess.run(
            self.command(*arguments), cwd="/", env=self.environment, capture_output=True, text=True, check=False
        )
        print(f"\n$ flinkops savepoint {' '.join(arguments)}\n{done.stdout}{done.stderr}(exit code {done.returncode})")  # noqa: T201
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def laptop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with shipped_roles(cluster, cluster_wide=False):
        yield Laptop(cluster, tmp_path_factory.mktemp("laptop"))


@pytest.fixture
def pods(cluster: Cluster, flinkops_image: str) -> Iterator[tuple[str, ...]]:
    """The options, with the role for them bound."""
    with pod_role(cluster):
        yield ("--via", "cluster", "--pod-image", flinkops_image)


def left(cluster: Cluster) -> list[str]:
    kinds = "jobs,pods,configmaps,networkpolicies"
    return cluster.kubectl("get", kinds, "-l", "flinkops.io/purpose=storage", "-o", "name").split()


def test_a_pod_beside_the_job_reads_what_this_machine_cannot(
    cluster: Cluster, job: Running, laptop: Laptop, pods: tuple[str, ...]
) -> None:
    path = job.command_line.run("savepoint", "create", NAME, "--yes")["result"]["savepoint"]
    assert "AWS_" in laptop.run("verify", path, code=3), "what to set here is said"
    assert json.loads(laptop.run("verify", NAME, *pods, "-o", "json"))["verdict"] == "ok"
    found = json.loads(laptop.run("show", path, "--job", NAME, *pods, "-o", "json"))
    names = {one["name"] for one in found["operators"]}
    assert any("scrapes" in (name or "") for name in names), names
    laptop.run("verify", f"{path}-gone", "--job", NAME, *pods, code=1)
    wait_for(lambda: not left(cluster), "nothing of the pods stays", seconds=60, every=0.2)


def test_without_the_role_for_pods_it_is_named(cluster: Cluster, job: Running, laptop: Laptop) -> None:
    assert job
    told = laptop.run("verify", NAME, "--via", "cluster", "--pod-image", "flinkops:0.1.0", code=3)
    assert "flinkops-pods in deploy/rbac-pods.yaml" in told
    assert not left(cluster)


def test_of_a_killed_command_nothing_stays(
    cluster: Cluster, job: Running, laptop: Laptop, pods: tuple[str, ...]
) -> None:
    """kill -9 while the pod is there: it ends, and its Job, ConfigMap and pod are removed by the cluster."""
    assert job
    with subprocess.Popen(
        laptop.command("verify", NAME, *pods), cwd="/", env=laptop.environment, stderr=subprocess.DEVNULL
    ) as victim:
        wait_for(lambda: any("pod/" in one for one in left(cluster)), "its pod", seconds=60, every=0.1)
        victim.send_signal(signal.SIGKILL)
    assert left(cluster), "it had something to leave"
    begun = time.monotonic()
    wait_for(lambda: not left(cluster), "all of it is gone", seconds=600)
    print(f"\ngone {time.monotonic() - begun:.0f} s after kill -9")  # noqa: T201


@pytest.fixture
def snapshots(cluster: Cluster) -> Iterator[None]:
    """Resources of operators from 1.10 on, which this one does not know."""
    definition = definition_1_10("flinkstatesnapshots")
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(definition))
    name = f"crd/{definition['metadata']['name']}"
    cluster.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
    try:
        yield
    finally:
        cluster.kubectl("delete", name)


@pytest.mark.usefixtures("snapshots")
def test_what_nobody_refers_to_is_told_from_what_kubernetes_refers_to(
    cluster: Cluster, job: Running, tmp_path: Path
) -> None:
    """Of a job that is gone the old checkpoint and its rest; not what runs, nor what a snapshot resource names."""
    from s3fs import S3FileSystem

    access, dead, root = job.access, "e" * 32, f"{BUCKET}/{NAME}"
    store = S3FileSystem(key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint)
    path = job.command_line.run("savepoint", "create", NAME, "--yes")["result"]["savepoint"].removeprefix("s3://")
    named = f"savepoints/savepoint-eeeeee-{'a' * 12}"
    for target in (f"checkpoints/{dead}/chk-1", named, f"checkpoints/{dead}/chk-2"):
        store.copy(f"{path}/_metadata", f"{root}/{target}/_metadata")
    store.pipe_file(f"{root}/checkpoints/{dead}/shared/left over", b"abc")
    spec = {"savepoint": {"path": f"s3://{root}/{named}", "alreadyExists": True}, "backoffLimit": 0}
    api = {"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkStateSnapshot"}
    cluster.apply({**api, "metadata": {"name": "kept", "namespace": "default"}, "spec": spec})
    running = completed(cluster, NAME, 2)["jid"]
    command = [sys.executable, "-m", "flinkops", "storage", "orphans", f"s3://{root}", "-A", "--journal", str(tmp_path)]
    command += ["--kubeconfig", cluster.kubeconfig]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    print(f"\n$ flinkops storage orphans s3://{root} -A\n{done.stdout}{done.stderr}")  # noqa: T201
    done = subprocess.run([*command, "-o", "json"], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (folder,) = document["folders"]
    orphans = {one["path"].removeprefix(f"{NAME}/") for one in folder["orphans"]}
    assert orphans >= {f"checkpoints/{dead}/chk-1", f"checkpoints/{dead}/shared/left over"}
    assert not any(one.startswith((named, f"checkpoints/{running}", f"checkpoints/{dead}/chk-2")) for one in orphans)
    counts = {one["what"]: one["count"] for one in document["considered"]}
    assert counts["HA pointers"] > 0, counts
