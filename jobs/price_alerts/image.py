"""Writes the tree that goes over `/` of a Flink image so that it can run the job: `image.py DIR [--flink 1.20|2.3]`.

The Dockerfile copies this tree. Needs the repository around it: the pinned jars, the compiler, and what the jobs share.
"""

import sys
from pathlib import Path

JOB = Path(__file__).parent
sys.path.insert(0, str(JOB.parents[1]))

from jobs.common import flink_image  # noqa: E402 - found around the job, not installed


def write(target: Path, flink: str, distribution: Path) -> list[Path]:
    """Write the tree; returns its files, sorted."""
    return flink_image.write(target, flink, distribution, JOB)


if __name__ == "__main__":
    flink_image.main(__doc__, JOB)
