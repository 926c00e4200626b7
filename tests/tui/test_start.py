"""The way in and the way out: what the terminal can do, and one line when the screen breaks."""

from pathlib import Path

import pytest

from flinkops.errors import OperationFailed
from flinkops.tui import start
from flinkops.tui.app import FlinkopsApp
from tests.tui.screen import Unasked


class Collector:
    sources = ()

    def close(self) -> None:
        pass


class Observer(Unasked):
    collector = Collector()
    policy = None


def test_a_crash_restores_the_terminal_and_leaves_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def breaks(self: FlinkopsApp, view: object) -> None:
        raise ZeroDivisionError("in a handler")

    run = FlinkopsApp.run
    monkeypatch.setattr(FlinkopsApp, "on_mount", lambda self: breaks(self, None))
    monkeypatch.setattr(FlinkopsApp, "run", lambda self: run(self, headless=True))
    with pytest.raises(OperationFailed) as failed:
        start.start(Observer(), interval_seconds=5, guarded=(), job=None, ascii_only=False, seconds=None)  # type: ignore[arg-type]
    line = failed.value.line()
    assert "ZeroDivisionError: in a handler" in line
    assert "\n" not in line
    [log] = tmp_path.rglob("tui-error.log")
    assert str(log) in line
    assert "Traceback" in log.read_text()
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"FLINKOPS_ASCII": "1"}, True), ({"FLINKOPS_ASCII": "0", "TERM": "linux"}, False), ({"TERM": "linux"}, True)],
)
def test_ascii_where_asked_for_or_needed(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLINKOPS_ASCII", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert start.wants_ascii() is expected
