"""The five signals, one by one, on facts whose answer is known."""

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.assess.backpressure import backpressure
from flinkops.assess.checkpoints import checkpoints as assess_checkpoints
from flinkops.assess.latency import latency
from flinkops.assess.rates import rates
from flinkops.assess.skew import event_time
from flinkops.assess.state import state_size
from flinkops.config.policy import JobClass, Policy
from flinkops.model.assessment import Bottleneck, JobAssessment
from flinkops.model.facts import JobFacts, Spread
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, failing, job, snapshot, spread, vertex, with_vertex

WINDOWED = JobClass(name="windowed")


MIN_WATERMARK, MAX_WATERMARK = float(-(2**63)), float(2**63 - 1)


def bottleneck_of(facts: JobFacts, past: tuple[JobSample, ...] = ()) -> Bottleneck | None:
    found = backpressure(facts, Graph(facts.vertices), past).value
    assert found is not None
    return found.bottleneck


class TestLatency:
    def of(self, facts: JobFacts) -> tuple[float | None, float | None, str] | str:
        value, unknown, _ = latency(facts, Graph(facts.vertices), ())
        return (value.p50, value.p99, value.method) if value else unknown["processing_latency_seconds"]

    def test_own_distribution_comes_first_and_the_worst_subtask_counts(self) -> None:
        facts = with_vertex(
            job(),
            "work",
            latency_p50_seconds=spread(0.01, max=0.02),
            latency_p99_seconds=spread(0.1, max=0.4),
            marker_p99_seconds=9.0,
        )
        assert self.of(facts) == (0.02, 0.4, "measured")

    def test_a_distribution_of_nothing_is_no_measurement(self) -> None:
        empty = {"latency_p50_seconds": spread(0.0), "latency_p99_seconds": spread(0.0)}
        facts = with_vertex(job(), "work", records_in_per_second=spread(0.0), **empty)
        assert self.of(facts)[2] == "estimated"
        assert self.of(with_vertex(job(), "work", **empty)) == (0.0, 0.0, "measured")

    def test_markers_next(self) -> None:
        facts = with_vertex(job(), "sink", marker_p50_seconds=0.002, marker_p99_seconds=0.009)
        assert self.of(facts) == (0.002, 0.009, "markers")

    def test_littles_law_adds_the_backlog_and_the_worst_path(self) -> None:
        facts = job(
            vertices=(
                vertex("src", pending_records=spread(100, sum=200.0), records_in_per_second=spread(50, sum=100.0)),
                vertex("short", "src", consume_buffers_seconds=spread(0.1)),
                vertex("long", "src", consume_buffers_seconds=spread(0.5, max=1.0)),
                vertex("sink", "short", "long", consume_buffers_seconds=spread(0.2)),
            )
        )
        found = latency(facts, Graph(facts.vertices), ()).value
        assert found is not None
        assert found.method == "estimated"
        assert found.p50 == pytest.approx(200 / 100 + 0.5 + 0.2)
        assert found.p99 == pytest.approx(200 / 100 + 1.0 + 0.2)

    def test_a_skewed_backlog_waits_longer_at_the_worst_subtask(self) -> None:
        facts = job(
            vertices=(
                vertex(
                    "src", pending_records=Spread(min=0, max=180, sum=200), records_in_per_second=spread(50, sum=100)
                ),
            )
        )
        assert self.of(facts) == (2.0, 3.6, "estimated")

    def test_a_backlog_that_nobody_reads_has_no_latency(self) -> None:
        facts = with_vertex(job(), "src", pending_records=spread(7), records_in_per_second=spread(0.0))
        assert "none is being read" in self.of(facts)

    def test_the_reason_names_what_is_missing(self) -> None:
        facts = with_vertex(job(), "src", pending_records=None)
        assert 'source "vertex src" does not report pendingRecords' in self.of(facts)

    def test_what_the_source_says_of_a_vertex_is_passed_on(self) -> None:
        facts = job(
            unknown={"vertices.src": "Flink has no metrics of it yet"},
            vertices=(vertex("src", pending_records=None),),
        )
        assert "Flink has no metrics of it yet" in self.of(facts)

    @pytest.mark.parametrize("state", ["RESTARTING", "FINISHED", "UNKNOWN"])
    def test_nothing_is_measured_of_a_job_that_does_not_run(self, state: str) -> None:
        facts = with_vertex(job(state=state), "work", latency_p99_seconds=spread(0.1))
        assert isinstance(self.of(facts), str)


