"""Runs commands in children of zygotes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Command:
    """One call of flinkops, and the circumstances it is made in."""

    argv: Sequence[str | bytes]
    scratch: Path  # HOME, the working folder, and where its output is kept
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    timeout_seconds: float = 30.0
    options: Mapping[str, Any] = field(default_factory=dict)  # of the zygote's request

    @property
    def words(self) -> str:
        """For a report, cut."""
        shown = [one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else one for one in self.argv]
        return " ".join(one if len(one) < 60 else f"{one[:40]}…({len(one)})" for one in shown)


@dataclass
class Ran:
    """What came of it. ``code`` is negative for a signal; ``hung``: it had to be killed after its time."""

    command: Command
    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False


class Runner:
    """One zygote. Not for several threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: Command) -> Ran:
        """Run it to its end."""
        process = self._alive()
        scratch = command.scratch
        base = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(scratch),
            "FLINKOPS_LOCAL_HOME": str(scratch / "no fleet"),
            "FLINKOPS_JOURNAL": str(scratch / "journal"),
            "NO_COLOR": "1",
            "AWS_EC2_METADATA_DISABLED": "true",  # no log-in of the machine's cloud is asked for
        }
        env = {**base, **command.env}
        argv = [os.fsencode(one) if isinstance(one, str) else one for one in command.argv]
        request = {
            "argv": [one.hex() for one in argv],
            "scratch": str(scratch),
            "cwd": str(command.cwd or scratch),
            "env": {key: value for key, value in env.items() if value != ABSENT},
            "timeout": command.timeout_seconds,
            **command.options,
        }
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return Ran(command, answer["code"], answer["out"], answer["err"], answer["seconds"], answer["hung"])

    def close(self) -> None:
        """End the zygote."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process.wait(10)
            self._process = None

    def _alive(self) -> "subprocess.Popen[str]":
        if self._process is None:
            command = [sys.executable, "-m", "tests.chaos.zygote"]
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment
            )
            assert self._process.stdout is not None
            assert json.loads(self._process.stdout.readline())["ready"]
        return self._process


ABSENT = "\0absent"
"""A variable of the environment that is not set at all."""
