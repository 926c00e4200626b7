"""Starts that go wrong: nothing stays behind, and one line says why."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flinkops.errors import OperationFailed
from flinkops.local import fleet, flink
from flinkops.local.processes import Process
from flinkops.local.state import FleetInfo, read_info, write_info

pytestmark = pytest.mark.local

UP = "import sys; from pathlib import Path; from flinkops.local import fleet; fleet.up(Path(sys.argv[1]))"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """Every process that a start in this test wrote down."""
    seen: list[Process] = []

    def spy(home: Path, info: FleetInfo) -> None:
        seen.extend(each for each in info.processes if each not in seen)
        write_info(home, info)

    monkeypatch.setattr(fleet, "write_info", spy)
    return seen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", UP, str(tmp_path)], stderr=subprocess.PIPE) as starter:
        processes = await_processes(tmp_path, starter)
        starter.send_signal(number)
        starter.communicate(timeout=60)
    assert starter.returncode != 0
    assert not [each for each in processes if each.alive]
    assert read_info(tmp_path) is None


def test_a_start_that_was_killed_is_cleaned_up_by_down(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", UP, str(tmp_path)]) as starter:
        processes = await_processes(tmp_path, starter)
        starter.kill()
    assert len(fleet.down(tmp_path)) == 3
    assert not [each for each in processes if each.alive]


def await_processes(home: Path, starter: "subprocess.Popen[bytes]") -> tuple[Process, ...]:
    """Wait until the start has begun all three."""
    while True:
        info = read_info(home)
        if info is not None and len(info.processes) == 3:
            assert not info.ready
            return info.processes
        assert starter.poll() is None


def test_a_process_that_dies_while_starting_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Process]
) -> None:
    monkeypatch.setattr(flink, "_TASKMANAGER_OPTIONS", ("-Xmx1k",))
    with pytest.raises(
        OperationFailed, match=r"taskmanager-1 ended while starting: .*heap.*taskmanager-1\.log"
    ) as caught:
        fleet.up(tmp_path)
    assert "\n" not in caught.value.line()
    assert len(started) == 3
    assert not [each for each in started if each.alive]
    assert read_info(tmp_path) is None


def test_a_disk_that_fills_up_in_the_middle_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Process]
) -> None:
    def full(home: Path, info: FleetInfo) -> None:
        if len(info.processes) == 2:
            started.extend(info.processes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_info(home, info)

    monkeypatch.setattr(fleet, "write_info", full)
    with pytest.raises(OperationFailed, match="no space left for the fleet in") as caught:
        fleet.up(tmp_path)
    assert "\n" not in caught.value.line()
    assert "FLINKOPS_LOCAL_HOME" in caught.value.line()
    assert len(started) >= 2
    assert not [each for each in started if each.alive]


def test_a_full_disk_is_noticed_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Process]
) -> None:
    class Usage(NamedTuple):
        free: int

    def almost_full(_path: Any) -> Usage:
        return Usage(free=1024)

    monkeypatch.setattr(shutil, "disk_usage", almost_full)
    with pytest.raises(OperationFailed, match=re.escape("0 MiB free, 256 MiB needed")):
        fleet.up(tmp_path)
    assert started == []
