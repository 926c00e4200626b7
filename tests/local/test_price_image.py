"""The image's tree is what its manifest and Dockerfile stand on, and its script finds what it shares."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flinkops.local import flink
from flinkops.local.jars import manifest
from jobs.common import flink_image
from jobs.price_aggregation import image, job

pytestmark = pytest.mark.local

JOB = Path(image.__file__).parent


def test_tree_holds_what_manifest_and_dockerfile_name(tmp_path: Path) -> None:
    files = image.write(tmp_path, "2.3", flink.distribution())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    pinned = {jar.file_name for group in flink_image.GROUPS["2.3"] for jar in manifest()[group]}
    assert {path.name for path in files} == pinned | {"flink_job.py", "job.py", job.JAR_NAME}
    copied = [line.split()[2:] for line in (JOB / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    assert copied == [["opt/", "/opt/"]]
    assert {path.parts[0] for path in files} == {"opt"}

    arguments = yaml.safe_load((JOB / "flinkdeployment.yaml").read_text())["spec"]["job"]["args"]
    script = arguments[arguments.index("-py") + 1]
    assert (tmp_path / script.lstrip("/")).read_bytes() == (JOB / "job.py").read_bytes()
    options = arguments[arguments.index(script) + 1 :]
    subprocess.run(
        [sys.executable, str(tmp_path / script.lstrip("/")), *options, "--check"], cwd=tmp_path, env={}, check=True
    )
    chosen = job.parse(options)
    assert (chosen.source, chosen.bounded, chosen.sink) == ("kafka", False, "iceberg")


def test_manifest_keeps_state_over_an_upgrade() -> None:
    spec = yaml.safe_load((JOB / "flinkdeployment.yaml").read_text())["spec"]
    assert spec["job"]["upgradeMode"] == "savepoint"
    assert spec["job"]["allowNonRestoredState"] is False
    folders = ("state.checkpoints.dir", "state.savepoints.dir", "high-availability.storageDir")
    assert all(spec["flinkConfiguration"][name].startswith("file:///flink-data/") for name in folders)
