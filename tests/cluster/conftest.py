import os
from collections.abc import Iterator

import pytest

from devtools import image
from tests.cluster.kit import (
    FLINK,
    FLINKOPS_IMAGE,
    NO_KIT,
    NO_ROOT,
    Cluster,
    Kit,
    count_manifest,
    kit_folder,
    state_of,
    wait_for,
)
from tests.cluster.price_job import build_image

COUNT_IMAGE = "count:1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster. One that was not up is stopped at the end."""
    folder = kit_folder()
    if folder is None:
        pytest.skip(NO_KIT)
    if os.geteuid() != 0:
        pytest.skip(NO_ROOT)
    kit = Kit(folder)
    started = not kit.is_up()
    if started:
        kit.run("up", seconds=900)
    try:
        kit.run("flink-image", FLINK, "python", seconds=900)
        cluster = Cluster(kit)
        cluster.spare_operator()
        yield cluster
    finally:
        if started:
            kit.run("down")


@pytest.fixture(scope="session")
def count_image(cluster: Cluster) -> str:
    """The image of the kit's example."""
    cluster.kit.run("image", COUNT_IMAGE, f"pyflink-{FLINK}", str(cluster.kit.folder / "examples" / "layer"))
    return COUNT_IMAGE


@pytest.fixture(scope="session")
def flinkops_image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """flinkops' own image, of the tree that its Dockerfile copies too, over the kit's Debian with Python 3.11."""
    tree = tmp_path_factory.mktemp("flinkops-image") / "tree"
    image.write(tree)
    cluster.kit.run("image", FLINKOPS_IMAGE, "base", str(tree))
    return FLINKOPS_IMAGE


@pytest.fixture(scope="session")
def count(cluster: Cluster, count_image: str) -> Iterator[str]:
    """The kit's example job, RUNNING; its name."""
    cluster.delete_deployment("count")
    cluster.apply(count_manifest(cluster.kit))
    try:
        wait_for(lambda: state_of(cluster.deployment("count")) == ("RUNNING", "STABLE"), "count is STABLE", seconds=180)
        yield "count"
    finally:
        cluster.delete_deployment("count")


@pytest.fixture(scope="session")
def price_image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the reference job."""
    return build_image(cluster, tmp_path_factory.mktemp("image"))
