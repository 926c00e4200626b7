"""The source suite, the truth of its numbers, and the verbs, on a real Flink with a job that is none of ours."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.local.java import find_java
from flinkops.local.state import FleetInfo
from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import JobFacts
from flinkops.sources.flink.http import Rejected
from flinkops.sources.flink.source import FlinkRestSource
from flinkops.sources.storage.location import parse_location
from tests.source_suite import PATIENCE_SECONDS, SourceSuite, measured, seen, total

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

NAME = "naïve [b]Fühler[/b] 100% <&> \u202e\x1b[31m"
ROWS_PER_SECOND = 200


@pytest.fixture(scope="module")
def job_id(embedded_fleet: FleetInfo) -> Iterator[str]:
    environment = os.environ | {
        "FLINK_CONF_DIR": str(embedded_fleet.flink_conf_dir),
        "FLINK_LIB_DIR": str(embedded_fleet.flink_lib_dir),
        "JAVA_HOME": str(find_java().parent.parent),
    }
    command = [sys.executable, str(Path(__file__).parent / "foreign_job.py"), embedded_fleet.rest_url, NAME]
    done = subprocess.run(
        [*command, str(ROWS_PER_SECOND)], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    job_id = done.stdout.split()[-1]
    yield job_id
    source = FlinkRestSource(parse_endpoint(embedded_fleet.rest_url))
    try:
        if any(job.id == job_id and job.ended_ms is None for job in source.poll(10.0).jobs):
            source.cancel(job_id)
    finally:
        source.close()


@pytest.fixture(scope="module")
def source(embedded_fleet: FleetInfo) -> Iterator[FlinkRestSource]:
    source = FlinkRestSource(parse_endpoint(embedded_fleet.rest_url))
    yield source
    source.close()


@pytest.fixture(scope="module")
def job_name(job_id: str) -> str:
    assert job_id
    return NAME


class TestOnARealFlink(SourceSuite):
    pass


def test_the_watermark_is_some_seconds_behind_the_clock(source: FlinkRestSource, job_name: str) -> None:
    def some_seconds_behind(job: JobFacts) -> bool:
        watermark = job.vertices[-1].watermark_ms if measured(job) else None
        return watermark is not None and watermark.min is not None and 1.0 < (job.seen_ms - watermark.min) / 1000 < 30.0

    assert seen(source, job_name, some_seconds_behind)


def test_counters_move_with_the_clock(source: FlinkRestSource, job_name: str) -> None:
    first = seen(source, job_name, measured)
    before = first.vertices[0].records_out or 0
    time.sleep(6)  # what is measured is a rate
    second = seen(source, job_name, lambda job: (job.vertices[0].records_out or 0) > before)
    assert second.seen_ms - first.seen_ms >= 6000
    assert (second.vertices[0].records_out or 0) > before


def test_a_flame_graph_has_samples(source: FlinkRestSource, job_id: str, job_name: str) -> None:
    job = seen(source, job_name, measured)
    graph = source.flame_graph(job_id, job.vertices[-1].id, "full", deadline_seconds=120)
    assert graph.why is None
    assert graph.root is not None
    assert graph.root.samples > 0


def finished(source: FlinkRestSource, job_id: str, trigger_id: str) -> AsyncOutcome:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        outcome = source.savepoint_status(job_id, trigger_id)
        if outcome.done:
            return outcome
        time.sleep(0.2)
    raise AssertionError(f"no outcome within {PATIENCE_SECONDS:.0f} s")


def test_one_trigger_id_is_one_savepoint(source: FlinkRestSource, job_id: str, job_name: str) -> None:
    seen(source, job_name, measured)
    trigger_id = "0" * 31 + "7"
    triggered = [source.trigger_savepoint(job_id, None, trigger_id=trigger_id) for _ in range(2)]
    assert triggered == [trigger_id, trigger_id]
    outcome = finished(source, job_id, trigger_id)
    assert outcome.failure is None
    assert outcome.location is not None
    folder = Path(parse_location(outcome.location).path)
    assert [path.name for path in folder.parent.iterdir() if job_id[:6] in path.name] == [folder.name]


def test_a_savepoint_that_fails_says_why(source: FlinkRestSource, job_id: str) -> None:
    trigger_id = source.trigger_savepoint(job_id, "file:///proc/nowhere")
    outcome = finished(source, job_id, trigger_id)
    assert outcome.location is None
    assert "/proc/nowhere" in (outcome.failure or "")
    assert "\tat " not in (outcome.failure or "")


def test_the_rate_is_what_the_source_was_told(source: FlinkRestSource, job_name: str) -> None:
    # Flink's meters are means over a minute: this comes late in the file for a reason.
    def settled(rate: float) -> bool:
        return abs(rate - ROWS_PER_SECOND) < 0.1 * ROWS_PER_SECOND

    job = seen(source, job_name, lambda job: measured(job) and settled(total(job.vertices[0])))
    assert settled(total(job.vertices[0]))


def test_the_parallelism_is_changed_in_place(source: FlinkRestSource, job_id: str, job_name: str) -> None:
    vertex = seen(source, job_name, measured).vertices[-1].id
    with pytest.raises(Rejected):
        source.set_resource_requirements(job_id, [ResourceRequirement(vertex=vertex, lower=1, upper=2)])
    wanted = [
        ResourceRequirement(vertex=each.vertex, lower=1, upper=2 if each.vertex == vertex else 1)
        for each in source.resource_requirements(job_id)
    ]
    source.set_resource_requirements(job_id, wanted)

    def rescaled(job: JobFacts) -> bool:  # Flink answers for some seconds with the history that it remembers
        return (
            measured(job)
            and job.vertices[-1].parallelism == 2
            and [each.cause for each in job.rescales][:1] == ["UPDATE_REQUIREMENT"]
        )

    assert rescaled(seen(source, job_name, rescaled))


def test_stopped_with_a_savepoint_it_is_finished(source: FlinkRestSource, job_id: str, job_name: str) -> None:
    outcome = finished(source, job_id, source.stop_with_savepoint(job_id, None))
    assert outcome.location is not None

    def last_savepoint(job: JobFacts) -> str | None:
        latest = job.checkpoints.latest_savepoint if job.checkpoints else None
        return None if latest is None else latest.external_path

    # Flink's answers are some seconds old, and what an ended job says is not taken for its last word before that.
    job = seen(source, job_name, lambda job: job.state == "FINISHED" and last_savepoint(job) == outcome.location)
    assert job.ended_ms is not None
    assert "restarts" in job.unknown
