"""Requests to one Flink REST API that end in time, whatever the other side does.

A JobManager may be slow, dead, behind a login page, or not a JobManager at all. Each request here has a deadline for
the whole of it (also for a server that sends a byte a second), a cap on the answer's size, follows no redirect (the
credentials are for this address alone), and fails with one sentence that a person can act on.
"""

import base64
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import msgspec
import urllib3

from flinkops.errors import UNAUTHORIZED, Denied, Unreachable
from flinkops.model.address import split_url
from flinkops.model.endpoint import RestEndpoint
from flinkops.sources.connections import (
    CONNECTION_ERRORS,
    AbortableConnections,
    PoolAdapter,
    explain,
    hung_up,
    short_target,
)
from flinkops.sources.deadline import Deadline

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

MAX_ANSWER_BYTES = 32 * 1024 * 1024
CONNECT_SECONDS = 5.0
_PIECE_BYTES = 64 * 1024
_MESSAGE_CHARACTERS = 300


class BadAnswer(Unreachable):
    """Something answered, but not as Flink's REST API does."""


class NotFound(BadAnswer):
    """There is no such thing: a job that is gone, or an endpoint that this version does not have.

    ``by_flink``: Flink's REST API itself says so, not something in front of it.
    """

    def __init__(self, what: str, *, next_step: str | None = None, by_flink: bool = False) -> None:
        super().__init__(what, next_step=next_step, http_status=404)
        self.by_flink = by_flink


class Rejected(BadAnswer):
    """Flink understood the request and says no (HTTP 400, 409, 500 and the like), with its own words."""


class Overdue(Unreachable):
    """No full answer within the deadline."""


class _Errors(msgspec.Struct):
    errors: list[str] = []


_errors_decoder = msgspec.json.Decoder(_Errors)


