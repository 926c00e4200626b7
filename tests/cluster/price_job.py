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
_FOLDERS = ("state.checkpoints.dir", "state.savepoints.dir", "high-availability.storageDir")


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

    `arguments` take the place of the manifest's own from --bootstrap on. State lies on a volume instead of S3,
    which has the same path in the pods and here, so that the paths in the table's metadata are right for both.
    """
    found = s3_manifest(name, image, arguments, parallelism=parallelism, job=job)
    spec = found["spec"]
    for setting in [one for one in spec["flinkConfiguration"] if one.startswith(("s3.", "fs.s3a."))]:
        del spec["flinkConfiguration"][setting]
    for setting in _FOLDERS:
        shipped = spec["flinkConfiguration"][setting]
        spec["flinkConfiguration"][setting] = f"file://{DATA}/{shipped.rpartition('/')[2]}"
    pod = spec["podTemplate"]["spec"]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": str(DATA)}]
    pod["volumes"] = [{"name": "data", "hostPath": {"path": str(DATA), "type": "Directory"}}]
    return found


def s3_manifest(
    name: str, image: str, arguments: Sequence[str], *, parallelism: int, job: Path = JOB
) -> dict[str, Any]:
    """The same with its state on S3, as it is shipped."""
    found: dict[str, Any] = yaml.safe_load((job / "flinkdeployment.yaml").read_text(encoding="utf-8"))
    spec = found["spec"]
    found["metadata"]["name"] = name
    spec.update(image=image, imagePullPolicy="Never", flinkVersion="v1_19")
    for part in ("jobManager", "taskManager"):
        spec[part]["resource"]["cpu"] = 0.2
        spec["flinkConfiguration"][f"kubernetes.{part.lower()}.cpu.limit-factor"] = "10"
    shipped = spec["job"]["args"]
    spec["job"]["args"] = [*shipped[: shipped.index("--bootstrap")], *arguments]
    spec["job"]["parallelism"] = parallelism
    return found
