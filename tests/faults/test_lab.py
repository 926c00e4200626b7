"""The lab on a real cluster, one fault and one healthy job: the whole matrix takes minutes and is run by hand."""

from pathlib import Path

import msgspec
import pytest

from tests.faults import lab, results, running
from tests.faults.case_files import read_folder
from tests.faults.cases import FOLDER
from tests.faults.doctors import Doctor
from tests.faults.watching import Watcher

pytestmark = [pytest.mark.local, pytest.mark.timeout(1800)]
WATCH_SECONDS = 20.0
PATIENCE_SECONDS = 400.0
"""The lab asks for a name within a minute; that is measured by hand, on a machine that does nothing else."""


@pytest.mark.long
def test_the_cause_is_named_first_and_a_healthy_job_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((results, "WITHIN_SECONDS"), (running, "WITHIN_SECONDS"), (running, "PATIENCE_SECONDS")):
        monkeypatch.setattr(module, name, PATIENCE_SECONDS)
    fault = next(
        each for each in read_folder(FOLDER, "tuning")[0] if (each.name, each.strength) == ("slow-storage", "weak")
    )
    healthy = next(each for each in read_folder(FOLDER)[1] if each.name == "high-load")
    at_a_quarter = msgspec.structs.replace(healthy.job, options={**healthy.job.options, "per-second": "150"})
    control = msgspec.structs.replace(healthy, watch_seconds=WATCH_SECONDS, job=at_a_quarter)
    with lab.running(tmp_path / "lab home") as started, Watcher(started) as watcher:
        found = running.Runner(started, watcher, Doctor, print).run([fault], [control])
    assert found.right, found
