"""The tree that goes over `/` of a Flink image so that it can run a job: the one list of the image's files.

The jobs' `image.py` write it, their Dockerfiles copy it, and so does anything else that builds images. Needs
flinkops around it: its pinned jars and its compiler.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from devtools.bootstrap import BUILDERS
from devtools.locks import requirements
from flinkops.local.jars import ensure
from flinkops.local.javac import compile_jar
from flinkops.local.job import java_sources

GROUPS = {"1.20": ["flink-1.20", "connectors"], "2.3": ["flink-2.3", "connectors"]}
LIBRARIES = Path("opt/flink/lib")
USER_LIBRARIES = Path("opt/flink/usrlib")
PYTHON = Path("opt/flink/python-lock")
LOCKS = {"1.20": "flink120", "2.3": "local"}
"""Which of the repository's lock files pins the apache-flink of that Flink."""

COMMON = Path(__file__).parent


def scripts(job: Path) -> dict[Path, Path]:
    """The job's script and what it finds beside itself, below `/`, and where each comes from."""
    files = (COMMON / "flink_job.py", job / "job.py")
    return {USER_LIBRARIES / "jobs" / each.parent.name / each.name: each for each in files}


def python_lock(flink: str, scratch: Path) -> dict[Path, Path]:
    """What the Dockerfile installs: apache-flink and all that it needs, with hashes, and what builds them."""
    pinned = scratch / "requirements.txt"
    pinned.write_text("\n".join(requirements(LOCKS[flink], {"apache-flink"})) + "\n", encoding="utf-8")
    return {PYTHON / pinned.name: pinned, PYTHON / "builders.txt": BUILDERS}


def tree(flink: str, distribution: Path, scratch: Path, job: Path) -> dict[Path, Path]:
    """The files of a job's image, below `/`, and where each comes from.

    `distribution` is the Flink that the Java classes are compiled against: the folder with its `lib`.
    """
    jars = ensure(GROUPS[flink])
    name = f"{job.name.replace('_', '-')}.jar"
    classes = compile_jar(java_sources(job), scratch / name, [*sorted((distribution / "lib").glob("*.jar")), *jars])
    return {LIBRARIES / jar.name: jar for jar in [*jars, classes]} | scripts(job) | python_lock(flink, scratch)


def write(target: Path, flink: str, distribution: Path, job: Path) -> list[Path]:
    """Write the tree; returns its files, sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        files = tree(flink, distribution, Path(scratch), job)
        for place, source in files.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / place)
    return sorted(files)


def main(description: str | None, job: Path) -> None:
    """The command of a job's `image.py`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, metavar="DIR")
    parser.add_argument("--flink", choices=sorted(GROUPS), default="1.20")
    parser.add_argument("--distribution", type=Path, required=True, help="folder of that Flink, with lib/ in it")
    chosen = parser.parse_args()
    for file in write(chosen.target, chosen.flink, chosen.distribution, job):
        print(file)
