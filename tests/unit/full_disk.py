"""Disks that become full while a test runs: a small one that is filled, or a limit on the size of a file."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SIZE = 1 << 20
NEEDS_ROOT = "a small tmpfs cannot be mounted: needs root on Linux"


class TmpfsDisk:
    """A real file system of 1 MiB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        descriptor = os.open(self.folder / "other", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (4096, 1):
                try:
                    while os.write(descriptor, b"x" * size):
                        pass
                except OSError:
                    continue
        finally:
            os.close(descriptor)

    def free(self) -> None:
        (self.folder / "other").unlink(missing_ok=True)


class LimitedDisk:
    """Files that cannot grow beyond what the journal has now: everywhere, and without root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        (folder / "journal").mkdir(mode=0o700)
        (folder / "journal" / "journal.jsonl").write_bytes(b"\n" * _SIZE)

    def fill(self) -> None:
        size = (self.folder / "journal" / "journal.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


Disk = TmpfsDisk | LimitedDisk


@contextmanager
def disk_of(kind: str, folder: Path) -> Iterator[Disk]:
    """A folder on such a disk."""
    folder.mkdir()
    if kind == "limited":
        limited = LimitedDisk(folder)
        try:
            yield limited
        finally:
            limited.free()
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip(NEEDS_ROOT)
    try:
        yield TmpfsDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
