"""The program ends in the middle of an action: the terminal is restored, then the line that is owed, in a real pty."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.tui import Terminal
from flinkops.act.journal import Journal
from flinkops.clock import SystemClock
from flinkops.errors import ExitCode
from tests.chaos.living_flink import NAME, Answer, Living, LivingFlink
from tests.chaos.living_server import living
from tests.patience import PATIENT_SECONDS

LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"


class NeverDone(LivingFlink):
    """Its savepoints stay in progress until they may end."""

    waits = True

    def _savepoint(self, method: str, job: Living, rest: list[str], body: dict[str, Any]) -> Answer:
        if method == "GET" and self.waits:
            return 200, {"status": {"id": "IN_PROGRESS"}}
        return super()._savepoint(method, job, rest, body)


@dataclass
class OnScreen:
    """The screens on a terminal of their own, on a cluster with one job."""

    terminal: Terminal
    flink: NeverDone
    journal: Path

    def press(self, keys: str) -> None:
        os.write(self.terminal.master, keys.encode())

    def wait_for(self, text: bytes) -> None:
        self.terminal.wait_for(text, PATIENT_SECONDS)
        self.terminal.seen = b""

    def until_pressed(self, key: str, text: bytes) -> None:
        """Press it again and again until that is seen: a sheet that is being closed takes no keys."""
        pressed = 0.0

        def seen() -> bool:
            nonlocal pressed
            if text in self.terminal.seen:
                return True
            if time.monotonic() - pressed > 2.0 and self.terminal.child.poll() is None:
                self.press(key)
                pressed = time.monotonic()
            return False

        self.until(seen)

    def until(self, holds: Any) -> None:
        deadline = time.monotonic() + PATIENT_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.terminal.seen[-500:]
            self.terminal.seen += self.terminal.read(0.05)

    def suspend_begun(self) -> str:
        """Ask for a suspension and wait until its savepoint is under way; the plan's id."""
        self.wait_for(b"1 source ok")
        self.press("x")
        self.wait_for(b"back before its last upgrade")
        self.press("jjjj\r")
        self.wait_for(b"proceed")
        self.press("y")
        self.until(lambda: "stop" in self.flink.world.orders)
        (record,) = Journal(self.journal, SystemClock()).records()
        return record.plan.id

    def ended(self) -> tuple[int, bytes]:
        """The exit code, and what was written after the terminal was restored."""
        self.until(lambda: self.terminal.child.poll() is not None)
        while more := self.terminal.read(0.2):
            self.terminal.seen += more
        return self.terminal.child.wait(), self.terminal.seen.rpartition(LEFT_ALTERNATE_SCREEN)[2]


@pytest.fixture
def on_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnScreen]:
    journal = tmp_path / "journal"
    for name, value in (("HOME", tmp_path), ("FLINKOPS_JOURNAL", journal), ("PYTHONPATH", os.getcwd())):
        monkeypatch.setenv(name, str(value))
    flink = NeverDone()
    flink.trap = None
    with living(flink):
        terminal = Terminal([sys.executable, "-m", "flinkops", "status", "--rest", flink.url])
        try:
            yield OnScreen(terminal, flink, journal)
        finally:
            terminal.close()


@pytest.mark.thorough
def test_sigterm_says_how_the_job_is_left_and_how_to_resume(on_screen: OnScreen) -> None:
    plan_id = on_screen.suspend_begun()
    on_screen.terminal.child.send_signal(signal.SIGTERM)
    code, said = on_screen.ended()
    assert code == ExitCode.INTERRUPTED
    line = said.decode()
    assert f"of {plan_id}" in line
    assert f"{NAME} may be stopped since step 'stop'" in line
    assert f"resume it with: flinkops action resume {plan_id} --rest {on_screen.flink.url}" in line.replace("\r\n", "")
    (record,) = Journal(on_screen.journal, SystemClock()).records()
    assert record.resumable


@pytest.mark.thorough
def test_leaving_asks_twice_and_says_it_too(on_screen: OnScreen) -> None:
    plan_id = on_screen.suspend_begun()
    on_screen.press("h")  # leaves the action's sheet
    on_screen.until_pressed("\x03", b"again leaves and interrupts it")
    on_screen.press("\x03")
    code, said = on_screen.ended()
    assert code == ExitCode.INTERRUPTED
    assert f"action resume {plan_id}".encode() in said.replace(b"\r\n", b"")
