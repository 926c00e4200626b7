"""Receivers that write any bytes over real sockets, and what the dispatcher's pool makes of them."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.pool import Pool
from tests.patience import PATIENT_SECONDS

LOOPBACK = Guard([ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")])
REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """Answers each request on a connection with the next of `answers`, the last one again and again.

    An answer is written in pieces, each in a segment of its own. `closes`: the connection, once one was written.
    """

    def __init__(self, *answers: bytes | tuple[bytes, ...], closes: bool = False) -> None:
        self.answers = [each if isinstance(each, tuple) else (each,) for each in answers]
        self.closes = closes
        self.requests = 0
        self.opened: list[asyncio.StreamWriter] = []
        self.ended = 0

    @property
    def connections(self) -> int:
        return len(self.opened)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened.append(writer)
        try:
            while True:
                await reader.readexactly(len(REQUEST))
                pieces = self.answers[min(self.requests, len(self.answers) - 1)]
                self.requests += 1
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005 if len(pieces) > 1 else 0)  # a segment of its own
                if self.closes:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended += 1
            writer.close()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def pool(
    guard: Guard = LOOPBACK, *, timeout_seconds: float = PATIENT_SECONDS, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Pool]:
    made = Pool(guard, timeout_seconds=timeout_seconds, tls=tls)
    try:
        yield made
    finally:
        made.close()
        await asyncio.sleep(0)
