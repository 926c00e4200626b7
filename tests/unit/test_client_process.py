"""What flinkops and its client say to each other: with a client that is a few lines of Python, not a JVM."""

import json
import os
import socket
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from flinkops.act.rest import held, rehearsing
from flinkops.act.rest.client_runs import ClientRun
from flinkops.act.rest.held import CannotHold, hold
from flinkops.act.rest.rehearsing import Asked, rehearse
from flinkops.errors import OperationFailed, TimedOut
from flinkops.local import client_process
from flinkops.local.client import Client
from flinkops.local.client_process import ClientProcess
from flinkops.model.launch import Launch
from flinkops.model.rehearsal import Rehearsal, RehearsedSample
from tests.unit.fake_cluster import JOB_ID, FakeCluster

LAUNCH = Launch("client", ("prices.py",))
PROLOGUE = """
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["FLINKOPS_EXECUTOR_FOLDER"])
def say(name, text=""):
    (folder / "part").write_text(text)
    (folder / "part").replace(folder / name)
def heard():
    return sys.stdin.readline().rstrip("\\n")
"""

Play = Callable[[str], None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Makes this program the client of every launch."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()

    def as_client(program: str) -> None:
        script = tmp_path / "client.py"
        script.write_text(PROLOGUE + textwrap.dedent(program))
        run = ClientRun(Client((sys.executable, str(script)), dict(os.environ), "2.3.0"), [], "ours")
        monkeypatch.setattr(held, "client_run", lambda *_given, **_named: run)
        monkeypatch.setattr(rehearsing, "client_run", lambda *_given, **_named: run)

    return as_client


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def control(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path / "cluster.json")


def quietly(_text: str) -> None:
    pass


FROM_SAVEPOINT, FROM_NEWEST = Asked(quietly, "file:/sp"), Asked(quietly)


def test_a_compiled_program_waits_for_its_savepoint(
    play: Play, scratch: Path, control: FakeCluster, tmp_path: Path
) -> None:
    play(f"""
        say("ready")
        pathlib.Path({str(tmp_path / "heard")!r}).write_text(heard())
        say("submitted")
        heard()
    """)
    waiting = hold(control, LAUNCH, JOB_ID, quietly)
    assert waiting.waits
    assert not (tmp_path / "heard").exists(), "nothing is submitted before it is told to"
    waiting.submit("s3://bucket/a path")
    assert (tmp_path / "heard").read_text() == "s3://bucket/a path"
    waiting.close()
    waiting.close()
    assert not waiting.waits
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "kind", "text"),
    [
        ('print("Caused by: java.lang.IllegalStateException: no topic"); sys.exit(1)', OperationFailed, "no topic"),
        ("sys.exit(0)", OperationFailed, "says nothing"),
        ('say("bypassed", "remote"); sys.exit(1)', CannotHold, "execution.target"),
    ],
)
def test_a_program_that_comes_to_no_graph_is_not_held(
    play: Play, scratch: Path, control: FakeCluster, program: str, kind: type[Exception], text: str
) -> None:
    play(program)
    with pytest.raises(kind, match=text):
        hold(control, LAUNCH, JOB_ID, quietly)
    assert list(scratch.iterdir()) == []


