"""Log-in plug-ins of a kubeconfig: what fails is said as such, and what hangs is not waited for."""

import json
import sys
from pathlib import Path

import pytest

from flinkops.errors import Unreachable
from flinkops.sources.kubernetes import login
from flinkops.sources.kubernetes.access import open_access
from tests.patience import until
from tests.unit.command_line import Cli

pytestmark = pytest.mark.usefixtures("nothing_from_outside")

TOKEN = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "t0k3n"}}


def kubeconfig(folder: Path, *command: str) -> str:
    plugin = {
        "apiVersion": TOKEN["apiVersion"],
        "command": command[0],
        "args": [*command[1:]],
        "interactiveMode": "Never",
    }
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    config = {
        "apiVersion": "v1", "kind": "Config", "clusters": [cluster], "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
    }  # fmt: skip
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


FAILURES = {
    "exit code": (("/bin/sh", "-c", "echo token=hunter2 expired >&2; exit 3"), "process returned 3"),
    "missing": (("no-such-plugin",), "No such file"),
    "no JSON": (("/bin/echo", "welcome"), "failed to decode"),
    "no status": (("/bin/echo", "{}"), "malformed response"),
}


@pytest.mark.parametrize(("command", "words"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_the_reason_why_the_source_is_unreachable(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    ran = cli("status", "--kubeconfig", kubeconfig(tmp_path, *command), "-o", "json", "--timeout", "20s")
    assert ran.code == 3
    (source,) = json.loads(ran.out)["sources"]
    assert source["state"] == "unreachable"
    assert "the log-in plug-in of context 'x' failed" in source["error"]
    assert words in source["error"]
    assert "hunter2" not in ran.out + ran.err
    assert ran.err.count("\n") == 1, "the package's own log lines are not shown"


def test_a_plugin_that_works(tmp_path: Path) -> None:
    access = open_access(kubeconfig(tmp_path, "/bin/echo", json.dumps(TOKEN)))
    assert access.server == "http://127.0.0.1:9"
    assert access.endpoint().headers == {"authorization": "Bearer t0k3n"}


def test_a_plugin_that_failed_is_tried_again(tmp_path: Path) -> None:
    works = tmp_path / "works"
    access = open_access(kubeconfig(tmp_path, "/bin/sh", "-c", f"test -e {works} && echo '{json.dumps(TOKEN)}'"))
    with pytest.raises(Unreachable, match="log-in plug-in"):
        access.endpoint()
    works.touch()
    assert access.endpoint().headers


def test_a_plugin_has_a_limited_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "PLUGIN_SECONDS", 0.2)
    access = open_access(kubeconfig(tmp_path, sys.executable, "-c", "import time; time.sleep(600)"))
    with pytest.raises(Unreachable, match="no answer within 0 s"):
        access.endpoint()


@pytest.mark.thorough
def test_a_plugin_that_hangs_ends_with_the_command(cli: Cli, tmp_path: Path) -> None:
    note = tmp_path / "began"
    hang = f"import time, pathlib; pathlib.Path({str(note)!r}).touch(); time.sleep(600)"
    ran = cli("status", "--kubeconfig", kubeconfig(tmp_path, sys.executable, "-c", hang), "--timeout", "1s")
    assert ran.code == 3
    until(lambda: not login._running)