class RestClient:
    """One pool of connections to one endpoint. Safe to use from several threads."""

    _body_type = "application/json"  # what a request says its body is
    _patch_type = "application/json"  # and what a PATCH says

    def __init__(
        self, endpoint: RestEndpoint, *, connections: int = 8, max_answer_bytes: int = MAX_ANSWER_BYTES
    ) -> None:
        self.url = endpoint.url
        self.requests = 0
        self.date: str | None = None
        """The Date header of the newest answer: the other side's clock, in whole seconds."""
        self._max_answer_bytes = max_answer_bytes
        self._open = AbortableConnections()
        self._adapter = PoolAdapter(endpoint, connections=connections, watch=self._open.watch)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "flinkops"}
        if endpoint.username is not None:
            login = base64.b64encode(
                f"{endpoint.username}:{endpoint.password or ''}".encode("utf-8", "surrogateescape")
            ).decode("ascii")
            self._headers["Authorization"] = f"Basic {login}"
        self._headers.update(endpoint.headers)

    def close(self) -> None:
        """Closes all connections, also those in use."""
        self._open.abort(lambda _deadline: True)
        self._adapter.close()

    def get(self, path: str, decoder: "msgspec.json.Decoder[T]", deadline: Deadline) -> T:
        """The decoded answer of ``GET path`` (already escaped). Raises Unreachable or one of its kinds."""
        return self._decode(self.read("GET", path, deadline), decoder, path)

    def send(
        self, method: Method, path: str, body: object, decoder: "msgspec.json.Decoder[T]", deadline: Deadline
    ) -> T:
        """Sends `body` as JSON. Never repeated: the caller decides whether a second try is safe."""
        return self._decode(self.read(method, path, deadline, body=msgspec.json.encode(body)), decoder, path)

    def read(
        self,
        method: Method,
        path: str,
        deadline: Deadline,
        *,
        body: bytes | None = None,
        tail_bytes: int | None = None,
    ) -> bytes:
        """The whole body of a good answer, or its end: at least the last `tail_bytes`, however long it is.

        A GET on a kept connection that the server had closed meanwhile is tried once more.
        """
        for attempt in (1, 2):
            try:
                with self._open.request(deadline):
                    return self._exchange(method, path, body, deadline, tail_bytes)
            except CONNECTION_ERRORS as problem:
                if deadline.over:
                    raise self._overdue(deadline) from None
                if attempt == 2 or method != "GET" or not hung_up(problem):
                    raise explain(problem, self.url) from None
        raise AssertionError("unreachable: the loop returns or raises")

    @contextmanager
    def enforced(self, deadline: Deadline) -> Iterator[None]:
        """Within it, requests of this deadline that still run when it is over are cut off.

        Timeouts of a socket alone do not end an answer that trickles in byte by byte.
        """
        timer = threading.Timer(max(0.0, deadline.remaining_seconds), self._open.abort, [lambda ends: ends is deadline])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def stream(self, path: str, *, idle_seconds: float) -> Iterator[bytes]:
        """The lines of an answer that has no end, as they come; ends with the answer, or when `close` cuts it off.

        Yields an empty line first, as soon as the server has agreed. Raises Overdue when nothing came for
        `idle_seconds`, Unreachable or one of its kinds otherwise.
        """
        endless = Deadline(float("inf"))
        try:
            with self._open.request(endless):
                response = self._send("GET", path, None, idle_seconds)
                try:
                    if not 200 <= response.status < 300:
                        content = self._body(response, Deadline(idle_seconds), None)
                        raise self._refusal(response.status, content, path, response.headers.get("Location"))
                    yield b""
                    yield from self._lines(response)
                finally:
                    response.close()
                    response.release_conn()
        except CONNECTION_ERRORS as problem:
            if isinstance(problem, urllib3.exceptions.ReadTimeoutError):
                raise Overdue(f"{self.url} said nothing for {idle_seconds:g} s") from None
            raise explain(problem, self.url) from None

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        rest = b""
        while piece := response.read1(_PIECE_BYTES, decode_content=True):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > self._max_answer_bytes:
                raise BadAnswer(f"{self.url} sends more than {self._max_answer_bytes / 2**20:g} MiB in one line")
            yield from (line for line in lines if line)

    def _send(self, method: Method, path: str, body: bytes | None, left_seconds: float) -> urllib3.BaseHTTPResponse:
        self.requests += 1
        pool, prefix = self._adapter.pool()
        body_type = self._patch_type if method == "PATCH" else self._body_type
        headers = self._headers if body is None else {**self._headers, "Content-Type": body_type}
        response = pool.urlopen(
            method,
            short_target(prefix + path),
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=min(left_seconds, CONNECT_SECONDS), read=left_seconds),
        )
        self.date = response.headers.get("Date")
        return response

    def _exchange(
        self, method: Method, path: str, body: bytes | None, deadline: Deadline, tail_bytes: int | None
    ) -> bytes:
        left = deadline.remaining_seconds
        if left <= 0:
            raise self._overdue(deadline)
        response = self._send(method, path, body, left)
        complete = False
        try:
            content = self._body(response, deadline, tail_bytes)
            complete = True
        finally:
            # An answer that was not read to its end leaves the connection unusable.
            if not complete:
                response.close()
            response.release_conn()
        status = response.status
        if not 200 <= status < 300:
            raise self._refusal(status, content, path, response.headers.get("Location"))
        return content

    def _body(self, raw: urllib3.BaseHTTPResponse, deadline: Deadline, tail_bytes: int | None) -> bytes:
        pieces: deque[bytes] = deque()
        size = 0
        while piece := raw.read1(_PIECE_BYTES, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if tail_bytes is not None:
                while size - len(pieces[0]) > tail_bytes:
                    size -= len(pieces.popleft())
            elif size > self._max_answer_bytes:
                raise BadAnswer(f"{self.url} sends more than {self._max_answer_bytes / 2**20:g} MiB in one answer")
            if deadline.over:
                break
        if deadline.over:  # also when the connection was cut for that
            raise self._overdue(deadline)
        if raw.length_remaining:
            raise BadAnswer(f"{self.url} broke off in the middle of an answer")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _decode(self, content: bytes, decoder: "msgspec.json.Decoder[T]", path: str) -> T:
        try:
            return decoder.decode(content)
        except msgspec.ValidationError as problem:
            raise BadAnswer(
                f"{self.url} answers {_short(path)} in a shape that Flink does not have: {problem}"
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if content.lstrip()[:1] == b"<":
                raise BadAnswer(
                    f"{self.url} answers with a web page, not with Flink's REST API",
                    next_step="check the address, its path and whether it wants a login",
                ) from None
            raise BadAnswer(f"{self.url} answers {_short(path)} with something that is not JSON") from None

    def _refusal(self, status: int, content: bytes, path: str, location: str | None) -> Unreachable:
        if status in (UNAUTHORIZED, 403):
            word = "who you are" if status == UNAUTHORIZED else "your permission"
            return Denied(
                f"{self.url} does not accept {word} (HTTP {status})",
                next_step="check the credentials",
                http_status=status,
            )
        if 300 <= status < 400:
            target = split_url(location or "").netloc.rpartition("@")[2] or "elsewhere"
            return BadAnswer(
                f"{self.url} redirects to {target[:100]!r}, which is not followed with your credentials",
                next_step="give that address itself if you trust it",
                http_status=status,
            )
        said = _flinks_words(content)
        if status == 404:
            return NotFound(f"{self.url} has no {_short(path)} (HTTP 404{said and ': ' + said})", by_flink=bool(said))
        return Rejected(f"{self.url} answers HTTP {status} to {_short(path)}{said and ': ' + said}", http_status=status)

    def _overdue(self, deadline: Deadline) -> Overdue:
        return Overdue(f"{self.url} did not answer in full within {deadline.seconds:g} s")


def _short(path: str) -> str:
    """The path without its query, bounded."""
    return path.partition("?")[0][:120]


def _flinks_words(content: bytes) -> str:
    """The first line of Flink's own error, without the stack trace; empty when it is not Flink's."""
    try:
        errors = _errors_decoder.decode(content).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    lines = [line.strip() for text in errors for line in text.splitlines() if line.strip()]
    return next((_without_class(line) for line in lines), "")[:_MESSAGE_CHARACTERS]


def _without_class(line: str) -> str:
    name, colon, rest = line.partition(": ")
    return rest if colon and "." in name and " " not in name else line
