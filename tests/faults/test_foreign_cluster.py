"""A few foreign jobs on a real cluster, all healthy: nothing above info is said of them. The fleets are run by hand."""

import threading
from pathlib import Path

import pytest

from tests.faults import lab
from tests.faults.foreign.fleets import fleet
from tests.faults.foreign.submitting import Submitter
from tests.faults.foreign.watching import watch

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
JOBS = ["cep", "cumulate", "example-top-speed", "example-data-generator", "example-word-count"]
"""Patterns, windows that grow, an old and a new source, one vertex alone, a file that is read at once."""
WATCH_SECONDS = 75.0


@pytest.mark.long
def test_nothing_is_claimed_of_foreign_jobs(tmp_path: Path) -> None:
    patient = {"heartbeat.timeout": "10 min", "pekko.ask.timeout": "5 min"}
    with lab.running(tmp_path / "lab home", patient) as started:
        submitter = Submitter(started, fleet("streams"), 1, print)
        submitted = submitter.submit(JOBS)
        found = watch(started.url, WATCH_SECONDS, threading.Event())
    assert set(submitted) == set(JOBS)
    assert len(found.jobs) == len(JOBS)
    assert [each for each in found.told if each.code != "health"] == []
    assert [each for each in found.told if each.severity == "critical"] == []
