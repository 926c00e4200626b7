"""The reference job on a real cluster with a real broker: measured, upgraded, brought back; each row once."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pandas.testing import assert_frame_equal

from flinkops.plan.operator.spec import compare
from tests.cluster.acting import CommandLine, restored_from, retag
from tests.cluster.broker import broker
from tests.cluster.kit import DATA, Cluster, state_of, wait_for
from tests.cluster.price_job import IMAGE, manifest
from tests.local.price_jobs import read_table
from tests.local.price_records import market
from tests.local.price_reference import Meaning, reference
from tests.local.test_price_streaming import Record, closers, partition_of, shuffled

pytestmark = pytest.mark.timeout(900)

NAME = "price-stream"
FOLDER = DATA / NAME
MARKET = market(seed=7, minutes=40, skus=12).records
RECORDS = shuffled(MARKET, seed=11)
PARTS = (len(RECORDS) // 3, 2 * len(RECORDS) // 3)
NEW_IMAGE = "price-aggregation:next"
_SENDING_SECONDS = 60.0


class Streaming(NamedTuple):
    """The job, RUNNING, and the address of its broker."""

    name: str
    bootstrap: str
    arguments: list[str]


@pytest.fixture(scope="module")
def command_line(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(cluster, tmp_path_factory.mktemp("journal"))


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
            yield Streaming(NAME, bootstrap, arguments)
        finally:
            cluster.delete_deployment(NAME)
            shutil.rmtree(FOLDER, ignore_errors=True)


def send(bootstrap: str, records: list[Record], pause_seconds: float = 0.0) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for sku, raw in records:
        producer.produce("raw-scrapes-in", raw, key=sku.encode(), partition=partition_of(sku))
        time.sleep(pause_seconds)
    assert producer.flush(60) == 0


@contextmanager
def sending(bootstrap: str, records: list[Record]) -> Iterator[None]:
    """Records come in before, while and after the job is away; all are there in the end."""
    thread = threading.Thread(target=send, args=(bootstrap, records, _SENDING_SECONDS / len(records)))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def measured(row: dict[str, Any]) -> bool:
    latency, points = row["processing_latency_seconds"], row["checkpoints"]
    seen = row["event_time_skew_seconds"] is not None and row["state_bytes"]
    return bool(seen and points and points["completed"] and latency and latency["method"] == "measured")


def test_it_is_measured(cluster: Cluster, streaming: Streaming) -> None:
    send(streaming.bootstrap, RECORDS[: PARTS[0]])
    wait_for(lambda: measured(cluster.job(NAME)), "latency, skew, state and a checkpoint", seconds=120, every=3.0)


def test_a_verified_upgrade_of_parallelism_settings_and_image(
    streaming: Streaming, cluster: Cluster, command_line: CommandLine, tmp_path: Path
) -> None:
    retag(IMAGE, NEW_IMAGE)
    wanted = manifest(NAME, NEW_IMAGE, streaming.arguments, parallelism=1)
    wanted["spec"]["flinkConfiguration"]["execution.checkpointing.interval"] = "5s"
    file = tmp_path / "wanted.yaml"
    file.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    with sending(streaming.bootstrap, RECORDS[PARTS[0] : PARTS[1]]):
        result = command_line.run("upgrade", NAME, "--savepoint", "-f", str(file), "--yes", "--watch-for", "20s")[
            "result"
        ]
    assert result["outcome"] == "verified"
    assert result["restored_from"] == result["savepoint"] == restored_from(cluster, NAME)
    assert result["checkpoints_after"] >= 2
    assert result["restarts_after"] == 0
    assert result["downtime_seconds"] > 0
    assert "records wait" in result["seen"]["lag"]  # Kafka's sources tell how many
    spec = cluster.deployment(NAME)["spec"]
    assert (spec["image"], spec["job"]["parallelism"]) == (NEW_IMAGE, 1)


def test_a_bad_image_gives_way_to_the_old_job_and_the_sink_has_each_row_once(
    cluster: Cluster, streaming: Streaming, command_line: CommandLine
) -> None:
    before = cluster.deployment(NAME)["spec"]
    bad = ("--image", "nowhere:1", "--yes", "--watch-for", "10s")
    with sending(streaming.bootstrap, RECORDS[PARTS[1] :]):
        result = command_line.run("upgrade", NAME, "--savepoint", *bad, expect=1)["result"]
    assert result["outcome"] == "rolled-back"
    assert "nowhere:1" in result["error"]
    assert result["restored_from"] == result["savepoint"] == restored_from(cluster, NAME)
    after = cluster.deployment(NAME)["spec"]
    assert after["job"].pop("initialSavepointPath") == result["savepoint"]
    assert [one.line for one in compare(before, after)] == []
    send(streaming.bootstrap, closers())
    said = reference([raw for _, raw in MARKET], Meaning())
    warehouse = Path(FOLDER / "warehouse")
    wait_for(lambda: len(read_table(warehouse, "prices.price_5m")) >= len(said.table), "all rows", seconds=180)
    assert_frame_equal(read_table(warehouse, "prices.price_5m"), said.table)
