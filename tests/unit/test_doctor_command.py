"""`flinkops doctor` from outside: the document, the exit codes, recordings, bundles, what is asked of whom."""

import json
import tarfile
from pathlib import Path
from threading import Event

import msgspec
import pytest

from flinkops.bundle import read_evidence, write_bundle
from flinkops.config.policy import Policy
from flinkops.errors import OperationFailed, Unreachable, UsageError
from flinkops.evidence_collector import EvidenceCollector, PollingEvidenceCollector
from flinkops.model.detail import FlameGraph, FlameGraphNode, JobDetail, LogFile, VertexDetail
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.model.findings import EvidenceLine
from flinkops.observer import Observer
from flinkops.outside.export import Export
from flinkops.recording import Recorder
from flinkops.render.doctor import evidence_text
from tests.fake_flink import FakeFlink
from tests.patience import PATIENT_SECONDS
from tests.unit.builders import NOW_MS, failing, snapshot, spread, with_vertex
from tests.unit.command_line import Cli
from tests.unit.doctor_cases import detail, evidence, job, manager
from tests.unit.test_cli_status import DEAD

FINDING_KEYS = [
    "code",
    "severity",
    "confidence",
    "title",
    "vertex",
    "evidence",
    "remedy",
    "next",
    "reference",
    "caused_by",
    "phase",
    "move",
    "failure",
]


def ill() -> JobFacts:
    """Held up, with failing checkpoints."""
    facts = with_vertex(job(checkpoints=failing(3)), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    return with_vertex(facts, "work", busy_ratio=spread(0.98))


def recorded(path: Path, *snapshots: FleetSnapshot) -> str:
    with Recorder(path) as recorder:
        for each in snapshots:
            recorder.write(each)
    return str(path)


def test_the_document_is_the_contracts(cli: Cli, tmp_path: Path) -> None:
    ran = cli("doctor", "--replay", recorded(tmp_path / "a.rec", snapshot(ill())), "-o", "json")
    assert ran.code == 0
    assert ran.out.count("\n") == 1
    document = json.loads(ran.out)
    assert list(document) == ["schema_version", "jobs"]
    first = document["jobs"][0]
    assert list(first) == ["name", "score", "findings", "not_assessed", "namespace", "cluster", "changes"]
    assert [each["code"] for each in first["findings"]] == ["backpressure", "checkpoint-timeout"]
    for finding in first["findings"]:
        assert list(finding) == FINDING_KEYS
        assert all(list(each) == ["text", "value", "limit", "unit"] for each in finding["evidence"])
        assert all(list(each) == ["text", "key", "value"] for each in finding["remedy"])
    assert first["findings"][1]["caused_by"] == "backpressure"
    assert all(list(each) == ["code", "why"] for each in first["not_assessed"])
    assert "recording" in next(each["why"] for each in first["not_assessed"] if each["code"] == "serialization")


@pytest.mark.parametrize("form", ["table", "wide", "yaml", "jsonl", "csv", "name"])
def test_every_form_names_the_finding(cli: Cli, tmp_path: Path, form: str) -> None:
    ran = cli("doctor", "--replay", recorded(tmp_path / "a.rec", snapshot(ill())), "-o", form)
    assert ran.code == 0
    assert "backpressure" in ran.out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (EvidenceLine("busy", 0.934, 0.5, "ratio"), "busy: 93% (limit 50%)"),
        (EvidenceLine("state", 4.2e9, None, "bytes"), "state: 4.2 GB"),
        (EvidenceLine("a checkpoint takes", 75.0, 48.0, "seconds"), "a checkpoint takes: 1m 15s (limit 48 s)"),
        (EvidenceLine("bytes, seconds, share: words alone", 12_400.0, None, "per_second"), None),
        (EvidenceLine("pace of the watermark", 0.25), "pace of the watermark: 0.25"),
        (EvidenceLine("in work"), "in work"),
    ],
)
def test_numbers_are_written_in_their_unit_whatever_the_words_say(line: EvidenceLine, text: str | None) -> None:
    assert evidence_text(line) == (text or f"{line.text}: 12,400/s")


