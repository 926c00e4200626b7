"""The job of bench.autoscale as the operator's: its capacity grows with its parallelism, on any machine."""

import shutil
import tarfile
from pathlib import Path
from typing import Any

from flinkops.local.javac import compile_jar
from tests.cluster.kit import REPOSITORY, Cluster, Kit, count_manifest, run

FLINK = "1.18.1"
"""The newest that operator 1.7.0 scales: its client, of Flink 1.17, cannot read the job details of 1.20, and so neither
its autoscaler nor its scaling in place gets anywhere there."""
IMAGE = "wait-bound:test"
SLOTS = 8
WAIT_MICROSECONDS = 20_000
"""50 records a second for each subtask."""
FLINK_SETTINGS = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.resource-stabilization-timeout": "2 s",
    "taskmanager.numberOfTaskSlots": str(SLOTS),
    "taskmanager.memory.segment-size": "4kb",  # what waits shall wait at the source, where it is counted
    "execution.checkpointing.interval": "3 s",
    "metrics.fetcher.update-interval": "2000",
}


def build_image(cluster: Cluster, folder: Path) -> None:
    """The job in an image of its Flink."""
    downloads = Path(cluster.kubeconfig).parents[1] / "dl"
    if not list(downloads.glob(f"apache_flink-{FLINK}-*.whl")):  # the kit wants its scripts; Python 3.11 has none
        wheel = ["--no-deps", "--python-version", "3.10", "--only-binary", ":all:", f"apache-flink=={FLINK}"]
        run([str(downloads / "venv" / "bin" / "pip"), "download", "-q", "-d", str(downloads), *wheel], seconds=300)
    cluster.kit.run("flink-image", FLINK, seconds=900)
    usrlib = folder / "layer" / "opt" / "flink" / "usrlib"
    usrlib.mkdir(parents=True)
    libraries = [_distribution(next(downloads.glob(f"apache?flink?libraries-{FLINK}.tar.gz")), folder)]
    compile_jar(REPOSITORY / "bench" / "autoscale_java", folder / "load.jar", libraries)
    shutil.copyfile(folder / "load.jar", usrlib / "load.jar")
    cluster.kit.run("image", IMAGE, f"flink-{FLINK}", str(folder / "layer"))


def _distribution(archive: Path, folder: Path) -> Path:
    """What to compile against."""
    with tarfile.open(archive) as content:
        for member in content:
            path = Path(member.name)
            if path.parent.name == "lib" and path.name.startswith("flink-dist-"):
                member.name = path.name
                content.extract(member, folder, filter="data")
                return folder / path.name
    raise AssertionError(f"{archive} has no flink-dist")


def manifest(kit: Kit, name: str, begins: float, schedule: str, **settings: str) -> dict[str, Any]:
    """The FlinkDeployment, under the adaptive scheduler. `begins`: when the schedule does, in seconds since 1970.

    `schedule`: seconds:records-a-second,... linear between; `settings` come on top of the example's.
    """
    found = count_manifest(kit, name, image=IMAGE, flinkVersion="v1_18")
    found["spec"]["flinkConfiguration"] |= FLINK_SETTINGS | settings
    for part in ("jobManager", "taskManager"):
        found["spec"][part]["resource"]["cpu"] = 0.1
        found["spec"]["flinkConfiguration"][f"kubernetes.{part.lower()}.cpu.limit-factor"] = "20"
    found["spec"]["job"] |= {
        "jarURI": "local:///opt/flink/usrlib/load.jar",
        "entryClass": "load.WaitBound",
        "args": [name, str(WAIT_MICROSECONDS), str(round(begins * 1000)), schedule],
    }
    return found
