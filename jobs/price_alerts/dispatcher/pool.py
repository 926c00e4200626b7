# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The connections to the receivers: taken from those that are idle, or made, where the guard lets it.

A pool of our own, since a general HTTP client needs several times its CPU (docs/performance.md). Proxies of the
environment are not used: the guard cannot see past them.
"""

import asyncio
import socket
import ssl
import traceback
from functools import cache

from aiohappyeyeballs import start_connection

from .addresses import AddressRefused, Guard
from .connections import Answer, Connection, Unanswered
from .names import Names
from .targets import Origin

IDLE_SECONDS = 15.0
_NEXT_ADDRESS_SECONDS = 0.25  # as RFC 8305 recommends: then a name's next address is tried beside the first


@cache
def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


class Pool:
    """The connections to all origins. Each new one goes where the guard lets it."""

    def __init__(self, guard: Guard, *, timeout_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        self._guard, self._timeout_seconds, self._tls = guard, timeout_seconds, tls
        self._names = Names()
        self._idle: dict[Origin, dict[Connection, float]] = {}
        """Since when each has been idle; the last in is the first out, so that what is not needed grows old."""
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def post(self, origin: Origin, request: bytes) -> Answer | Unanswered:
        """Send a whole request, over a connection that is idle or a new one; all within the time-out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        connection = self._take(origin, loop.time()) or await self._connect(origin, deadline)
        if not isinstance(connection, Connection):
            return connection
        try:
            return await connection.exchange(request, deadline)
        finally:
            if connection.usable:
                self._keep(connection, loop)

    def close(self) -> None:
        """Close all connections, and make no more."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.abort()

    def _take(self, origin: Origin, now: float) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection, since = idle.popitem()
            if connection.usable and now - since < IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            connection.abort()
            return
        self._idle.setdefault(connection.origin, {})[connection] = loop.time()
        if self._sweeper is None:
            self._sweeper = loop.call_later(IDLE_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle for too long. One timer for all, not one for each request."""
        self._sweeper = None
        due = loop.time() - IDLE_SECONDS
        for origin, idle in list(self._idle.items()):
            for connection in [each for each, since in idle.items() if since <= due]:
                del idle[connection]
                connection.abort()
            if not idle:
                del self._idle[origin]
        if self._idle:
            oldest = min(since for idle in self._idle.values() for since in idle.values())
            self._sweeper = loop.call_at(oldest + IDLE_SECONDS, self._sweep, loop)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if idle := self._idle.get(connection.origin):
            idle.pop(connection, None)

    async def _connect(self, origin: Origin, deadline: float) -> Connection | Unanswered:
        if self._closed:
            return "no_connection"
        timeout = asyncio.timeout_at(deadline)
        try:
            async with timeout:
                return await self._first_that_works(origin)
        except (OSError, RuntimeError) as error:  # uvloop has RuntimeError for some of what asyncio has OSError for
            _release_frames(error)
            return "timeout" if timeout.expired() else _why_unconnected(error)

    async def _first_that_works(self, origin: Origin) -> Connection:
        """A connection to one of the host's addresses; where TLS fails with one, to another. Raises OSError."""
        found = await self._names.addresses(origin.host, origin.port)
        if not found:
            raise OSError("the name has no address")
        addresses = [each for each in found if self._guard.permits(str(each[4][0]))]
        if not addresses:
            raise AddressRefused("no address of the name is public or allowed")
        while True:
            # The guard's socket judges again: the address that this one connection goes to.
            sock = await start_connection(
                addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, socket_factory=self._guard.socket
            )
            peer = _peer_of(sock)
            try:
                return await self._open_on(sock, origin)
            except OSError:
                others = [each for each in addresses if each[4] != peer]
                if len(others) in (0, len(addresses)):
                    raise
                addresses = others

    async def _open_on(self, sock: socket.socket, origin: Origin) -> Connection:
        """Shake hands where the origin wants TLS. Raises OSError, and closes the socket where it fails."""
        connection = Connection(origin, self._lost)
        self._open.add(connection)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=(self._tls or _default_tls()) if origin.tls else None,
                server_hostname=origin.host.rstrip(".") if origin.tls else None,
            )
        except BaseException:
            self._open.discard(connection)
            sock.close()
            raise
        if self._closed:
            connection.abort()
        return connection


def _peer_of(sock: socket.socket) -> object:
    try:
        return sock.getpeername()
    except OSError:  # closed again meanwhile
        return None


def _why_unconnected(error: Exception) -> Unanswered:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    return "address_refused" if isinstance(error, AddressRefused) else "no_connection"


def _release_frames(error: BaseException) -> None:
    """Cut the circle of an exception and the frames that hold it, of this one and those that it came from.

    What connects keeps the exception in a local variable of a frame that its traceback holds: 90 objects a failed
    connection would wait for the collector, which comes after 50,000 (`__main__`): 1.2 MiB an outage. Those of a race
    among several addresses that all fail are out of reach here and do wait for it: 28 objects an address.
    """
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