def test_of_many_jobs_those_that_are_well_take_one_line(cli: Cli, tmp_path: Path) -> None:
    others = [msgspec.structs.replace(job(), id=str(number) * 32, name=f"well-{number}") for number in range(3)]
    ran = cli("doctor", "--replay", recorded(tmp_path / "a.rec", snapshot(ill(), *others)))
    assert "well-" not in ran.out
    assert ran.out.splitlines()[-1].startswith("3 others: nothing above info")


def test_exit_code_ten_when_asked_and_something_is_wrong(cli: Cli, tmp_path: Path) -> None:
    bad = recorded(tmp_path / "bad.rec", snapshot(ill()))
    good = recorded(tmp_path / "good.rec", snapshot(job()))
    assert cli("doctor", "--replay", bad, "--exit-code").code == 10
    assert cli("doctor", "--replay", bad).code == 0
    assert cli("doctor", "--replay", good, "--exit-code").code == 0


def test_a_live_fleet_and_one_job_of_it(cli: Cli, flink: FakeFlink) -> None:
    ran = cli("doctor", "--rest", flink.url, "-o", "json")
    assert ran.code == 0
    jobs = {each["name"]: each for each in json.loads(ran.out)["jobs"]}
    assert set(jobs) == {"windows", "crashing", "failed", "bounded"}
    assert jobs["failed"]["findings"][0]["code"] == "restart-loop"
    ran = cli("doctor", "failed", "--rest", flink.url, "-o", "json")
    assert [each["name"] for each in json.loads(ran.out)["jobs"]] == ["failed"]


def test_nobody_reachable_and_no_such_job(cli: Cli, flink: FakeFlink, tmp_path: Path) -> None:
    assert cli("doctor", "--rest", DEAD).code == 3
    assert cli("doctor", "orders", "--rest", DEAD).code == 3
    ran = cli("doctor", "nosuch", "--rest", flink.url)
    assert (ran.code, ran.err.splitlines()[-1].startswith('flinkops: no job "nosuch"')) == (1, True)
    assert cli("doctor", "--replay", str(tmp_path / "nowhere")).code == 2


def test_a_bundle_holds_what_is_needed_and_no_secret(cli: Cli, tmp_path: Path) -> None:
    facts = msgspec.structs.replace(ill(), name="../../etc/pass\x1b[31m", configuration={"s3.secret-key": "hunter2"})
    plan = {"work": "Calc(url=jdbc:postgresql://me:hunter2@db/x?password=hunter2)"}
    kept = evidence(facts, detail=detail(plan=plan))
    path = tmp_path / "case.tar.gz"
    document = json.dumps({"jobs": [{"name": 'failed with "password=hunter2"', "score": None}]})
    write_bundle(path, [kept], document, {"../x/../tm\n.log": "token=hunter2 ok"})
    with tarfile.open(path) as archive:
        names = archive.getnames()
        files = {each.name: file.read() for each in archive if (file := archive.extractfile(each))}
    contents = b"".join(files.values())
    assert json.loads(files["flinkops-bundle/doctor.json"])["jobs"][0]["score"] is None
    assert names == [f"flinkops-bundle/{name}" for name in ("README.txt", "doctor.json", "evidence.jsonl")] + [
        "flinkops-bundle/logs/01-x_.._tm_.log"
    ]
    assert b"hunter2" not in contents
    assert path.stat().st_mode & 0o077 == 0
    ran = cli("doctor", "--replay", str(path), "-o", "json")
    assert ran.code == 0
    assert json.loads(ran.out)["jobs"][0]["findings"][0]["code"] == "backpressure"


