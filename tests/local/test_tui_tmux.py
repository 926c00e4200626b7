"""The TUI as people use it: a real terminal (tmux), the real command, a real job; a savepoint; and out again."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local import job, kafka
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from flinkops.render.glyphs import UNICODE

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: apt-get install tmux"),
]

NAME = "tui-in-tmux"
COLOUR = re.compile(r"\x1b\[[\d;:]*\b(3[0-7]|4[0-7]|9[0-7]|38|48)\b")


class Tmux:
    """A terminal of its own: a server on a socket in the test's folder."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"
        self._environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True).stdout

    def start(self, size: tuple[int, int], arguments: str, **environment: str) -> None:
        settings = " ".join(f"{name}={value}" for name, value in environment.items())
        command = f"{settings} {sys.executable} -m flinkops {arguments}; echo left with $?; cat"
        self._tmux("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-s", "t", command)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", "-t", "t", key)

    def screen(self, *, escapes: bool = False) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t", *(["-e"] if escapes else []))

    def wait(self, holds: Callable[[str], bool], *, seconds: float = 240) -> str:
        deadline = time.monotonic() + seconds
        while not holds(text := self.screen()):
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        return text

    def stop(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path)
    try:
        yield terminal
    finally:
        terminal.stop()


@pytest.fixture(scope="module")
def rest_url(embedded_fleet: FleetInfo) -> Iterator[str]:
    """A fleet with a job of our own."""
    kafka.create_topic(embedded_fleet.kafka_bootstrap, NAME, like=kafka.INPUT_TOPIC)
    job.submit(embedded_fleet, ["price-aggregation", "--name", NAME, "--topic", NAME, "--sink", "print"])
    try:
        yield embedded_fleet.rest_url
    finally:
        control = RestControl(parse_endpoint(embedded_fleet.rest_url), SystemClock())
        for each in control.jobs():
            if each.name == NAME and each.ended_ms is None:
                control.cancel(each.id)
        control.close()


def test_from_the_fleet_to_a_verified_savepoint_and_out(tmux: Tmux, rest_url: str) -> None:
    tmux.start((120, 40), f"status --rest {rest_url}")
    tmux.wait(lambda text: NAME in text and "1 source ok" in text)
    tmux.press("/", *NAME, "Enter", "Enter")
    text = tmux.wait(lambda text: "state backend" in text and "1 vertices" in text)
    assert "RUNNING" in text
    tmux.press("2")
    tmux.wait(lambda text: "✔ completed" in text and ", slowest: in all " in text)
    tmux.press("s")
    tmux.wait(lambda text: "same as" in text and "y proceed" in text)
    tmux.press("y")
    text = tmux.wait(lambda text: "savepoint-create" in text and "verified" in text)
    assert "savepoint-" in text
    tmux.press("Escape")
    tmux.wait(lambda text: "savepoint-create  " not in text)  # an escape at once followed by q would be alt-q
    tmux.press("q")
    text = tmux.wait(lambda text: "left with" in text)
    assert "left with 0" in text
    assert "state backend" not in text, "the terminal is as it was"


def test_no_colour_and_ascii_on_a_small_terminal(tmux: Tmux, rest_url: str) -> None:
    tmux.start((80, 24), f"status --rest {rest_url}", NO_COLOR="1", FLINKOPS_ASCII="1")
    text = tmux.wait(lambda text: NAME in text and "1 source ok" in text)
    signs = {sign for sign in "".join(astuple(UNICODE)) if not sign.isascii()}
    assert not signs & set(text)  # names of jobs are what they are
    assert all(len(line) <= 80 for line in text.splitlines())
    assert not COLOUR.search(tmux.screen(escapes=True))
    tmux.press("q")
    tmux.wait(lambda text: "left with 0" in text)
