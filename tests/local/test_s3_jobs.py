"""The jobs on a fleet whose state and warehouse are on S3: exactly once also after a kill."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from devtools.s3_gateway import gateway
from flinkops.errors import OperationFailed, UsageError
from flinkops.local import fleet, job, kafka, s3_server
from flinkops.local.state import FleetInfo
from tests.local.guard import guarded
from tests.local.price_records import market
from tests.local.price_reference import Meaning, in_order, reference
from tests.local.s3 import table
from tests.local.test_price_streaming import await_true, checkpoints, closers, dead_letters, send, shuffled

# By hand: six minutes.
pytestmark = [pytest.mark.local, pytest.mark.by_hand, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetInfo]:
    with guarded(tmp_path_factory.mktemp("jobs") / "home") as home:
        yield fleet.up(home, s3=gateway())


def rows(info: FleetInfo, name: str) -> pd.DataFrame:
    access = s3_server.access(Path(info.home))
    return in_order(table(access, info.catalog_uri, info.warehouse, name).scan().to_pandas())


def test_what_is_not_there_is_said_before_the_job_starts(info: FleetInfo) -> None:
    source = ["price-aggregation", "--source", "files", "--input"]
    with pytest.raises(OperationFailed, match=r"--input: nothing matches s3://flinkops/archive/\*\.csv"):
        job.submit(info, [*source, "s3://flinkops/archive/*.csv"])
    with pytest.raises(UsageError, match="neither jdbc:postgresql"):
        job.submit(info, [*source, "s3://flinkops/archive/", "--catalog", "thrift://hive"])


def test_a_stream_into_s3_is_exactly_once(info: FleetInfo) -> None:
    """With its TaskManager killed in the middle: tables and dead letters are the reference's."""
    market_day = market(seed=7, minutes=20, skus=8)
    kafka.create_topic(info.kafka_bootstrap, "in", like="raw-scrapes-in")
    kafka.create_topic(info.kafka_bootstrap, "dead", like="raw-scrapes-dead")
    records = shuffled(market_day.records, seed=11)
    half = len(records) // 2
    send(info, "in", records[:half])
    command = ["price-aggregation", "--topic", "in", "--dead-letter", "topic:dead", "--table", "prices.killed"]
    job_id = job.submit(info, [*command, "--parallelism", "2", "--idle-timeout", "1h", "--name", "killed"])
    await_true("a checkpoint", lambda: checkpoints(info, job_id) >= 1)
    send(info, "in", records[half:])
    current = fleet.up(Path(info.home))
    taskmanager = next(process for process in current.processes if process.role.startswith("taskmanager"))
    os.kill(taskmanager.pid, signal.SIGKILL)
    await_true("the TaskManager is dead", lambda: not taskmanager.alive)
    fleet.up(Path(info.home))
    send(info, "in", closers())
    expected = reference([raw for _, raw in market_day.records], Meaning())
    await_true("all rows", lambda: len(rows(info, "killed")) >= len(expected.table))
    done = checkpoints(info, job_id)
    await_true("one more checkpoint", lambda: checkpoints(info, job_id) > done)
    assert_frame_equal(rows(info, "killed"), expected.table)
    assert dead_letters(info, "dead") == expected.dead_letters
