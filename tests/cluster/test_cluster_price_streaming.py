"""The reference job on a real cluster with a real broker: measured, and upgraded by the patch of a plan."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pandas.testing import assert_frame_equal

from tests.cluster.broker import broker
from tests.cluster.kit import DATA, Cluster, run, state_of, wait_for
from tests.cluster.price_job import manifest
from tests.local.price_jobs import read_table
from tests.local.price_records import market
from tests.local.price_reference import Meaning, reference
from tests.local.test_price_streaming import Record, closers, partition_of, shuffled

pytestmark = pytest.mark.timeout(900)

NAME = "price-stream"
FOLDER = DATA / NAME
MARKET = market(seed=7, minutes=40, skus=12).records
RECORDS = shuffled(MARKET, seed=11)


class Streaming(NamedTuple):
    """The job, RUNNING, and the address of its broker."""

    name: str
    bootstrap: str


@pytest.fixture(scope="module")
def streaming(cluster: Cluster, price_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    FOLDER.chmod(0o777)  # Flink runs as another user
    with broker(cluster, tmp_path_factory.mktemp("broker")) as bootstrap:
        # All partitions are silent for a while during the upgrade: none may pass for idle.
        arguments = ["--bootstrap", bootstrap, "--warehouse", str(FOLDER / "warehouse"), "--idle-timeout", "1h"]
        cluster.delete_deployment(NAME)
        cluster.apply(manifest(NAME, price_image, arguments, parallelism=2))
        try:
            wait_for(lambda: state_of(cluster.deployment(NAME)) == ("RUNNING", "STABLE"), "STABLE", seconds=300)
            yield Streaming(NAME, bootstrap)
        finally:
            cluster.delete_deployment(NAME)
            shutil.rmtree(FOLDER, ignore_errors=True)


def send(bootstrap: str, records: list[Record]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for sku, raw in records:
        producer.produce("raw-scrapes-in", raw, key=sku.encode(), partition=partition_of(sku))
    assert producer.flush(60) == 0


def measured(row: dict[str, Any]) -> bool:
    latency, points = row["processing_latency_seconds"], row["checkpoints"]
    seen = row["event_time_skew_seconds"] is not None and row["state_bytes"]
    return bool(seen and points and points["completed"] and latency and latency["method"] == "measured")


def test_it_is_measured_and_survives_an_upgrade_by_the_patch_of_a_plan(cluster: Cluster, streaming: Streaming) -> None:
    half = len(RECORDS) // 2
    send(streaming.bootstrap, RECORDS[:half])
    wait_for(lambda: measured(cluster.job(NAME)), "latency, skew, state and a checkpoint", seconds=120, every=3.0)

    change = ("--savepoint", "--set", "execution.checkpointing.interval=5s")
    asked = cluster.flinkops("upgrade", NAME, *change, "--plan", "-o", "json")
    plan = json.loads(asked.stdout)["plan"]
    assert (plan["change"], plan["effective_mode"], plan["refused"]) == ("upgrade", "savepoint", [])
    (patch,) = [line.partition("patch: ")[2] for line in asked.stderr.splitlines() if "patch: " in line]
    run(["kubectl", "--kubeconfig", cluster.kubeconfig, *shlex.split(patch)[1:]])
    send(streaming.bootstrap, RECORDS[half:])  # while it is being upgraded
    savepoint = wait_for(lambda: upgraded(cluster), "RUNNING with a new savepoint", seconds=300, every=2.0)
    send(streaming.bootstrap, closers())

    said = reference([raw for _, raw in MARKET], Meaning())
    warehouse = Path(FOLDER / "warehouse")
    wait_for(lambda: len(read_table(warehouse, "prices.price_5m")) >= len(said.table), "all rows", seconds=120)
    assert_frame_equal(read_table(warehouse, "prices.price_5m"), said.table)
    deployment = cluster.deployment(NAME)
    job_id = deployment["status"]["jobStatus"]["jobId"]
    path = f"/api/v1/namespaces/default/services/{NAME}-rest:8081/proxy/jobs/{job_id}/checkpoints"
    assert json.loads(cluster.kubectl("get", "--raw", path))["latest"]["restored"]["external_path"] == savepoint


def upgraded(cluster: Cluster) -> str | None:
    """The savepoint of the upgrade, once the job runs again with the new setting."""
    found = cluster.deployment(NAME)
    status = found["status"]
    last = (status["jobStatus"].get("savepointInfo") or {}).get("lastSavepoint") or {}
    reconciled = json.loads(status["reconciliationStatus"]["lastReconciledSpec"])["spec"]
    taken_up = reconciled["flinkConfiguration"]["execution.checkpointing.interval"] == "5s"
    running = state_of(found) == ("RUNNING", "STABLE") and last.get("triggerType") == "UPGRADE"
    return str(last["location"]) if taken_up and running else None
