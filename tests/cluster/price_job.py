"""The jobs as they are shipped: their images, built by the kit, and their manifests with what a user sets."""

import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kit import DATA, FLINK, REPOSITORY, Cluster, run

JOB = REPOSITORY / "jobs" / "price_aggregation"
IMAGE = "price-aggregation:test"


def build_image(cluster: Cluster, folder: Path, job: Path = JOB, image: str = IMAGE) -> str:
    """The image, from the tree that the Dockerfile copies too; its name."""
    distribution = flink_libraries(cluster, folder)
    tree = folder / "tree"
    script = str(job / "image.py")
    run([sys.executable, script, str(tree), "--flink", "1.20", "--distribution", str(distribution)], seconds=600)
    cluster.kit.run("image", image, f"pyflink-{FLINK}", str(tree))
    return image


def flink_libraries(cluster: Cluster, folder: Path) -> Path:
    """The libraries of the Flink in the kit's images, to compile against; the kit keeps the archive they came from."""
    archive = Path(cluster.kubeconfig).parents[1] / "dl" / f"apache_flink_libraries-{FLINK}.tar.gz"
    with tarfile.open(archive) as content:
        for member in content:
            path = Path(member.name)
            if path.parent.name == "lib" and path.suffix == ".jar":
                member.name = f"lib/{path.name}"
                content.extract(member, folder, filter="data")
    return folder


def manifest(name: str, image: str, arguments: Sequence[str], *, parallelism: int, job: Path = JOB) -> dict[str, Any]:
    """The shipped manifest with what a user has to set: image, addresses, storage; smaller requests for two cores.

    `arguments` take the place of the manifest's own from --bootstrap on. The volume has the same path in the pods and
    here, so that the paths in the table's metadata are right for both.
    """
    text = (job / "flinkdeployment.yaml").read_text(encoding="utf-8").replace("/flink-data", str(DATA))
    found: dict[str, Any] = yaml.safe_load(text)
    spec = found["spec"]
    found["metadata"]["name"] = name
    spec.update(image=image, imagePullPolicy="Never", flinkVersion="v1_19")
    spec["podTemplate"]["spec"]["volumes"][0] = {"name": "data", "hostPath": {"path": str(DATA), "type": "Directory"}}
    for part in ("jobManager", "taskManager"):
        spec[part]["resource"]["cpu"] = 0.2
        spec["flinkConfiguration"][f"kubernetes.{part.lower()}.cpu.limit-factor"] = "10"
    shipped = spec["job"]["args"]
    spec["job"]["args"] = [*shipped[: shipped.index("--bootstrap")], *arguments, "--parallelism", str(parallelism)]
    spec["job"]["parallelism"] = parallelism
    return found
