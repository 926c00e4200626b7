"""The alerts as they are shipped: job and dispatcher by their images and manifests, beside a broker; each delivered."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flinkops.local import kafka
from tests.cluster.broker import broker
from tests.cluster.kit import DATA, REPOSITORY, Cluster, run, state_of, wait_for
from tests.cluster.price_job import build_image, manifest
from tests.local.alert_records import by_sku, stocked_market
from tests.local.alert_reference import alerts
from tests.local.topics import read, send

pytestmark = [pytest.mark.timeout(900), pytest.mark.by_hand]

JOB = REPOSITORY / "jobs" / "price_alerts"
NAME, DISPATCHER = "price-alerts", "price-alerts-dispatcher"
IMAGE, DISPATCHER_IMAGE = "price-alerts:test", "price-alerts-dispatcher:test"
RECORDS = stocked_market(5, minutes=20, skus=10)
SECRET = "a secret of sixteen"
RECEIVER_PORT = 9300
SUBSCRIPTIONS = [{"client": "acme", "url": f"http://127.0.0.1:{RECEIVER_PORT}/prices", "secret": SECRET}]


@pytest.fixture(scope="module")
def images(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    build_image(cluster, tmp_path_factory.mktemp("job"), JOB, IMAGE)
    tree = tmp_path_factory.mktemp("dispatcher")
    run([sys.executable, str(JOB / "dispatcher" / "image.py"), str(tree)], seconds=300)
    cluster.kit.run("image", DISPATCHER_IMAGE, "base", str(tree))


@pytest.fixture
def bootstrap(cluster: Cluster, images: None, tmp_path: Path) -> Iterator[str]:
    """The broker's address, with job and dispatcher beside it."""
    with broker(cluster, tmp_path) as address:
        cluster.delete_deployment(NAME)
        job = manifest(NAME, IMAGE, ["--bootstrap", address], parallelism=1, job=JOB)
        try:
            cluster.apply(job, *dispatcher(address))
            wait_for(lambda: state_of(cluster.deployment(NAME)) == ("RUNNING", "STABLE"), "STABLE", seconds=300)
            wait_for(lambda: metric(cluster, "flinkops_alerts_clients") == 1, "the dispatcher serves", seconds=60)
            yield address
        finally:
            cluster.kubectl("delete", "statefulset,service,secret", "-l", "purpose=test-alerts", "--ignore-not-found")
            cluster.delete_deployment(NAME)
            for folder in DATA.glob(f"*/{NAME}*"):
                shutil.rmtree(folder, ignore_errors=True)


def dispatcher(address: str) -> list[dict[str, Any]]:
    """The shipped manifest and its Secret; a receiver in the same pod, no disk that lasts: the kit has no storage."""
    text = (JOB / "dispatcher" / "deployment.yaml").read_text(encoding="utf-8")
    service, stateful = yaml.safe_load_all(text)
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["image"], container["imagePullPolicy"] = DISPATCHER_IMAGE, "Never"
    container["args"][0] = f"--bootstrap={address}"
    container["args"] += ["--allow-http", "--allow-address=127.0.0.0/8"]
    container["resources"]["requests"]["cpu"] = "50m"
    receiver = {key: container[key] for key in ("image", "imagePullPolicy", "env", "securityContext")}
    command = ["python3", "-m", "flinkops_jobs.price_alerts.dispatcher.receiver"]
    command += ["--secret", SECRET, "--port", str(RECEIVER_PORT), "--print"]
    pod["containers"].append({**receiver, "name": "receiver", "command": command})
    del stateful["spec"]["volumeClaimTemplates"]
    pod["volumes"].append({"name": "state", "emptyDir": {}})
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "price-alert-subscriptions"},
        "stringData": {"clients.json": json.dumps(SUBSCRIPTIONS)},
    }
    for one in (service, stateful, secret):
        one["metadata"].setdefault("labels", {})["purpose"] = "test-alerts"
        one["metadata"]["namespace"] = "default"
    return [service, stateful, secret]


def metric(cluster: Cluster, name: str) -> float | None:
    """A figure of the dispatcher's, by its service; None while it does not answer."""
    path = f"/api/v1/namespaces/default/services/{DISPATCHER}:9251/proxy/metrics"
    try:
        text = cluster.kubectl("get", "--raw", path)
    except AssertionError:
        return None
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return None if found is None else float(found[1])


def test_every_alert_is_raised_and_delivered_once(cluster: Cluster, bootstrap: str) -> None:
    said = alerts([raw for _, raw in RECORDS])
    count = sum(len(of_sku) for of_sku in said.values())
    assert count > 20
    send(bootstrap, kafka.INPUT_TOPIC, RECORDS)
    delivered = "flinkops_alerts_delivered_total"
    wait_for(lambda: (metric(cluster, delivered) or 0) >= count, f"{count} are delivered", seconds=120)
    found = read(bootstrap, kafka.ALERTS_TOPIC)
    assert by_sku(json.dumps(alert).encode() for alert in found) == said
    assert metric(cluster, delivered) == count
    assert metric(cluster, "flinkops_alerts_attempts_total") == count
    assert cluster.job(NAME)["state"] == "RUNNING"  # not its health: the scrapes are months old, the machine is shared
