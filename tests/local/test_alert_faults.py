"""Whatever is killed, no alert is lost, duplicates and replays are identical, and the order per SKU is kept."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from flinkops.clock import SystemClock
from flinkops.local import fleet, job, kafka
from flinkops.local.flink import is_taskmanager
from flinkops.local.probe import get_json
from flinkops.local.state import JOBMANAGER, FleetInfo, read_info
from tests.local.alert_records import by_sku, stocked_market
from tests.local.alert_reference import alerts
from tests.local.guard import guarded
from tests.local.test_price_streaming import await_true
from tests.local.topics import read, send

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

REPLAY = "price-alerts-replay"
RECORDS = stocked_market(4, minutes=40, skus=10)
PARTS = 4


@pytest.fixture
def ha_fleet(tmp_path: Path) -> Iterator[FleetInfo]:
    with guarded(tmp_path / "ha fleet") as home:
        yield fleet.up(home, ha=True)


def part(number: int) -> list[tuple[str, bytes]]:
    return RECORDS[len(RECORDS) * number // PARTS : len(RECORDS) * (number + 1) // PARTS]


def expected(parts: int) -> dict[str, list[dict[str, Any]]]:
    return alerts([raw for number in range(parts) for _, raw in part(number)])


def ids(found: list[dict[str, Any]]) -> set[str]:
    return {alert["alert_id"] for alert in found}


def await_alerts(info: FleetInfo, parts: int) -> None:
    wanted = {alert["alert_id"] for each in expected(parts).values() for alert in each}
    await_true(f"the alerts of {parts} parts", lambda: wanted <= ids(read(info.kafka_bootstrap, kafka.ALERTS_TOPIC)))


def checkpoint(info: FleetInfo, job_id: str) -> None:
    """The job takes none by itself, so that it is certain which one it restores."""
    before = completed(info, job_id)
    requests.post(f"{info.rest_url}/jobs/{job_id}/checkpoints", json={}, timeout=10).raise_for_status()
    await_true("a checkpoint", lambda: completed(info, job_id) > before)


def completed(info: FleetInfo, job_id: str) -> int:
    answer = get_json(info.rest_url, f"/jobs/{job_id}/checkpoints") or {}
    return int(answer.get("counts", {}).get("completed", 0))


def restored(info: FleetInfo, job_id: str) -> int:
    """When the job was last restored, milliseconds; 0: never."""
    latest = (get_json(info.rest_url, f"/jobs/{job_id}/checkpoints") or {}).get("latest", {})
    return int((latest.get("restored") or {}).get("restore_timestamp", 0))


def kill(info: FleetInfo, role: str) -> None:
    now = read_info(Path(info.home))
    assert now is not None
    victim = next(each for each in now.processes if each.role == role or (role == "tm" and is_taskmanager(each.role)))
    os.kill(victim.pid, signal.SIGKILL)
    await_true(f"{role} is dead", lambda: not victim.alive)


def await_restored(info: FleetInfo, job_id: str) -> None:
    killed_ms = SystemClock().now_ms()
    await_true("the job is restored", lambda: restored(info, job_id) > killed_ms)
    await_true("it runs", lambda: running(info, job_id))


def running(info: FleetInfo, job_id: str) -> bool:
    found = get_json(info.rest_url, f"/jobs/{job_id}") or {"state": "", "vertices": []}
    return found["state"] == "RUNNING" and all(vertex["status"] == "RUNNING" for vertex in found["vertices"])


def niceness_of_compactions(info: FleetInfo) -> set[int]:
    """Of the threads that compact RocksDB's files; empty until the first compaction."""
    now = read_info(Path(info.home))
    assert now is not None
    pids = [each.pid for each in now.processes if is_taskmanager(each.role) and each.alive]
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").glob("*")]
    found = [each for each in threads if (each / "comm").read_text().startswith("rocksdb:low")]
    return {os.getpriority(os.PRIO_PROCESS, int(each.name)) for each in found}


@pytest.mark.long
def test_kills(ha_fleet: FleetInfo) -> None:
    info = ha_fleet
    never = ["-Dexecution.checkpointing.interval=1h"]
    job_id = job.submit(info, ["price-alerts", "--parallelism", "2"], client_options=never)
    send(info.kafka_bootstrap, kafka.INPUT_TOPIC, part(0))
    await_alerts(info, 1)
    checkpoint(info, job_id)
    for number, role in enumerate(["tm", JOBMANAGER], start=1):
        send(info.kafka_bootstrap, kafka.INPUT_TOPIC, part(number))
        await_alerts(info, number + 1)
        kill(info, role)
        await_restored(info, job_id)
    kill(info, kafka.ROLE)
    send(info.kafka_bootstrap, kafka.INPUT_TOPIC, part(3))
    await_alerts(info, PARTS)

    checkpoint(info, job_id)  # what the restored job repeats is out now
    found = read(info.kafka_bootstrap, kafka.ALERTS_TOPIC)
    assert len(found) > len(ids(found)), "nothing was repeated: the kills did not do what they are for"
    assert_repeats_say_the_same(found)
    assert by_sku(json.dumps(alert).encode() for alert in first_sightings(found)) == expected(PARTS)

    kafka.create_topic(info.kafka_bootstrap, REPLAY, like=kafka.ALERTS_TOPIC)
    options = ["--bounded", "--transactional", "--alerts-topic", REPLAY, "--name", "replay"]
    replay = job.submit(info, ["price-alerts", *options])
    job.await_end(info, replay, timeout_seconds=400)
    assert by_sku(json.dumps(alert).encode() for alert in read(info.kafka_bootstrap, REPLAY)) == expected(PARTS)

    def compacted() -> set[int]:
        send(info.kafka_bootstrap, kafka.INPUT_TOPIC, part(3))
        checkpoint(info, job_id)
        return niceness_of_compactions(info)

    await_true("RocksDB compacts", lambda: bool(compacted()))
    await_true("compactions yield", lambda: niceness_of_compactions(info) == {19})


def first_sightings(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[str, dict[str, Any]] = {}
    for alert in found:
        first.setdefault(alert["alert_id"], alert)
    return list(first.values())


def assert_repeats_say_the_same(found: list[dict[str, Any]]) -> None:
    last = {alert["alert_id"]: alert | {"detected_at": ""} for alert in found}
    assert [alert for alert in found if alert | {"detected_at": ""} != last[alert["alert_id"]]] == []
