"""A dispatcher in a process of its own that reads records which are no alerts: `flood.py STATE RECORDS`.

The topic of dead letters is slower than the topic of alerts: nothing is written while records are read. Prints the
most memory that it had, in KiB, and how many letters were written.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.alert import Record
from jobs.price_alerts.dispatcher.broker import Bounds
from jobs.price_alerts.dispatcher.measures import Measures
from jobs.price_alerts.dispatcher.sending import Sender
from jobs.price_alerts.dispatcher.service import Dispatcher
from jobs.price_alerts.dispatcher.store import Store

BATCH = 256
TURNS = 64
"""Of the loop: far more than a batch needs to be taken in."""
RECORD = b"<html>503 Service Unavailable</html>" * 20


class Flood:
    """Records as fast as they are read; dead letters wait until the reader pauses."""

    identity = "flood"

    def __init__(self, records: int) -> None:
        self.records = records
        self.read_records = 0
        self.letters = 0
        self.waiting: list[asyncio.Future[None]] = []

    async def open(self) -> Mapping[int, Bounds]:
        return {0: Bounds(0, 0)}

    async def read(self) -> Sequence[Record]:
        if self.read_records >= self.records:
            await asyncio.Event().wait()
        first = self.read_records
        self.read_records += BATCH
        return [Record.of(0, offset, 0, bytes(bytearray(RECORD))) for offset in range(first, first + BATCH)]

    def commit(self, offsets: Mapping[int, int]) -> None: ...

    async def dead_letter(self, key: bytes, value: bytes) -> None:
        written = asyncio.get_running_loop().create_future()
        self.waiting.append(written)
        await written

    async def write_while_nothing_is_read(self) -> None:
        while self.letters < self.records:
            before = self.read_records
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if self.read_records == before:
                for written in self.waiting:
                    written.set_result(None)
                self.letters += len(self.waiting)
                self.waiting = []

    async def close(self, offsets: Mapping[int, int]) -> None: ...


async def run(state: str, records: str) -> None:
    flood = Flood(int(records))
    store = Store(Path(state), window_seconds=0.005)
    dispatcher = Dispatcher(flood, store, Sender(Guard(), timeout_seconds=1.0), Measures())
    running = asyncio.create_task(dispatcher.run())
    await flood.write_while_nothing_is_read()
    dispatcher.stop()
    await running
    sys.stdout.write(f"{peak_kib()} {flood.letters}\n")


def peak_kib() -> int:
    """The largest resident size of this program: getrusage would tell that of the process that started it, too."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