class TestSkew:
    def test_the_furthest_behind_counts(self) -> None:
        facts = with_vertex(job(), "sink", watermark_ms=Spread(min=NOW_MS - 90_000, max=NOW_MS - 1_000))
        time = event_time(facts, Graph(facts.vertices), (), WINDOWED).value
        assert time.skew_seconds == 90.0
        assert time.watermark_ms == NOW_MS - 90_000
        assert time.vertices["sink"].spread_seconds == 89.0
        assert "straggling" in time.cause

    @pytest.mark.parametrize("low", [MIN_WATERMARK, None])
    def test_none_yet_is_no_number(self, low: float | None) -> None:
        facts = job(vertices=(vertex("src", watermark_ms=Spread(min=low), watermark_none_yet=True),))
        found = event_time(facts, Graph(facts.vertices), (), WINDOWED)
        assert found.value.skew_seconds is None
        assert found.value.vertices["src"].state == "none-yet"
        assert found.unknown["event_time_skew_seconds"] == "no vertex has produced a watermark yet"

    def test_finished_inputs_do_not_hold_time_back(self) -> None:
        facts = with_vertex(job(), "src", watermark_ms=Spread(min=MAX_WATERMARK), watermark_finished=True)
        time = event_time(facts, Graph(facts.vertices), (), WINDOWED).value
        assert time.skew_seconds == 5.0
        assert time.vertices["src"].state == "finished"

    def test_all_finished(self) -> None:
        facts = job(vertices=(vertex("src", watermark_ms=None, watermark_finished=True),))
        assert event_time(facts, Graph(facts.vertices), (), WINDOWED).unknown["watermark"] == "all inputs have ended"

    def test_a_silent_second_input_makes_the_job_s_skew_unknown(self) -> None:
        silent = {"watermark_ms": None, "watermark_none_yet": True}
        facts = job(vertices=(vertex("a"), vertex("b", **silent), vertex("join", "a", "b", **silent)))
        found = event_time(facts, Graph(facts.vertices), (), WINDOWED)
        assert found.value.skew_seconds is None
        assert '"vertex b" has produced no watermark yet' in found.unknown["event_time_skew_seconds"]

    def test_a_silent_subtask_holds_back_what_follows(self) -> None:
        facts = job(
            vertices=(
                vertex("src", watermark_ms=Spread(max=NOW_MS), watermark_none_yet=True),
                vertex("sink", "src", watermark_ms=None, watermark_none_yet=True),
            )
        )
        assert event_time(facts, Graph(facts.vertices), (), WINDOWED).value.skew_seconds is None

    def test_idle_subtasks_of_a_source_do_not(self) -> None:
        facts = with_vertex(
            job(), "src", watermark_ms=Spread(min=NOW_MS - 3_000, max=NOW_MS - 3_000), watermark_none_yet=True
        )
        assert event_time(facts, Graph(facts.vertices), (), WINDOWED).value.skew_seconds == 5.0

    def test_a_sink_that_hands_no_watermark_on_says_nothing(self) -> None:
        facts = with_vertex(job(), "sink", watermark_ms=None, watermark_none_yet=True)
        assert event_time(facts, Graph(facts.vertices), (), WINDOWED).value.skew_seconds == 5.0

    def test_of_equals_the_first_in_the_flow_is_named_and_an_empty_input_is_said(self) -> None:
        facts = with_vertex(job(vertices=tuple(reversed(job().vertices))), "src", records_in_per_second=spread(0.0))
        assert (
            event_time(facts, Graph(facts.vertices), (), WINDOWED).value.cause
            == '"vertex src" is furthest behind, no records come in'
        )

    def test_alignment_and_idleness_are_named(self) -> None:
        facts = with_vertex(job(), "src", split_paused_ratio=spread(0.4), split_idle_ratio=spread(0.9))
        cause = event_time(facts, Graph(facts.vertices), (), WINDOWED).value.cause
        assert "alignment" in cause
        assert "idle" in cause


