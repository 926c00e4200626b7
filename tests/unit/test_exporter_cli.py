"""`flinkops exporter` and `flinkops alerts generate` from the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flinkops.cli.main import main
from flinkops.errors import ExitCode


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    code = left.value.code
    return 0 if code is None else int(code)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--shard", "5/4"),
        ("--listen", "9249"),
        ("--tls-cert", "only.pem"),
        ("--tls-client-ca", "ca.pem"),
        ("--basic-auth-file", "/nowhere/users"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("exporter", "--rest", "http://127.0.0.1:1", *arguments) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert said.err.startswith("flinkops: ")


def test_rules_to_stdout_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("alerts", "generate") == 0
    rules = capsys.readouterr().out
    assert yaml.safe_load(rules)["groups"]
    assert exit_code("alerts", "generate", "--out", str(tmp_path / "a" / "b")) == 0
    assert (tmp_path / "a" / "b" / "flinkops.rules.yaml").read_text() == rules
    assert len(list((tmp_path / "a" / "b").iterdir())) == 6


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert exit_code("alerts", "generate", "--out", str(tmp_path / "file")) == ExitCode.FAILED
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.thorough
def test_generating_needs_nothing_beyond_the_base_installation() -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('grafana_foundation_sdk', 'promql_parser', 'pyflink')));"
        "from flinkops.cli.main import main; main(['alerts', 'generate'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heavy = (
        "import sys, flinkops.cli.exporter, flinkops.cli.alerts; print({'prometheus_client', 'yaml'} & {*sys.modules})"
    )
    light = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert light.stdout.strip() == "set()"
