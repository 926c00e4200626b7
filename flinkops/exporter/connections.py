"""The exporter's open connections: how many there may be, and for how long each may take.

A client that sends its request a byte at a time, or does not read its answer, is cut off. When all places are taken the
connection that has waited longest with its request unfinished gives way to the new one.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

MAX_CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""From the connection to the end of the request's head, the TLS handshake included."""
ANSWER_SECONDS = 60.0
"""From there to the end of the answer: making it, and the client's reading it."""


class _Open:
    def __init__(self, since: float) -> None:
        self.since = since
        self.answering = False
        self.cut = False


class Connections:
    """Of one server; used by its accepting thread and by the thread of each connection."""

    def __init__(self, most: int | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._most = MAX_CONNECTIONS if most is None else most
        self._now = now
        self._changed = threading.Condition()
        self._open: dict[socket.socket, _Open] = {}

    def __len__(self) -> int:
        with self._changed:
            return len(self._open)

    def admit(self, connection: socket.socket) -> bool:
        """Takes a place for a new connection; False when all are busy answering."""
        with self._changed:
            if sum(not one.cut for one in self._open.values()) >= self._most:
                unfinished = [(one.since, sock) for sock, one in self._open.items() if not (one.answering or one.cut)]
                if not unfinished:
                    return False
                self._cut(min(unfinished, key=lambda found: found[0])[1])
            self._open[connection] = _Open(self._now())
            return True

    def answering(self, connection: socket.socket) -> None:
        """Its request has been read."""
        with self._changed:
            if (one := self._open.get(connection)) is not None:
                one.answering, one.since = True, self._now()

    def leave(self, connection: socket.socket) -> None:
        """It is closed."""
        with self._changed:
            self._open.pop(connection, None)
            self._changed.notify_all()

    def cut_overdue(self) -> None:
        """Cuts off every connection that has had its time."""
        with self._changed:
            for connection, one in self._open.items():
                limit = ANSWER_SECONDS if one.answering else REQUEST_SECONDS
                if not one.cut and self._now() - one.since > limit:
                    self._cut(connection)

    def wait_for_none(self, seconds: float) -> None:
        """Until all have left, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, seconds)

    def _cut(self, connection: socket.socket) -> None:
        """Ends what its thread waits for; the thread closes it."""
        self._open[connection].cut = True
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of TLS, too, without a word to the other side