class TestState:
    CLASS = JobClass(name="x", state_bytes=10_000_000)

    def grown(self, per_checkpoint: int, **fields: object) -> JobFacts:
        """A checkpoint each 10 s, each larger than the last."""
        history = tuple(
            checkpoint(9 - index, NOW_MS - 10_000 * index, state_size_bytes=5_000_000 - per_checkpoint * index)
            for index in range(6)
        )
        return job(checkpoints=checkpoints(history=history, latest_completed=history[0]), **fields)

    def test_growth_and_time_to_the_limit(self) -> None:
        found = state_size(self.grown(1_000), (), self.CLASS).value
        assert found.growth_bytes_per_hour == pytest.approx(360_000)
        assert found.outlook.seconds_to_limit == pytest.approx(5_000_000 / 360_000 * 3600)
        assert found.outlook.increment_bytes == 10_000

    def test_shrinking_state_never_reaches_the_limit(self) -> None:
        found = state_size(self.grown(-1_000), (), self.CLASS).value
        assert found.growth_bytes_per_hour == pytest.approx(-360_000)
        assert found.outlook.seconds_to_limit is None

    def test_one_odd_checkpoint_does_not_move_the_slope(self) -> None:
        facts = self.grown(1_000)
        assert facts.checkpoints is not None
        odd = [msgspec.structs.replace(each, state_size_bytes=10**9) if each.id == 7 else each
               for each in facts.checkpoints.history]  # fmt: skip
        facts = msgspec.structs.replace(facts, checkpoints=checkpoints(history=tuple(odd)))
        growth = state_size(facts, (), self.CLASS).value.growth_bytes_per_hour
        assert growth == pytest.approx(360_000, rel=0.5)

    def test_savepoints_have_another_size(self) -> None:
        facts = self.grown(0)
        assert facts.checkpoints is not None
        save = checkpoint(99, NOW_MS, is_savepoint=True, state_size_bytes=10**9)
        facts = msgspec.structs.replace(facts, checkpoints=checkpoints(history=(save, *facts.checkpoints.history)))
        assert state_size(facts, (), self.CLASS).value.growth_bytes_per_hour == 0

    def test_earlier_samples_of_the_same_execution_count(self) -> None:
        facts = job(checkpoints=checkpoints(history=(), latest_completed=checkpoint(1, NOW_MS)))
        past = [
            JobSample(at_ms=NOW_MS - 60_000 * age, state="RUNNING", job_id="a" * 32, state_bytes=10**6 - 1000 * age)
            for age in (3, 2, 1)
        ]
        assert state_size(facts, past, self.CLASS).value.growth_bytes_per_hour == pytest.approx(60_000)
        other = [msgspec.structs.replace(each, job_id="b") for each in past]
        assert state_size(facts, other, self.CLASS).value.growth_bytes_per_hour is None

    def test_keys_and_bytes_per_key(self) -> None:
        facts = with_vertex(job(), "work", state_keys=spread(50, sum=200.0), state_live_bytes=spread(1, sum=8_000.0))
        found = state_size(facts, (), self.CLASS).value
        assert (found.state_keys, found.bytes_per_key, found.outlook.largest_vertex) == (200, 40.0, "vertex work")

    def test_no_checkpoint_no_size(self) -> None:
        facts = job(checkpoints=checkpoints(latest_completed=None, history=()))
        found = state_size(facts, (), self.CLASS)
        assert found.value.state_bytes is None
        assert "no checkpoint has completed" in found.unknown["state_bytes"]


