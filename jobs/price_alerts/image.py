"""Writes the tree that goes over `/` of a Flink image so that it can run the job: `image.py DIR [--flink 1.20|2.3]`.

The Dockerfile copies this tree. Needs the repository around it: the pinned jars, the compiler, and the script that
both jobs share.
"""

import sys
from pathlib import Path

JOB = Path(__file__).parent
sys.path.insert(0, str(JOB.parents[1]))

from jobs.price_aggregation import image  # noqa: E402 - found around the job, not installed

NAMES = ("price_aggregation", "price_alerts")
SCRIPTS = {image.USER_LIBRARIES / "jobs" / name / "job.py": JOB.parent / name / "job.py" for name in NAMES}


def write(target: Path, flink: str, distribution: Path) -> list[Path]:
    """Write the tree; returns its files, sorted."""
    return image.write(target, flink, distribution, JOB, SCRIPTS)


if __name__ == "__main__":
    image.main(__doc__, JOB, SCRIPTS)
