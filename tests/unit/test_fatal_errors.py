"""A TaskManager that ended itself: what its log says, and what the doctor makes of it."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.errors import Unreachable
from flinkops.model.detail import FatalError
from flinkops.model.facts import ClusterFacts
from flinkops.outside.fatal_errors import fatal_errors_in_log
from flinkops.sources.flink.source import FlinkRestSource
from tests.unit.doctor_cases import above_info, evidence, found, job, thrown
from tests.unit.text_flink import TextFlink, text_flink

VERTEX, OTHER = "b" * 32, "c" * 32
GONE = "java.lang.Exception: TaskExecutor with id tm-1 is gone\nCaused by: x.Y: The TaskExecutor is shutting down."
FENCED = "org.apache.kafka.common.errors.InvalidProducerEpochException"


def log(vertex: str, *causes: str) -> str:
    chain = "\n\tat a.B.c(B.java:1)\nCaused by: ".join(causes)
    return (
        "2026-11-29 08:00:00,000 INFO  a.B [] - fine\n"
        "2026-11-29 08:00:01,000 ERROR org.apache.flink.runtime.taskmanager.Task [] - FATAL - exception in exception "
        f"handler of task out: Writer (1/2)#3 ({'e' * 32}_{vertex}_0_3).\n{chain}\n\tat a.B.c(B.java:2)\n"
        "2026-11-29 08:00:02,000 INFO  a.B [] - Caused by nobody\n"
    )


def test_the_chain_of_a_fatal_error_of_ours_and_of_no_other_job() -> None:
    text = log(OTHER, "a.OtherException: no") + log(VERTEX, "a.B: closing failed", f"{FENCED}: Producer attempted")
    assert fatal_errors_in_log(text, {VERTEX}, "taskmanager-2.log") == (
        FatalError(
            "a.B",
            f"a.B: closing failed\nCaused by: {FENCED}: Producer attempted",
            "taskmanager-2.log",
            "out: Writer (1/2)#3",
        ),
    )
    assert fatal_errors_in_log(text, set(), "x") == ()
    assert fatal_errors_in_log(log(VERTEX).splitlines()[1], {VERTEX}, "x") == ()


def lost(*fatal: FatalError) -> list[str]:
    ill = job(state="RESTARTING", exceptions=(thrown(20, GONE), thrown(40, GONE)))
    no_slots = ClusterFacts("prod", "2.3.0", 0, 0, 0)
    return above_info(diagnose(msgspec.structs.replace(evidence(ill, cluster=no_slots), fatal=fatal)))


@pytest.mark.parametrize("name", [FENCED, "java.lang.IllegalStateException"])
def test_what_ended_the_taskmanager_comes_before_the_slots_that_are_missing(name: str) -> None:
    fatal = FatalError(name, f"{name}: Producer attempted", "taskmanager-2.log", "out: Writer (1/2)#3")
    assert lost(fatal)[:2] == ["restart-loop", "out-of-slots"]
    assert lost() == ["out-of-slots", "restart-loop"]


def test_the_finding_says_what_ended_it_or_that_it_is_not_known() -> None:
    ill = evidence(job(exceptions=(thrown(20, GONE), thrown(40, GONE))))
    plain = found("restart-loop", ill)
    fatal = FatalError(FENCED, f"{FENCED}: Producer attempted", "taskmanager-2.log", "out")
    told = found("restart-loop", msgspec.structs.replace(ill, fatal=(fatal,)))
    assert plain is not None
    assert told is not None
    assert any("only its log and its pod tell" in each.text for each in plain.evidence)
    assert "InvalidProducerEpochException" in told.title
    assert told.failure == "kafka-transaction"
    own = evidence(job(exceptions=(thrown(20), thrown(40))))
    assert found("restart-loop", msgspec.structs.replace(own, fatal=(fatal,))) == found("restart-loop", own)


@pytest.fixture
def flink() -> Iterator[FlinkRestSource]:
    with text_flink() as source:
        yield source


@pytest.mark.thorough
def test_the_log_of_one_that_is_gone_is_read_where_processes_share_a_folder(
    flink: FlinkRestSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [
        {"name": "taskmanager-1.log", "size": 9, "mtime": 2000},
        {"name": "taskmanager-1.out", "size": 9, "mtime": 2000},
        {"name": "taskmanager-0.log", "size": 9, "mtime": 500},
        {"name": "a b.log", "size": 9, "mtime": 1500},
    ]
    answers = {
        "/taskmanagers": json.dumps({"taskmanagers": [{"id": "tm 2", "slotsNumber": 1, "freeSlots": 1}]}),
        "/jobmanager/logs": json.dumps({"logs": listed}),
        "/jobmanager/logs/taskmanager-1.log": log(VERTEX, f"{FENCED}: old"),
        "/jobmanager/logs/taskmanager-0.log": log(VERTEX, "a.TooOldException: no"),
        "/jobmanager/logs/a%20b.log": log(VERTEX, "a.EarlierException: no"),
    }
    monkeypatch.setattr(TextFlink, "answers", answers)
    found_ = flink.fatal_errors({VERTEX}, 1000)
    assert [(each.source, each.name) for each in found_] == [
        ("a b.log", "a.EarlierException"),
        ("taskmanager-1.log", FENCED),
    ]
    monkeypatch.setattr(TextFlink, "answers", {"/taskmanagers": answers["/taskmanagers"]})
    with pytest.raises(Unreachable):
        flink.fatal_errors({VERTEX}, 1000)
