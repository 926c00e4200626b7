"""What is done to the machine around a job: a small disk, a network that is cut, a clock that is wrong. Needs root."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from flinkops.errors import OperationFailed

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """The folder is a file system of so many megabytes until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    _run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)])
    try:
        yield
    finally:
        _run(["umount", "--lazy", str(folder)])


@contextmanager
def cut(ports: Sequence[int]) -> Iterator[None]:
    """Packets from and to these ports of this machine are lost until the end of the block; nobody is told."""
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", way, str(port), "-j", "DROP"]
        for port, way in product(ports, ("--dport", "--sport"))
    ]
    done: list[list[str]] = []
    try:
        for rule in rules:
            _run(["iptables", "-I", *rule])
            done.append(rule)
        yield
    finally:
        for rule in done:
            _run(["iptables", "-D", *rule])


def wrong_clock(seconds: int) -> Mapping[str, str]:
    """The environment of a process whose clock is so far ahead (behind, where less than 0). Raises OperationFailed."""
    if not _FAKETIME.is_file():
        raise OperationFailed(f"there is no {_FAKETIME}", next_step="install libfaketime")
    return {"LD_PRELOAD": str(_FAKETIME), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OperationFailed(f"{' '.join(command)}: {done.stderr.strip()}")
