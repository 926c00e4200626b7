"""The TUI's bars, on a real pseudo-terminal: first paint, key to paint, memory, with 1,000 jobs that all change.

    python -m bench.tui            all of it, in about two minutes
    python -m bench.tui --quick    fewer keys and refreshes

Bars: first paint < 1 s; key to paint p95 < 50 ms; memory flat over 1,000 refreshes.
"""

import argparse
import contextlib
import fcntl
import itertools
import json
import os
import pty
import resource
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
JOBS = 1_000
COLUMNS, ROWS = 200, 50
WARM_UP_REFRESHES = 100


class Terminal:
    """A child on a pseudo-terminal of our own; what it writes is counted and thrown away."""

    def __init__(self, command: list[str]) -> None:
        self.started = time.monotonic()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def read(self, seconds: float) -> bytes:
        """What comes within this time; empty when nothing does."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return b""
        try:
            return os.read(self.master, 1 << 20)
        except OSError:  # the child has gone
            return b""

    def wait_for(self, text: bytes, seconds: float) -> float:
        """Seconds from the start of the child until `text` was on the screen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.seen = (self.seen + self.read(0.05))[-(1 << 20) :]
            if text in self.seen:
                return time.monotonic() - self.started
        raise SystemExit(f"never on the screen: {text!r}; last: {self.seen[-300:]!r}")

    def cpu_seconds(self) -> float:
        """What the child has used so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def drain_until_exit(self, seconds: float) -> None:
        """Read until the child ends."""
        deadline = time.monotonic() + seconds
        while self.child.poll() is None and time.monotonic() < deadline:
            self.read(0.05)

    def close(self) -> None:
        """End the child, whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)


def first_paint(runs: int) -> list[tuple[float, float]]:
    """`flinkops status` on a cluster that does not answer: its first frame waits for nobody. Wall and CPU seconds."""
    found = []
    for _ in range(runs):
        terminal = Terminal([sys.executable, "-m", "flinkops", "status", "--rest", "http://127.0.0.1:9"])
        try:
            found.append((terminal.wait_for(b" filter", 30), terminal.cpu_seconds()))
            os.write(terminal.master, b"q")
            terminal.drain_until_exit(10)
        finally:
            terminal.close()
    return found


def in_child(mode: str, *arguments: str, keys: int = 0, seconds: float = 600) -> dict[str, Any]:
    """Run one of the children below; keys are pressed every 60 ms while it refreshes."""
    result = ROOT / "build" / f"bench-tui-{mode}-{os.getpid()}.json"
    result.parent.mkdir(exist_ok=True)
    terminal = Terminal([sys.executable, "-m", "bench.tui", "--child", mode, "--result", str(result), *arguments])
    try:
        terminal.wait_for(b"worst first", 120)
        for number in range(keys):
            os.write(terminal.master, b"jjjjkjjj"[number % 8 :][:1] if number % 50 else b"g")
            until = time.monotonic() + 0.06
            while (left := until - time.monotonic()) > 0:
                terminal.read(left)
        if keys:
            os.write(terminal.master, b"q")
        terminal.drain_until_exit(seconds)
        return dict(json.loads(result.read_text()))
    finally:
        terminal.close()
        result.unlink(missing_ok=True)


# ---- the children


def fleets() -> Any:
    """An endless supply of observations of 1,000 jobs, every one of which changes from each to the next."""
    import msgspec

    from flinkops.model.observation import Observation
    from tests.tui.fleet import fleet

    observations = [fleet(JOBS, poll=poll) for poll in range(4)]
    for number in itertools.count():
        seen = observations[number % len(observations)]
        taken_ms = time.time_ns() // 1_000_000
        assessment = msgspec.structs.replace(seen.assessment, taken_ms=taken_ms)
        yield Observation(seen.snapshot, assessment, seen.history)


class Supply:
    """An observer of them."""

    def __init__(self) -> None:
        self._fleets = fleets()
        self._first = next(self._fleets)

    def observe(self) -> Any:
        return next(self._fleets)


