"""S3 in a pod and PostgreSQL on the node's own address, where pods reach them; the shipped job with its state there."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec

from devtools.s3_gateway import gateway
from flinkops.local import s3_server
from flinkops.local.jars import ensure
from flinkops.local.ports import free_ports
from tests.cluster.kit import Cluster, wait_for
from tests.cluster.price_job import s3_manifest
from tests.local.test_price_postgres import programs

NODE = "10.99.0.1"
NAME = "s3"
IMAGE = "s3:test"
PORT = 7070
BUCKET = "flink"
"""That of the shipped manifests."""
_START = (
    f"mkdir -p /tmp/buckets/{BUCKET} /tmp/sums"
    f" && exec /opt/s3/server --port :{PORT} --region {s3_server.REGION} --quiet --keep-alive"
    " posix --sidecar /tmp/sums /tmp/buckets"
)
PLUGIN = Path("opt/flink/plugins/s3-fs-hadoop")


@contextmanager
def object_store(cluster: Cluster, folder: Path) -> Iterator[s3_server.S3Access]:
    """A server in a pod, with the manifests' bucket, at the pod's address; gone afterwards with all that is in it."""
    program = folder / "s3-tree" / "opt" / "s3" / "server"
    program.parent.mkdir(parents=True)
    shutil.copy(gateway(), program)
    cluster.kit.run("image", IMAGE, "base", str(folder / "s3-tree"))
    made = s3_server.S3Access("", token_hex(10), token_hex(20), str(program))
    cluster.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")
    cluster.apply(_pod(made))
    try:
        address = wait_for(lambda: cluster.get("pod", NAME)["status"].get("podIP"), "it has an address", seconds=60)
        access = msgspec.structs.replace(made, endpoint=f"http://{address}:{PORT}")
        wait_for(lambda: s3_server.answers(access.endpoint, 1.0), "the S3 server answers", seconds=120, every=0.2)
        yield access
    finally:
        cluster.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")


def _pod(access: s3_server.S3Access) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", _START],
        "env": [
            {"name": "ROOT_ACCESS_KEY_ID", "value": access.access_key},
            {"name": "ROOT_SECRET_ACCESS_KEY", "value": access.secret_key},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}


@contextmanager
def catalog() -> Iterator[str]:
    """The JDBC address of an empty database, for whoever reaches the node."""
    folder = programs()
    assert folder is not None, "no PostgreSQL server: apt-get install postgresql"
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="postgres-") as data:
        shutil.chown(data, "postgres")
        as_user: dict[str, Any] = {"user": "postgres", "cwd": data}
        place = Path(data) / "cluster"
        create = [str(folder / "initdb"), "-D", str(place), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(create, check=True, capture_output=True, **as_user)
        with (place / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        command = [str(folder / "postgres"), "-D", str(place), "-h", NODE, "-p", str(port), "-k", data, "-F"]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **as_user)
        try:
            yield f"jdbc:postgresql://{NODE}:{port}/postgres"
        finally:
            server.terminate()
            server.wait(60)


def plugin_layer(folder: Path) -> Path:
    """What goes over `/` beside the job's tree: the kit's images have nothing in opt/ to switch on."""
    place = folder / PLUGIN
    place.mkdir(parents=True)
    for jar in ensure(["flink-s3-1.20"]):
        shutil.copyfile(jar, place / jar.name)
    return folder


def secret(name: str, access: s3_server.S3Access) -> dict[str, Any]:
    """The Secret that the manifest takes the log-in from."""
    login = {"AWS_ACCESS_KEY_ID": access.access_key, "AWS_SECRET_ACCESS_KEY": access.secret_key}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": login}


def on_s3(name: str, image: str, access: s3_server.S3Access, arguments: list[str], **more: Any) -> dict[str, Any]:
    """The shipped manifest with the address of this server."""
    found = s3_manifest(name, image, arguments, **more)
    settings = found["spec"]["flinkConfiguration"]
    settings |= {
        "s3.endpoint": access.endpoint,
        "s3.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
    }
    return found


def add_layers(cluster: Cluster, image: str, base: str, *trees: Path) -> None:
    """An image of these trees."""
    cluster.kit.run("image", image, base, *map(str, trees))


def as_root() -> bool:
    """PostgreSQL runs as another user, which only root may start."""
    return os.geteuid() == 0
