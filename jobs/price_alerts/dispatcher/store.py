# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""What was delivered, and what waits for clients that are slow: durable, in one SQLite file.

A thread of its own writes. It gathers changes for a moment and makes them durable together (one fsync), then says so.
Reads come from the event loop's thread and see what is durable.
"""

import asyncio
import contextlib
import fcntl
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from flinkops.clock import Clock, SystemClock
from flinkops.errors import OperationFailed, Refused

from .alert import Record

_SCHEMA_VERSION = 1
_FILE = "deliveries.db"
_PRUNE_ROWS = 2000
_ROWS_A_STATEMENT = 100
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE clients (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- The scrape's time comes first: new rows stand side by side, and so do those that are old enough to go.
CREATE TABLE delivered (scraped_ms INTEGER, client INTEGER, alert BLOB, settled_s INTEGER NOT NULL,
    PRIMARY KEY (scraped_ms, client, alert)) WITHOUT ROWID;
CREATE TABLE parked (client INTEGER, partition INTEGER, position INTEGER, appended_ms INTEGER NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (client, partition, position)) WITHOUT ROWID;
"""


class Settled(msgspec.Struct, frozen=True, gc=False):
    """A delivery is done with. `remember` keeps its id; `parked` is where it was parked, if it was."""

    client: int
    scraped_ms: int
    alert: bytes
    remember: bool
    parked: tuple[int, int] | None


class Park(msgspec.Struct, frozen=True, gc=False):
    """An alert is kept for a client until its turn comes."""

    client: int
    record: Record


Change = Settled | Park
Then = Callable[[], None]


