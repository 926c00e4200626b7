# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""A receiver of alerts for the demo, the tests and the bench: it honours Idempotency-Key and verifies signatures.

`python -m jobs.price_alerts.dispatcher.receiver --secret SECRET [--log FILE] [--print]`
"""

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec

from flinkops.clock import SystemClock, parse_iso_utc

from .parent import when_orphaned
from .signing import is_genuine

VARIABLE = "PRICE_ALERTS_RECEIVER_SECRET"
"""Other users of the machine see a process's options, but not its environment."""
_REQUEST_LINE = re.compile(rb"POST (\S+) HTTP/1\.1\r\n")
_HEADER = re.compile(
    rb"(?i)\r\n(content-length|idempotency-key|x-flinkops-signature|webhook-(?:id|timestamp|signature)):"
    rb"[ \t]*([^\r\n]*)"
)
_PRINTED_A_SECOND = 5
_FLUSH_SECONDS = 1.0  # a reader that counts lines must see them in time
_MAX_REQUEST_BYTES = 256 * 1024
_REASONS = {200: "OK", 401: "Unauthorized", 400: "Bad Request"}


class Behaviour(msgspec.Struct, kw_only=True):
    """How the receiver behaves; may be changed while it runs. Ratios are of all requests, drawn by chance."""

    fail_ratio: float = 0.0
    fail_status: int = 503
    retry_after: str | None = None
    delay_seconds: float = 0.0
    hang_ratio: float = 0.0


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One request that was answered with 200. `effect` is False when its key was known before."""

    received_ms: int
    path: str
    alert_id: str
    sku: str
    effect: bool
    ingested_ms: int | None
    scraped_at: str
    body: bytes


class _Body(msgspec.Struct, gc=False):
    sku: str = ""
    scraped_at: str = ""
    ingested_at: str | int | None = None


class Receiver:
    """Counts what arrives, and detects repeats."""

    def __init__(self, secret: str, behaviour: Behaviour | None = None, *, seed: int = 1) -> None:
        self.secret = secret
        self.behaviour = behaviour or Behaviour()
        self.requests = 0
        self.repeats = 0
        self.forged = 0
        self.keys: set[tuple[str, str]] = set()
        self.on_arrival: Callable[[Arrival], None] = lambda _arrival: None
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._clock = SystemClock()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._body = msgspec.json.Decoder(_Body)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, self._connections), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.close()
            await self._server.wait_closed()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, float] | None:
        """The status of the answer and after how many seconds it goes out; None for never."""
        self.requests += 1
        behaviour = self.behaviour
        if behaviour.hang_ratio and self._chance.random() < behaviour.hang_ratio:
            return None
        if behaviour.fail_ratio and self._chance.random() < behaviour.fail_ratio:
            return behaviour.fail_status, behaviour.delay_seconds
        if not is_genuine(self.secret, headers, body, self._clock.now_ms() / 1000):
            self.forged += 1
            return 401, 0.0
        return self._accept(path, headers.get("idempotency-key", ""), body)

    def _accept(self, path: str, key: str, body: bytes) -> tuple[int, float]:
        try:
            content = self._body.decode(body)
        except msgspec.MsgspecError:
            return 400, 0.0
        since = content.ingested_at
        effect = (path, key) not in self.keys
        self.keys.add((path, key))
        self.repeats += not effect
        ingested_ms = parse_iso_utc(since) if isinstance(since, str) else since
        now_ms = self._clock.now_ms()
        self.on_arrival(Arrival(now_ms, path, key, content.sku, effect, ingested_ms, content.scraped_at, body))
        return 200, self.behaviour.delay_seconds


class _Connection(asyncio.Protocol):
    """Just enough of HTTP/1.1: POST with a Content-Length, one request after the other."""

    def __init__(self, receiver: Receiver, connections: "set[_Connection]") -> None:
        self._receiver, self._connections = receiver, connections
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2]
            request = _REQUEST_LINE.match(head)
            headers = {name.decode().lower(): value.decode("ascii", "replace") for name, value in _HEADER.findall(head)}
            length = headers.get("content-length", "")
            if request is None or not length.isdigit() or int(length) > _MAX_REQUEST_BYTES:
                self._write(400)
                self.close()
                return
            whole = end + 4 + int(length)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._reply(self._receiver.answer(request[1].decode("ascii", "replace"), headers, body))
        if len(self._buffer) > _MAX_REQUEST_BYTES:
            self.close()

    def _reply(self, answer: tuple[int, float] | None) -> None:
        if answer is None:
            return
        status, delay_seconds = answer
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._write, status)
        else:
            self._write(status)

    def _write(self, status: int) -> None:
        after = self._receiver.behaviour.retry_after
        more = f"Retry-After: {after}\r\n" if after and status >= 400 else ""
        if self._transport is not None:
            line = f"HTTP/1.1 {status} {_REASONS.get(status, 'So it is')}\r\n"
            self._transport.write(f"{line}{more}Content-Length: 0\r\n\r\n".encode())


def _logging_to(file: TextIO) -> Callable[[Arrival], None]:
    """Writes a line an arrival: received_ms, ingested_ms, id, SKU, scraped_at, path, `again` if the key was known."""

    def write(arrival: Arrival) -> None:
        again = "" if arrival.effect else "again"
        fields = (
            arrival.received_ms,
            arrival.ingested_ms,
            arrival.alert_id,
            arrival.sku,
            arrival.scraped_at,
            arrival.path,
            again,
        )
        file.write("\t".join(map(str, fields)) + "\n")

    return write


def _printing() -> Callable[[Arrival], None]:
    """Prints alerts, a few each second: for people to read."""
    second, printed = 0, 0

    def show(arrival: Arrival) -> None:
        nonlocal second, printed
        if arrival.received_ms // 1000 != second:
            second, printed = arrival.received_ms // 1000, 0
        if arrival.effect and printed < _PRINTED_A_SECOND:
            printed += 1
            print(f"{arrival.path[1:]:12} {arrival.body.decode(errors='replace')}", flush=True)

    return show


async def _serve(chosen: argparse.Namespace) -> None:
    behaviour = Behaviour(
        fail_ratio=chosen.fail_ratio,
        fail_status=chosen.fail_status,
        retry_after=chosen.retry_after,
        delay_seconds=chosen.delay,
        hang_ratio=chosen.hang_ratio,
    )
    receiver = Receiver(chosen.secret, behaviour)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    port = await receiver.start(port=chosen.port)
    orphaned = asyncio.create_task(when_orphaned(stopping.set)) if chosen.with_parent else None
    print(f"receiving on 127.0.0.1:{port}", file=sys.stderr, flush=True)
    if chosen.log:
        with chosen.log.open("a", buffering=1 << 16) as file:
            receiver.on_arrival = _logging_to(file)
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _FLUSH_SECONDS)
                file.flush()
    else:
        receiver.on_arrival = _printing() if chosen.print else receiver.on_arrival
        await stopping.wait()
    await receiver.stop()
    if orphaned is not None:
        orphaned.cancel()
    print(
        f"{receiver.requests} requests, {len(receiver.keys)} alerts, {receiver.repeats} repeats,"
        f" {receiver.forged} forged",
        file=sys.stderr,
    )


def main() -> None:
    """The command; runs until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", default=os.environ.get(VARIABLE), help=f"or {VARIABLE}")
    parser.add_argument("--log", type=Path, help="a line for each arrival")
    parser.add_argument("--print", action="store_true", help="print alerts, some each second")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started it does")
    parser.add_argument("--fail-ratio", type=float, default=0.0)
    parser.add_argument("--fail-status", type=int, default=503)
    parser.add_argument("--retry-after", help="the header of failing answers")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--hang-ratio", type=float, default=0.0)
    chosen = parser.parse_args()
    if not chosen.secret:
        parser.error(f"--secret or {VARIABLE} is needed")
    asyncio.run(_serve(chosen))


if __name__ == "__main__":
    main()
