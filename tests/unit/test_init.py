"""`flinkops init`: what it finds, asks and writes; hostile names stay texts; nothing that is there is touched."""

import os
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flinkops.cli import init as command
from flinkops.config.load import load_settings
from flinkops.config.schema import read_sources
from flinkops.config.starter import Answers, FoundCluster, starter_file, toml_string, writable
from flinkops.errors import UsageError
from flinkops.sources.kubernetes.discovery import find_clusters
from tests.patience import PATIENT_SECONDS
from tests.unit.command_line import Cli
from tests.unit.kube_server import ApiServer, serving

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in [one for one in os.environ if one.startswith(("FLINKOPS_", "KUBE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@given(NAMES)
def test_any_text_is_one_string_of_toml(text: str) -> None:
    assert tomllib.loads(f"a = {toml_string(text)}") == {"a": text}


@given(st.lists(st.builds(FoundCluster, context=NAMES, told=st.text()), max_size=5), st.lists(NAMES, max_size=3))
def test_whatever_the_names_are_the_file_says_them_and_nothing_else(
    found: list[FoundCluster], namespaces: list[str]
) -> None:
    chosen = tuple(found[:3])
    answers = Answers(clusters=chosen, namespaces=tuple(namespaces), production=tuple(one.context for one in chosen))
    read = tomllib.loads(starter_file(answers, found))
    assert set(read) <= {"production", "sources"}
    assert len(read.get("sources", [])) == len(chosen)
    for table, cluster in zip(read.get("sources", []), chosen, strict=True):
        assert set(table) <= {"context", "namespaces", "all_namespaces"}
        assert table["context"].replace("[", "").replace("]", "") == cluster.context.replace("[", "").replace("]", "")
        assert table.get("namespaces", []) == namespaces
    if all(one.strip() for one in (*namespaces, *(each.context for each in chosen))):
        read_sources(read.get("sources", []), "it")


def kubeconfig(path: Path, url: str, *contexts: str, program: str | None = None) -> Path:
    user = (
        {"token": "t"}
        if program is None
        else {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": program}}
    )
    content = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}, {"name": "p", "user": user}],
        "contexts": [
            {"name": name, "context": {"cluster": "c", "user": "p" if place else "u"}}
            for place, name in enumerate(contexts)
        ],
        "current-context": contexts[0],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_contexts_with_an_operator_are_written_and_read_back(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(ApiServer()) as url:
        file = kubeconfig(alone / "config.yaml", url, "prod-eu", 'evil"\n[x]')
        done = Cli(capsys)("init", "--kubeconfig", str(file))
    assert done.code == 0, done.err
    assert done.out == ""
    settings = load_settings({})
    assert [one.context for one in settings.kubernetes] == ["prod-eu", 'evil"\n[x]']
    assert all(one.all_namespaces and one.kubeconfig == str(file) for one in settings.kubernetes)
    assert settings.production == ("prod-eu",)
    assert Path("flinkops.toml").stat().st_mode & 0o777 == 0o644


def test_a_log_in_by_a_program_is_not_run_for_a_context_that_is_not_the_current_one(alone: Path) -> None:
    with serving(ApiServer()) as url:
        file = kubeconfig(alone / "config.yaml", url, "here", "there", program="/bin/false")
        found = find_clusters([str(file)], deadline_seconds=PATIENT_SECONDS)
    assert [(one.context, one.operator is not None) for one in found] == [("here", True), ("there", False)]
    assert found[1].told == "not asked: its log-in runs a program"


def test_without_a_kubeconfig_it_writes_what_to_fill_in(capsys: pytest.CaptureFixture[str]) -> None:
    done = Cli(capsys)("init", "--rest", "http://flink:8081")
    assert done.code == 0, done.err
    assert "no kubeconfig with contexts was found" in done.err
    assert [one.rest for one in load_settings({}).sources] == ["http://flink:8081"]
    assert Cli(capsys)("init", "--out", "empty.toml").code == 0
    assert tomllib.loads(Path("empty.toml").read_text()) == {}


def test_a_file_that_is_there_stays(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("flinkops.toml").write_text("mine")
    done = Cli(capsys)("init")
    assert (done.code, Path("flinkops.toml").read_text()) == (5, "mine")
    assert "stays as it is" in done.err
    Path("link.toml").symlink_to(alone / "nowhere")  # a link counts as a file: nothing is written through it
    assert Cli(capsys)("init", "--out", "link.toml").code == 5
    assert not (alone / "nowhere").exists()
    assert Cli(capsys)("init", "--out", "no/such/folder.toml").code == 1


def test_a_context_that_no_file_can_hold_is_left_out() -> None:
    assert not writable("a\ud800")
    assert writable("a\U0001f600\u202e\x00")


@pytest.mark.parametrize("answer", ["3", "-1", "x", "1;2", "²"])
def test_numbers_that_make_no_sense_are_refused(answer: str) -> None:
    with pytest.raises(UsageError, match="not numbers from 0 to 2"):
        command._chosen([FoundCluster("a"), FoundCluster("b")], answer)


def test_the_three_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [FoundCluster("dev", operator="1.15.0"), FoundCluster("live", operator="1.7.0"), FoundCluster("other")]
    asked: list[str] = []
    answers = iter(["2 1", "pricing, alerts", "2"])

    def prompt(question: str, default: str) -> str:
        asked.append(f"{question} [{default}]")
        return next(answers)

    monkeypatch.setattr(command, "_prompt", prompt)
    got = command._ask(found, Answers(clusters=tuple(found[:2])))
    assert len(asked) == 3
    assert asked[0].endswith("[1,2]")
    assert [one.context for one in got.clusters] == ["live", "dev"]
    assert (got.namespaces, got.production) == (("pricing", "alerts"), ("live",))
