"""No home, no name, no streams, no folder, no end: one line and the documented code."""

import contextlib
import os
import pwd
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flinkops import input_file
from flinkops.cli.main import main
from flinkops.errors import UsageError
from flinkops.input_file import read_input
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.quantities import parse_duration
from tests.effort import some
from tests.fake_flink import FakeFlink, Recording
from tests.patience import PATIENT_SECONDS
from tests.unit.command_line import Cli

DEAD = "http://127.0.0.1:9"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and "unexpected" not in text


# ---- inputs that never end, or never begin


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def zero(_folder: Path) -> Path:
    return Path("/dev/zero")


READERS = {
    "apply": ("apply", "{}"),
    "doctor --replay": ("doctor", "--replay", "{}"),
    "status --replay": ("status", "--replay", "{}"),
    "upgrade -f": ("upgrade", "x", "--savepoint", "-f", "{}", "--plan", "--rest", DEAD),
    "--config": ("status", "--config", "{}"),
    "--kubeconfig": ("status", "--kubeconfig", "{}"),
    "autoscale replay": ("autoscale", "replay", "x", "{}"),
    "--basic-auth-file": ("exporter", "--rest", DEAD, "--listen", "127.0.0.1:0", "--basic-auth-file", "{}"),
}


@pytest.mark.usefixtures("nothing_from_outside")
@pytest.mark.parametrize("endless", [zero, pipe], ids=["zeros", "an empty pipe"])
@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
def test_an_input_without_end_is_2(
    cli: Cli, words: tuple[str, ...], endless: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "WAIT_SECONDS", 0.05)
    path = endless(tmp_path)
    ran = cli(*(word.format(path) for word in words))
    assert (ran.code, one_line(ran.err)) == (2, True), ran.err


@pytest.mark.usefixtures("nothing_from_outside")
def test_nothing_is_recorded_into_what_is_no_file(cli: Cli, tmp_path: Path) -> None:
    for target in (Path("/dev/null"), pipe(tmp_path)):
        ran = cli("record", str(target), "--rest", DEAD, "--seconds", "0")
        assert (ran.code, one_line(ran.err)) == (1, True), ran.err


