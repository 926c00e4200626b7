"""S3 and PostgreSQL on the node's own address, where pods reach them; the shipped job with its state there."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from devtools.s3_gateway import gateway
from flinkops.local import s3_server
from flinkops.local.jars import ensure
from flinkops.local.ports import free_ports
from flinkops.local.processes import terminate
from flinkops.private_file import write_private
from tests.cluster.kit import Cluster
from tests.cluster.price_job import s3_manifest
from tests.local.test_price_postgres import programs

NODE = "10.99.0.1"
BUCKET = "flink"
"""That of the shipped manifests."""
PLUGIN = Path("opt/flink/plugins/s3-fs-hadoop")


@contextmanager
def object_store(home: Path) -> Iterator[s3_server.S3Access]:
    """A server with the manifests' bucket."""
    (home / "logs").mkdir(parents=True)
    (port,) = free_ports(1)
    made = s3_server.new_access(home, port, gateway())
    access = msgspec.structs.replace(made, endpoint=f"http://{NODE}:{port}")
    write_private(home / s3_server.S3_FILE, msgspec.json.encode(access))
    (home / s3_server.ROLE / "buckets" / BUCKET).mkdir()
    process = s3_server.start(home)
    try:
        until = time.monotonic() + 120
        while not s3_server.answers(access.endpoint, 1.0):
            assert process.alive, Path(process.log).read_text()
            assert time.monotonic() < until, "the S3 server does not answer"
            time.sleep(0.1)
        yield access
    finally:
        terminate([process])


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