class TestCheckpoints:
    def test_the_newest_finished_one_gives_the_status(self) -> None:
        under_way = checkpoint(10, NOW_MS, status="IN_PROGRESS", duration_seconds=None)
        facts = job(checkpoints=checkpoints(history=(under_way, *checkpoints().history), in_progress=1))
        found = assess_checkpoints(facts, ()).value
        assert found is not None
        assert (found.status, found.age_seconds, found.duration_seconds) == ("COMPLETED", 1.5, 0.5)

    def test_failures_in_a_row_with_their_cause(self) -> None:
        found = assess_checkpoints(job(checkpoints=failing(3)), ()).value
        assert found is not None
        assert (found.status, found.failed_in_a_row) == ("FAILED", 3)
        assert found.failure == "Checkpoint expired before completing."

    def test_a_failed_savepoint_is_no_failed_checkpoint(self) -> None:
        save = checkpoint(10, NOW_MS, status="FAILED", is_savepoint=True, failure="no such directory")
        found = assess_checkpoints(job(checkpoints=checkpoints(history=(save, *checkpoints().history))), ()).value
        assert found is not None
        assert (found.status, found.failed_in_a_row, found.failure) == ("COMPLETED", 0, None)

    def test_failures_beyond_flinks_short_history_are_remembered(self) -> None:
        history = tuple(checkpoint(30 - index, NOW_MS - index, status="FAILED") for index in range(10))
        facts = job(checkpoints=checkpoints(history=history))
        past = [JobSample(at_ms=1, state="RUNNING", job_id="a" * 32, checkpoints_failed_in_a_row=14)]
        found = assess_checkpoints(facts, past).value
        assert found is not None
        assert found.failed_in_a_row == 14

    def test_after_a_jobmanager_restart_the_counters_begin_anew(self) -> None:
        facts = job(checkpoints=checkpoints(history=(), latest_completed=None, completed=0, failed=0))
        past = [JobSample(at_ms=1, state="RUNNING", job_id="a" * 32, checkpoints_failed_in_a_row=14)]
        found = assess_checkpoints(facts, past)
        assert found.value is not None
        assert (found.value.status, found.value.failed_in_a_row, found.value.age_seconds) == ("NONE", 0, None)
        assert "checkpoints.age_seconds" in found.unknown

    def test_disabled(self) -> None:
        facts = job(checkpoints=checkpoints(enabled=False, history=(), latest_completed=None, interval_seconds=None))
        found = assess_checkpoints(facts, ())
        assert found.value is not None
        assert found.value.status == "DISABLED"
        assert found.not_applicable["checkpoints.age_seconds"] == "checkpointing is disabled"


class TestRates:
    def of(self, facts: JobFacts, past: tuple[JobSample, ...] = ()) -> tuple[object, dict[str, str]]:
        found = rates(facts, Graph(facts.vertices), past, WINDOWED)
        return found.value, dict(found.unknown)

    def test_in_is_what_the_sources_read_out_what_the_writers_take(self) -> None:
        facts = with_vertex(job(), "sink", records_written_per_second=spread(20, sum=40.0))
        value, _ = self.of(with_vertex(facts, "src", records_in_per_second=spread(60, sum=120.0)))
        assert (value.records_in_per_second, value.records_out_per_second) == (120.0, 40.0)  # type: ignore[attr-defined]

    def test_a_sum_with_a_missing_source_is_unknown(self) -> None:
        facts = job(vertices=(vertex("a"), vertex("b", records_in_per_second=None)))
        value, unknown = self.of(facts)
        assert value.records_in_per_second is None  # type: ignore[attr-defined]
        assert '"vertex b"' in unknown["records_in_per_second"]

    def test_dropped_from_the_counter_between_two_polls(self) -> None:
        facts = with_vertex(job(), "work", unchanged_dropped=spread(1, sum=1_500.0))
        value, unknown = self.of(facts)
        assert value.records_dropped_per_second is None  # type: ignore[attr-defined]
        assert "second poll" in unknown["records_dropped_per_second"]
        before = JobSample(at_ms=NOW_MS - 10_000, state="RUNNING", job_id="a" * 32, unchanged_dropped=500)
        value, _ = self.of(facts, (before,))
        assert value.records_dropped_per_second == 100.0  # type: ignore[attr-defined]

    def test_late_share(self) -> None:
        facts = with_vertex(job(), "work", late_records=spread(1, sum=25.0), accepted=spread(1, sum=75.0))
        value, _ = self.of(facts)
        assert (value.late_records, value.late_ratio) == (25, 0.25)  # type: ignore[attr-defined]


@pytest.mark.parametrize("facts", [job(), job(vertices=(), checkpoints=None), job(state="FINISHED")])
def test_what_signals_give_has_the_types_that_the_document_says(facts: JobFacts) -> None:
    (found,) = assess(snapshot(facts), {}, Policy()).jobs
    assert msgspec.convert(msgspec.to_builtins(found), JobAssessment) == found