def test_a_pipe_that_is_written_to_is_read_to_its_end(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    writer = threading.Thread(target=path.write_bytes, args=(b"x" * 300_000,))
    writer.start()
    assert read_input(path, most_bytes=400_000) == b"x" * 300_000
    writer.join()


@pytest.mark.parametrize(
    ("path", "words"), [("/proc/no such", "No such file"), ("/", "Is a directory"), ("a\0b", "null")]
)
def test_what_cannot_be_read_is_said(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_input(path, most_bytes=10)


# ---- no home, no name, no working folder


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user of a container: a number, and nothing else."""

    def unknown(_uid: int) -> object:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in list(os.environ):
        if name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME") or name.startswith(("XDG_", "FLINKOPS_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_user_without_home_and_name_can_read(cli: Cli, nameless: Path, flink: FakeFlink) -> None:
    ran = cli("status", "--rest", flink.url)
    assert ran.code == 0, ran.err
    ran = cli("doctor", "--rest", flink.url, "--bundle", "case.tar.gz")
    assert ran.code == 0, ran.err
    assert [path.name for path in nameless.iterdir()] == ["case.tar.gz"], "nothing is made in a folder called ~"


def test_such_a_user_names_a_journal(cli: Cli, nameless: Path, flink: FakeFlink) -> None:
    ran = cli("history")
    assert (ran.code, one_line(ran.err)) == (2, True), ran.err
    assert "HOME" in ran.err
    journal = nameless / "journal"
    act = ("savepoint", "create", "windows", "--target", "file:///sp", "--yes", "--rest", flink.url, "--timeout", "1s")
    cli(*act, "--journal", str(journal))
    done = cli("history", "--journal", str(journal), "-o", "json")
    assert f'"who":"uid {os.getuid()}"' in done.out


@pytest.mark.usefixtures("nothing_from_outside")
def test_a_deleted_working_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flink: FakeFlink) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli("status", "--rest", flink.url).code == 0
    for words in (
        ("savepoint", "create", "windows", "--out", "plan.json"),
        ("doctor", "--bundle", "case.tar.gz"),
    ):
        ran = cli(*words, "--rest", flink.url)
        assert (ran.code, one_line(ran.err)) == (2, True), ran.err


# ---- streams


def ran_in_shell(words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m flinkops {words} {redirection}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = ["bash", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=PATIENT_SECONDS)


@pytest.mark.scaled
@pytest.mark.parametrize(
    ("words", "redirection", "code", "said"),
    some(
        [
            (f"status -o json --rest {DEAD}", ">&-", 1, "cannot write to stdout: it is closed"),
            (f"status --rest {DEAD}", "<&-", 3, "refuses connections"),
            (f"status -o json --rest {DEAD}", "2>&-", 3, ""),
            (f"status --rest {DEAD}", "<&- >&- 2>&-", 1, ""),
            pytest.param("version", ">/dev/full", 1, "cannot write to stdout: No space left", marks=needs_full),
            pytest.param("--help", ">/dev/full", 1, "cannot write to stdout: No space left", marks=needs_full),
            pytest.param("config view", ">/dev/full", 1, "cannot write to stdout: No space left", marks=needs_full),
            pytest.param(f"status --rest {DEAD}", "2>/dev/full", 3, "", marks=needs_full),
        ],
        2,
    ),
)
@pytest.mark.thorough
def test_streams_that_take_nothing(words: str, redirection: str, code: int, said: str) -> None:
    ran = ran_in_shell(words, redirection)
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@needs_full
def test_a_result_that_cannot_be_printed_is_said(
    flink: FakeFlink, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    act = ["savepoint", "create", "windows", "--target", "file:///sp", "--yes", "--rest", flink.url, "--timeout", "1s"]
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main([*act, "--journal", str(tmp_path / "journal")])
    assert ended.value.code == 1
    assert "flinkops history has it" in capsys.readouterr().err


# ---- words that make no sense


@pytest.mark.parametrize(
    "value", ["99999999999999999999d", "1" * 5_000, "4000d", "1e400", "inf", "nan", "-1s", "1y", ""]
)
def test_absurd_durations(value: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        parse_duration(value)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize("option", ["--timeout", "--interval"])
@pytest.mark.usefixtures("nothing_from_outside")
def test_absurd_durations_are_2(cli: Cli, option: str) -> None:
    ran = cli("status", option, "99999999999999999999d", "--rest", DEAD)
    assert (ran.code, one_line(ran.err)) == (2, True)


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1", "1e300"])
@pytest.mark.usefixtures("nothing_from_outside")
def test_absurd_seconds_are_2(cli: Cli, seconds: str, tmp_path: Path) -> None:
    assert cli("record", str(tmp_path / "x.rec"), "--seconds", seconds, "--rest", DEAD).code == 2


@pytest.mark.parametrize("host", ["a..b", "☃..", "a" * 64 + ".com", "x\\y", "münchen..de", "a" * 300, "%41", "\u202e"])
def test_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        parse_endpoint(f"http://{host}:8081")


@pytest.mark.parametrize("host", ["münchen.de", "xn--mnchen-3ya.de", "a_b.c", "localhost.", "10.0.0.1", "[::1]", "x-1"])
def test_hosts(host: str) -> None:
    assert parse_endpoint(f"http://{host}:8081").url.endswith(":8081")


TOML = {
    "arrays in arrays": "a = " + "[" * 5_000 + "]" * 5_000,
    "a key of many parts": ".".join(["a"] * 20_000) + " = 1",
    "quoted parts": ".".join(['"a b"'] * 20_000) + " = 1",
    "a table of many parts": "[" + ".".join(["a"] * 20_000) + "]",
    "a number without end": "timeout = " + "9" * 5_000,
    "no text": "\udcff",
}


@pytest.mark.usefixtures("nothing_from_outside")
@pytest.mark.parametrize("content", TOML.values(), ids=TOML)
def test_absurd_settings_are_2(cli: Cli, content: str, tmp_path: Path) -> None:
    path = tmp_path / "flinkops.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    ran = cli("status", "--config", str(path), "--rest", DEAD)
    assert (ran.code, one_line(ran.err)) == (2, True), ran.err


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("A\\nB", "x", "is no name of an HTTP header"),
        ("", "x", "is no name of an HTTP header"),
        ("A: B", "x", "is no name of an HTTP header"),
        ("X-A", "hunter2\r\nX-B: 1", "the value of header X-A has a line break"),
        ("X-A", "hunter2 \u4e2d", "the value of header X-A has a line break"),
    ],
)
def test_a_header_that_http_does_not_have_is_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv("A_HEADER_OF_A_TEST", value)
    file = tmp_path / "settings.toml"
    file.write_text(
        f'[[sources]]\nname = "a"\nrest = "http://127.0.0.1:9"\nheaders = {{ "{name}" = "env:A_HEADER_OF_A_TEST" }}'
    )
    ran = cli("status", "--once", "--config", str(file))
    assert ran.code == 2
    assert words in ran.err
    assert "hunter2" not in ran.err
    assert ran.err.count("\n") == 1


def test_links_in_a_circle_are_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    ran = cli("config", "trust", str(tmp_path / "loop"))
    assert ran.code in (1, 2, 5)
    assert "unexpected" not in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("autoscale", "run", "--seconds", "0.1"), ("savepoint", "create"), ("suspend",)], ids=" ".join
)
def test_a_name_of_any_bytes_is_one_line(cli: Cli, words: tuple[str, ...]) -> None:
    name = os.fsdecode(b"\xff\xfe\xfa")
    ran = cli(*words, name, "--rest", "http://127.0.0.1:9", "--timeout", "1s", "--yes")
    assert ran.code in (0, 1, 2, 3, 4, 5)
    assert "unexpected" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("upgrade", "count", "--savepoint", "--jar", "abc", "--arg"),
        ("upgrade", "count", "--savepoint", "--jar", "abc", "--entry-class"),
        ("rescale", "count", "-o", "json", "--vertex"),
        ("savepoint", "delete"),
    ],
    ids=" ".join,
)
def test_what_no_plan_can_hold_is_refused(cli: Cli, flink: FakeFlink, words: tuple[str, ...]) -> None:
    flink.recording = Recording.load("flink-2.3-count")
    value = os.fsdecode(b"s3://b/\xff") + ("=2" if words[0] == "rescale" else "")
    ran = cli(*words, value, "--rest", flink.url, "--yes")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "\\udcff" in ran.err
    assert not flink.bodies


@pytest.mark.parametrize(
    "words",
    [
        ("savepoint", "create", "count", "--target", "http://[::1"),
        ("savepoint", "create", "count", "--target", "s3://[x/y"),
        ("suspend", "count", "--target", "http://[::1"),
        ("resume", "count", "--from", "http://[::1"),
        ("savepoint", "verify", "s3://[x"),
        ("savepoint", "copy", "s3://[x", "s3://[y"),
        ("savepoint", "delete", "http://[::1"),
    ],
    ids=" ".join,
)
def test_a_place_that_is_no_address_is_one_line(cli: Cli, flink: FakeFlink, words: tuple[str, ...]) -> None:
    flink.recording = Recording.load("flink-2.3-count")
    more = () if words[1] in ("verify", "copy") else ("--rest", flink.url)
    ran = cli(*words, *more, *(() if words[1] == "verify" else ("--yes",)))
    assert ran.code in (0, 1, 2, 3, 5)
    assert "unexpected" not in ran.err


def test_a_directory_of_the_cluster_that_is_no_address_is_one_line(cli: Cli, flink: FakeFlink) -> None:
    flink.recording = Recording.load("flink-2.3-count")
    settings = [each for each in flink.recording.answers["/jobmanager/config"] if "savepoint" not in each["key"]]
    settings.append({"key": "execution.checkpointing.savepoint-dir", "value": "s3://[x"})
    flink.recording.answers["/jobmanager/config"] = settings
    ran = cli("savepoint", "create", "count", "--rest", flink.url, "--yes")
    assert ran.code == 5
    assert "unexpected" not in ran.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_document_spells_out_what_is_no_text(cli: Cli, tmp_path: Path, form: str) -> None:
    ran = cli("savepoint", "verify", os.fsdecode(bytes(tmp_path) + b"/\xff"), "-o", form)
    assert ran.code in (1, 3)
    assert "\\udcff" in ran.out
    assert "unexpected" not in ran.err


@pytest.mark.parametrize("words", [("status", "-o"), ("timeline", "--since"), ("history", "--journal")], ids=" ".join)
def test_a_value_without_end_does_not_hide_the_rest_of_the_line(cli: Cli, words: tuple[str, ...]) -> None:
    ran = cli(*words, "x" * 100_000)
    assert ran.code in (1, 2)
    assert len(ran.err) < 500


def test_what_calls_itself_a_file_and_gives_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc/kmsg does: `flinkops apply /proc/kmsg` read it again and again for ever."""
    monkeypatch.setattr(input_file, "WAIT_SECONDS", 0.05)
    asked = []

    def nothing(*_: object) -> bytes:
        asked.append(1)
        if len(asked) > 200_000:
            raise AssertionError("without end")
        raise BlockingIOError

    monkeypatch.setattr(os, "read", nothing)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="gave nothing for"):
        read_input(file, most_bytes=10)


def test_a_pipe_that_gives_a_byte_now_and_then_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_file, "WHOLE_SECONDS", 0.05)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ended = threading.Event()

    def trickle() -> None:
        with pipe.open("wb", buffering=0) as file, contextlib.suppress(BrokenPipeError):
            while not ended.wait(0.01):
                file.write(b"x")

    # A reader without a writer sees the end at once: the test holds it open before there is one.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        while not select.select([reader], [], [], 60)[0]:
            pass
        with pytest.raises(UsageError, match="has not come to its end"):
            read_input(pipe, most_bytes=1 << 30)
    finally:
        ended.set()
        os.close(reader)
        thread.join(PATIENT_SECONDS)
