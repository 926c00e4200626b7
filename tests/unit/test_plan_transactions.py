"""A broker ends transactions that are open for too long: a risk of starting from a checkpoint, by time and by sink."""

import pytest

from flinkops.model.facts import VertexFacts
from flinkops.plan.transactions import BROKER_TIMEOUT_SECONDS, committing_sinks, transaction_risks

SINKS = ("alerts: Committer",)
FIVE_MINUTES = {"properties.transaction.timeout.ms": "300000"}


def vertex(name: str) -> VertexFacts:
    return VertexFacts(id=name, name=name, parallelism=1)


def test_only_commits_that_a_broker_may_end_count() -> None:
    names = (
        "orders",
        "out: Writer -> out: Committer",
        "IcebergFilesCommitter -> Sink: IcebergSink",
        "StreamingFileCommitter",
    )
    assert committing_sinks([vertex(name) for name in names]) == ("out: Writer -> out: Committer",)


def test_a_stop_with_a_savepoint_leaves_nothing_open() -> None:
    assert transaction_risks(SINKS, {}, down_seconds=1e9, from_savepoint=True) == ()
    assert transaction_risks((), {}, down_seconds=1e9, from_savepoint=False) == ()


@pytest.mark.parametrize(
    ("settings", "down", "told"),
    [
        (FIVE_MINUTES, 299.0, None),
        (FIVE_MINUTES, 300.0, "transaction.timeout.ms is 5m): the job is down for 5m"),
        (FIVE_MINUTES, None, "transaction.timeout.ms is 5m): if the job is down for longer"),
        ({}, BROKER_TIMEOUT_SECONDS - 1, None),
        ({}, BROKER_TIMEOUT_SECONDS, "is not known here: brokers grant 15m"),
        ({}, None, "if the job is down for longer"),
        ({"properties.transaction.timeout.ms": "soon"}, None, "is not known here"),
    ],
)
def test_the_time_that_the_job_is_down_is_held_against_the_timeout(
    settings: dict[str, str], down: float | None, told: str | None
) -> None:
    risks = transaction_risks(SINKS, settings, down_seconds=down, from_savepoint=False)
    assert len(risks) == (told is not None)
    assert told is None or told in risks[0]
