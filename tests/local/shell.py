"""flinkops as a user runs it, on the embedded fleet."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint

REPOSITORY = Path(__file__).parents[2]


class Shell:
    """The command line on the fleet, with a journal of its own; `name` is the job under test."""

    def __init__(self, info: FleetInfo, folder: Path, name: str) -> None:
        self.info = info
        self.name = name
        self.folder = folder
        self.environment = os.environ | {"FLINKOPS_LOCAL_HOME": info.home, "FLINKOPS_JOURNAL": str(folder)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flinkops", *arguments, "--rest", self.info.rest_url]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, check=False
        )

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def live(self) -> list[str]:
        """The ids of the job under test that have not ended."""
        control = RestControl(parse_endpoint(self.info.rest_url), SystemClock())
        try:
            return [one.id for one in control.jobs() if one.name == self.name and one.ended_ms is None]
        finally:
            control.close()
