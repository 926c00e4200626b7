"""Starts again what dies of a fleet with high availability: `python -m flinkops.local.watcher HOME`.

Ends when the fleet does, and when the fleet is no longer the one that it was started for.
"""

import os
import sys
import time
from pathlib import Path

from flinkops.clock import SystemClock, iso_utc
from flinkops.errors import FlinkopsError
from flinkops.local import fleet
from flinkops.local.state import read_info

_POLL_SECONDS = 0.25
_NOTED_SECONDS = 30.0  # until then whoever started us has noted it down
_PAUSE_SECONDS = 2.0
"""After a repair that failed."""


def watch(home: Path) -> None:
    """Repair the fleet whenever something of it is dead, until it is stopped."""
    known_from = time.monotonic() + _NOTED_SECONDS
    while (info := read_info(home)) is not None:
        if time.monotonic() > known_from and all(process.pid != os.getpid() for process in info.processes):
            return
        if info.ready and info.dead:
            names = ", ".join(process.role for process in info.dead)
            started = time.monotonic()
            try:
                fleet.repair(home)
                _say(f"{names} started again after {time.monotonic() - started:.1f} s")
            except FlinkopsError as error:
                _say(f"{names}: {error.line()}")
                time.sleep(_PAUSE_SECONDS)
        time.sleep(_POLL_SECONDS)


def _say(text: str) -> None:
    sys.stdout.write(f"{iso_utc(SystemClock().now_ms())} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
