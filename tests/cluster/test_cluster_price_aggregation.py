"""The reference job as it is shipped, its image and its manifest, on a real cluster with Flink 1.20."""

import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pandas.testing import assert_frame_equal

from tests.cluster.kit import DATA, FLINK, REPOSITORY, Cluster, run, state_of, wait_for
from tests.local.price_jobs import read_dead_letters, read_table
from tests.local.price_records import market, write_lines
from tests.local.price_reference import Meaning, reference

pytestmark = pytest.mark.timeout(900)

JOB = REPOSITORY / "jobs" / "price_aggregation"
IMAGE = "price-aggregation:test"
NAME = "price-archive"
RECORDS = market(seed=2, minutes=30, skus=8, disorder_ms=115_000).records  # out of order, some of them late


class Finished(NamedTuple):
    """What the job left behind, and how `flinkops status` showed it while it ran and afterwards."""

    warehouse: Path
    dead_letters: Path
    seen: list[dict[str, Any]]


@pytest.fixture(scope="module")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The job's image, built by the kit from the tree that the Dockerfile copies too."""
    folder = tmp_path_factory.mktemp("image")
    distribution = flink_libraries(cluster, folder)
    tree = folder / "tree"
    script = str(JOB / "image.py")
    run([sys.executable, script, str(tree), "--flink", "1.20", "--distribution", str(distribution)], seconds=600)
    cluster.kit.run("image", IMAGE, f"pyflink-{FLINK}", str(tree))
    return IMAGE


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


def manifest(image: str, folder: Path) -> dict[str, Any]:
    """The shipped manifest with what a user has to set: image, addresses, storage; smaller requests for two cores.

    The volume has the same path in the pods and here, so that the paths in the table's metadata are right for both.
    """
    text = (JOB / "flinkdeployment.yaml").read_text(encoding="utf-8").replace("/flink-data", str(DATA))
    found: dict[str, Any] = yaml.safe_load(text)
    spec = found["spec"]
    found["metadata"]["name"] = NAME
    spec.update(image=image, imagePullPolicy="Never", flinkVersion="v1_19")
    spec["podTemplate"]["spec"]["volumes"][0] = {"name": "data", "hostPath": {"path": str(DATA), "type": "Directory"}}
    for part in ("jobManager", "taskManager"):
        spec[part]["resource"]["cpu"] = 0.2
        spec["flinkConfiguration"][f"kubernetes.{part.lower()}.cpu.limit-factor"] = "10"
    arguments = spec["job"]["args"]
    spec["job"]["parallelism"] = 1
    spec["job"]["args"] = [*arguments[: arguments.index("--bootstrap")]]
    spec["job"]["args"] += ["--source", "files", "--input", str(folder / "archive.jsonl"), "--name", NAME]
    spec["job"]["args"] += ["--warehouse", str(folder / "warehouse"), "--dead-letter", str(folder / "dead")]
    return found


@pytest.fixture(scope="module")
def finished(cluster: Cluster, image: str) -> Iterator[Finished]:
    """The job over an archive, run to its end."""
    folder = DATA / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o777)  # Flink runs as another user
    write_lines(folder / "archive.jsonl", RECORDS)
    cluster.delete_deployment(NAME)
    cluster.apply(manifest(image, folder))
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(cluster.job(NAME))
        state, _ = state_of(cluster.deployment(NAME))
        assert state != "FAILED", [one["text"] for one in seen[-1]["health"]["reasons"]]
        return state == "FINISHED" and seen[-1]["state"] == "FINISHED"

    try:
        wait_for(ended, "the job is FINISHED", seconds=400, every=2.0)
        yield Finished(folder / "warehouse", folder / "dead", seen)
    finally:
        cluster.delete_deployment(NAME)
        shutil.rmtree(folder, ignore_errors=True)


def test_its_table_is_that_of_the_reference(finished: Finished) -> None:
    said = reference([raw for _, raw in RECORDS], Meaning())
    assert len(said.table) > 0
    assert any(reason == "late" for reason, _ in said.dead_letters)
    assert_frame_equal(read_table(finished.warehouse, "prices.price_5m"), said.table)
    assert read_dead_letters(finished.dead_letters) == said.dead_letters


def test_it_was_never_shown_as_ended_before_it_had(finished: Finished) -> None:
    states = [row["state"] for row in finished.seen]
    assert set(states[:-1]) <= {"UNKNOWN", "RECONCILING", "INITIALIZING", "CREATED", "RUNNING", "FINISHED"}
    assert "RUNNING" in states or "CREATED" in states
    first_end = states.index("FINISHED")
    assert set(states[first_end:]) == {"FINISHED"}
    assert finished.seen[-1]["flink_version"] == FLINK
    assert finished.seen[-1]["restarts"] in (0, None)
