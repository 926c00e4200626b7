"""Completion as shells ask for it: live names, quickly, without a word of error, and no name that a shell would run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fake_flink import FakeFlink, Recording, serving

pytestmark = pytest.mark.thorough  # some thirty processes

SHELLS = ("bash", "zsh", "fish")
HOSTILE = (
    "a b",
    "$(touch pwned)",
    "`touch pwned`",
    "x'; touch pwned; '",
    'q"; touch pwned; "',
    "-rf",
    "a\nb",
    "ü",
    "#x",
    "~x",
)
GOOD = ("prod-eu", "arn:aws:eks:eu-1:42:cluster/shop", "gke_shop_eu-west1_a")


def complete(shell: str, line: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What the shell's own script asks."""
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    return subprocess.run(
        [sys.executable, "-c", "from flinkops.cli.main import main; main([])"],
        cwd=home,
        env={"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": ":".join(sys.path), **asked, **environment}
        | {"_FLINKOPS_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".kube").mkdir()
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in (*GOOD, *HOSTILE)]
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump({"contexts": contexts}))
    (tmp_path / "flinkops.toml").write_text('[[sources]]\nname = "shop-eu"\nrest = "http://127.0.0.1:1"\n')
    (tmp_path / "flinkops.toml").chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_contexts_and_sources_by_name_and_none_that_a_shell_would_run(shell: str, home: Path) -> None:
    done = complete(shell, "flinkops status --context ", home)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout.replace("\\\\:", ":") for name in GOOD)
    assert not [sign for sign in ("touch", "$", "`", "-rf", "ü", "~", "#") if sign in done.stdout]
    assert "shop-eu" in complete(shell, "flinkops doctor --rest ", home).stdout


@pytest.mark.parametrize("command", ["status", "doctor", "upgrade", "restart", "savepoint create"])
def test_live_names_of_jobs_also_for_actions(command: str, home: Path) -> None:
    cluster = FakeFlink(Recording.load("flink-2.3-count"))
    with serving(cluster):
        done = complete("bash", f"flinkops {command} --rest {cluster.url} ", home)
        if done.stdout == "":  # a machine that is busy: not within the patience of a Tab; then from what a poll left
            status = [sys.executable, "-m", "flinkops", "status", "--rest", cluster.url, "-o", "name"]
            environment = {"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
            subprocess.run(status, cwd=home, env=environment, check=True, capture_output=True)
            done = complete("bash", f"flinkops {command} --rest {cluster.url} ", home)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["count"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("flinkops.toml", "sources = ["),
        ("flinkops.toml", "unheard = 1"),
        (".kube/config", "- ["),
        (".kube/config", "7"),
    ],
)
def test_what_is_broken_gives_no_names_and_no_words(name: str, content: str, home: Path) -> None:
    (home / name).write_text(content)
    for line in (
        "flinkops status ",
        "flinkops status --context ",
        "flinkops status --rest ",
        "flinkops status --rest 'x ",
    ):
        done = complete("bash", line, home)
        assert done.stderr == ""
        assert "Traceback" not in done.stdout