class Store:
    """The file, its writer thread, and the look-ups. One process at a time.

    `window_seconds` is how long changes are gathered: what was answered, but not yet written when the process dies,
    is sent again.
    """

    def __init__(self, folder: Path, *, window_seconds: float, clock: Clock | None = None) -> None:
        self._window_seconds = window_seconds
        self._clock = clock or SystemClock()
        self._folder = folder
        with contextlib.ExitStack() as undo:
            self._lock = undo.enter_context(_locked(folder))
            try:
                self._reader = _connect(folder / _FILE)
            except sqlite3.Error as error:
                raise OperationFailed(f"cannot use the state in {folder}: {error}") from None
            undo.pop_all()
        self._changes: deque[tuple[Change, Then]] = deque()
        self._work = threading.Event()
        self._ending = False
        self._forget_before_ms: int | None = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="store", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write; what was written is told to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    # Reading ---------------------------------------------------------------------------------------------------

    def bind(self, name: str, value: str) -> None:
        """Tie the file to something, once for all. Raises Refused when it is tied to something else."""
        self._reader.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        (known,) = self._reader.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if known != value:
            raise Refused(
                f"the state in {self._folder} belongs to {name} {known}, not {value}",
                next_step="give another --state, or move this one away",
            )

    def client_numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The clients' numbers, the same for ever."""
        wanted = set(names)
        with _transaction(self._reader):
            self._reader.executemany("INSERT OR IGNORE INTO clients (name) VALUES (?)", ((name,) for name in wanted))
        rows = self._reader.execute("SELECT name, number FROM clients")
        return {name: number for name, number in rows if name in wanted}

    def is_settled(self, scraped_ms: int, client: int, alert: bytes) -> bool:
        """Whether this alert is done with for this client."""
        question = "SELECT 1 FROM delivered WHERE scraped_ms = ? AND client = ? AND alert = ?"
        return self._reader.execute(question, (scraped_ms, client, alert)).fetchone() is not None

    def is_parked(self, client: int, partition: int, offset: int) -> bool:
        """Whether this record is parked for this client."""
        question = "SELECT 1 FROM parked WHERE client = ? AND partition = ? AND position = ?"
        return self._reader.execute(question, (client, partition, offset)).fetchone() is not None

    def parked_counts(self) -> dict[str, int]:
        """How many alerts are parked for each client."""
        question = "SELECT name, count(*) FROM parked JOIN clients ON number = client GROUP BY client"
        return dict(self._reader.execute(question).fetchall())

    def parked(self, client: int, partition: int, after: int, before: int, limit: int) -> list[Record]:
        """Parked records of one partition, in order, with after < offset < before."""
        question = (
            "SELECT position, appended_ms, value FROM parked"
            " WHERE client = ? AND partition = ? AND position > ? AND position < ? ORDER BY position LIMIT ?"
        )
        rows = self._reader.execute(question, (client, partition, after, before, limit))
        return [Record(partition, offset, appended_ms, value) for offset, appended_ms, value in rows]

    # Writing ---------------------------------------------------------------------------------------------------

    def submit(self, change: Change, then: Then) -> None:
        """Make the change durable soon; `then` is called in the loop when it is."""
        self._changes.append((change, then))
        self._work.set()

    @property
    def backlog(self) -> int:
        """How many changes wait to be written."""
        return len(self._changes)

    @property
    def failure(self) -> BaseException | None:
        """What ended the writer, when it could not write."""
        return self._failed

    def forget_before(self, settled_ms: int) -> None:
        """Let go, bit by bit, of the ids of what was settled before this time."""
        self._forget_before_ms = settled_ms
        self._work.set()

    def close(self) -> None:
        """Write what there is, and close."""
        self._ending = True
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()
        self._lock.close()

    def _write(self) -> None:
        try:
            with contextlib.closing(_connect(self._folder / _FILE)) as connection:
                while not self._ending or self._changes:
                    self._work.wait()
                    self._work.clear()
                    if not self._ending:
                        time.sleep(self._window_seconds)
                    self._write_batch(connection)
        except Exception as error:  # noqa: BLE001 - told to the service, which ends
            self._failed = error

    def _write_batch(self, connection: sqlite3.Connection) -> None:
        batch = [self._changes.popleft() for _ in range(len(self._changes))]
        with _transaction(connection):
            now_s = self._clock.now_ms() // 1000
            for change, _ in batch:
                _apply(connection, change)
            _remember(connection, [change for change, _ in batch], now_s)
            forgotten = self._forget(connection)
        if batch and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for it any more
                self._loop.call_soon_threadsafe(_tell, [then for _, then in batch])
        if forgotten:
            self._work.set()

    def _forget(self, connection: sqlite3.Connection) -> bool:
        """Delete some rows that are old enough; whether there may be more."""
        before_ms = self._forget_before_ms
        if before_ms is None:
            return False
        # Nothing is settled before it was scraped: only the oldest scrapes need a look.
        deleted = connection.execute(
            "DELETE FROM delivered WHERE (scraped_ms, client, alert) IN (SELECT scraped_ms, client, alert"
            " FROM delivered WHERE scraped_ms < ? AND settled_s < ? LIMIT ?)",
            (before_ms, before_ms // 1000, _PRUNE_ROWS),
        ).rowcount
        if deleted < _PRUNE_ROWS:
            self._forget_before_ms = None
        return deleted >= _PRUNE_ROWS


def _apply(connection: sqlite3.Connection, change: Change) -> None:
    """Put what is to be parked into the file, and take out what no longer is."""
    if isinstance(change, Park):
        record = change.record
        row = (change.client, record.partition, record.offset, record.appended_ms, record.value)
        connection.execute("INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?, ?)", row)
    elif change.parked is not None:
        question = "DELETE FROM parked WHERE client = ? AND partition = ? AND position = ?"
        connection.execute(question, (change.client, *change.parked))


def _remember(connection: sqlite3.Connection, changes: Sequence[Change], now_s: int) -> None:
    """Keep the ids of what is done with, many in a statement: each that is run has to wait for Python's lock."""
    settled = [change for change in changes if isinstance(change, Settled) and change.remember]
    for start in range(0, len(settled), _ROWS_A_STATEMENT):
        rows = settled[start : start + _ROWS_A_STATEMENT]
        values = [value for each in rows for value in (each.scraped_ms, each.client, each.alert, now_s)]
        places = ", ".join(["(?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT OR IGNORE INTO delivered VALUES {places}", values)  # noqa: S608 - question marks


def _tell(callbacks: Sequence[Then]) -> None:
    for callback in callbacks:
        callback()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _locked(folder: Path) -> BinaryIO:
    """The folder's lock file, locked until it is closed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise OperationFailed(f"cannot use the state folder {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Refused(f"another dispatcher uses {folder}", next_step="give each its own --state") from None
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
    connection.execute("PRAGMA cache_size = -32000")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
    elif version != _SCHEMA_VERSION:
        raise OperationFailed(f"{path} was written by another version of the dispatcher ({version})")
