"""Measure speed, and what an hour leaves behind (soak); `./dev bench` names them, options go to the bench."""

import subprocess
import sys

from devtools.bootstrap import REPOSITORY
from flinkops.errors import UsageError


def main(arguments: list[str]) -> int:
    """Run one bench in a process of its own; its figures are its output."""
    benches = sorted(path.stem for path in (REPOSITORY / "bench").glob("[!_]*.py"))
    if not arguments or arguments[0] not in benches:
        raise UsageError(f"which bench: {', '.join(benches)}", next_step="for example ./dev bench tui --help")
    return subprocess.run([sys.executable, "-m", f"bench.{arguments[0]}", *arguments[1:]], check=False).returncode
