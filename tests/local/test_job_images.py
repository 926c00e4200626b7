"""An image's tree is what its manifest and Dockerfile stand on, and its script finds what it shares."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from flinkops.local import flink
from flinkops.local.jars import manifest
from jobs.common import flink_image
from jobs.price_aggregation import image as aggregation_image
from jobs.price_aggregation import job as aggregation
from jobs.price_alerts import image as alerts_image
from jobs.price_alerts import job as alerts

pytestmark = [
    pytest.mark.local,
    pytest.mark.parametrize(
        ("image", "job"),
        [(aggregation_image, aggregation), (alerts_image, alerts)],
        ids=["price-aggregation", "price-alerts"],
    ),
]

CHOSEN: dict[str, dict[str, object]] = {
    "price_aggregation": {"source": "kafka", "bounded": False, "sink": "iceberg"},
    "price_alerts": {"source": "kafka", "bounded": False, "sink": "kafka", "alerts_topic": "price-alerts"},
}
FOLDERS = ("state.checkpoints.dir", "state.savepoints.dir", "high-availability.storageDir")


def deployment(folder: Path) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((folder / "flinkdeployment.yaml").read_text())["spec"]
    return spec


def test_tree_holds_what_manifest_and_dockerfile_name(image: ModuleType, job: ModuleType, tmp_path: Path) -> None:
    folder = Path(str(image.__file__)).parent
    files = image.write(tmp_path, "2.3", flink.distribution())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    pinned = {jar.file_name for group in flink_image.GROUPS["2.3"] for jar in manifest()[group]}
    assert {path.name for path in files} == pinned | {
        *("flink_job.py", "job.py", job.JAR_NAME, "requirements.txt", "builders.txt")
    }
    copied = [line.split()[2:] for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    assert copied == [["opt/", "/opt/"]]
    assert {path.parts[0] for path in files} == {"opt"}

    arguments = deployment(folder)["job"]["args"]
    script = arguments[arguments.index("-py") + 1]
    inside = tmp_path / script.lstrip("/")
    assert inside.read_bytes() == (folder / "job.py").read_bytes()
    options = arguments[arguments.index(script) + 1 :]
    subprocess.run([sys.executable, str(inside), *options, "--check"], cwd=tmp_path, env={}, check=True)
    chosen = job.parse(options)
    wanted = CHOSEN[folder.name]
    assert {name: getattr(chosen, name) for name in wanted} == wanted


def test_manifest_keeps_state_over_an_upgrade(image: ModuleType, job: ModuleType) -> None:
    spec = deployment(Path(str(image.__file__)).parent)
    assert (spec["job"]["upgradeMode"], spec["job"]["allowNonRestoredState"]) == ("savepoint", False)
    assert all(spec["flinkConfiguration"][name].startswith(f"s3://flink/{job.NAME}/") for name in FOLDERS)


def test_the_resource_alone_says_the_parallelism(image: ModuleType, job: ModuleType) -> None:
    """Else what an upgrade or the autoscaler sets there has no effect."""
    spec = deployment(Path(str(image.__file__)).parent)
    assert spec["job"]["parallelism"] == 2
    arguments = spec["job"]["args"]
    assert job.parse(arguments[arguments.index("--bootstrap") :]).parallelism is None


def test_manifest_has_the_plug_in_for_its_storage(image: ModuleType, job: ModuleType) -> None:
    """By the name that it has in the image of just that Flink; the log-in comes from a Secret that may be missing."""
    folder = Path(str(image.__file__)).parent
    spec = deployment(folder)
    (container,) = spec["podTemplate"]["spec"]["containers"]
    base = next(line for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("ARG FLINK="))
    version = base.removeprefix("ARG FLINK=flink:").partition("-")[0]
    assert container["env"] == [{"name": "ENABLE_BUILT_IN_PLUGINS", "value": f"flink-s3-fs-hadoop-{version}.jar"}]
    assert container["envFrom"] == [{"secretRef": {"name": job.NAME, "optional": True}}]
