# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""What was delivered, and what is parked for clients that are slow: durable, in one SQLite file.

A thread of its own writes. It gathers changes for a moment and makes them durable together (one fsync), then calls
back. Reads come from the event loop's thread and see what is durable. Every error of SQLite about the file, such as
a full disk or damage, is raised as OperationFailed.
"""

import asyncio
import contextlib
import fcntl
import math
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from flinkops.clock import Clock, SystemClock
from flinkops.errors import OperationFailed, Refused

from .alert import Record

_SCHEMA_VERSION = 1
_FILE = "deliveries.db"
_PRUNE_ROWS = 2000
_ROW_MISSING = "a row that was just written is missing"
_ROWS_A_STATEMENT = 100
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE clients (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- The scrape's time comes first: new rows are adjacent, and so are those that are old enough to be deleted.
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
    """The file, its writer thread, and the queries. One process at a time.

    `window_seconds` is how long changes are gathered at most: what was answered, but not yet written when the process
    dies, is sent again.
    """

    def __init__(self, folder: Path, *, window_seconds: float, clock: Clock | None = None) -> None:
        self._window_seconds = window_seconds
        self._clock = clock or SystemClock()
        self._folder = folder
        with contextlib.ExitStack() as undo:
            self._lock = undo.enter_context(_locked(folder))
            with self._usable():
                self._reader = _connect(folder / _FILE)
            undo.callback(self._reader.close)
            self._newest_scraped_ms = self._newest()
            undo.pop_all()
        self._changes: deque[tuple[Change, Then]] = deque()
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._ending = False
        self._delete_before_ms: int | None = None
        self._failed: OperationFailed | None = None
        self._thread = threading.Thread(target=self._write, name="store", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write; callbacks run in the loop that is running now."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        """Turns SQLite's errors into one line for the user, with the file they are about."""
        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:  # its words may quote bytes of a damaged file
            raise _unusable(self._folder / _FILE, error) from None

    # Reading ---------------------------------------------------------------------------------------------------

    def bind(self, name: str, value: str) -> None:
        """Tie the file to something, once for all. Raises Refused when it is tied to something else."""
        with self._usable():
            self._reader.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            row = self._reader.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise sqlite3.DatabaseError(_ROW_MISSING)
        (known,) = row
        if known != value:
            raise Refused(
                f"the state in {self._folder} belongs to {name} {known}, not {value}",
                next_step="give another --state, or move this one away",
            )

    def client_numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The clients' numbers, the same for ever."""
        wanted = set(names)
        with self._usable():
            with _transaction(self._reader):
                self._reader.executemany("INSERT OR IGNORE INTO clients (name) VALUES (?)", ((one,) for one in wanted))
            rows = self._reader.execute("SELECT name, number FROM clients")
            numbers = {str(name): int(number) for name, number in rows if name in wanted}
            if len(numbers) < len(wanted):
                raise sqlite3.DatabaseError(_ROW_MISSING)
        return numbers

    def is_settled(self, scraped_ms: int, client: int, alert: bytes) -> bool:
        """Whether this alert is done with for this client. The file is not asked about one newer than all in it."""
        if scraped_ms > self._newest_scraped_ms:
            return False
        question = "SELECT 1 FROM delivered WHERE scraped_ms = ? AND client = ? AND alert = ?"
        return self._first(question, scraped_ms, client, alert) is not None

    def _newest(self) -> float:
        """The time of the newest scrape of which an alert is done with; before all times when there is none."""
        (newest,) = self._first("SELECT CAST(max(scraped_ms) AS INTEGER) FROM delivered") or (None,)
        return -math.inf if newest is None else float(newest)

    def is_parked(self, client: int, partition: int, offset: int) -> bool:
        """Whether this record is parked for this client."""
        question = "SELECT 1 FROM parked WHERE client = ? AND partition = ? AND position = ?"
        return self._first(question, client, partition, offset) is not None

    def parked_counts(self, clients: Iterable[int]) -> dict[int, int]:
        """By client number, how many alerts are parked for it: only its own rows are read."""
        question = "SELECT count(*) FROM parked WHERE client = ?"
        return {client: int((self._first(question, client) or (0,))[0]) for client in clients}

    def _first(self, question: str, *values: object) -> tuple[Any, ...] | None:
        with self._usable():
            row: tuple[Any, ...] | None = self._reader.execute(question, values).fetchone()
            return row

    def parked(self, client: int, partition: int, after: int, before: int, limit: int) -> list[Record]:
        """Parked records of one partition, in order, with after < offset < before."""
        question = (
            "SELECT CAST(position AS INTEGER), CAST(appended_ms AS INTEGER), CAST(value AS BLOB) FROM parked"
            " WHERE client = ? AND partition = ? AND position > ? AND position < ? ORDER BY position LIMIT ?"
        )
        with self._usable():
            rows = self._reader.execute(question, (client, partition, after, before, limit)).fetchall()
        return [Record.of(partition, offset, appended_ms, value or b"") for offset, appended_ms, value in rows]

    # Writing ---------------------------------------------------------------------------------------------------

    def submit(self, change: Change, then: Then) -> None:
        """Make the change durable soon; `then` is called in the loop when it is."""
        if isinstance(change, Settled) and change.remember:
            self._newest_scraped_ms = max(self._newest_scraped_ms, change.scraped_ms)
        self._changes.append((change, then))
        self._work.set()

    def hurry(self) -> None:
        """Gather no longer: deliveries wait for what is gathered by now."""
        self._hurry.set()

    @property
    def backlog(self) -> int:
        """How many changes wait to be written."""
        return len(self._changes)

    @property
    def failure(self) -> OperationFailed | None:
        """What ended the writer, when it could not write."""
        return self._failed

    def delete_before(self, settled_ms: int) -> None:
        """Delete, bit by bit, the ids of what was settled before this time."""
        self._delete_before_ms = settled_ms
        self._work.set()

    def close(self) -> None:
        """Write what there is, and close."""
        self._ending = True
        self._work.set()
        self._hurry.set()
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
                        self._hurry.wait(self._window_seconds)
                        self._hurry.clear()
                    self._write_batch(connection)
        except (sqlite3.Error, UnicodeError) as error:
            self._failed = _unusable(self._folder / _FILE, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service ends with it
            self._failed = OperationFailed(f"the state cannot be written: {type(error).__name__}: {error}")

    def _write_batch(self, connection: sqlite3.Connection) -> None:
        batch = [self._changes.popleft() for _ in range(len(self._changes))]
        with _transaction(connection):
            now_s = self._clock.now_ms() // 1000
            for change, _ in batch:
                _apply(connection, change)
            _remember(connection, [change for change, _ in batch], now_s)
            more_to_delete = self._delete_old(connection)
        if batch and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: the callbacks have no purpose
                self._loop.call_soon_threadsafe(self._call_back, [then for _, then in batch])
        if more_to_delete:
            self._work.set()

    def _call_back(self, callbacks: Sequence[Then]) -> None:
        """In the loop: a callback that cannot read the file ends the service, rather than the others of its batch."""
        try:
            for callback in callbacks:
                callback()
        except OperationFailed as error:
            self._failed = error

    def _delete_old(self, connection: sqlite3.Connection) -> bool:
        """Delete some rows that are old enough; whether there may be more."""
        before_ms = self._delete_before_ms
        if before_ms is None:
            return False
        # Nothing is settled before it was scraped: only the oldest scrapes can be old enough.
        deleted = connection.execute(
            "DELETE FROM delivered WHERE (scraped_ms, client, alert) IN (SELECT scraped_ms, client, alert"
            " FROM delivered WHERE scraped_ms < ? AND settled_s < ? LIMIT ?)",
            (before_ms, before_ms // 1000, _PRUNE_ROWS),
        ).rowcount
        if deleted < _PRUNE_ROWS:
            self._delete_before_ms = None
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
    """Keep the ids of what is done with, many in a statement: each statement waits for Python's lock."""
    settled = [change for change in changes if isinstance(change, Settled) and change.remember]
    for start in range(0, len(settled), _ROWS_A_STATEMENT):
        rows = settled[start : start + _ROWS_A_STATEMENT]
        values = [value for each in rows for value in (each.scraped_ms, each.client, each.alert, now_s)]
        places = ", ".join(["(?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT OR IGNORE INTO delivered VALUES {places}", values)  # noqa: S608 - question marks


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _unusable(file: Path, error: Exception) -> OperationFailed:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return OperationFailed(f"{file} cannot be written: {error}", next_step="make room on its disk and start again")
    return OperationFailed(
        f"{file} cannot be used: {error}",
        next_step="where it is damaged, move the folder away and start again: what was delivered in the days that"
        " --remember names may be sent once more, and what was parked is lost",
    )


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
    except OSError as error:
        lock.close()
        raise OperationFailed(f"cannot lock the state folder {folder}: {error.strerror}") from None
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
        raise OperationFailed(
            f"{path} was written by another version of the dispatcher ({version})",
            next_step="run that version, or give another --state",
        )
