"""The REST source on answers that real clusters of Flink 1.20 and 2.3 gave."""

from collections.abc import Iterator

import pytest

from flinkops.clock import FixedClock
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Fault, Recording, serving
from tests.patience import PATIENT_SECONDS

NOW_MS = 1_795_000_000_000


@pytest.fixture(params=["flink-1.20-windows", "flink-2.3-count"])
def flink(request: pytest.FixtureRequest) -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load(request.param))
    with serving(cluster):
        yield cluster


@pytest.fixture
def flink_1_20() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-1.20-windows"))
    with serving(cluster):
        yield cluster


@pytest.fixture
def flink_2_3() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster):
        yield cluster


def poll(flink: FakeFlink, polls: int = 1) -> dict[str, JobFacts]:
    source = FlinkRestSource(parse_endpoint(flink.url), clock=FixedClock(NOW_MS))
    try:
        for _ in range(polls):
            result = source.poll(PATIENT_SECONDS)
        assert result.status.state == "ok", result.status
        return {job.name: job for job in result.jobs}
    finally:
        source.close()


def vertex(job: JobFacts, word: str) -> VertexFacts:
    return next(each for each in job.vertices if word in each.name)


def test_every_job_of_the_cluster_has_a_row(flink: FakeFlink) -> None:
    jobs = poll(flink)
    assert {(job["name"], job["state"]) for job in flink.recording.jobs} == {
        (job.name, job.state) for job in jobs.values()
    }
    assert {job.flink_version for job in jobs.values()} == {flink.recording.answers["/overview"]["flink-version"]}


def test_a_running_job_has_its_facts(flink_1_20: FakeFlink) -> None:
    job = poll(flink_1_20)["windows"]
    windows = vertex(job, "GlobalWindowAggregate")
    source = vertex(job, "Source")
    assert job.restarts == 0
    assert job.seen_ms == NOW_MS
    assert windows.upstream == (source.id,)
    assert windows.state_keys is not None
    assert 100 < (windows.state_keys.sum or 0) < 5000  # 501 keys by windows still open
    assert windows.marker_p99_seconds is not None
    assert windows.late_records is not None
    assert windows.late_records.sum == 0
    assert windows.watermark_ms is not None
    assert windows.watermark_ms.min is not None
    assert abs(windows.watermark_ms.min - (job.started_ms or 0)) < 3_600_000
    assert windows.records_written_per_second is not None
    assert (windows.records_written_per_second.sum or 0) > 0
    assert job.checkpoints is not None
    assert job.checkpoints.interval_seconds == 5.0
    assert job.checkpoints.latest_completed is not None
    assert (job.checkpoints.latest_completed.state_size_bytes or 0) > 10_000


def test_a_legacy_source_has_no_busy_time_and_counts_what_it_emits(flink: FakeFlink) -> None:
    name = "windows" if "windows" in poll(flink) else "count"
    source = vertex(poll(flink)[name], "Source")
    assert source.busy_ratio is None
    assert source.records_in_per_second is not None
    assert (source.records_in_per_second.sum or 0) > 100
    assert "NaN" in poll(flink)[name].unknown[f"vertices.{source.id}.busy_ratio"]


def test_no_watermark_is_a_state_not_a_time(flink_2_3: FakeFlink) -> None:
    aggregate = vertex(poll(flink_2_3)["count"], "GroupAggregate")
    assert aggregate.watermark_none_yet
    assert aggregate.watermark_ms is None
    assert not aggregate.watermark_finished


def test_a_straggler_without_watermark_does_not_hide_the_others(flink_1_20: FakeFlink) -> None:
    path = vertex_path(flink_1_20, "windows", "GlobalWindowAggregate")
    name = "out_w[8]__Writer.currentOutputWatermark"
    flink_1_20.recording.aggregates[path][name] |= {"min": -9.223372036854775808e18, "max": 1.795e12}
    flink_1_20.recording.values[path] |= {f"0.{name}": "-9223372036854775808", f"1.{name}": "1795000000000"}
    windows = vertex(poll(flink_1_20)["windows"], "GlobalWindowAggregate")
    assert windows.watermark_none_yet
    assert windows.watermark_ms is not None
    assert windows.watermark_ms.min == 1_795_000_000_000


def test_a_finished_input_is_told_apart(flink_1_20: FakeFlink) -> None:
    path = vertex_path(flink_1_20, "windows", "GlobalWindowAggregate")
    name = "out_w[8]__Writer.currentOutputWatermark"
    flink_1_20.recording.aggregates[path][name] |= {"min": 9.223372036854775807e18, "max": 9.223372036854775807e18}
    windows = vertex(poll(flink_1_20)["windows"], "GlobalWindowAggregate")
    assert windows.watermark_finished
    assert windows.watermark_ms is None


