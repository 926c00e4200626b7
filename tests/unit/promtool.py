"""Prometheus' own checker, for tests of what we give to Prometheus."""

import os
import subprocess
from pathlib import Path

import pytest

from devtools.debian import program
from flinkops.errors import FlinkopsError

MISSING = "promtool is not installed and apt cannot fetch it"


def promtool(*arguments: str, stdin: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool; skips the test where there is none."""
    try:
        path = program("promtool")
    except FlinkopsError as error:
        pytest.skip(f"{MISSING}: {error.line()}")
    environment = os.environ | {"NO_COLOR": "1"}
    return subprocess.run(
        [str(path), *arguments], input=stdin, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
