"""The autoscale commands as far as they go without a cluster: documents, exit codes, plans, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.autoscale_plan import plan_autoscale
from flinkops.act.control import Load
from flinkops.act.lock import loop_lock
from flinkops.act.outcomes import ThroughputSeen
from flinkops.act.running import StepRun
from flinkops.act.throughput_steps import verify_throughput
from flinkops.autoscale.controller import advise
from flinkops.autoscale.settings import Settings
from flinkops.autoscale.taskmanagers import memory_advice
from flinkops.clock import FixedClock
from flinkops.errors import OperationFailed, Refused
from flinkops.model.detail import ResourceRequirement, TaskManagerDetail
from flinkops.model.facts import (
    CheckpointsFacts,
    ClusterFacts,
    FleetSnapshot,
    JobFacts,
    SourceStatus,
)
from flinkops.model.plan import Plan, Target
from flinkops.plan.identity import Stamp
from flinkops.plan.step_inputs import VerifyThroughput
from flinkops.recording import Recorder
from tests.unit.autoscale_cases import source_and_work
from tests.unit.command_line import run
from tests.unit.fake_cluster import FakeCluster

T0_MS = 1_795_442_551_000
SAMPLE = Path(__file__).parent.parent / "cr_samples" / "autoscaler-1.15.json"
NOBODY = "127.0.0.1:9"


pytestmark = pytest.mark.usefixtures("nothing_from_outside")


def facts(poll: int, *, busy: float = 0.98, **changes: Any) -> JobFacts:
    """Ten seconds a poll: 98 records a second through an operator that is so busy."""
    made = JobFacts(
        id="a" * 32,
        name="orders",
        cluster="c",
        seen_ms=T0_MS + poll * 10_000,
        state="RUNNING",
        scheduler="Adaptive",
        running_since_ms=T0_MS - 3_600_000,
        vertices=source_and_work(poll, busy),
        checkpoints=CheckpointsFacts(enabled=True, completed=5, failed=0, in_progress=0),
        configuration={"job.autoscaler.utilization.max": "0.9"},
    )
    return msgspec.structs.replace(made, **changes)


def recording(path: Path, polls: int = 7, **changes: Any) -> str:
    with Recorder(path) as recorder:
        for poll in range(polls):
            job = facts(poll, **changes)
            recorder.write(
                FleetSnapshot(
                    taken_ms=job.seen_ms,
                    sources=(SourceStatus("c", "rest", "ok"),),
                    clusters=(ClusterFacts("c", slots_total=8, slots_available=7),),
                    jobs=(job,),
                )
            )
    return str(path)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_advise_is_the_contracts_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("autoscale", "advise", "orders", "--replay", recording(tmp_path / "r"), "-o", "json") == 0
    document = said(capsys)
    assert (document["schema_version"], document["job"], document["verdict"]) == (1, "orders", "scale")
    assert document["blocked_by"] == []
    source, work = document["vertices"]
    assert {
        "id",
        "name",
        "current",
        "recommended",
        "true_processing_rate",
        "target_rate",
        "expected_rate",
        "utilization",
        "why",
    } <= work.keys()
    assert (source["recommended"], work["current"], work["recommended"]) == (1, 1, 2)
    assert work["true_processing_rate"] == pytest.approx(100.0)
    assert work["target_rate"] == pytest.approx(98.0)
    assert work["expected_rate"] == pytest.approx(200.0)
    assert work["utilization"] == pytest.approx(0.98)


def test_advise_for_people_and_for_rescale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = recording(tmp_path / "r")
    assert run("autoscale", "advise", "orders", "--replay", file) == 0
    text = capsys.readouterr().out
    assert "orders: scale enrich 1 -> 2" in text
    assert "1 × 156/s / 100/s = 1.56" in text
    assert run("autoscale", "advise", "orders", "--replay", file, "-o", "name") == 0
    assert capsys.readouterr().out == "w=2\n"


def test_advise_exit_code(tmp_path: Path) -> None:
    assert run("autoscale", "advise", "orders", "--replay", recording(tmp_path / "r"), "--exit-code") == 10
    assert run("autoscale", "advise", "orders", "--replay", recording(tmp_path / "h", busy=0.7), "--exit-code") == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("advise", "orders", "--rest", NOBODY, "--seconds", "0"), 3),
        (("advise", "orders", "--replay", "none.rec"), 2),
        (("run", "orders", "--rest", NOBODY), 5),  # nobody to confirm it
        (("run", "orders", "--rest", NOBODY, "--yes", "--read-only"), 5),
        (("run", "orders", "--rest", NOBODY, "--dry-run", "--seconds", "0", "--listen", "here"), 2),
        (("enable", "orders", "--rest", NOBODY, "--yes"), 2),
        (("enable", "orders", "--rest", NOBODY, "--yes", "--set", "utilisation=1"), 2),
        (("memory", "orders", "--rest", NOBODY), 3),
        (("explain", "orders", "--configmap", "none.yaml"), 2),
        (("replay", "orders", "--rest", NOBODY), 2),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("autoscale", *arguments) == code
    assert "Traceback" not in capsys.readouterr().err


def test_no_such_job_in_a_recording(tmp_path: Path) -> None:
    assert run("autoscale", "advise", "others", "--replay", recording(tmp_path / "r")) == 1


def test_a_setting_that_is_misspelt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("autoscale", "advise", "orders", "--replay", recording(tmp_path / "r"), "--set", "utilization.traget=1")
        == 2
    )
    assert 'did you mean "utilization.target"' in capsys.readouterr().err


def test_replay_sets_settings_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = recording(tmp_path / "r", polls=120)
    assert run("autoscale", "replay", "orders", file, "--set", "metrics.window=1m", "-o", "json") == 0
    recorded, these, operator = said(capsys)["runs"]
    assert recorded["slot_hours"] == pytest.approx(1190 / 3600, rel=0.02)
    assert recorded["rescales"] == 0
    assert these["parallelism"]["w"] == 2
    assert operator["run"] == "the operator's defaults"


def test_explain_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("autoscale", "explain", "count", "--configmap", str(SAMPLE), "-o", "json") == 0
    document = said(capsys)
    assert document["enabled"] is None
    assert document["waits"][0]["wanted"] == 1


@pytest.mark.parametrize(
    ("off_ms", "verdict", "why"),
    [
        (-29, "scale", ""),  # stamped by a clock that was slewed meanwhile
        (0, "scale", ""),
        (-600, "hold", "too young: 29 s of metrics, at least 30 s count"),
        (-20_000, "hold", "too young: 10 s of metrics, at least 30 s count"),
    ],
)
def test_what_is_too_young_never_reads_as_long_enough(off_ms: int, verdict: str, why: str) -> None:
    polls = [facts(poll) for poll in range(4)]
    polls[-1] = msgspec.structs.replace(polls[-1], seen_ms=polls[-1].seen_ms + off_ms)
    decision = advise(polls if off_ms > -10_000 else [polls[0], polls[-1]], Settings(utilization_max=0.9))
    assert (decision.verdict, "".join(decision.blocked_by)) == (verdict, why)


# ---- the plan


REQUIREMENTS = (ResourceRequirement("s", 1, 1), ResourceRequirement("w", 1, 1))
CLUSTER = ClusterFacts("c", slots_total=8, slots_available=7)
STAMP = Stamp("autoscale-apply-1", T0_MS)


def planned(*, busy: float = 0.98, cluster: ClusterFacts = CLUSTER, take_over: bool = False, **changes: Any) -> Plan:
    polls = [facts(poll, busy=busy, **changes) for poll in range(7)]
    settings = Settings(utilization_max=0.9)
    decision = advise(polls, settings, slots_free=cluster.slots_available)
    return plan_autoscale(decision, polls[-1], REQUIREMENTS, cluster, STAMP, take_over=take_over)


def test_the_plan_verifies_parallelism_checkpoint_and_throughput() -> None:
    plan = planned()
    assert plan.refused == ()
    assert plan.verb == "autoscale-apply"
    assert [step.name for step in plan.steps] == ["require", "rescaled", "stable", "throughput"]
    assert plan.steps[-1].do == VerifyThroughput(98.0)
    assert [step.action for step in plan.rollback_steps][:1] == ["require-parallelism"]
    assert any("enrich: 1 × " in why for why in plan.why)


def test_nothing_to_do_is_refused() -> None:
    plan = planned(busy=0.7)
    assert plan.steps == ()
    assert "nothing to change" in plan.refused[0]


def test_beside_the_operators_autoscaler_it_is_refused_unless_taken_over() -> None:
    on = {"job.autoscaler.enabled": "true"}
    assert any("operator's autoscaler is on" in why for why in planned(configuration=on).refused)
    assert planned(configuration=on, take_over=True).refused == ()


def test_no_slots_is_refused() -> None:
    full = msgspec.structs.replace(CLUSTER, slots_available=0)
    assert any("free" in why for why in planned(cluster=full).refused)


# ---- throughput


def watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: float, load_after: Callable[[float], Load]
) -> ThroughputSeen:
    clock = FixedClock(T0_MS)
    control = FakeCluster(tmp_path / "cluster")
    monkeypatch.setattr(control, "load", lambda _job_id: load_after(clock.monotonic()))
    plan = Plan("p", "autoscale-apply", Target("c", "orders", "a" * 32), T0_MS)
    run = StepRun(control, plan, clock, 1_000.0, 0.5, lambda _text: None)
    return verify_throughput(run, VerifyThroughput(expected))


def rising(records_per_second: float, lag_per_second: float | None = 0.0) -> Callable[[float], Load]:
    def load(seconds: float) -> Load:
        pending = None if lag_per_second is None else round(1_000_000 + lag_per_second * seconds)
        return Load(round(1_000_000 + records_per_second * seconds), pending)

    return load


def test_enough_throughput(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(tmp_path, monkeypatch, 10_000.0, rising(12_000.0))
    assert "10000 expected" in seen.throughput


def test_less_than_expected_but_all_that_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "as much as arrives" in watched(tmp_path, monkeypatch, 10_000.0, rising(5_000.0, -3_000.0)).throughput


def test_too_little_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationFailed, match="10000 expected"):
        watched(tmp_path, monkeypatch, 10_000.0, rising(5_000.0, 5_000.0))


def test_an_idle_source_that_lags_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationFailed):
        watched(tmp_path, monkeypatch, 10_000.0, rising(0.0, 0.0))


def test_what_flink_does_not_tell_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        watched(tmp_path, monkeypatch, 10.0, lambda _seconds: Load(unknown="no metric")).throughput
        == "unknown: no metric"
    )


# ---- memory


MIB = 1024 * 1024


def manager(**changes: Any) -> TaskManagerDetail:
    base = TaskManagerDetail(
        "t", heap_used_bytes=400 * MIB, heap_max_bytes=800 * MIB, managed_used_bytes=300 * MIB,
        managed_total_bytes=400 * MIB, network_used_bytes=10 * MIB, network_total_bytes=128 * MIB, gc_ratio=0.01,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def wanted(managers: list[TaskManagerDetail], state_bytes: int | None = 350 * MIB) -> dict[str, int | None]:
    return {each.pool: each.recommended_bytes for each in memory_advice(managers, state_bytes)}


def test_memory_that_fits_is_kept() -> None:
    assert wanted([manager(), manager()], 700 * MIB) == {"heap": None, "managed": None, "network": None}


@pytest.mark.parametrize(
    ("changes", "pool", "bytes_"),
    [
        ({"heap_used_bytes": 700 * MIB}, "heap", 1024 * MIB),
        ({"gc_ratio": 0.4}, "heap", 1216 * MIB),
        ({"heap_used_bytes": 80 * MIB}, "heap", 448 * MIB),
        ({"managed_used_bytes": 0}, "managed", 0),
        ({"network_used_bytes": 120 * MIB}, "network", 192 * MIB),
    ],
)
def test_memory_that_does_not_fit(changes: dict[str, Any], pool: str, bytes_: int) -> None:
    assert wanted([manager(**changes)])[pool] == bytes_


def test_memory_that_is_not_told_is_no_advice() -> None:
    found = memory_advice([TaskManagerDetail("t")], None)
    assert [each.recommended_bytes for each in found] == [None, None, None]
    assert all("do not tell" in each.why for each in found)


def test_a_second_loop_on_one_job_is_refused(tmp_path: Path) -> None:
    second = pytest.raises(Refused, match="another `autoscale run` has orders")
    with loop_lock(tmp_path, "orders"), loop_lock(tmp_path, "payments"), second, loop_lock(tmp_path, "orders"):
        pass
    with loop_lock(tmp_path, "orders"):
        pass  # free again
