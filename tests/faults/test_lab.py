"""The lab on a real cluster, one fault and one healthy job: the whole matrix takes minutes and is run by hand."""

from pathlib import Path

import msgspec
import pytest

from tests.faults.cases import cases, controls
from tests.faults.doctors import Doctor
from tests.faults.lab import running
from tests.faults.running import Runner
from tests.faults.watching import Watcher

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
WATCH_SECONDS = 20.0


@pytest.mark.long
def test_the_cause_is_named_first_and_a_healthy_job_is_left_alone(tmp_path: Path) -> None:
    fault = next(each for each in cases("tuning") if (each.name, each.strength) == ("slow-storage", "weak"))
    healthy = next(each for each in controls() if each.name == "high-load")
    with running(tmp_path / "lab home") as lab, Watcher(lab) as watcher:
        runner = Runner(lab, watcher, Doctor, print)
        results = runner.run([fault], [msgspec.structs.replace(healthy, watch_seconds=WATCH_SECONDS)])
    assert results.right, results
