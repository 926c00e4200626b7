# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""One connection: one small POST over HTTP/1.1 at a time, and of its answer only the status.

Made for this one use: no redirects, cookies or decompression; bodies of answers are passed over. What a receiver sends
becomes a value, never an exception.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, cast

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .targets import Origin

Unanswered = Literal["timeout", "certificate", "no_connection", "address_refused", "broken_answer"]
"""Why a request has no answer."""

MAX_ANSWER_BYTES = 64 * 1024
_SWITCHING_PROTOCOLS = 101


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The status of an answer, and its header Retry-After."""

    status: int
    retry_after: bytes | None


class Connection(asyncio.Protocol):
    """One connection. `lost` is called once it is closed, by whichever side."""

    def __init__(self, origin: Origin, lost: Callable[["Connection"], None]) -> None:
        self.origin = origin
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._waiter: asyncio.Future[Answer | Unanswered] | None = None
        self._received_bytes = 0
        self._begin_answer()

    @property
    def usable(self) -> bool:
        """Whether a request may go out on it now."""
        return self._waiter is None and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, deadline: float) -> Answer | Unanswered:
        """Send a whole request, and wait for its answer until the deadline, a time of the loop."""
        if not self.usable or self._transport is None:
            return "broken_answer"  # closed, or spoken on, before it was asked anything
        loop = asyncio.get_running_loop()
        self._received_bytes = 0
        waiter: asyncio.Future[Answer | Unanswered] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_at(deadline, self._end, "timeout")
        self._transport.write(request)
        try:
            return await waiter
        finally:
            timer.cancel()
            if self._waiter is waiter:  # the caller is cancelled: what comes now is nobody's answer
                self.abort()

    def abort(self) -> None:
        """Close it at once. Without TLS's farewell: for that, a peer could make us wait."""
        self._settle("broken_answer")
        if self._transport is not None:
            self._transport.abort()

    def _end(self, result: Answer | Unanswered) -> None:
        self._settle(result)
        self.abort()

    def _settle(self, result: Answer | Unanswered) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(result)

    def _begin_answer(self) -> None:
        self._status, self._has_head, self._until_close = 0, False, True
        self._retry_after: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call: open, with TLS's handshake done."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = parser = HttpResponseParser(self)
        # What many servers get wrong, and no harm to us: only the status counts.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def data_received(self, data: bytes) -> None:
        """Asyncio's call: something came, asked or not."""
        if self._waiter is None or self._parser is None:
            self.abort()  # nothing was asked
            return
        left_bytes = MAX_ANSWER_BYTES - self._received_bytes
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data if len(data) <= left_bytes else data[:left_bytes])
        except (HttpParserError, HttpParserUpgrade):
            self.abort()
            return
        if self._received_bytes > MAX_ANSWER_BYTES:
            self._end(Answer(self._status, self._retry_after) if self._has_head else "broken_answer")

    def eof_received(self) -> None:
        """Asyncio's call: the peer sends no more."""
        self._ended_by_peer()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call: closed, by us or by the peer."""
        self._ended_by_peer()
        self._transport = self._parser = None  # the parser holds this object's methods: a circle
        self._lost(self)

    def _ended_by_peer(self) -> None:
        whole = self._has_head and self._until_close
        self._settle(Answer(self._status, self._retry_after) if whole else "broken_answer")

    def on_message_begin(self) -> None:
        """The parser's call: the first byte of an answer."""
        if self._waiter is None:
            self.abort()  # more than the answer
        self._begin_answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's call: a header, or behind the body a trailer."""
        if self._has_head:
            return  # behind the body
        if len(name) == 11 and self._retry_after is None and name.lower() == b"retry-after":
            self._retry_after = value
        elif len(name) == 14 and name.lower() == b"content-length":
            self._until_close = False
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            self._until_close = not value.lower().rstrip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        """The parser's call: the status and all headers are there."""
        assert self._parser is not None
        self._status = self._parser.get_status_code()
        self._has_head = not 100 <= self._status < 200 or self._status == _SWITCHING_PROTOCOLS

    def on_message_complete(self) -> None:
        """The parser's call: an answer's end."""
        if not self._has_head:
            return  # an early one (1xx): the answer is still to come
        assert self._parser is not None
        assert self._transport is not None
        whole = self._transport.get_write_buffer_size() == 0  # else the answer came before all of the request went
        kept = self._parser.should_keep_alive()  # behind 101 the parser stops, which ends it all the same
        self._settle(Answer(self._status, self._retry_after))
        if not (whole and kept):
            self.abort()
