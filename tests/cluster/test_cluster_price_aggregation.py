"""The reference job as it is shipped, its image and its manifest, on a real cluster with Flink 1.20."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pandas.testing import assert_frame_equal

from tests.cluster.kit import DATA, FLINK, Cluster, state_of, wait_for
from tests.cluster.price_job import manifest
from tests.local.price_jobs import read_dead_letters, read_table
from tests.local.price_records import market, write_lines
from tests.local.price_reference import Meaning, reference

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.by_hand,
]  # test_cluster_upgrade holds its table against the reference

NAME = "price-archive"
RECORDS = market(seed=2, minutes=30, skus=8, disorder_ms=115_000).records  # out of order, some of them late


class Finished(NamedTuple):
    """What the job left behind, and how `flinkops status` showed it while it ran and afterwards."""

    warehouse: Path
    dead_letters: Path
    seen: list[dict[str, Any]]


@pytest.fixture(scope="module")
def finished(cluster: Cluster, price_image: str) -> Iterator[Finished]:
    """The job over an archive, run to its end."""
    folder = DATA / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o777)  # Flink runs as another user
    write_lines(folder / "archive.jsonl", RECORDS)
    cluster.delete_deployment(NAME)
    arguments = ["--source", "files", "--input", str(folder / "archive.jsonl"), "--name", NAME]
    arguments += ["--warehouse", str(folder / "warehouse"), "--dead-letter", str(folder / "dead")]
    cluster.apply(manifest(NAME, price_image, arguments, parallelism=1))
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(cluster.job(NAME))
        state, _ = state_of(cluster.deployment(NAME))
        assert state != "FAILED", [one["text"] for one in seen[-1]["health"]["reasons"]]
        return state == "FINISHED" and seen[-1]["state"] == "FINISHED"

    try:
        wait_for(ended, "the job is FINISHED", seconds=400, every=2.0)
        yield Finished(folder / "warehouse", folder / "dead", seen)
    finally:
        cluster.delete_deployment(NAME)
        shutil.rmtree(folder, ignore_errors=True)


def test_its_table_is_that_of_the_reference(finished: Finished) -> None:
    said = reference([raw for _, raw in RECORDS], Meaning())
    assert len(said.table) > 0
    assert any(reason == "late" for reason, _ in said.dead_letters)
    assert_frame_equal(read_table(finished.warehouse, "prices.price_5m"), said.table)
    assert read_dead_letters(finished.dead_letters) == said.dead_letters


def test_it_was_never_shown_as_ended_before_it_had(finished: Finished) -> None:
    states = [row["state"] for row in finished.seen]
    assert set(states[:-1]) <= {"UNKNOWN", "RECONCILING", "INITIALIZING", "CREATED", "RUNNING", "FINISHED"}
    assert "RUNNING" in states or "CREATED" in states
    first_end = states.index("FINISHED")
    assert set(states[first_end:]) == {"FINISHED"}
    assert finished.seen[-1]["flink_version"] == FLINK
    assert finished.seen[-1]["restarts"] in (0, None)
