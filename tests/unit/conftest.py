"""What the tests of commands share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flinkops.act import rest_cache
from tests.fake_flink import FakeFlink, Recording, serving
from tests.unit.command_line import Cli


@pytest.fixture(autouse=True, scope="package")
def caches_renewed_at_once() -> Iterator[None]:
    """What the fakes do not say, there is not: they have no caches, unless a test gives them one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rest_cache, "CACHE_SECONDS", 0.0)
        yield


@pytest.fixture
def nothing_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fleet, no kubeconfig, no settings, and a journal of its own."""
    monkeypatch.setenv("FLINKOPS_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.setenv("FLINKOPS_LOCAL_HOME", str(tmp_path / "no fleet"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A person without settings, caches or an embedded fleet."""
    for name in [name for name in os.environ if name.startswith(("FLINKOPS_", "KUBE"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "FLINKOPS_LOCAL_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


@pytest.fixture
def flink() -> Iterator[FakeFlink]:
    cluster = FakeFlink(Recording.load("flink-1.20-windows"))
    with serving(cluster):
        yield cluster
