"""High availability of the embedded fleet; what it is for is in test_alert_faults."""

from pathlib import Path

import pytest

from flinkops.errors import Refused
from flinkops.local import fleet, flink, zookeeper
from flinkops.local.ports import HOST, free_ports
from flinkops.local.state import FleetInfo, read_info

pytestmark = pytest.mark.local


def test_a_fleet_that_runs_without_is_not_changed(embedded_fleet: FleetInfo) -> None:
    home = Path(embedded_fleet.home)
    with pytest.raises(Refused, match="runs without high availability") as caught:
        fleet.up(home, ha=True)
    assert "./dev down" in caught.value.line()
    assert read_info(home) == embedded_fleet


def test_slots_of_a_fleet_that_runs_are_not_changed(embedded_fleet: FleetInfo) -> None:
    home = Path(embedded_fleet.home)
    with pytest.raises(Refused, match="has 4 slots") as caught:
        fleet.up(home, slots=9)
    assert "./dev up --slots 9" in caught.value.line()
    assert fleet.up(home, slots=4) == read_info(home)


def test_each_taskmanager_gets_the_slots_asked_for(tmp_path: Path) -> None:
    flink.write_config(tmp_path, 1, 2, slots=9)
    assert flink.slots_per_taskmanager(tmp_path) == 9
    flink.write_config(tmp_path, 1, 2)
    assert flink.slots_per_taskmanager(tmp_path) == 4


def test_repair_starts_nothing_where_nothing_was(tmp_path: Path) -> None:
    fleet.repair(tmp_path)
    assert read_info(tmp_path) is None


def test_nobody_answers_for_zookeeper() -> None:
    assert not zookeeper.answers(f"{HOST}:{free_ports(1)[0]}", timeout_seconds=1.0)
