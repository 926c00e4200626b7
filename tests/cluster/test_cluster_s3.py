"""The price job as it is shipped, with its state on S3: upgraded, rolled back, recovered after a lost JobManager."""

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from flinkops.local.s3_server import S3Access
from tests.cluster.acting import ACTION_SECONDS, CommandLine, another_parallelism, restored_from, settled
from tests.cluster.broker import broker
from tests.cluster.kit import FLINK, Cluster, wait_for
from tests.cluster.object_store import BUCKET, add_layers, catalog, object_store, on_s3, plugin_layer, secret
from tests.cluster.price_job import JOB, build_image
from tests.cluster.test_cluster_faults import OPERATOR, completed, kill_jobmanager
from tests.local.price_records import market
from tests.local.topics import send

pytestmark = [pytest.mark.timeout(2400), pytest.mark.by_hand]

NAME = "price-aggregation"
IMAGE = "price-aggregation:s3"
QUICK = ("--yes", "--watch-for", "5s", "--checkpoints", "1")


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
    with object_store(folder / "home") as access, catalog() as address, broker(cluster, folder) as bootstrap:
        send(bootstrap, "raw-scrapes-in", market(seed=3, minutes=20, skus=4).records)
        arguments = ["--bootstrap", bootstrap, "--topic", "raw-scrapes-in", "--dead-letter", "topic:raw-scrapes-dead"]
        arguments += ["--warehouse", f"s3://{BUCKET}/{NAME}/warehouse", "--catalog", address]
        cluster.delete_deployment(NAME)
        cluster.apply(secret(NAME, access), on_s3(NAME, IMAGE, access, arguments, parallelism=1))
        os.environ.update(access.environment)
        try:
            wait_for(lambda: settled(cluster, NAME), "it runs", seconds=400)
            completed(cluster, NAME, 1)
            yield Running(access, CommandLine(cluster, folder / "journal"))
        finally:
            cluster.delete_deployment(NAME)
            cluster.kubectl("delete", "secret", NAME, "--ignore-not-found")
            shutil.rmtree(folder / "home", ignore_errors=True)


def shown(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """The result; also as evidence."""
    result: dict[str, Any] = document["result"]
    print(f"\n{name}: {json.dumps({key: value for key, value in result.items() if value is not None})}")  # noqa: T201
    return result


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
    running = completed(cluster, NAME, 2)
    cluster.kubectl(*OPERATOR, "--replicas=0")
    try:
        wait_for(lambda: not cluster.operator_pods(), "the operator is down", seconds=60)
        change = ("--parallelism", another_parallelism(cluster, NAME), *QUICK[1:])
        with job.command_line.begun("savepoint", "upgrade", NAME, "--savepoint", *change) as process:
            taken = cluster.stop_with_savepoint(NAME, running["jid"])
            kill_jobmanager(cluster, NAME)
            cluster.kubectl(*OPERATOR, "--replicas=1")
            told = json.loads(process.communicate(timeout=ACTION_SECONDS)[0])
    finally:
        cluster.kubectl(*OPERATOR, "--replicas=1")
    done = shown("killed", told)
    if done["outcome"] != "rolled-back":
        assert done["outcome"] == "failed"
        assert f"flinkops resume {NAME} --from" in done["error"]
        assert taken.rpartition("/")[2] in done["error"]
        done = shown("resume", job.command_line.run("resume", NAME, "--from", taken, *QUICK))
        assert done["outcome"] == "verified"
    assert restored_from(cluster, NAME) == done["restored_from"]
    assert done["restored_from"].rpartition("/")[2] == taken.rpartition("/")[2]