def test_a_bundle_never_takes_the_place_of_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.gz"
    path.write_text("mine")
    assert cli("doctor", "--bundle", str(path), "--rest", DEAD).code == 2
    with pytest.raises(OperationFailed):
        write_bundle(path, [evidence()], "{}", {})
    assert path.read_text() == "mine"
    away = tmp_path / "away.tar.gz"
    away.symlink_to(tmp_path / "nowhere")
    for wrong in (away, tmp_path, tmp_path / "no folder" / "case.tar.gz"):
        ran = cli("doctor", "--bundle", str(wrong), "--rest", DEAD)
        assert (ran.code, ran.err.count("\n")) == (2, 1), wrong
    assert not away.exists()


def test_what_is_no_evidence_is_refused(tmp_path: Path) -> None:
    for name, content in (("a", b"\x1f\x8bnonsense"), ("b", b"nonsense"), ("c", b'{"a": 1}'), ("d", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError):
            read_evidence(tmp_path / name)


def test_what_is_not_secret_stays_what_it_is() -> None:
    assert Export().value(evidence(ill())) == evidence(ill())


def test_of_logs_only_warnings_and_traces_unless_all_are_asked_for(tmp_path: Path) -> None:
    log = "1 INFO starting\n2 WARN slow\n3 INFO going on\n4 ERROR x\njava.io.IOException: y\n\tat a.B.c(B.java:1)\n"
    write_bundle(tmp_path / "some.tar.gz", [evidence()], "{}", {"jm.log": log})
    write_bundle(tmp_path / "all.tar.gz", [evidence()], "{}", {"jm.log": log}, whole_logs=True)
    some, everything = (log_in(tmp_path / name) for name in ("some.tar.gz", "all.tar.gz"))
    assert "slow" in some
    assert "\tat a.B.c" in some
    assert "starting" not in some
    assert "2 lines below WARN left out" in some
    assert everything == log


def log_in(bundle: Path) -> str:
    with tarfile.open(bundle) as archive:
        file = archive.extractfile("flinkops-bundle/logs/01-jm.log")
        assert file is not None
        return file.read().decode()


# ---- gathering


class Source:
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.samples = Event()

    def detail(self, job_id: str, *, deadline_seconds: float = 0) -> JobDetail:
        self.asked.append(f"detail {job_id[0]}")
        return detail(taskmanagers=(manager(0.01),))

    def flame_graph(self, job_id: str, vertex_id: str, *, deadline_seconds: float = 0) -> FlameGraph:
        self.asked.append(f"flame {vertex_id}")
        self.samples.set()
        return FlameGraph(at_ms=NOW_MS, root=FlameGraphNode("root", 100))

    def subtasks(self, job_id: str, vertex_id: str, *, deadline_seconds: float = 0) -> VertexDetail:
        raise AssertionError("the detail has them")

    def taskmanager_logs(self, taskmanager_id: str, *, deadline_seconds: float = 0) -> tuple[LogFile, ...]:
        raise AssertionError("logs are read for a bundle only")

    def taskmanager_log(self, taskmanager_id: str, file_name: str, *, deadline_seconds: float = 0) -> str:
        raise AssertionError("logs are read for a bundle only")

    def jobmanager_log(self, *, deadline_seconds: float = 0) -> str:
        raise AssertionError("logs are read for a bundle only")


class Still:
    """The same snapshot at each poll."""

    def __init__(self, taken: FleetSnapshot) -> None:
        self.taken = taken

    def collect(self) -> FleetSnapshot:
        return self.taken

    def close(self) -> None:
        """Nothing is held."""


def test_of_a_fleet_only_what_is_suspicious_is_asked_for_more() -> None:
    healthy = msgspec.structs.replace(job(), id="b" * 32, name="healthy")
    source = Source()
    examiner = PollingEvidenceCollector(Observer(Still(snapshot(ill(), healthy)), Policy()))
    examiner._sources = {"prod": source}
    found = {each.job.name: each for each in examiner.fleet()}
    assert source.asked == ["detail a"]
    assert found["orders"].detail is not None
    assert "nothing pointed at it" in found["healthy"].unknown["detail"]


def test_of_one_job_the_stacks_of_the_bottleneck_are_asked_for() -> None:
    source = Source()
    observation = Observer(Still(snapshot(ill())), Policy()).observe()
    found = EvidenceCollector({"prod": source}).collect(observation, observation.assessment.jobs[0])
    assert source.asked == ["detail a", "flame work"]
    assert [each.vertex for each in found.flame_graphs] == ["work"]


def test_the_stacks_of_a_job_that_starts_are_not_taken() -> None:
    source = Source()
    young = msgspec.structs.replace(ill(), running_since_ms=NOW_MS - 10_000)
    observation = Observer(Still(snapshot(young)), Policy()).observe()
    found = EvidenceCollector({"prod": source}).collect(observation, observation.assessment.jobs[0])
    assert source.asked == ["detail a"]
    assert "how it starts" in found.unknown["flame_graphs"]


class Busier(Still):
    """At the first poll nothing is known of how busy the vertices are; later one is busy."""

    def __init__(self, source: Source) -> None:
        super().__init__(snapshot(ill()))
        self.source = source

    def collect(self) -> FleetSnapshot:
        self.source.asked.append("poll")
        if self.source.asked.count("poll") > 1:
            assert self.source.samples.wait(PATIENT_SECONDS)
            return self.taken
        unknown = [msgspec.structs.replace(each, busy_ratio=None) for each in self.taken.jobs[0].vertices]
        return snapshot(msgspec.structs.replace(ill(), vertices=tuple(unknown)))


def test_flink_samples_stacks_from_the_first_poll_on_and_each_vertex_once() -> None:
    source = Source()
    examiner = PollingEvidenceCollector(Observer(Busier(source), Policy()))
    examiner._sources = {"prod": source}
    (found,) = examiner.jobs(list, second_poll_seconds=0.001)
    assert source.asked.count("flame work") == 1
    assert [each.vertex for each in found.flame_graphs] == ["work"]
    assert examiner._early == {}


def test_what_is_busy_only_at_the_second_poll_is_sampled_then() -> None:
    source = Source()
    still = [
        msgspec.structs.replace(each, busy_ratio=spread(0.1), backpressured_ratio=spread(0.0))
        for each in ill().vertices
    ]
    quiet = msgspec.structs.replace(job(), vertices=tuple(still))
    polls = Busier(source)
    polls.collect = iter([snapshot(quiet), snapshot(ill())]).__next__  # type: ignore[method-assign]
    examiner = PollingEvidenceCollector(Observer(polls, Policy()))
    examiner._sources = {"prod": source}
    (found,) = examiner.jobs(list, second_poll_seconds=0.001)
    assert source.asked == ["detail a", "flame work"]
    assert [each.vertex for each in found.flame_graphs] == ["work"]


def test_why_an_early_sample_failed_is_told() -> None:
    class Refusing(Source):
        def flame_graph(self, job_id: str, vertex_id: str, *, deadline_seconds: float = 0) -> FlameGraph:
            self.samples.set()
            raise Unreachable("no stacks today")

    source = Refusing()
    examiner = PollingEvidenceCollector(Observer(Busier(source), Policy()))
    examiner._sources = {"prod": source}
    (found,) = examiner.jobs(list, second_poll_seconds=0.001)
    assert found.flame_graphs == ()
    assert found.unknown["flame_graphs"] == "no stacks today"


def test_a_fleet_that_is_asked_for_too_much_keeps_its_time() -> None:
    source = Source()
    examiner = PollingEvidenceCollector(Observer(Still(snapshot(ill())), Policy()))
    examiner._sources = {"prod": source}
    found = examiner.fleet(budget_seconds=0)
    assert source.asked == []
    assert "doctor JOB" in found[0].unknown["detail"]
