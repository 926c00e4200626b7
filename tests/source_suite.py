"""What every REST source must hold, whoever answers: run on the fake (tests/unit) and on a real Flink (tests/local).

A subclass gives `source` and `job_name`: a running job with a source, a keyed operator and checkpoints.
"""

import time
from collections.abc import Callable

import pytest

from flinkops.errors import Unreachable
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.sources.flink.source import FlinkRestSource

PATIENCE_SECONDS = 240.0


class SourceSuite:
    @pytest.fixture
    def job(self, source: FlinkRestSource, job_name: str) -> JobFacts:
        """The job once it has been measured and has a checkpoint; both come some seconds after it started."""
        return seen(source, job_name, lambda job: bool(measured(job) and job.checkpoints and job.checkpoints.completed))

    def test_the_poll_is_whole(self, source: FlinkRestSource, job: JobFacts) -> None:
        snapshot = source.poll(60.0)
        assert (snapshot.status.state, snapshot.status.error) == ("ok", None)
        assert snapshot.clusters[0].flink_version == job.flink_version
        assert (snapshot.clusters[0].slots_total or 0) > 0
        assert job.cluster == source.name
        assert job.started_ms is not None
        assert job.running_since_ms is not None
        assert job.started_ms <= job.running_since_ms
        assert job.ended_ms is None
        assert job.restarts == 0
        assert job.configuration["execution.checkpointing.interval"].endswith(" ms")
        assert set(job.unknown) <= {f"vertices.{each.id}.{field}" for each in job.vertices for field in LEGACY}

    def test_every_vertex_is_measured(self, job: JobFacts) -> None:
        for vertex in job.vertices:
            assert vertex.status == "RUNNING"
            assert vertex.records_in_per_second is not None
            assert vertex.records_out_per_second is not None
            assert vertex.backpressured_ratio is not None
            assert vertex.bytes_out is not None
            for spread in (vertex.busy_ratio, vertex.backpressured_ratio, vertex.idle_ratio):
                assert spread is None or 0.0 <= (spread.min or 0.0) <= (spread.max or 0.0) <= 1.01
            assert (vertex.busy_ratio is None) == (f"vertices.{vertex.id}.busy_ratio" in job.unknown)

    def test_the_graph_hangs_together(self, job: JobFacts) -> None:
        ids = {vertex.id for vertex in job.vertices}
        sources = [vertex for vertex in job.vertices if not vertex.upstream]
        assert sources
        assert all(set(vertex.upstream) <= ids for vertex in job.vertices)
        assert all(total(vertex) > 0 for vertex in sources)

    def test_checkpoints(self, job: JobFacts) -> None:
        checkpoints = job.checkpoints
        assert checkpoints is not None
        assert checkpoints.enabled
        assert checkpoints.interval_seconds is not None
        assert checkpoints.latest_completed is not None
        assert checkpoints.latest_completed.status == "COMPLETED"
        assert checkpoints.latest_completed.duration_seconds is not None
        assert checkpoints.latest_completed.state_size_bytes is not None
        assert [each.id for each in checkpoints.history] == sorted(
            (each.id for each in checkpoints.history), reverse=True
        )

    def test_a_poll_asks_as_often_as_there_are_vertices_not_subtasks(
        self, source: FlinkRestSource, job: JobFacts
    ) -> None:
        others = sum(each.state == "RUNNING" for each in source.poll(60.0).jobs) - 1
        if others:
            pytest.skip("other jobs run on this cluster")
        source.poll(60.0)
        asked = source.poll(60.0).status.requests
        # overview, jobs; the job, checkpoints, metrics; exceptions and rescales when something happened
        assert asked <= 2 + 3 + 2 + 2 * len(job.vertices)

    def test_the_detail_has_all_subtasks_and_where_a_checkpoints_time_went(
        self, source: FlinkRestSource, job: JobFacts
    ) -> None:
        detail = source.detail(job.id)
        assert detail.unknown == {}
        assert {each.id: each.parallelism for each in detail.vertices} == {
            each.id: each.parallelism for each in job.vertices
        }
        assert all(len(each.subtasks) == each.parallelism for each in detail.vertices)
        assert all(subtask.status == "RUNNING" for each in detail.vertices for subtask in each.subtasks)
        assert detail.taskmanagers[0].heap_used_bytes
        assert detail.plan.keys() == {each.id for each in job.vertices}
        assert detail.phases_of is not None
        assert all(phase.end_to_end_seconds is not None for phase in detail.checkpoint_phases)
        assert {each.vertex for each in detail.resource_requirements} == {each.id for each in job.vertices}

    def test_one_vertex_alone(self, source: FlinkRestSource, job: JobFacts) -> None:
        vertex = job.vertices[-1]
        assert len(source.subtasks(job.id, vertex.id).subtasks) == vertex.parallelism

    def test_log_files(self, source: FlinkRestSource, job: JobFacts) -> None:
        assert any(
            log.name.endswith(".log")
            for manager in source.detail(job.id).taskmanagers
            for log in source.taskmanager_logs(manager.id)
        )

    def test_what_is_not_there(self, source: FlinkRestSource) -> None:
        with pytest.raises(Unreachable) as caught:
            source.detail("f" * 32)
        assert "\n" not in caught.value.line()
        assert "HTTP 404" in caught.value.line()


LEGACY = ("busy_ratio",)


def seen(source: FlinkRestSource, name: str, holds: Callable[[JobFacts], bool]) -> JobFacts:
    """The job as soon as `holds`."""
    ends = time.monotonic() + PATIENCE_SECONDS
    job = None
    while time.monotonic() < ends:
        snapshot = source.poll(60.0)
        job = next((each for each in snapshot.jobs if each.name == name), None)
        if job is not None and holds(job):
            return job
        time.sleep(0.5)
    raise AssertionError(f"not seen within {PATIENCE_SECONDS:.0f} s; last: {job}")


def measured(job: JobFacts) -> bool:
    return job.state == "RUNNING" and bool(job.vertices) and all(total(each) > 0 for each in job.vertices)


def total(vertex: VertexFacts) -> float:
    """Records a second into it, over all subtasks."""
    rate = vertex.records_in_per_second
    return 0.0 if rate is None or rate.sum is None else rate.sum
