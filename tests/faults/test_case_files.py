"""Case files of strangers: what they may say, and one clear line for what they may not."""

import subprocess
import sys
from pathlib import Path

import pytest

from flinkops.errors import UsageError
from tests.faults.case_files import GIVEN, read_folder, without_rule

FAULT = """
codes = ["backpressure", "key-skew"]
watch_seconds = 90
during = "savepoint"
[symptom]
fact = "backpressured_ratio"
limit = 0.5
[options]
mode = "skewed"
parallelism = 3
[configuration]
"execution.checkpointing.interval" = "3 s"
[reported.weak]
wait-ms = 4.5
configuration = { "state.backend.type" = "hashmap" }
[reported.strong]
wait-ms = 9
feed = { partitions = 3, fed = 2, per_second = 100 }
[beside.other]
mode = "keyed"
"""


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name.replace('_', '-')}.toml").write_text(text)
    return tmp_path


def test_a_fault_has_its_strengths_its_codes_and_its_neighbours(tmp_path: Path) -> None:
    cases, controls = read_folder(folder(tmp_path, slow_sink=FAULT, quiet='[options]\nmode = "keyed"\n'))
    assert [(each.name, each.strength) for each in cases] == [("slow-sink", "weak"), ("slow-sink", "strong")]
    weak, strong = cases
    assert weak.codes == ("backpressure", "key-skew")
    assert weak.code == "backpressure"
    assert (weak.watch_seconds, weak.during) == (90, "savepoint")
    assert weak.job.parallelism == 3
    assert weak.job.options == {"mode": "skewed", "wait-ms": "4.5"}
    assert weak.job.configuration == {"execution.checkpointing.interval": "3 s", "state.backend.type": "hashmap"}
    assert strong.job.feed is not None
    assert strong.job.feed.fed == 2
    assert [each.name for each in weak.beside] == ["orders-slow-sink-weak-other"]
    assert [each.name for each in controls] == ["quiet"]


def test_a_fault_may_do_without_strengths_and_symptom(tmp_path: Path) -> None:
    cases, _ = read_folder(folder(tmp_path, plain='code = "backpressure"\n[options]\nwait-ms = 40\n'))
    assert [(each.strength, each.symptom) for each in cases] == [(GIVEN, None)]


def test_a_code_that_no_rule_has_can_only_be_missed(tmp_path: Path) -> None:
    cases, _ = read_folder(folder(tmp_path, odd='codes = ["backpressure", "cosmic-rays"]\n'))
    assert without_rule(cases) == {"cosmic-rays": ["odd"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code = ", "Invalid value"),
        ("about = 1", "Expected `str`, got `int` - at `$.about`"),
        ("colour = 'red'", "unknown field `colour`"),
        ("codes = []", "codes is empty"),
        ("code = 'a-code'\ncodes = ['b-code']", "both code and codes"),
        ("codes = ['key-skew', 'key-skew']", "names one twice"),
        ("code = 'Key Skew'", "cannot be a code; there are backpressure"),
        ("code = 'key-skew'\nsymptom = { fact = 'mood', limit = 1 }", "symptom.fact 'mood' is not known; there are"),
        ("code = 'key-skew'\nsymptom = { fact = 'mood' }", "missing required field `limit`"),
        ("symptom = { fact = 'restarts', limit = 1 }", "it has a symptom, and no code"),
        ("[tuning.weak]\nwait-ms = 1", "without a code it is a healthy control"),
        ("code = 'key-skew'\n[tuning.weak]\nwait-ms = 1", "no strength in [reported]; --tuning runs the others"),
        ("code = 'key-skew'\n[reported.'we ak']\nwait-ms = 1", "letters, digits"),
        ("during = 'lunch'", "Invalid enum value 'lunch'"),
        ("watch_seconds = -1", "watch_seconds = -1"),
        ("watch_seconds = 1e9", "watch_seconds = 1e+09"),
        ("[options]\nparallelism = 0", "parallelism 0: from 1 to 32"),
        ("[options]\nparallelism = 'many'", "Expected `int`"),
        ("[options]\nkeys = [1]", "option 'keys': a text or a number"),
        ("[options]\nname = 'x'", "option 'name'"),
        ("[options]\nfeed = { partitions = 1, fed = 2, per_second = 1 }", "feed: 1 <= fed"),
        ("[options]\nfeed = { fed = 2 }", "missing required field"),
        ("[options]\nfeed = { partitions = 2, fed = 2, per_second = 1, hot_share = 2.0 }", "hot_share from 0 to 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_name(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_folder(folder(tmp_path, mine=text))
    line = raised.value.line()
    assert str(tmp_path / "mine.toml") in line
    assert told in line
    assert "\n" not in raised.value.what


def test_every_file_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder(tmp_path, one="codes = []", two="colour = 1", three='code = "key-skew"')
    (tmp_path / "four.toml").write_bytes(b"about = '\xff'")
    with pytest.raises(UsageError) as raised:
        read_folder(tmp_path)
    lines = raised.value.what.splitlines()
    assert [any(name in line for line in lines) for name in ("one", "two", "three", "four")] == [
        True,
        True,
        False,
        True,
    ]


def test_names_that_become_one_job_are_told(tmp_path: Path) -> None:
    (tmp_path / "injected").mkdir()
    folder(tmp_path / "injected", same='code = "key-skew"\n')
    folder(tmp_path, same='code = "key-skew"\n')
    with pytest.raises(UsageError, match="same-given is there twice"):
        read_folder(tmp_path)


@pytest.mark.parametrize("made", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_a_folder_without_files_is_one_line_and_exit_2(tmp_path: Path, made: bool) -> None:
    wanted = tmp_path / "cases"
    if made:
        wanted.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "devtools", "faults", "--cases", str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(wanted) in done.stderr
