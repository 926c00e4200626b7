"""A topic of alerts in a folder: what Kafka is for the dispatcher, for tests that want neither JVM nor minutes.

The same suite runs on it and on the real broker.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from flinkops.clock import SystemClock
from jobs.price_alerts.dispatcher.alert import Record
from jobs.price_alerts.dispatcher.broker import Bounds, TooLarge

PARTITIONS = 2
_POLL_SECONDS = 0.002


class FileLog:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = 0
        self._positions: dict[int, int] = {}

    # What a test does

    def append(self, partition: int, value: bytes) -> None:
        with (self.folder / "alerts").open("ab") as file:
            file.write(b"%d\t%d\t%s\n" % (partition, SystemClock().now_ms(), value.hex().encode()))

    def committed(self) -> dict[int, int]:
        file = self.folder / "committed"
        known = json.loads(file.read_text()) if file.exists() else {}
        return {partition: known.get(str(partition), 0) for partition in range(PARTITIONS)}

    def ends(self) -> dict[int, int]:
        partitions = [partition for partition, _, _ in self._lines(0)]
        return {partition: partitions.count(partition) for partition in range(PARTITIONS)}

    def dead_letters(self) -> list[dict[str, object]]:
        file = self.folder / "dead"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def limit_dead_letters(self, max_bytes: int) -> None:
        """From now on the dispatcher's view refuses longer ones, as a topic does with `max.message.bytes`."""
        (self.folder / "dead limit").write_text(str(max_bytes))

    def log(self) -> "FileLog":
        """The dispatcher's view of it, which has a position of its own."""
        return FileLog(self.folder)

    # What the dispatcher calls

    @property
    def identity(self) -> str:
        return f"file {self.folder.name}"

    async def open(self) -> Mapping[int, Bounds]:
        self._seen, self._positions = 0, dict.fromkeys(range(PARTITIONS), 0)
        ends = self.ends()
        return {partition: Bounds(start, ends[partition]) for partition, start in self.committed().items()}

    def _lines(self, first: int) -> list[tuple[int, int, bytes]]:
        file = self.folder / "alerts"
        lines = file.read_bytes().splitlines()[first:] if file.exists() else []
        fields = [line.split(b"\t") for line in lines]
        return [(int(partition), int(at_ms), bytes.fromhex(value.decode())) for partition, at_ms, value in fields]

    async def read(self) -> Sequence[Record]:
        starts = self.committed() if self._seen == 0 else {}
        while True:
            records = []
            for partition, at_ms, value in self._lines(self._seen):
                self._seen += 1
                offset = self._positions[partition]
                self._positions[partition] += 1
                if offset >= starts.get(partition, 0):
                    records.append(Record.of(partition, offset, at_ms, value))
            if records:
                return records
            await asyncio.sleep(_POLL_SECONDS)

    def commit(self, offsets: Mapping[int, int]) -> None:
        whole = {**self.committed(), **offsets}
        new = self.folder / f"committed.{os.getpid()}"
        new.write_text(json.dumps({str(partition): offset for partition, offset in whole.items()}))
        new.replace(self.folder / "committed")

    async def dead_letter(self, key: bytes, value: bytes) -> None:
        limit = self.folder / "dead limit"
        if limit.exists() and len(value) > int(limit.read_text()):
            raise TooLarge
        with (self.folder / "dead").open("ab") as file:
            file.write(value + b"\n")

    async def close(self, offsets: Mapping[int, int]) -> None:
        self.commit(offsets)
