"""The dispatcher's file of what was delivered, as it grows: `python -m bench.alert_store [--rows N] [--folder DIR]`.

Writes deliveries in batches as the dispatcher does, at the pace the disk allows, and prints for each size of the file:
deliveries a second, bytes a delivery, and microseconds a poll-up of one that is there and of one that is not.
"""

import argparse
import os
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from jobs.price_alerts.dispatcher.store import Settled, Store

STEPS = 5
LOOKUPS = 20_000
BATCH = 64
START_MS = 1_700_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk in question; default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as name:
        store = Store(Path(name), window_seconds=0.0)
        writer = threading.Thread(target=store._write)
        writer.start()
        ids: list[bytes] = []
        for _ in range(STEPS):
            started = time.perf_counter()
            for _ in range(options.rows // STEPS):
                ids.append(os.urandom(32))
                store.submit(Settled(1, START_MS + len(ids), ids[-1], True, None), _nothing)
                while store.backlog > BATCH:
                    time.sleep(0)
            while store.backlog:
                time.sleep(0)
            seconds = time.perf_counter() - started
            with sqlite3.connect(Path(name, "deliveries.db")) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            size = Path(name, "deliveries.db").stat().st_size
            print(
                f"{len(ids):>10,} rows: {options.rows / STEPS / seconds:>8,.0f} a second, {size / len(ids):.0f} bytes"
                f" each, look-up {lookup(store, ids, 0):.1f} us when there, {lookup(store, ids, 1):.1f} us when not",
                flush=True,
            )
        store._ending = True
        store._work.set()
        writer.join()


def lookup(store: Store, ids: list[bytes], client: int) -> float:
    """Microseconds a poll-up, of deliveries of all ages."""
    step = max(1, len(ids) // LOOKUPS)
    started = time.perf_counter()
    for index in range(0, len(ids), step):
        assert store.is_settled(START_MS + index + 1, 1 + client, ids[index]) != bool(client)
    return (time.perf_counter() - started) / (len(ids) / step) * 1e6


def _nothing() -> None:
    """Nobody waits for it."""


if __name__ == "__main__":
    main()
