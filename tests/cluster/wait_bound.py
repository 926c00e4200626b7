"""The job of bench.autoscale as the operator's: its capacity grows with its parallelism, on any machine."""

import shutil
from pathlib import Path
from typing import Any

from flinkops.local.javac import compile_jar
from tests.cluster.kit import FLINK, REPOSITORY, Cluster, Kit, count_manifest
from tests.cluster.price_job import flink_libraries

IMAGE = "wait-bound:test"
SLOTS = 8
WAIT_MICROSECONDS = 20_000
"""50 records a second for each subtask."""
FLINK_SETTINGS = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.scaling-interval.min": "2 s",
    "jobmanager.adaptive-scheduler.resource-stabilization-timeout": "2 s",
    "taskmanager.numberOfTaskSlots": str(SLOTS),
    "taskmanager.memory.segment-size": "4kb",  # what waits shall wait at the source, where it is counted
    "execution.checkpointing.interval": "3 s",
    "metrics.fetcher.update-interval": "2000",
}


def build_image(cluster: Cluster, folder: Path) -> None:
    """The job in an image of the kit's Flink."""
    usrlib = folder / "layer" / "opt" / "flink" / "usrlib"
    usrlib.mkdir(parents=True)
    libraries = sorted((flink_libraries(cluster, folder) / "lib").glob("flink-dist-*.jar"))
    compile_jar(REPOSITORY / "bench" / "autoscale_java", folder / "load.jar", libraries)
    shutil.copyfile(folder / "load.jar", usrlib / "load.jar")
    cluster.kit.run("image", IMAGE, f"pyflink-{FLINK}", str(folder / "layer"))


def manifest(kit: Kit, name: str, begins: float, schedule: str, **settings: str) -> dict[str, Any]:
    """The FlinkDeployment, under the adaptive scheduler. `begins`: when the schedule does, in seconds since 1970.

    `schedule`: seconds:records-a-second,... linear between; `settings` come on top of the example's.
    """
    found = count_manifest(kit, name, image=IMAGE)
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
