"""A real Kafka broker in a pod, reachable at the pod's address from other pods and from here."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flinkops.local import kafka
from flinkops.local.jars import ensure
from flinkops.local.ports import HOST
from tests.cluster.kit import Cluster, wait_for

NAME = "kafka"
IMAGE = "kafka:test"
PORT = 9092
_START = (
    'sed "s/@POD_IP@/$POD_IP/g" /opt/kafka/server.properties > /tmp/server.properties'
    ' && java -cp "/opt/kafka/*" kafka.tools.StorageTool format -t flinkopsCluster0000000 -c /tmp/server.properties'
    ' && exec java -Xmx384m -XX:+UseSerialGC -cp "/opt/kafka/*" kafka.Kafka /tmp/server.properties'
)


@contextmanager
def broker(cluster: Cluster, folder: Path) -> Iterator[str]:
    """Its address; the pod is deleted afterwards."""
    tree = folder / "kafka-tree"
    place = tree / "opt" / "kafka"
    place.mkdir(parents=True)
    for jar in ensure(["kafka-broker"]):
        shutil.copyfile(jar, place / jar.name)
    kafka.write_config(folder, PORT, PORT + 1)
    written = (folder / "kafka" / "server.properties").read_text(encoding="ascii")
    text = written.replace(str(folder / "kafka"), "/tmp/kafka").replace(HOST, "@POD_IP@")
    (place / "server.properties").write_text(text, encoding="ascii")
    cluster.kit.run("image", IMAGE, "base", str(tree))
    cluster.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")
    cluster.apply(_pod())
    try:
        address = f"{wait_for(lambda: _address(cluster), 'the broker has an address', seconds=60)}:{PORT}"
        wait_for(lambda: kafka.answers(address, 2.0), "the broker answers", seconds=240)
        kafka.create_topics(address)
        yield address
    finally:
        cluster.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")


def _address(cluster: Cluster) -> str | None:
    address: str | None = cluster.get("pod", NAME)["status"].get("podIP")
    return address


def _pod() -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", _START],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"requests": {"cpu": "300m", "memory": "512Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": "default", "labels": {"purpose": "test-broker"}},
        "spec": {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1},
    }