def test_a_program_that_never_ends_its_graph_is_given_up(
    play: Play, scratch: Path, control: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_COMPILED_SECONDS", 0.2)
    play("heard()")
    with pytest.raises(TimedOut, match="job graph"):
        hold(control, LAUNCH, JOB_ID, quietly)
    assert list(scratch.iterdir()) == []


def test_a_client_that_dies_while_it_submits_says_why(play: Play, control: FakeCluster) -> None:
    play("""
        say("ready")
        heard()
        print("Caused by: java.net.ConnectException: refused")
    """)
    waiting = hold(control, LAUNCH, JOB_ID, quietly)
    with pytest.raises(OperationFailed, match="ConnectException: refused"):
        waiting.submit("s3://bucket/savepoint")
    waiting.close()


class Told(NamedTuple):
    """A rehearsal and what its client was told."""

    found: Rehearsal
    paths: list[str]


def seen(outcome: str, **more: Any) -> str:
    return json.dumps({"schema_version": 1, "outcome": outcome, "phase": "restore", "job": "prices", **more})


GONE = seen("impossible", causes=[{"class": "java.io.FileNotFoundException", "message": "/chk-7/_metadata"}])
ALIVE = seen("restored", restore_ms=100)


def rehearsed(play: Play, control: FakeCluster, tmp_path: Path, answers: list[str], asked: Asked = FROM_NEWEST) -> Told:
    """The client gives these answers, one a path."""
    log = tmp_path / "paths"
    log.write_text("")
    play(f"""
        say("ready")
        for number, answer in enumerate({answers!r}):
            path = heard()
            with open({str(log)!r}, "a") as file:
                file.write(path + "\\n")
            say(f"verdict-{{number}}.json", answer)
        heard()
    """)
    job = control.job(JOB_ID)
    assert job is not None
    found = rehearse(control, job, LAUNCH, None, asked)
    return Told(found, log.read_text().splitlines())


def test_the_state_that_is_named_is_restored_once(play: Play, control: FakeCluster, tmp_path: Path) -> None:
    told = rehearsed(play, control, tmp_path, [ALIVE], FROM_SAVEPOINT)
    assert (told.found.verdict, told.paths) == ("restores", ["file:/sp"])
    gone = rehearsed(play, control, tmp_path, [GONE], FROM_SAVEPOINT)
    assert (gone.found.verdict, gone.paths) == ("cannot-tell", ["file:/sp"])


def test_a_subsumed_checkpoint_is_no_verdict(
    play: Play, control: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = iter([[f"file:/chk-{number}"] for number in range(7, 10)])
    monkeypatch.setattr(rehearsing, "usable_paths", lambda _job: next(paths))
    told = rehearsed(play, control, tmp_path, [GONE, GONE, ALIVE])
    assert (told.found.verdict, told.paths) == ("restores", ["file:/chk-7", "file:/chk-8", "file:/chk-9"])


def test_then_a_savepoint_is_taken(
    play: Play, control: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = iter([[f"file:/chk-{number}"] for number in range(7, 10)])
    monkeypatch.setattr(rehearsing, "usable_paths", lambda _job: next(paths))
    monkeypatch.setattr(rehearsing, "_savepoints", lambda _job: [])
    asked = Asked(quietly, take_savepoint=lambda: "s3://bucket/taken")
    told = rehearsed(play, control, tmp_path, [GONE, GONE, GONE, ALIVE], asked)
    assert (told.found.verdict, told.paths[-1], len(told.paths)) == ("restores", "s3://bucket/taken", 4)


def test_without_any_state_nothing_can_be_told(
    play: Play, control: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "usable_paths", lambda _job: [])
    told = rehearsed(play, control, tmp_path, [])
    assert (told.found.verdict, told.paths) == ("cannot-tell", [])
    assert "no checkpoint or savepoint of the job is known" in (told.found.cause or "")


@pytest.mark.parametrize(
    ("program", "verdict", "cause"),
    [
        ('print("Caused by: java.lang.NoClassDefFoundError: a/B"); sys.exit(1)', "fails", "NoClassDefFoundError: a/B"),
        ('say("bypassed", "remote"); sys.exit(1)', "cannot-tell", "execution.target"),
        ('say("ready"); heard(); say("verdict-0.json", "no json"); heard()', "cannot-tell", "cannot be read"),
        (f'say("verdict-0.json", {seen("impossible", not_replaced=["Source: odd"])!r}); heard()', "cannot-tell", "odd"),
    ],
)
def test_what_stands_in_the_way_is_said(
    play: Play, scratch: Path, control: FakeCluster, program: str, verdict: str, cause: str
) -> None:
    play(program)
    job = control.job(JOB_ID)
    assert job is not None
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.verdict == verdict
    assert cause in (found.cause or "")
    assert list(scratch.iterdir()) == []


def test_another_minor_version_of_flink_tells_nothing(play: Play, tmp_path: Path) -> None:
    play("sys.exit(1)")
    control = FakeCluster(tmp_path / "other.json")
    job = control.job(JOB_ID)
    assert job is not None
    cluster = msgspec.structs.replace(control.cluster(), flink_version="1.20.5")
    control.cluster = lambda: cluster  # type: ignore[method-assign]
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert (found.verdict, found.cause) == ("cannot-tell", "the Flink here is 2.3.0, the cluster's is 1.20.5")
    assert "--flink-home" in (found.remedy or "")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells")
def test_connections_made_for_the_graph_are_listed(
    play: Play, control: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ClientProcess.peers

    def list_and_say(process: ClientProcess) -> frozenset[str]:
        if found := listed(process):
            (process.folder / "listed").touch()
        return found

    monkeypatch.setattr(ClientProcess, "peers", list_and_say)
    job = control.job(JOB_ID)
    assert job is not None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        play(f"""
            import socket, time
            one = socket.create_connection(("127.0.0.1", {port}))
            mine = socket.create_server(("127.0.0.1", 0))
            within = socket.create_connection(mine.getsockname())
            while not (folder / "listed").exists():
                time.sleep(0.01)
            say("ready")
            heard()
            say("verdict-0.json", {ALIVE!r})
            heard()
        """)
        found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.verdict == "restores"
    assert found.outside == (f"connected to 127.0.0.1:{port} while the job graph was built",)


def graph(number: int, job: str, *operators: str) -> str:
    return json.dumps({"number": number, "job": job, "operators": operators})


SEVERAL = """
    import os
    wanted = os.environ.get("FLINKOPS_REHEARSAL_GRAPH", "0")
    graphs, answers = {graphs!r}, {answers!r}
    if wanted == "1":
        say("graph-0.json", graphs[0])
    say("graph-" + wanted + ".json", graphs[int(wanted)])
    say("ready")
    heard()
    say("verdict-0.json", answers[int(wanted)])
    heard()
    if wanted == "0":
        say("graph-1.json", graphs[1])
"""


def test_the_jobs_own_graph_is_judged_of_several(play: Play, control: FakeCluster) -> None:
    """The state is of the second one: another client rehearses that."""
    state = {"id": "b", "has_state": True, "saved_parallelism": 1}
    dropped = seen("restored", operators=[{**state, "in_graph": False}])
    restored = seen("restored", operators=[{**state, "name": "count"}])
    job = control.job(JOB_ID)
    assert job is not None
    play(SEVERAL.format(graphs=[graph(0, "etl", "a"), graph(1, "stats", "b")], answers=[dropped, restored]))
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert (found.verdict, found.other_jobs, found.job_number) == ("restores", ("etl",), 1)
    assert "further jobs" in found.risks[0]
    play(SEVERAL.format(graphs=[graph(0, "etl", "b"), graph(1, "stats", "b")], answers=[restored, restored]))
    twins = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert (twins.verdict, twins.other_jobs) == ("cannot-tell", ())
    assert "fits 2 of them" in (twins.cause or "")


def test_a_main_that_submits_nothing_is_ended(
    play: Play, control: FakeCluster, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "_GRAPH_SECONDS", 0.5)
    job = control.job(JOB_ID)
    assert job is not None
    play("import threading; threading.Event().wait()")
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.verdict == "cannot-tell"
    assert "submitted no job graph within" in (found.cause or "")
    assert list(scratch.iterdir()) == []


def test_what_a_savepoint_of_1_20_does_not_name_has_the_name_of_the_running_chain(
    play: Play, control: FakeCluster
) -> None:
    job = control.job(JOB_ID)
    assert job is not None
    answer = seen("restored", operators=[{"id": job.vertices[0].id, "has_state": True, "in_graph": False}])
    play(f"""
        say("ready")
        heard()
        say("verdict-0.json", {answer!r})
        heard()
    """)
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.cause == "no operator of the program takes the state of all of it"


def test_a_main_that_exits_in_silence_is_told_by_its_code(play: Play, control: FakeCluster) -> None:
    job = control.job(JOB_ID)
    assert job is not None
    play("sys.exit(3)")
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert (found.verdict, found.cause) == ("fails", "the program builds no job graph: it has ended with exit code 3")


def test_the_line_of_a_program_of_ours_is_the_cause_and_not_the_exception_that_flink_makes_of_its_end(
    play: Play, control: FakeCluster
) -> None:
    job = control.job(JOB_ID)
    assert job is not None
    play("""
        print("ours: no topic dead at 127.0.0.1:1: create it")
        print("Caused by: java.lang.RuntimeException: Python process exits with code: 1")
        raise SystemExit(1)
    """)
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.cause == "the program builds no job graph: ours: no topic dead at 127.0.0.1:1: create it"


def test_a_main_that_prints_without_end_does_not_fill_the_disk(
    play: Play, control: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_process, "_MOST_OUTPUT_ON_DISK_BYTES", 1 << 16)
    job = control.job(JOB_ID)
    assert job is not None
    play(f"""
        import time
        output, most = folder / "output", 0
        ends = time.monotonic() + 20
        while output.stat().st_size >= most and time.monotonic() < ends:
            most = output.stat().st_size
            print("x" * (1 << 12) if most <= 1 << 17 else "", end="", flush=True)
        say("ready")
        heard()
        say("verdict-0.json", {seen("restored")!r} if most < 1 << 20 and time.monotonic() < ends else "")
        heard()
    """)
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert found.verdict == "restores", found.cause


def test_a_sample_is_asked_for_and_told(play: Play, control: FakeCluster) -> None:
    part = seen("restored", sample={"bytes": 10_000_000, "of_bytes": 900_000_000})
    play(f"""
        import os
        assert os.environ["FLINKOPS_REHEARSAL_SAMPLE"] == str(256 << 20)
        say("ready")
        heard()
        say("verdict-0.json", {part!r})
        heard()
    """)
    job = control.job(JOB_ID)
    assert job is not None
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT._replace(sample=True))
    assert (found.verdict, found.sample) == ("restores", RehearsedSample(10_000_000, 900_000_000))
    assert "a sample: 10.0 MB of 900 MB" in found.risks[0]


def test_a_state_without_room_is_not_begun(play: Play, control: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    play("sys.exit(9)")
    job = control.job(JOB_ID)
    assert job is not None
    monkeypatch.setattr(rehearsing, "newest_state_bytes", lambda _job: 1 << 50)
    found = rehearse(control, job, LAUNCH, None, FROM_SAVEPOINT)
    assert (found.verdict, "--sample" in (found.remedy or "")) == ("cannot-tell", True)
