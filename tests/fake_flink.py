"""A Flink REST API that answers from a recording of a real one, with the faults that a real one has when it likes.

Metrics are answered as Flink does it: aggregates of the names asked for, and nothing at all when one is missing.
It is fast (one thread, a few microseconds a request), so that bench/poller.py can serve a hundred clusters with it.
"""

import asyncio
import base64
import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SAMPLES = Path(__file__).parent / "rest_samples"
REASONS = {200: "OK", 302: "Found", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Error"}


HANGS_SECONDS = 30.0
"""No answer so long is a hang that nobody ended; a machine that is only busy is faster."""


@dataclass
class Fault:
    """What goes wrong with a request whose path contains `where`."""

    kind: str
    """401, 403, 404, 500, 302, 302-nowhere, html, truncated, wrong-types, not-json, hang-up, slow, trickle, headers
    or huge."""
    where: str = ""
    seconds: float = 2 * HANGS_SECONDS


@dataclass
class Recording:
    """One file of tests/rest_samples."""

    answers: dict[str, Any]
    aggregates: dict[str, dict[str, Any]]
    values: dict[str, dict[str, str]]

    @classmethod
    def load(cls, name: str) -> "Recording":
        content = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
        return cls(content["answers"], content["aggregates"], content["values"])

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return list(self.answers["/jobs/overview"]["jobs"])

    def answer(self, path: str, query: str) -> tuple[int, Any]:
        """Status and JSON, without any fault."""
        if path.endswith("/subtasks/metrics"):
            return self._aggregated(path.removesuffix("/subtasks/metrics"), query)
        if path.endswith("/metrics"):
            return self._single(path.removesuffix("/metrics"), query)
        found = self.answers.get(f"{path}?{query}" if query else path, self.answers.get(path))
        if found is None:
            return 404, {"errors": [f"Not found: {path}", "<Exception on server side:\nat some.Java.line>"]}
        if isinstance(found, dict) and "errors" in found:
            return found["status"], {"errors": found["errors"]}
        return 200, found

    def _aggregated(self, path: str, query: str) -> tuple[int, Any]:
        known = self.aggregates.get(path, {})
        if not query:
            return 200, [{"id": name} for name in known]
        names = parse_qs(query)["get"][0].split(",")
        return 200, [known[name] for name in names] if all(name in known for name in names) else []

    def _single(self, path: str, query: str) -> tuple[int, Any]:
        known = self.values.get(path, {})
        if not query:
            return 200, [{"id": name} for name in known]
        names = parse_qs(query)["get"][0].split(",")
        return 200, [{"id": name, "value": known[name]} for name in names if name in known]


@dataclass
class FakeFlink:
    """One cluster. Everything may be changed while it runs."""

    recording: Recording
    prefix: str = ""
    login: tuple[str, str] | None = None
    required_headers: dict[str, str] = field(default_factory=dict)
    compress: bool = False
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    before: Callable[[str], None] | None = None  # called with each path
    connections: set[asyncio.Transport] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.prefix}"

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(target)
        path = unquote(parts.path)
        self.requests.append(f"{method} {target}")
        if body:
            self.bodies.append(json.loads(body))
        if self.before is not None:
            self.before(path)
        if not path.startswith(self.prefix):
            return 404, b"<html>no such page</html>"
        if self.login is not None:
            expected = base64.b64encode(":".join(self.login).encode()).decode()
            if headers.get("authorization") != f"Basic {expected}":
                return 401, b"who are you?"
        if any(headers.get(name.lower()) != value for name, value in self.required_headers.items()):
            return 403, b"no"
        path = path.removeprefix(self.prefix)
        key = path if method == "GET" else f"{method} {path}"
        status, answer = self.recording.answer(key, parts.query)
        return status, json.dumps(answer).encode()

    def fault_for(self, target: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.where in target), None)


