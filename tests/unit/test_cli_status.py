"""The command line from outside: output, exit codes, one line of error, and what is never imported."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flinkops.cli.main import main
from tests.fake_flink import FakeFlink, Fault, Recording, serving
from tests.unit.command_line import Cli

DEAD = "http://127.0.0.1:9"


def test_json_is_one_line_of_data_and_no_words(cli: Cli, flink: FakeFlink) -> None:
    ran = cli("status", "-o", "json", "--rest", flink.url)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    assert {job["name"] for job in json.loads(ran.out)["jobs"]} == {"windows", "crashing", "failed", "bounded"}


def test_a_table_without_a_terminal_is_plain_and_cuts_no_name(cli: Cli, flink: FakeFlink) -> None:
    ran = cli("status", "--rest", flink.url)
    assert ran.out.splitlines()[0].startswith("HEALTH")
    assert "\x1b" not in ran.out
    names = {job["name"] for job in flink.recording.jobs}
    assert all(any(name in row for row in ran.out.splitlines()) for name in names)


@pytest.mark.parametrize("form", ["wide", "yaml", "jsonl", "csv", "name"])
def test_other_forms(cli: Cli, flink: FakeFlink, form: str) -> None:
    ran = cli("status", "-o", form, "--rest", flink.url)
    assert (ran.code, "windows" in ran.out) == (0, True)


@pytest.mark.parametrize("name", ["=1+1", "  =cmd|' /C calc'!A0", "\u00a0@SUM(1)", "\t-2+3", "+1"])
def test_no_cell_of_csv_is_a_formula_to_a_spreadsheet(cli: Cli, flink: FakeFlink, name: str) -> None:
    rows = flink.recording.answers["/jobs/overview"]["jobs"]
    flink.recording.answers["/jobs/overview"] = {"jobs": [{**rows[0], "name": name}, *rows[1:]]}
    for answer in flink.recording.answers.values():
        if isinstance(answer, dict) and answer.get("jid") == rows[0]["jid"] and "name" in answer:
            answer["name"] = name
    ran = cli("status", "-o", "csv", "--rest", flink.url)
    cells = [row["name"] for row in csv.DictReader(ran.out.splitlines())]
    (shown,) = [cell for cell in cells if cell not in {row["name"] for row in rows}]
    assert shown.startswith("'"), shown
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)


def test_exit_code_10_only_when_asked(cli: Cli, flink: FakeFlink) -> None:
    assert cli("status", "--rest", flink.url).code == 0
    assert cli("status", "--rest", flink.url, "--exit-code").code == 10


def test_one_dead_source_is_said_and_costs_the_others_nothing(cli: Cli, flink: FakeFlink) -> None:
    ran = cli("status", "-o", "json", "--rest", flink.url, "--rest", DEAD)
    assert ran.code == 0
    document = json.loads(ran.out)
    assert [source["state"] for source in document["sources"]] == ["ok", "unreachable"]
    assert len(document["jobs"]) == 4
    assert "127.0.0.1:9 is unreachable" in ran.err
    assert cli("status", "-q", "--rest", flink.url, "--rest", DEAD).err == ""


def test_no_source_answers(cli: Cli) -> None:
    ran = cli("status", "-o", "json", "--rest", DEAD)
    assert ran.code == 3
    assert json.loads(ran.out)["jobs"] == []


def test_a_job_of_a_source_that_does_not_answer(cli: Cli) -> None:
    assert cli("status", "orders", "--rest", DEAD).code == 3


@pytest.mark.parametrize("kind", ["html", "truncated", "500", "401"])
def test_a_lying_endpoint_is_one_line(cli: Cli, flink: FakeFlink, kind: str) -> None:
    flink.faults.append(Fault(kind))
    ran = cli("status", "-o", "json", "--rest", flink.url)
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert json.loads(ran.out)["sources"][0]["state"] == ("denied" if kind == "401" else "unreachable")


class TestJob:
    def test_by_name_and_by_id(self, cli: Cli, flink: FakeFlink) -> None:
        wanted = next(job["jid"] for job in flink.recording.jobs if job["name"] == "windows")
        for name in ("windows", wanted):
            jobs = json.loads(cli("status", name, "-o", "json", "--rest", flink.url).out)["jobs"]
            assert [job["id"] for job in jobs] == [wanted]

    def test_none_is_a_failure_with_a_suggestion(self, cli: Cli, flink: FakeFlink) -> None:
        ran = cli("status", "windws", "--rest", flink.url)
        assert (ran.code, ran.out) == (1, "")
        assert 'did you mean "windows"?' in ran.err
        assert ran.err.count("\n") == 1

    def test_several_are_listed(self, cli: Cli, flink: FakeFlink) -> None:
        with serving(other := FakeFlink(Recording.load("flink-1.20-windows"))):
            ran = cli("status", "windows", "--rest", flink.url, "--rest", other.url)
        assert ran.code == 2
        assert "2 jobs match" in ran.err


class TestErrors:
    def test_nothing_to_poll_at(self, cli: Cli) -> None:
        ran = cli("status")
        assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
        assert "--rest URL" in ran.err

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("status", "-o", "xml", "--rest", DEAD), "json"),
            (("status", "--rest", "ftp://x"), "not a URL"),
            (("status", "--timeout", "soon", "--rest", DEAD), "duration"),
            (("status", "--config", "missing.toml"), "missing.toml"),
            (("status", "--replay", "missing.rec"), "missing.rec"),
            (("status", "--bogus"), "--bogus"),
            (("statsu",), "status"),
            (("status", "--context", "nowhere"), "kubeconfig"),
        ],
    )
    def test_wrong_usage_is_2_and_says_what(self, cli: Cli, arguments: tuple[str, ...], word: str) -> None:
        ran = cli(*arguments)
        assert ran.code == 2
        assert word in ran.err
        assert "Traceback" not in ran.err

    def test_a_bug_is_one_line_with_a_log(self, cli: Cli, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("by \x1b[31mzero")

        monkeypatch.setattr("flinkops.observer.assess", broken)
        ran = cli("status", "--rest", flink.url)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "unexpected ZeroDivisionError: by zero" in ran.err
        assert "ZeroDivisionError" in Path(ran.err.split(" in ")[-1].strip()).read_text()
        with pytest.raises(ZeroDivisionError):
            main(["status", "--debug", "--rest", flink.url])


def test_a_recording_is_shown_as_it_was(cli: Cli, flink: FakeFlink) -> None:
    assert cli("record", "a.rec", "--rest", flink.url, "--interval", "0.05s", "--seconds", "0.2").code == 0
    every = cli("status", "--replay", "a.rec", "--watch", "-o", "json").out.splitlines()
    assert len(every) >= 2
    last = json.loads(cli("status", "--replay", "a.rec", "-o", "json").out)
    assert last == json.loads(every[-1])
    assert len(last["jobs"]) == 4


def test_completion_asks_once_and_remembers(cli: Cli, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
    from flinkops.cli.complete import complete_job

    monkeypatch.setenv("FLINKOPS_REST", flink.url)
    assert complete_job("w") == ["windows"]
    asked = len(flink.requests)
    assert complete_job("") == sorted(job["name"] for job in flink.recording.jobs)
    assert len(flink.requests) == asked == 1


@pytest.mark.parametrize("command", [["status", "-o", "name"], ["doctor"]])
def test_what_a_command_polled_is_completed_without_asking(
    command: list[str], cli: Cli, flink: FakeFlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flinkops.cli.complete import complete_job

    monkeypatch.setenv("FLINKOPS_REST", flink.url)
    cli(*command)
    asked = len(flink.requests)
    assert complete_job("w") == ["windows"]
    assert len(flink.requests) == asked > 1


def test_completion_of_nothing_that_answers_is_empty(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from flinkops.cli.complete import complete_job

    monkeypatch.setenv("FLINKOPS_REST", DEAD)
    assert complete_job("") == []
    monkeypatch.setenv("FLINKOPS_INTERVAL", "nonsense")
    assert complete_job("") == []


def watching(flink: FakeFlink, interval: str) -> "subprocess.Popen[str]":
    """`status --watch` as a process of its own."""
    command = [sys.executable, "-m", "flinkops", "status", "-o", "jsonl", "--watch", "--interval", interval]
    return subprocess.Popen([*command, "--rest", flink.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.thorough
def test_a_reader_that_leaves_is_no_error(flink: FakeFlink) -> None:
    with watching(flink, "0.1s") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        process.wait(120)
        assert process.stderr.read() == ""


@pytest.mark.thorough
def test_ctrl_c_is_130_and_quiet(flink: FakeFlink) -> None:
    import signal

    with watching(flink, "60s") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in flink.recording.jobs:
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert "Traceback" not in process.stderr.read()


HEAVY = (
    "pandas",
    "numpy",
    "kubernetes",
    "textual",
    "requests",
    "pyflink",
    "rich",
    "prometheus_client",
    "yaml",
    "msgspec",
)


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from flinkops.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


def test_examples_lead_the_help_a_line_each(cli: Cli) -> None:
    lines = cli("status", "--help").out.splitlines()
    assert "  flinkops status -o json                   one document (schema_version 1)" in lines


def cpu_seconds(*command: str) -> float:
    """The least of many runs: a busy machine makes processes wait, and share caches, but not work more."""
    least = float("inf")
    for _ in range(15):
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        least = min(least, usage.ru_utime + usage.ru_stime)
    return least


@pytest.mark.thorough
def test_help_starts_almost_as_fast_as_typer_alone() -> None:
    assert cpu_seconds("-m", "flinkops", "--help") < 2 * cpu_seconds("-c", "import typer")
