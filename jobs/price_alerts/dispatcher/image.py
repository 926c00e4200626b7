"""Writes the tree that goes over `/` of a Python image so that it can run the dispatcher: `image.py DIR`.

The Dockerfile copies this tree, and so does anything else that builds images. Run it with the Python version of the
image, since some of the packages are compiled. Needs pip, a package index, and the repository around it.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY))

from devtools import locks  # noqa: E402 - found around the dispatcher, not installed
from devtools.image import install_locked  # noqa: E402

LIBRARIES = Path("opt/dispatcher")
OF_FLINKOPS = ("msgspec", "prometheus-client")
"""What the dispatcher uses of flinkops' own dependencies; the rest of them stays out of the image."""


def requirements() -> list[str]:
    """The packages beside flinkops, with the versions that pyproject.toml allows."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shared = [one for one in project["dependencies"] if name_of(one) in OF_FLINKOPS]
    return [*shared, *project["optional-dependencies"]["dispatcher"]]


def name_of(requirement: str) -> str:
    """The package's name.

    >>> name_of("confluent-kafka>=2.11,<3")
    'confluent-kafka'
    """
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]


def pinned() -> list[str]:
    """Those packages and all that they need, each with its version and hashes in the lock, as pip reads them."""
    return locks.requirements("local", {name_of(one) for one in requirements()})


def write(target: Path) -> None:
    """Write the tree, of just the files that the locks name. Raises CalledProcessError; pip prints why."""
    install_locked(target / LIBRARIES, pinned())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, metavar="DIR")
    write(parser.parse_args().target)