def test_ended_jobs_keep_their_last_words(flink_1_20: FakeFlink) -> None:
    jobs = poll(flink_1_20, polls=2)
    failed = jobs["failed"]
    assert failed.ended_ms is not None
    assert "ArithmeticException: / by zero" in failed.exceptions[0].message
    assert "restarts" in failed.unknown
    assert jobs["bounded"].state == "FINISHED"
    assert jobs["bounded"].exceptions == ()


def test_a_crash_loop_shows_restarts_and_exceptions(flink_1_20: FakeFlink) -> None:
    job = poll(flink_1_20)["crashing"]
    assert job.exceptions
    assert job.checkpoints is not None
    assert (job.checkpoints.restored_count or 0) > 0


def test_requests_a_job_do_not_grow_with_parallelism_and_static_facts_are_read_once(flink_2_3: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink_2_3.url))
    try:
        source.poll(PATIENT_SECONDS)
        flink_2_3.requests.clear()
        source.poll(PATIENT_SECONDS)
    finally:
        source.close()
    # overview, jobs; the job, its checkpoints, its metrics, and one for each of the two vertices
    assert len(flink_2_3.requests) == 2 + 3 + 2, flink_2_3.requests


def test_what_a_restart_changed_is_listed_again(flink_2_3: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink_2_3.url))
    try:
        source.poll(PATIENT_SECONDS)
        job = flink_2_3.recording.answers[f"/jobs/{flink_2_3.recording.jobs[0]['jid']}"]
        job["vertices"][0]["start-time"] += 60_000
        flink_2_3.requests.clear()
        source.poll(PATIENT_SECONDS)
    finally:
        source.close()
    listings = [each for each in flink_2_3.requests if each.endswith("/subtasks/metrics")]
    assert len(listings) == 1
    assert job["vertices"][0]["id"] in listings[0]


def test_a_metric_that_is_gone_does_not_empty_the_answer_for_good(flink_2_3: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink_2_3.url))
    try:
        source.poll(PATIENT_SECONDS)
        for known in flink_2_3.recording.aggregates.values():
            known.pop("mailboxLatencyMs_p99")
        job = source.poll(PATIENT_SECONDS).jobs[0]
    finally:
        source.close()
    aggregate = vertex(job, "GroupAggregate")
    assert aggregate.busy_ratio is not None
    assert "mailbox_latency_seconds" not in aggregate.measured


@pytest.mark.thorough
def test_metrics_that_come_late_are_unknown_until_then(flink_2_3: FakeFlink) -> None:
    aggregates, flink_2_3.recording.aggregates = flink_2_3.recording.aggregates, {}
    job = poll(flink_2_3)["count"]
    assert vertex(job, "GroupAggregate").busy_ratio is None
    assert "no metrics yet" in job.unknown[f"vertices.{job.vertices[0].id}"]
    asked = [each for each in flink_2_3.requests if each.endswith("/subtasks/metrics")]
    assert len(asked) == 2 * 4  # both vertices again and again: the first question only makes Flink collect
    flink_2_3.recording.aggregates = aggregates
    assert vertex(poll(flink_2_3)["count"], "GroupAggregate").busy_ratio is not None


@pytest.mark.parametrize("kind", ["500", "404", "html", "cut-json", "wrong-types", "hang-up", "truncated"])
@pytest.mark.parametrize(
    ("where", "unknown", "lost"),
    [
        ("/checkpoints", "checkpoints", "checkpoints"),
        ("/subtasks/metrics", "vertices.20ba6b65f97481d5570070de90e4e791", "busy_ratio"),
        ("/metrics?get=numRestarts", "restarts", "restarts"),
    ],
)
@pytest.mark.thorough
def test_a_failing_request_costs_its_facts_not_the_row(
    flink_2_3: FakeFlink, kind: str, where: str, unknown: str, lost: str
) -> None:
    flink_2_3.faults = [Fault(kind, where)]
    job = poll(flink_2_3)["count"]
    assert job.state == "RUNNING"
    assert job.unknown[unknown]
    assert "\n" not in job.unknown[unknown]
    known = getattr(job, lost, None) if lost != "busy_ratio" else vertex(job, "GroupAggregate").busy_ratio
    assert known is None


@pytest.mark.parametrize("said", ["Checkpointing is not enabled for this job (0).", "this job takes no snapshots"])
def test_a_job_without_checkpoints_is_not_one_that_hides_them(flink_2_3: FakeFlink, said: str) -> None:
    path = f"/jobs/{flink_2_3.recording.jobs[0]['jid']}/checkpoints"
    refusal = {"status": 404, "errors": [f"org.x.RestHandlerException: {said}"]}
    flink_2_3.recording.answers |= {path: refusal, f"{path}/config": refusal}
    job = poll(flink_2_3)["count"]
    assert job.checkpoints is not None
    assert not job.checkpoints.enabled
    assert "checkpoints" not in job.unknown


