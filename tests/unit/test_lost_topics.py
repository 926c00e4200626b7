"""A topic that was deleted under a job that reads it: what a log says, and what the doctor makes of it."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from flinkops.config.policy import Policy
from flinkops.errors import Unreachable
from flinkops.evidence_collector import EvidenceCollector
from flinkops.model.detail import JobDetail, LogFile, LostTopic, PartitionDetail, SubtaskDetail, VertexDetail
from flinkops.observer import Observer
from flinkops.outside.lost_topics import lost_topics_in_log
from flinkops.sources.flink.source import FlinkRestSource
from flinkops.sources.lost_topics import lost_topics
from tests.patience import PATIENT_SECONDS
from tests.unit.builders import NOW_MS, snapshot, spread, with_vertex
from tests.unit.doctor_cases import evidence, found, job, sample
from tests.unit.test_doctor_command import Source, Still
from tests.unit.text_flink import TextFlink, text_flink

# of the lab, as they were written but for their times
FETCH = (
    "WARN  org.apache.kafka.clients.consumer.internals.FetchCollector   [] - [Consumer clientId=a-0, groupId=a] "
    "Received unknown topic or partition error in fetch for partition orders-of-2026-3"
)
METADATA = (
    "WARN  org.apache.kafka.clients.NetworkClient                       [] - [Consumer clientId=a-0, groupId=a] The "
    "metadata response from the cluster reported a recoverable issue with correlation id 151183 : "
    "{orders-of-2026=UNKNOWN_TOPIC_OR_PARTITION}"
)
TOPICS = ("orders-of-2026", "paid")


def log(*lines: tuple[str, str]) -> str:
    return "".join(f"2026-11-30 {time},811 {line}\n" for time, line in lines)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (log(("02:58:00", FETCH)), ("orders-of-2026",)),
        (log(("02:58:00", METADATA)), ("orders-of-2026",)),
        (log(("02:58:00", METADATA), ("02:59:00", "INFO  a.B [] - fine")), ("orders-of-2026",)),
        (log(("02:58:00", METADATA), ("02:59:01", "INFO  a.B [] - fine")), ()),
        (log(("02:58:00", FETCH.replace("orders-of-2026", "another"))), ()),
        (log(("02:58:00", METADATA.replace("UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"))), ()),
        (FETCH, ()),
        (f"2026-13-30 02:58:00,811 {FETCH}", ()),
        ("", ()),
    ],
)
def test_topics_that_a_log_says_are_gone_now(text: str, gone: tuple[str, ...]) -> None:
    assert lost_topics_in_log(text, TOPICS) == gone


@pytest.fixture
def flink() -> Iterator[FlinkRestSource]:
    with text_flink() as source:
        yield source


@pytest.mark.parametrize(("written_ms", "gone"), [(NOW_MS - 60_000, True), (NOW_MS - 60_001, False), (None, False)])
def test_the_newest_log_is_read_while_it_is_written(
    flink: FlinkRestSource, monkeypatch: pytest.MonkeyPatch, written_ms: int | None, gone: bool
) -> None:
    files = [("taskmanager.log", written_ms), ("older.log", 5), ("taskmanager.log.1", NOW_MS), ("out", NOW_MS)]
    listed = [{"name": name, "size": 9, "mtime": at} for name, at in files]
    answers = {
        "/taskmanagers/tm%201/logs": json.dumps({"logs": listed}),
        "/taskmanagers/tm%201/logs/taskmanager.log": log(("02:58:00", FETCH)),
    }
    monkeypatch.setattr(TextFlink, "answers", answers)
    told = lost_topics(flink, ["tm 1"], TOPICS, NOW_MS, deadline_seconds=PATIENT_SECONDS)
    assert told == ((LostTopic("orders-of-2026", "the log of TaskManager tm 1"),) if gone else ())
    with pytest.raises(Unreachable):
        lost_topics(flink, ["tm 1", "tm 2"], TOPICS, NOW_MS, deadline_seconds=PATIENT_SECONDS)
    assert lost_topics(flink, [], TOPICS, NOW_MS, deadline_seconds=PATIENT_SECONDS) == ()


def test_a_source_whose_topic_is_gone_is_critical_however_little_came_before() -> None:
    quiet = with_vertex(job(), "src", records_in_per_second=spread(0.0), source_idle_seconds=spread(90.0))
    past = [sample(100, accepted_records=2048), sample(95, accepted_records=2524)]
    plain = evidence(quiet, past)
    told = found("source-idle", msgspec.structs.replace(plain, lost_topics=(LostTopic("orders", "the log"),)))
    before = found("source-idle", plain)
    assert before is not None
    assert before.severity == "info"
    assert told is not None
    assert told.severity == "critical"
    assert told.title == "No records come in: a topic is gone"
    assert "orders is gone, by the log" in [each.text for each in told.evidence]
    assert "Make the topic anew" in told.remedy[0].text


class Starving(Source):
    """A TaskManager that reads of a topic that is gone; it notes for which it was asked."""

    def detail(self, job_id: str, *, deadline_seconds: float = 0) -> JobDetail:
        placed = VertexDetail("src", "vertex src", 1, (SubtaskDetail(0, "RUNNING", taskmanager="tm-1"),))
        read = PartitionDetail("src", "orders-of-2026", 0, 0, offset=5)
        return msgspec.structs.replace(super().detail(job_id), vertices=(placed,), partitions=(read,))

    def taskmanager_logs(self, taskmanager_id: str, *, deadline_seconds: float = 0) -> tuple[LogFile, ...]:
        self.asked.append(f"logs {taskmanager_id}")
        return (LogFile("taskmanager.log", 9, NOW_MS),)

    def taskmanager_log(self, taskmanager_id: str, file_name: str, *, deadline_seconds: float = 0) -> str:
        return log(("02:58:00", METADATA))


@pytest.mark.parametrize(("idle_seconds", "gone"), [(29.0, False), (30.0, True)])
def test_logs_are_asked_where_the_sources_of_topics_read_nothing(idle_seconds: float, gone: bool) -> None:
    quiet = with_vertex(job(), "src", source_idle_seconds=spread(idle_seconds), source_partitions=1)
    source, observation = Starving(), Observer(Still(snapshot(quiet)), Policy()).observe()
    found = EvidenceCollector({"prod": source}).collect(observation, observation.assessment.jobs[0])
    assert [each.name for each in found.lost_topics] == (["orders-of-2026"] if gone else [])
    assert ("logs tm-1" in source.asked) is gone
