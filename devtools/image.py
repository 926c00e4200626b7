"""Write the tree of flinkops' image, which deploy/image/Dockerfile copies over `/` of a Python image.

Run it with the Python version of the image, since some packages are compiled. It needs pip and a package index.
"""

import argparse
import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devtools import locks
from devtools.bootstrap import BUILDERS, REPOSITORY

LIBRARIES = Path("opt/flinkops")
PROGRAM = Path("usr/local/bin/flinkops")
_START = f"""#!/bin/sh
# flinkops and its packages are in a folder of their own; nothing else on this image sees them.
PYTHONPATH=/{LIBRARIES} exec python3 -P -m flinkops "$@"
"""


def main(arguments: list[str]) -> int:
    """Write the tree."""
    parser = argparse.ArgumentParser(prog="./dev image", description=__doc__)
    parser.add_argument("target", type=Path, metavar="DIR", help="a new folder")
    write(parser.parse_args(arguments).target)
    return 0


def pinned() -> list[str]:
    """Flinkops' own dependencies and those of the extra `s3`, each with version and hashes, as pip reads them."""
    pins = locks.lock("image")
    return locks.requirements("image", {pin.name for pin in pins if pin.groups})


def write(target: Path) -> None:
    """Write the tree, of just the files that the locks name. Raises CalledProcessError; pip prints why."""
    install_locked(target / LIBRARIES, pinned())
    _compile(target / LIBRARIES)
    program = target / PROGRAM
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(_START, encoding="utf-8")
    program.chmod(0o755)


def install_locked(folder: Path, packages: Sequence[str]) -> None:
    """These packages, by their hashes, and flinkops itself, in `folder`. Raises CalledProcessError; pip prints why."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted, builders = Path(scratch, "packages.txt"), Path(scratch, "builders")
        wanted.write_text("\n".join(packages), encoding="utf-8")
        _install(folder, "--require-hashes", "-r", str(wanted))
        _install(builders, "--require-hashes", "-r", str(BUILDERS))
        shutil.rmtree(folder / "bin", ignore_errors=True)  # scripts that name the Python which installed them
        _install(folder, "--no-build-isolation", str(REPOSITORY), path=builders)
        shutil.rmtree(folder / "bin", ignore_errors=True)


def _install(folder: Path, *what: str, path: Path | None = None) -> None:
    """Without what it needs, which is named too; built with what is in `path`."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
    environment = os.environ if path is None else {**os.environ, "PYTHONPATH": str(path)}
    command = [*pip, "--no-deps", "--root-user-action=ignore", "--target", str(folder), *what]
    subprocess.run(command, check=True, env=environment)


def _compile(folder: Path) -> None:
    """Bytecode that counts whatever time the image's files bear: a read-only root keeps none that is made later."""
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=folder,
        prependdir=f"/{LIBRARIES}",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        workers=0,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