class KeyTimes:
    """From the key's arrival to the paint that shows the moved cursor; CPU is what it costs on a busy machine, too."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.refreshes = 0
        self._arrived: tuple[float, float] | None = None
        self._moved: tuple[float, float] | None = None

    def arrive(self, at_seconds: float) -> None:
        self._arrived = at_seconds, time.thread_time()

    def move(self) -> None:
        self._moved, self._arrived = self._arrived or self._moved, None

    def paint(self, at_seconds: float) -> None:
        if self._moved is not None:
            at, cpu = self._moved
            self._moved = None
            self.seconds.append(at_seconds - at)
            self.cpu_seconds.append(time.thread_time() - cpu)


def child_keys(result: Path) -> None:
    """Refreshes each second, and writes down the times of keys."""
    from textual._time import get_time
    from textual.events import Key

    from flinkops.tui.app import FlinkopsApp
    from flinkops.tui.grid import Grid
    from flinkops.tui.options import Options

    times = KeyTimes()

    class Measured(FlinkopsApp):
        async def on_event(self, event: Any) -> None:
            if isinstance(event, Key):
                times.arrive(event.time)
            await super().on_event(event)

        def _display(self, screen: Any, renderable: Any) -> None:
            super()._display(screen, renderable)
            times.paint(get_time())

        def watch_view(self, view: Any) -> None:
            times.refreshes += 1
            super().watch_view(view)

    move_to = Grid.move_to

    def moving(grid: Any, index: int) -> None:
        before = grid.cursor
        move_to(grid, index)
        if grid.cursor != before:
            times.move()

    Grid.move_to = moving  # type: ignore[method-assign,assignment]
    _run(Measured(Supply(), Options(interval_seconds=1.0)))
    document = {"seconds": times.seconds, "cpu_seconds": times.cpu_seconds, "refreshes": times.refreshes}
    result.write_text(json.dumps(document))


def _run(app: Any) -> None:
    app.run()
    if app.crash is not None:
        raise app.crash


def child_memory(result: Path, refreshes: int) -> None:
    """Refreshes as fast as they are painted; the resident set after the warm-up and at the end."""
    from flinkops.tui.app import FlinkopsApp
    from flinkops.tui.options import Options
    from flinkops.tui.view import View

    resident: list[int] = []
    paints = itertools.count()
    supply = Supply()

    class Fed(FlinkopsApp):
        fed = 0

        def on_ready(self) -> None:
            self.feed()

        def feed(self) -> None:
            if self.fed >= refreshes:
                self.exit()
                return
            self.fed += 1
            self.poller.observed(View.of(supply.observe(), interval_seconds=1.0))
            if self.fed == WARM_UP_REFRESHES or self.fed % 100 == 0:
                resident.append(_resident_bytes())
            self.call_after_refresh(self.feed)

        def _display(self, screen: Any, renderable: Any) -> None:
            next(paints)
            super()._display(screen, renderable)

    times = _timed(Fed(supply, Options(polling=False)))
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    counted = {"refreshes": refreshes, "paints": next(paints), "resident_bytes": resident, "peak_bytes": peak_bytes}
    result.write_text(json.dumps(counted | times))


def _timed(app: Any) -> dict[str, float]:
    began, used = time.monotonic(), time.process_time()
    _run(app)
    return {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - used}


def _resident_bytes() -> int:
    import gc

    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# ---- the report


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", choices=["keys", "memory"])
    parser.add_argument("--result", type=Path)
    parser.add_argument("--refreshes", type=int, default=1_000)
    chosen = parser.parse_args()
    if chosen.child == "keys":
        child_keys(chosen.result)
    elif chosen.child == "memory":
        child_memory(chosen.result, chosen.refreshes)
    else:
        report(quick=chosen.quick)


def report(*, quick: bool) -> None:
    load = os.getloadavg()[0]
    print(f"{JOBS} jobs, {COLUMNS}x{ROWS}, {os.cpu_count()} cores, load {load:.1f}")
    paints = first_paint(3 if quick else 7)
    wall, cpu = [paint[0] for paint in paints], [paint[1] for paint in paints]
    print(
        f"first paint         median {statistics.median(wall):.2f} s, worst {max(wall):.2f} s, "
        f"{statistics.median(cpu):.2f} s CPU   (bar 1 s)"
    )
    keys = in_child("keys", keys=150 if quick else 600)
    values = [seconds * 1000 for seconds in keys["seconds"]]
    costs = [seconds * 1000 for seconds in keys["cpu_seconds"]]
    print(
        f"key to paint        p50 {percentile(values, 0.5):.1f} ms, p95 {percentile(values, 0.95):.1f} ms, worst "
        f"{max(values):.1f} ms over {len(values)} keys and {keys['refreshes']} refreshes   (bar p95 50 ms)"
    )
    print(f"    of it CPU       p50 {percentile(costs, 0.5):.1f} ms, p95 {percentile(costs, 0.95):.1f} ms")
    memory = in_child("memory", "--refreshes", "300" if quick else "1000")
    first, last = memory["resident_bytes"][0], memory["resident_bytes"][-1]
    per = memory["cpu_seconds"] / memory["refreshes"] * 1000
    print(
        f"memory              {first / 1e6:.1f} MB after {WARM_UP_REFRESHES} refreshes, {last / 1e6:.1f} MB after "
        f"{memory['refreshes']} ({(last - first) / first:+.1%})   (bar: flat)"
    )
    print(f"a refresh           {per:.1f} ms CPU, {memory['paints'] / memory['refreshes']:.2f} paints   (bar 1 paint)")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
