"""The dispatcher with its stalls written down: `python -m bench._alert_traced_dispatcher TRACE OPTION...`.

Each line of TRACE is an interval: from, to (milliseconds since the epoch), what. The event loop is late when a timer of
5 ms comes more than 5 ms too late; a commit of the store and a collection of garbage are told from 5 ms on.
"""

import asyncio
import gc
import sqlite3
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench._alert_causes import COLLECTS, LATE
from jobs.price_alerts.dispatcher import __main__ as dispatcher
from jobs.price_alerts.dispatcher.store import Store

TIMER_SECONDS = 0.005
TOLD_MS = 5.0


class Trace:
    """Kept in memory until the end: two threads note, and a collection of garbage may come within a note."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque()
        self._collecting = 0.0

    def note(self, from_seconds: float, what: str) -> None:
        """What began then ends now."""
        to_ms = time.time() * 1000
        from_ms = from_seconds * 1000
        if to_ms - from_ms > TOLD_MS:
            self.lines.append(f"{from_ms:.1f}\t{to_ms:.1f}\t{what}\n")

    def collected(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting = time.time()
        else:
            self.note(self._collecting, COLLECTS)

    async def watch_loop(self) -> None:
        while True:
            due = time.time() + TIMER_SECONDS
            await asyncio.sleep(TIMER_SECONDS)
            self.note(due, LATE)


def main() -> int:
    path, *arguments = sys.argv[1:]
    trace = Trace()
    deliver, write_batch = dispatcher.deliver, Store._write_batch

    async def traced(options: Any) -> None:
        watching = asyncio.create_task(trace.watch_loop())
        try:
            await deliver(options)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    def timed(store: Store, connection: sqlite3.Connection) -> None:
        begun = time.time()
        write_batch(store, connection)
        trace.note(begun, "the store's commit")

    dispatcher.deliver = traced
    Store._write_batch = timed  # type: ignore[method-assign,assignment]
    gc.callbacks.append(trace.collected)
    try:
        return dispatcher.main(arguments)
    finally:
        Path(path).write_text("".join(trace.lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
