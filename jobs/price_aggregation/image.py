"""Writes the tree that goes over `/` of a Flink image so that it can run the job: `image.py DIR [--flink 1.20|2.3]`.

The one list of the image's files: the Dockerfile copies this tree, and so does anything else that builds images.
Needs the package flinkops beside it: its pinned jars and its compiler.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

JOB = Path(__file__).parent
sys.path.insert(0, str(JOB.parents[1]))

from flinkops.local.jars import ensure  # noqa: E402 - found beside the job, not installed
from flinkops.local.javac import compile_jar  # noqa: E402
from flinkops.local.job import java_sources  # noqa: E402

GROUPS = {"1.20": ["flink-1.20", "connectors"], "2.3": ["flink-2.3", "connectors"]}
LIBRARIES = Path("opt/flink/lib")
USER_LIBRARIES = Path("opt/flink/usrlib")


SCRIPTS = {USER_LIBRARIES / "job.py": JOB / "job.py"}


def tree(flink: str, distribution: Path, scratch: Path, job: Path, scripts: Mapping[Path, Path]) -> dict[Path, Path]:
    """The files of a job's image, below `/`, and where each comes from.

    `distribution` is the Flink that the Java classes are compiled against: the folder with its `lib`.
    """
    jars = ensure(GROUPS[flink])
    name = f"{job.name.replace('_', '-')}.jar"
    classes = compile_jar(java_sources(job), scratch / name, [*sorted((distribution / "lib").glob("*.jar")), *jars])
    return {LIBRARIES / jar.name: jar for jar in [*jars, classes]} | dict(scripts)


def write(
    target: Path, flink: str, distribution: Path, job: Path = JOB, scripts: Mapping[Path, Path] = SCRIPTS
) -> list[Path]:
    """Write the tree; returns its files, sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        files = tree(flink, distribution, Path(scratch), job, scripts)
        for place, source in files.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / place)
    return sorted(files)


def main(description: str | None = __doc__, job: Path = JOB, scripts: Mapping[Path, Path] = SCRIPTS) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, metavar="DIR")
    parser.add_argument("--flink", choices=sorted(GROUPS), default="1.20")
    parser.add_argument("--distribution", type=Path, required=True, help="folder of that Flink, with lib/ in it")
    chosen = parser.parse_args()
    for file in write(chosen.target, chosen.flink, chosen.distribution, job, scripts):
        print(file)


if __name__ == "__main__":
    main()
