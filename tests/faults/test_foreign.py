"""The fleets of foreign jobs are complete, and their arithmetic is that of rare events."""

import pytest

from tests.faults.foreign.fleets import FLEETS, fleet
from tests.faults.foreign.watching import FleetWatch, JobWatch, as_text, upper_bound_per_hour


@pytest.mark.parametrize("name", FLEETS)
def test_each_job_of_a_fleet_is_of_one_kind(name: str) -> None:
    for job, each in fleet(name).jobs.items():
        kinds = [each.sql, each.entry, each.python, each.price, each.lab]
        assert sum(kind is not None for kind in kinds) == 1, job


def test_nexmark_has_all_its_queries_but_the_one_that_flink_does_not_plan() -> None:
    assert set(fleet("nexmark").jobs) == {f"q{number}" for number in range(24)} - {"q6"}


def test_the_shared_tables_give_so_many_times_the_rows() -> None:
    tables = fleet("nexmark", 100).tables
    assert [tables.count(f"'rows-per-second' = '{rate}'") for rate in (1000, 200, 100, 10)] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("alarms", "hours", "bound"), [(0, 6.0, 0.4993), (0, 1.0, 2.9957), (1, 6.0, 0.7906), (3, 2.0, 3.8768)]
)
def test_the_bound_of_a_rate_is_that_of_poisson(alarms: int, hours: float, bound: float) -> None:
    assert upper_bound_per_hour(alarms, hours) == pytest.approx(bound, abs=0.001)


def test_what_is_true_of_a_job_is_no_false_alarm() -> None:
    watched = JobWatch(
        "q4", "RUNNING", 4, 3600.0, {"ok": 4}, {"state-bloat": 2, "key-skew": 1}, {}, {}, {"watermark": 3}
    )
    found = FleetWatch({"q4": watched}, [], [3.0])
    assert "1.00 job-hours of live jobs, 1 false alarms" in as_text(found, {"q4": {"state-bloat": "it grows"}})
    assert "2 false alarms" in as_text(found, {})
    assert "| watermark |" in as_text(found, {})
