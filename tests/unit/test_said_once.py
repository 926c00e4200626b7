"""What makes a run less safe is said, and said once."""

import json
from pathlib import Path

import pytest

from flinkops.outside import logs
from flinkops.sources.kubernetes.access import open_access
from tests.unit.command_line import Cli

pytestmark = pytest.mark.usefixtures("nothing_from_outside", "nothing_said_yet")


@pytest.fixture
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_said", set())


def test_certificates_that_are_not_checked(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "flinkops.toml"
    path.write_text('[[sources]]\nname = "a"\nrest = "https://127.0.0.1:9"\nverify = false\n')
    ran = cli("status", "--config", str(path), "--timeout", "5s")
    assert ran.err.count('certificates of source "a" are not checked (verify = false)') == 1
    assert "InsecureRequestWarning" not in ran.err


def test_certificates_of_an_api_server_that_are_not_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = {"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": cluster}], "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }  # fmt: skip
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    access = open_access(str(path))
    assert not access.endpoint().verify
    access.endpoint()
    assert capsys.readouterr().err.count("certificates of context 'x' are not checked") == 1
