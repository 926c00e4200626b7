"""The living Flink on a port of 127.0.0.1, and what goes wrong with its requests and answers."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaos.living_flink import LivingFlink


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    flink: LivingFlink

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(length) or b"{}")
        flink = self.flink
        fault = flink.fault(self.command, self.path)
        if fault == "kill-before":
            flink.kill()
            self.close_connection = True
            return
        if fault == "hang-up-before":
            self.close_connection = True
            return
        if fault in REFUSALS:  # answered before Flink sees it
            self._reply(*REFUSALS[fault])
            return
        status, answer = flink.answer(self.command, self.path, sent)
        content = json.dumps(answer).encode()
        if fault == "kill-after":
            flink.kill()
            self.close_connection = True
        elif fault == "hang-up-after":
            self.close_connection = True
        elif fault is None:
            self._reply(status, content)
        else:
            self._misbehave(fault, status, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

    def _reply(self, status: int, content: bytes, extra: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **(extra or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _misbehave(self, fault: str, status: int, content: bytes) -> None:
        """The request had its effect; its answer is of no use, or takes its time."""
        if fault == "slow":
            time.sleep(0.5)
            self._reply(status, content)
        elif fault == "truncated":
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(content) + 100))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif fault in ("huge", "endless"):
            self._pour(50 << 20 if fault == "huge" else 1 << 40)
        else:
            self._reply(*ANSWERS[fault])

    def _pour(self, size: int) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        if size < 1 << 30:
            self.send_header("Content-Length", str(size))
        self.end_headers()
        self.close_connection = True
        piece = b"[" + b"1," * 32_767
        try:
            for _ in range(size // len(piece)):
                self.wfile.write(piece)
        except OSError:
            return  # the client has had enough

    def log_message(self, *_: object) -> None:
        pass


_ERRORS = json.dumps(
    {"errors": ["java.util.concurrent.TimeoutException: Ask timed out\n\tat a.B.c(B.java:1)"]}
).encode()
REFUSALS: dict[str, tuple[int, bytes]] = {
    "500": (500, _ERRORS),
    "503": (503, b'{"errors":["Service temporarily unavailable due to an ongoing leader election."]}'),
    "429": (429, b"slow down"),
    "404-html": (404, b"<html>no such page</html>"),
    "401": (401, b"who are you?"),
    "403": (403, b"no"),
    "302": (302, b""),
}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "html": (200, b"<!doctype html><title>Sign in</title>"),
    "not-json": (200, b"\x00\xff\xfe nonsense"),
    "wrong-types": (200, b'{"jobs": 7, "flink-version": [], "vertices": "none", "jid": 1, "counts": null}'),
    "empty": (200, b""),
    "null": (200, b"null"),
    "deep": (200, b"[" * 200_000),
    "deep-field": (200, b'{"unknown":' + b"[" * 200_000),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed: that is what this is for."""


@contextmanager
def living(flink: LivingFlink) -> Iterator[LivingFlink]:
    """Served on a free port of 127.0.0.1."""
    handler = type("Requests", (_Requests,), {"flink": flink})
    server = _Server(("127.0.0.1", flink.port), handler)
    flink.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), name="living Flink", daemon=True)
    thread.start()
    try:
        yield flink
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
