"""How the jobs of the embedded fleet were submitted: one line a job in its home, so that an upgrade can do it again."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

LAUNCHES_FILE = "launches.jsonl"


class _Line(msgspec.Struct, frozen=True):
    job_id: str
    command: tuple[str, ...]


_decoder = msgspec.json.Decoder(_Line)


def remember(home: Path, job_id: str, command: Sequence[str]) -> None:
    """Note what `./dev job` was given for this job: its name and options."""
    line = msgspec.json.encode(_Line(job_id, tuple(command))) + b"\n"
    descriptor = os.open(home / LAUNCHES_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def recall(home: Path, job_id: str) -> tuple[str, ...] | None:
    """What was noted for this job; None when nothing was, or it cannot be read."""
    try:
        lines = (home / LAUNCHES_FILE).read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            found = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if found.job_id == job_id:
            return found.command
    return None
