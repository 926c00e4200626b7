"""Processes by identity, ports, signals, and the fleet's state file."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flinkops.errors import OperationFailed
from flinkops.local import fleet
from flinkops.local.kafka import _escaped
from flinkops.local.ports import free_ports, is_free
from flinkops.local.processes import Process, identity_of, spawn, terminate
from flinkops.local.signals import deferred, signals_interrupt, uninterrupted
from flinkops.local.state import FleetInfo, default_home, find_running, read_info, write_info

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PATIENT = "import time; print('up', flush=True); time.sleep(600)"


def start(tmp_path: Path, code: str = PATIENT, role: str = "jobmanager") -> Process:
    """A child that has said that it is up."""
    output = tmp_path / f"{role}.out"
    process = spawn(role, [sys.executable, "-c", code], output=output, environment=os.environ)
    while "up" not in output.read_text():
        assert process.alive
    return process


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Process]:
    process = start(tmp_path)
    yield process
    terminate([process])


def fleet_of(home: Path, *processes: Process, ready: bool = True) -> FleetInfo:
    return FleetInfo(
        home=str(home),
        rest_url="http://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:2",
        warehouse=str(home / "warehouse"),
        catalog_uri="sqlite:///x",
        flink_version="2.3.0",
        created_ms=0,
        processes=processes,
        ready=ready,
    )


def test_a_child_leads_a_session_of_its_own(child: Process) -> None:
    assert os.getsid(child.pid) == child.pid


def test_a_recycled_pid_is_somebody_else(child: Process) -> None:
    stale = msgspec.structs.replace(child, identity=child.identity + "0")
    assert child.alive
    assert not stale.alive
    assert terminate([stale]) == []
    assert child.alive


def test_no_such_process_and_a_zombie_have_no_identity() -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout is not None
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert identity_of(zombie.pid) is None
    zombie.wait()
    zombie.stdout.close()
    assert identity_of(zombie.pid) is None


def test_who_does_not_go_when_asked_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    assert terminate([process], grace_seconds=0.2) == []
    assert not process.alive


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not is_free(taken.getsockname()[1])


def test_a_termination_signal_interrupts_like_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), signals_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_deferred_signal_comes_at_the_end() -> None:
    done: list[bool] = []

    def work() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


def test_cleaning_up_is_not_interrupted() -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)


def test_a_fleet_is_found_while_its_jobmanager_lives(tmp_path: Path, child: Process) -> None:
    write_info(tmp_path, fleet_of(tmp_path, child))
    assert find_running(tmp_path) == read_info(tmp_path)
    terminate([child])
    assert find_running(tmp_path) is None


def test_a_half_started_or_unreadable_fleet_is_none(tmp_path: Path, child: Process) -> None:
    assert find_running(tmp_path) is None
    write_info(tmp_path, fleet_of(tmp_path, child, ready=False))
    assert find_running(tmp_path) is None
    (tmp_path / "fleet.json").write_text('{"home": 1')
    assert find_running(tmp_path) is None


def test_the_demos_fleet_is_found_when_no_other_runs(
    tmp_path: Path, child: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLINKOPS_LOCAL_HOME", str(tmp_path))
    (tmp_path / "demo").mkdir()
    write_info(tmp_path / "demo", fleet_of(tmp_path / "demo", child))
    found = find_running()
    assert found is not None
    assert found.home == str(tmp_path / "demo")


def test_a_dead_broker_is_named(tmp_path: Path, child: Process) -> None:
    broker = start(tmp_path, role="kafka")
    write_info(tmp_path, fleet_of(tmp_path, child, broker))
    terminate([broker])
    info = find_running(tmp_path)
    assert info is not None
    assert [process.role for process in info.dead] == ["kafka"]


def test_the_home_is_the_setting_else_the_nearest_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".flinkops").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("FLINKOPS_LOCAL_HOME", raising=False)
    assert default_home() == tmp_path / ".flinkops"
    monkeypatch.setenv("FLINKOPS_LOCAL_HOME", str(tmp_path / "other"))
    assert default_home() == tmp_path / "other"


def test_down_ends_what_an_interrupted_start_left_and_nothing_else(tmp_path: Path, child: Process) -> None:
    foreign = start(tmp_path, role="foreign")
    stale = msgspec.structs.replace(foreign, role="kafka", identity="another boot/1")
    write_info(tmp_path, fleet_of(tmp_path, child, stale, ready=False))
    assert [process.role for process in fleet.down(tmp_path)] == ["jobmanager"]
    assert foreign.alive
    assert read_info(tmp_path) is None
    assert fleet.down(tmp_path) == []
    terminate([foreign])


def test_down_where_nothing_ever_was_is_fine(tmp_path: Path) -> None:
    assert fleet.down(tmp_path / "nowhere") == []


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationFailed, match="cannot run the fleet in") as caught:
        fleet.up(tmp_path / "file" / "home")
    assert "\n" not in caught.value.line()


def test_the_state_file_is_plain_json_for_others(tmp_path: Path, child: Process) -> None:
    write_info(tmp_path, fleet_of(tmp_path, child))
    document = json.loads((tmp_path / "fleet.json").read_text())
    assert document["rest_url"] == "http://127.0.0.1:1"
    assert document["processes"][0]["pid"] == child.pid


@pytest.mark.parametrize(
    ("value", "escaped"),
    [("/a b/c", "/a b/c"), ("/ä", r"/\u00e4"), ("/a\\b", r"/a\u005cb"), ("/\U0001f600", r"/\ud83d\ude00")],
)
def test_folders_survive_a_java_properties_file(value: str, escaped: str) -> None:
    assert _escaped(value) == escaped