def test_a_job_that_goes_meanwhile_is_not_one_without_checkpoints(flink_2_3: FakeFlink) -> None:
    path = f"/jobs/{flink_2_3.recording.jobs[0]['jid']}"
    gone = {"status": 404, "errors": ["Job not found"]}

    def end(asked: str) -> None:
        if asked == f"{path}/checkpoints/config":
            flink_2_3.recording.answers |= {path: gone, f"{path}/checkpoints": gone, f"{path}/checkpoints/config": gone}

    flink_2_3.before = end
    job = poll(flink_2_3)["count"]
    assert job.checkpoints is None
    assert "not found" in job.unknown["checkpoints"]


def test_a_proxy_that_does_not_know_the_page_is_no_word_about_checkpoints(flink_2_3: FakeFlink) -> None:
    flink_2_3.faults = [Fault("404", "/checkpoints")]
    assert poll(flink_2_3)["count"].checkpoints is None


def test_a_configuration_that_comes_late_is_taken_in(flink_2_3: FakeFlink) -> None:
    source = FlinkRestSource(parse_endpoint(flink_2_3.url))
    flink_2_3.faults = [Fault("403", "/jobmanager/config")]
    try:
        first = source.poll(PATIENT_SECONDS).jobs[0]
        assert "configuration" in first.unknown
        flink_2_3.faults = []
        source._settings_again_at = 0.0
        second = source.poll(PATIENT_SECONDS).jobs[0]
    finally:
        source.close()
    assert "configuration" not in second.unknown
    assert second.configuration["jobmanager.scheduler"] == "adaptive"


def test_a_detail_that_fails_leaves_the_overview(flink_2_3: FakeFlink) -> None:
    flink_2_3.faults = [Fault("500", f"/jobs/{flink_2_3.recording.jobs[0]['jid']}")]
    job = poll(flink_2_3)["count"]
    assert job.state == "RUNNING"
    assert job.vertices == ()
    assert "Ask timed out" in job.unknown["vertices"]


def test_older_runs_of_the_same_name_are_left_out(flink_2_3: FakeFlink) -> None:
    rows = flink_2_3.recording.answers["/jobs/overview"]["jobs"]
    rows.append({**rows[0], "jid": "f" * 32, "state": "FAILED", "start-time": 5, "end-time": 9})
    rows.append({**rows[0], "jid": "e" * 32, "name": "other", "state": "FINISHED", "start-time": 5, "end-time": 9})
    rows.append({**rows[0], "jid": "d" * 32, "name": "other", "state": "CANCELED", "start-time": 6, "end-time": 9})
    assert {(job.name, job.state) for job in poll(flink_2_3).values()} == {
        ("count", "RUNNING"),
        ("other", "CANCELED"),
    }


def test_the_configuration_is_kept_as_it_is(flink_2_3: FakeFlink) -> None:
    settings = flink_2_3.recording.answers["/jobmanager/config"]
    folder = "abfss://container@account.dfs.core.windows.net/savepoints"
    settings.append({"key": "s3.secret-key", "value": "hunter2"})
    settings.append({"key": "execution.checkpointing.savepoint-dir", "value": folder})
    configuration = poll(flink_2_3)["count"].configuration
    assert configuration["s3.secret-key"] == "hunter2"
    assert configuration["execution.checkpointing.savepoint-dir"] == folder
    assert configuration["execution.checkpointing.interval"] == "2000 ms"


def vertex_path(flink: FakeFlink, job_name: str, word: str) -> str:
    jid = next(job["jid"] for job in flink.recording.jobs if job["name"] == job_name)
    vertices = flink.recording.answers[f"/jobs/{jid}"]["vertices"]
    return f"/jobs/{jid}/vertices/{next(each['id'] for each in vertices if word in each['name'])}"


def test_jobs_of_another_share_are_listed_but_not_asked_about(flink_1_20: FakeFlink) -> None:
    everything = set(poll(flink_1_20))
    ours = sorted(everything)[0]
    flink_1_20.requests.clear()
    source = FlinkRestSource(parse_endpoint(flink_1_20.url, name="a"), wanted=lambda key: key == ("a", "", ours))
    try:
        jobs = source.poll(PATIENT_SECONDS).jobs
    finally:
        source.close()
    assert len(everything) > 1
    assert {job.name for job in jobs} == {ours}
    asked = [request for request in flink_1_20.requests if "/jobs/" in request and "/jobs/overview" not in request]
    assert asked
    assert all(jobs[0].id in request for request in asked)
