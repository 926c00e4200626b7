"""A job's settings and scheduler, where several places tell of them."""

import pytest

from flinkops.sources.flink.settings_facts import scheduler_of


@pytest.mark.parametrize(
    ("told", "cluster", "expected"),
    [
        ("Adaptive", {"jobmanager.scheduler": "default"}, "Adaptive"),  # Flink 2.x tells it of the job
        (None, {"jobmanager.scheduler": "adaptive"}, "adaptive"),
        (None, {}, None),
        (None, None, None),
    ],
)
def test_the_scheduler_of_a_job(told: str | None, cluster: dict[str, str] | None, expected: str | None) -> None:
    assert scheduler_of(told, cluster) == expected
