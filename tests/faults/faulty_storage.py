"""A real S3 server behind a proxy that makes some of its answers ill: slow, 503 SlowDown, access denied, bucket gone.

What a job meets is said by the first folder of its checkpoints, so that each job of the lab has its own:
``throttled-20000`` lets that many bytes a second through; ``slow-down-10``, ``denied-10`` and ``no-bucket-10`` answer
so from ten seconds after that folder was asked for first. All else goes through as it is.
"""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from flinkops.local import s3_server
from flinkops.local.ports import HOST
from flinkops.private_file import write_private
from tests.local.s3 import running_server

_BUCKET = f"/{s3_server.BUCKET}/"
_THROTTLED = "throttled"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length"})


class Refusal(NamedTuple):
    """An answer as S3 gives it."""

    status: HTTPStatus
    code: str
    message: str


REFUSALS = {
    "slow-down": Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."),
    "denied": Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", "Access Denied"),
    "no-bucket": Refusal(HTTPStatus.NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist"),
}


class Ill(NamedTuple):
    """What is done to the requests of one folder."""

    folder: str
    kind: str
    number: float


def ill_of(target: str) -> Ill | None:
    """By the path, or the prefix that is listed; None: nothing."""
    path = urlsplit(target)
    key = path.path.removeprefix(_BUCKET) if path.path.startswith(_BUCKET) else ""
    if not key:  # a listing
        fields = dict(part.partition("=")[::2] for part in path.query.split("&"))
        key = fields.get("prefix", "").replace("%2F", "/")
    folder = key.partition("/")[0]
    kind, _, number = folder.rpartition("-")
    return Ill(folder, kind, float(number)) if kind in REFUSALS or kind == _THROTTLED else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Proxy"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        ill = ill_of(self.path)
        if ill is not None and ill.kind == _THROTTLED:
            time.sleep(len(body) / ill.number)
        elif ill is not None and self.server.begun(ill):
            self._refuse(REFUSALS[ill.kind])
            return
        self._forward(body)

    def _refuse(self, refusal: Refusal) -> None:
        text = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message><RequestId>1</RequestId></Error>"
        self._answer(refusal.status, {"Content-Type": "application/xml"}, text.encode())

    def _forward(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, headers, answer.read(), length)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes, length: str | None = None) -> None:
        with suppress(OSError):  # whoever asked has gone
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.upstream = upstream
        self._first: dict[str, float] = {}
        self._lock = threading.Lock()

    def begun(self, ill: Ill) -> bool:
        """Whether its time has come."""
        now = time.monotonic()
        with self._lock:
            return now - self._first.setdefault(ill.folder, now) >= ill.number


@contextmanager
def proxy(endpoint: str) -> Iterator[str]:
    """The address of a proxy before this server."""
    server = _Proxy(endpoint.removeprefix("http://"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def storage(home: Path) -> Iterator[s3_server.S3Access]:
    """A real server in `home`; who asks there for its address is told that of the proxy."""
    with running_server(home) as access, proxy(access.endpoint) as address:
        through = msgspec.structs.replace(access, endpoint=address)
        write_private(home / s3_server.S3_FILE, msgspec.json.encode(through))
        yield through
