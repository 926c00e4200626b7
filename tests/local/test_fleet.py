"""The embedded fleet for real: one that is started, hurt, repaired and stopped, in this order."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.errors import OperationFailed
from flinkops.local import fleet, kafka
from flinkops.local.processes import Process
from flinkops.local.state import FleetInfo, find_running, read_info, write_info
from tests.local.guard import guarded

pytestmark = pytest.mark.local

GIB = 1024**3


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a running fleet; its name is one that a shell or a URL would stumble over.

    It starts with the state file of a fleet of another day, whose pid is somebody else's by now.
    """
    folder = tmp_path_factory.mktemp("a fleet's höme")
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    try:
        with guarded(folder):
            write_info(folder, stale_fleet(folder, bystander.pid))
            fleet.up(folder)
            yield folder
            assert {process.role for process in fleet.down(folder)} >= {"jobmanager"}
            assert fleet.down(folder) == []
            assert find_running(folder) is None
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def stale_fleet(home: Path, pid: int) -> FleetInfo:
    return FleetInfo(
        home=str(home),
        rest_url="http://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:1",
        warehouse="",
        catalog_uri="",
        flink_version="",
        created_ms=0,
        processes=(Process(role="jobmanager", pid=pid, identity="before the reboot/1", log=""),),
        ready=True,
    )


def rest(info: FleetInfo, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{info.rest_url}{path}", timeout=10) as response:
        return json.load(response)


def running(home: Path) -> FleetInfo:
    info = find_running(home)
    assert info is not None
    return info


def process(info: FleetInfo, role: str) -> Process:
    return next(each for each in info.processes if each.role == role)


def kill(victim: Process) -> None:
    """End a child for good, and wait until the system agrees."""
    os.kill(victim.pid, signal.SIGKILL)
    while victim.alive:
        pass


def test_flink_is_ready_and_set_up_as_in_production(home: Path) -> None:
    info = running(home)
    assert rest(info, "/overview")["slots-total"] == 4
    assert rest(info, "/config")["flink-version"] == info.flink_version == "2.3.0"
    settings = {entry["key"]: entry["value"] for entry in rest(info, "/jobmanager/config")}
    assert settings["jobmanager.scheduler"] == "adaptive"


def test_the_topics_exist_and_stamp_records_on_arrival(home: Path) -> None:
    from confluent_kafka.admin._config import ConfigResource
    from confluent_kafka.admin._resource import ResourceType

    admin = kafka.admin_client(running(home).kafka_bootstrap)
    topics = admin.list_topics(timeout=10).topics
    assert len(topics["raw-scrapes-in"].partitions) == 4
    assert "raw-scrapes-dead" in topics
    resource = ConfigResource(ResourceType.TOPIC, "raw-scrapes-in")
    config = admin.describe_configs([resource])[resource].result(timeout=10)
    assert config["message.timestamp.type"].value == "LogAppendTime"


def test_nobody_outside_this_machine_can_connect(home: Path) -> None:
    addresses = {address for each in running(home).processes for address in listening(each.pid)}
    assert len(addresses) >= 5
    assert {host for host, _ in addresses} == {"127.0.0.1"}


def test_it_is_small(home: Path) -> None:
    resident = {each.role: resident_bytes(each.pid) for each in running(home).processes}
    assert sum(resident.values()) < 3 * GIB, resident


def test_up_twice_changes_nothing(home: Path) -> None:
    before = running(home)
    assert fleet.up(home) == before
    assert read_info(home) == before


def test_a_killed_taskmanager_is_named_and_replaced(home: Path) -> None:
    before = running(home)
    kill(process(before, "taskmanager-1"))
    assert [each.role for each in running(home).dead] == ["taskmanager-1"]
    after = fleet.up(home)
    assert after.dead == ()
    assert process(after, "jobmanager") == process(before, "jobmanager")
    assert {each.role for each in after.processes} == {"kafka", "jobmanager", "taskmanager-2"}
    assert "taskmanager-2" in {each["id"] for each in rest(after, "/taskmanagers")["taskmanagers"]}


def test_a_killed_broker_comes_back_with_its_topics_at_its_address(home: Path) -> None:
    before = running(home)
    kill(process(before, "kafka"))
    assert [each.role for each in running(home).dead] == ["kafka"]
    after = fleet.up(home)
    assert after.kafka_bootstrap == before.kafka_bootstrap
    assert "raw-scrapes-in" in kafka.admin_client(after.kafka_bootstrap).list_topics(timeout=10).topics


def test_a_killed_jobmanager_comes_back_and_its_taskmanagers_return_to_it(home: Path) -> None:
    before = running(home)
    kill(process(before, "jobmanager"))
    assert find_running(home) is None
    after = fleet.up(home)
    assert after.rest_url == before.rest_url
    assert process(after, "taskmanager-2") == process(before, "taskmanager-2")
    assert rest(after, "/overview")["slots-total"] == 4


def test_a_taken_port_is_one_clear_line_and_hurts_nothing_else(home: Path) -> None:
    before = running(home)
    kill(process(before, "kafka"))
    host, port = before.kafka_bootstrap.split(":")
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind((host, int(port)))
        intruder.listen()
        with pytest.raises(OperationFailed, match=f"port {port} .*kafka is taken") as caught:
            fleet.up(home)
    assert "\n" not in caught.value.line()
    assert process(running(home), "jobmanager").alive
    assert fleet.up(home).dead == ()


def test_a_second_taskmanager_joins(home: Path) -> None:
    info = fleet.up(home, taskmanagers=2)
    registered = {each["id"] for each in rest(info, "/taskmanagers")["taskmanagers"]}
    assert registered >= {"taskmanager-2", "taskmanager-3"}


def test_the_log_of_each_process_is_where_it_says(home: Path) -> None:
    for each in running(home).processes:
        assert "ERROR" not in Path(each.log).read_text().splitlines()[0]
        assert Path(each.log).stat().st_size > 1000


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) * 1024


def listening(pid: int) -> set[tuple[str, int]]:
    """The TCP addresses on which a process listens, as the kernel tells."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest_of = line.split()
            if state == "0A" and rest_of[5] in inodes:
                found.add(_address(local))
    return found


def _address(text: str) -> tuple[str, int]:
    """An address of /proc/net: hexadecimal, each 32-bit word in the machine's (little-endian) order."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8)]
    if len(words) == 4 and words[:3] != [b"\0" * 4, b"\0" * 4, b"\0\0\xff\xff"]:
        return socket.inet_ntop(socket.AF_INET6, b"".join(words)), int(port, 16)
    return socket.inet_ntoa(words[-1]), int(port, 16)
