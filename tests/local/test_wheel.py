"""The wheel, alone in an environment outside the repository: the tool works without Flink, from what it carries."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from devtools.bootstrap import REPOSITORY, ensure_environment
from flinkops.local.state import FleetInfo

pytestmark = pytest.mark.local

# The libraries of the base installation, whose editable flinkops does not come along: a .pth is not followed twice.
_SITE = "import sysconfig; print(sysconfig.get_paths()['purelib'])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(REPOSITORY)]
    builders = {"PIP_CONSTRAINT": str(REPOSITORY / "locks" / "build.txt")}
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **builders})
    return next(folder.glob("flinkops-*.whl"))


@pytest.fixture(scope="module")
def flinkops(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that has the base dependencies and the wheel."""
    base = ensure_environment(REPOSITORY / ".venv-base", REPOSITORY / "locks" / "base.txt", editable=True)
    libraries = subprocess.run([str(base), "-c", _SITE], check=True, capture_output=True, text=True).stdout.strip()
    folder = tmp_path_factory.mktemp("alone") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = subprocess.run([str(python), "-c", _SITE], check=True, capture_output=True, text=True).stdout.strip()
    (Path(site) / "base.pth").write_text(libraries + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    return folder / "bin" / "flinkops"


def run(flinkops: Path, *arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """The command in an empty folder with an empty HOME."""
    environment = {"PATH": os.defpath, "HOME": str(home)}
    return subprocess.run(
        [str(flinkops), *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def test_it_carries_the_jobs_and_the_pins(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "flinkops/py.typed",
        "flinkops/local/executors/META-INF/services/org.apache.flink.core.execution.PipelineExecutorFactory",
        "flinkops/local/executors/flinkops/rehearsal/Rehearsal.java",
        "flinkops/local/jars.toml",
        "flinkops_jobs/common/flink_job.py",
        "flinkops_jobs/price_aggregation/job.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "devtools/")) or name.endswith(".jar")]


def test_flink_is_not_there_and_the_code_is_the_wheels(flinkops: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u, flinkops; print(u.find_spec('pyflink'), flinkops.__file__)"
    python = flinkops.with_name("python")
    result = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["None", str(next((flinkops.parents[1]).rglob("flinkops/__init__.py")))]


def test_it_polls_at_a_flink(flinkops: Path, tmp_path: Path, embedded_fleet: FleetInfo) -> None:
    result = run(flinkops, "status", "--rest", embedded_fleet.rest_url, "-o", "json", home=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["sources"][0]["state"] == "ok"


def test_it_examines_a_flink(flinkops: Path, tmp_path: Path, embedded_fleet: FleetInfo) -> None:
    result = run(flinkops, "doctor", "--rest", embedded_fleet.rest_url, "-o", "json", home=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["schema_version"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("version",), 0),
        (("--help",), 0),
        (("config", "view", "--show-origin"), 0),
        (("alerts", "generate", "--out", "rules"), 0),
        (("status", "--rest", "http://127.0.0.1:1", "-o", "json"), 3),
        (("upgrade", "prices", "--savepoint", "--plan", "--parallelism", "2", "--rest", "http://127.0.0.1:1"), 3),
        (("doctor", "--rest", "http://127.0.0.1:1"), 3),
        (("status",), 3),
        (("demo",), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_runs(flinkops: Path, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    result = run(flinkops, *arguments, home=tmp_path)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    if code:
        assert result.stderr.strip().count("\n") == 0
        assert result.stderr.startswith("flinkops: ")