class _Connection(asyncio.Protocol):
    def __init__(self, flink: FakeFlink) -> None:
        self.flink = flink
        self.received = b""
        self.busy: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.flink.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.flink.connections.discard(self.transport)
        if self.busy is not None:
            self.busy.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received[:1] == b"\x16":  # a TLS handshake
            self.transport.close()
        while self.busy is None and (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, rest = self.received[:end].decode("latin-1"), self.received[end + 4 :]
            lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self.received = rest[:length], rest[length:]
            method, target, _ = lines[0].split(" ")
            self.serve(method, target, headers, body)

    def serve(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        status, answer = self.flink.respond(method, target, headers, body)
        fault = self.flink.fault_for(target)
        if fault is not None:
            self.misbehave(fault, status, answer)
        else:
            self.transport.write(self.message(status, answer))

    def message(self, status: int, body: bytes, extra: str = "", kind: str = "application/json") -> bytes:
        if self.flink.compress:
            body = gzip.compress(body)
            extra += "Content-Encoding: gzip\r\n"
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'X')}\r\nContent-Type: {kind}\r\n{extra}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def misbehave(self, fault: Fault, status: int, answer: bytes) -> None:
        kind, write = fault.kind, self.transport.write
        good = self.message(status, answer)
        if kind == "302":
            write(self.message(302, b"", "Location: http://login.example/sign-in?next=x\r\n"))
        elif kind == "302-nowhere":
            write(self.message(302, b"", "Location: http://[::1\r\n"))
        elif kind == "500":
            errors = ["java.util.concurrent.TimeoutException: Ask timed out\n\tat a.B.c(B.java:1)", "<serialized>"]
            write(self.message(500, json.dumps({"errors": errors}).encode()))
        elif kind.isdigit():
            write(self.message(int(kind), b"no"))
        elif kind == "html":
            write(self.message(200, b"<!doctype html><title>Sign in</title>", kind="text/html"))
        elif kind == "not-json":
            write(self.message(200, b"\x00\xff\xfe nonsense"))
        elif kind == "wrong-types":
            write(self.message(200, b'{"jobs": 7, "flink-version": [], "vertices": "none", "jid": 1}'))
        elif kind == "cut-json":
            write(self.message(200, answer[: len(answer) // 2]))
        elif kind == "truncated":
            write(good[: len(good) - len(answer) // 2 - 1])
            self.transport.close()
        elif kind == "hang-up":
            self.transport.close()
        else:
            self.busy = asyncio.get_running_loop().create_task(self.drag(fault, good))

    async def drag(self, fault: Fault, good: bytes) -> None:
        """Answers that take their time."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            self.transport.write(good)
        elif fault.kind == "huge":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
            while not self.transport.is_closing():
                if self.transport.get_write_buffer_size() < 1_000_000:  # else it grows faster than it is sent
                    self.transport.write(b"1," * 500_000)
                await asyncio.sleep(0.001)
        else:  # trickle: byte by byte, from the body on or from the first header on
            start = good.find(b"\r\n\r\n") + 4 if fault.kind == "trickle" else 0
            self.transport.write(good[:start])
            for index in range(start, len(good)):
                self.transport.write(good[index : index + 1])
                await asyncio.sleep(0.4)  # a minute for the shortest answer
        self.busy = None


@contextmanager
def serving(*clusters: FakeFlink, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serves all clusters from one thread, each on a free port of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    servers = [
        loop.run_until_complete(loop.create_server(partial(_Connection, cluster), "127.0.0.1", cluster.port, ssl=tls))
        for cluster in clusters
    ]
    for cluster, server in zip(clusters, servers, strict=True):
        cluster.port = server.sockets[0].getsockname()[1]
        cluster.scheme = "https" if tls else "http"
    thread = threading.Thread(target=loop.run_forever, name="fake Flink", daemon=True)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_stop(servers, clusters), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(servers: list[asyncio.Server], clusters: tuple[FakeFlink, ...]) -> None:
    for server in servers:
        server.close()
    for transport in [each for cluster in clusters for each in cluster.connections]:
        transport.abort()
    await asyncio.sleep(0)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
