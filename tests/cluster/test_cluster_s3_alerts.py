"""The alerts' job as it is shipped, with its state on S3: no alert is lost or raised twice by an upgrade."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.local import kafka
from tests.cluster.acting import CommandLine, restored_from, settled, shown
from tests.cluster.broker import broker
from tests.cluster.kit import FLINK, Cluster, wait_for
from tests.cluster.object_store import BUCKET, add_layers, object_store, on_s3, plugin_layer, secret
from tests.cluster.price_job import build_image
from tests.cluster.test_cluster_faults import completed
from tests.cluster.test_cluster_price_alerts import JOB, NAME, RECORDS
from tests.local.alert_records import by_sku
from tests.local.alert_reference import Alert, alerts
from tests.local.topics import read, send

pytestmark = [pytest.mark.timeout(3600), pytest.mark.by_hand]

IMAGE = "price-alerts:s3"
HALF = len(RECORDS) // 2


@pytest.fixture
def bootstrap(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """The broker's address, with the job beside it."""
    build_image(cluster, tmp_path / "job", JOB, IMAGE)
    add_layers(cluster, IMAGE, f"pyflink-{FLINK}", tmp_path / "job" / "tree", plugin_layer(tmp_path / "plugin"))
    with (
        pytest.MonkeyPatch.context() as patch,
        object_store(cluster, tmp_path) as access,
        broker(cluster, tmp_path) as address,
    ):
        for name, value in access.environment.items():
            patch.setenv(name, value)
        cluster.delete_deployment(NAME)
        cluster.apply(
            secret(NAME, access), on_s3(NAME, IMAGE, access, ["--bootstrap", address], parallelism=1, job=JOB)
        )
        try:
            wait_for(lambda: settled(cluster, NAME), "it runs", seconds=900)
            yield address
        finally:
            cluster.delete_deployment(NAME)
            cluster.kubectl("delete", "secret", NAME, "--ignore-not-found")


def raised(bootstrap: str) -> dict[str, list[Alert]]:
    """What a reader of committed records sees now."""
    found: list[dict[str, Any]] = read(bootstrap, kafka.ALERTS_TOPIC)
    return by_sku(json.dumps(alert).encode() for alert in found)


def test_a_savepoint_upgrade_is_verified_and_each_alert_is_raised_once(
    cluster: Cluster, bootstrap: str, tmp_path: Path
) -> None:
    before, after = (alerts([raw for _, raw in RECORDS[:end]]) for end in (HALF, len(RECORDS)))
    assert 10 < sum(map(len, before.values())) < sum(map(len, after.values()))
    send(bootstrap, kafka.INPUT_TOPIC, RECORDS[:HALF])
    wait_for(lambda: raised(bootstrap) == before, "the alerts of the first half", seconds=300)
    completed(cluster, NAME, 1)
    change = (
        "--savepoint",
        "--parallelism",
        "2",
        "--yes",
        "--watch-for",
        "5s",
        "--checkpoints",
        "1",
        "--timeout",
        "40m",
    )
    done = shown("alerts", CommandLine(cluster, tmp_path / "journal").run("upgrade", NAME, *change))
    assert done["outcome"] == "verified"
    assert done["savepoint"].startswith(f"s3://{BUCKET}/{NAME}/savepoints/")
    assert done["restored_from"] == done["savepoint"] == restored_from(cluster, NAME)
    assert "all there" in done["seen"]["files"]
    send(bootstrap, kafka.INPUT_TOPIC, RECORDS[HALF:])
    wait_for(lambda: raised(bootstrap) == after, "those of the second", seconds=300)
