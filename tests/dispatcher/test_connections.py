"""What becomes of any bytes that a receiver sends: one result, the same wherever they are cut."""

import asyncio
import gc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.price_alerts.dispatcher.connections import MAX_ANSWER_BYTES, Answer, Connection, Unanswered
from jobs.price_alerts.dispatcher.targets import Origin

ORIGIN = Origin(False, "a", 80)
HEAD = b"HTTP/1.1 200 OK\r\n"
EMPTY = HEAD + b"Content-Length: 0\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport without a network."""

    def __init__(self, connection: Connection, unsent_bytes: int = 0) -> None:
        super().__init__()
        self.connection, self.unsent_bytes = connection, unsent_bytes
        self.closed = False
        self.written: list[bytes] = []
        connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def abort(self) -> None:
        self.closed = True


Result = tuple[Answer | Unanswered, bool]


async def asked(pieces: Sequence[bytes], *, unsent_bytes: int = 0, ends: bool = True) -> tuple[Result, Wire]:
    """One request, these pieces as they come in, then the peer's end; and whether more can be asked."""
    lost: list[Origin] = []
    connection = Connection(ORIGIN, lambda which: lost.append(which.origin))
    wire = Wire(connection, unsent_bytes)
    exchange = asyncio.create_task(connection.exchange(b"request", asyncio.get_running_loop().time() + 60))
    await asyncio.sleep(0)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    kept = connection.usable
    if ends:
        if not wire.closed:
            connection.eof_received()
        connection.connection_lost(None)
        assert lost == [ORIGIN]
    result = await exchange
    assert wire.written == [b"request"]
    assert kept != wire.closed or ends
    return (result, kept), wire


def outcome(answer: bytes, *cuts: int, unsent_bytes: int = 0) -> Result:
    places = [0, *sorted(min(each, len(answer)) for each in cuts), len(answer)]
    pieces = [answer[start:end] for start, end in pairwise(places) if end > start]
    result, _ = asyncio.run(asked(pieces, unsent_bytes=unsent_bytes))
    return result


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ANSWERS: list[tuple[bytes, int | str, bool]] = [
    # bytes, the status or why there is none, whether the connection can be used again
    (EMPTY, 200, True),
    (HEAD + b"Content-Length: 3\r\n\r\nabc", 200, True),
    (b"HTTP/1.1 204\r\n\r\n", 204, True),
    (HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n", 200, False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, True),
    (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", 200, True),
    (CHUNKED + b"3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n", 200, True),
    (CHUNKED + b"3\r\nabc\r\n", "broken_answer", False),
    (CHUNKED + b"x\r\n", "broken_answer", False),
    (CHUNKED + b"fffffffffffffffff\r\n", "broken_answer", False),
    (HEAD + b"Content-Length: 3\r\n\r\nab", "broken_answer", False),
    (HEAD + b"Content-Length: -1\r\n\r\n", "broken_answer", False),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "broken_answer", False),
    (HEAD + b"\r\nuntil the end", 200, False),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\nuntil the end", 200, False),
    (HEAD + b"Content-Type: x\r\n", "broken_answer", False),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY, 200, True),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + EMPTY, 200, True),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n", "broken_answer", False),
    (b"HTTP/1.1 101 Over\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nnoise", 101, False),
    (b"HTTP/1.1 101 Over\r\n\r\n", 101, False),
    (b"HTTP/1.1 101 Over\r\nContent-Length: 0\r\n\r\n", 101, False),
    (b"HTTP/1.1 101 Over\r\nContent-Length: 1\r\n\r\nx", 101, False),
    (EMPTY + b"more", 200, False),
    (EMPTY + EMPTY, 200, False),
    (EMPTY + b"\x00", 200, False),
    (b"", "broken_answer", False),
    (b"SSH-2.0-OpenSSH\r\n", "broken_answer", False),
    (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", "broken_answer", False),  # HTTP/2's settings
    (b"\x15\x03\x01\x00\x02\x02\x16", "broken_answer", False),  # an alert of TLS
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "broken_answer", False),
    (b"GET / HTTP/1.1\r\n\r\n", "broken_answer", False),
    (b"HTTP/1.1 9\r\n\r\n", "broken_answer", False),
    (HEAD + b"no colon\r\n\r\n", "broken_answer", False),
    (HEAD + b"X: " + b"x" * MAX_ANSWER_BYTES + b"\r\n\r\n", "broken_answer", False),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3000 + EMPTY, "broken_answer", False),
    (HEAD + b"Content-Length: 99999999\r\n\r\n" + b"x" * MAX_ANSWER_BYTES, 200, False),
    (HEAD + b"\r\n" + b"x" * MAX_ANSWER_BYTES, 200, False),
    (CHUNKED + b"100\r\n" + b"x" * 256 + b"\r\n0\r\n" + b"T: x\r\n" * 20_000, 200, False),
]


@pytest.mark.parametrize(("answer", "expected", "kept"), ANSWERS, ids=[f"{a[:30]!r}-{e}" for a, e, _ in ANSWERS])
@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_an_answer(answer: bytes, expected: int | str, kept: bool, step: int) -> None:
    step = max(step, len(answer) // 4000)
    result, usable = outcome(answer, *range(step, len(answer), step))
    assert (result.status if isinstance(result, Answer) else result) == expected
    assert usable is kept


PARTS = st.sampled_from(
    [
        HEAD, EMPTY, CHUNKED, b"HTTP/1.1 503 No\r\n", b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.0 200\r\n",
        b"HTTP/1.1 101 \r\n", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b"abc", b"x" * 40_000,
        b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"Retry-After: 7\r\n", b"X: y\r\n",
    ]
)  # fmt: skip


@given(st.lists(PARTS | st.binary(max_size=20), max_size=8).map(b"".join), st.lists(st.integers(0, 400), max_size=12))
def test_any_bytes_have_one_result_wherever_they_are_cut(answer: bytes, cuts: list[int]) -> None:
    assert outcome(answer, *cuts) == outcome(answer)


def test_the_header_retry_after_is_the_first_one_and_none_of_an_early_answer_or_behind_the_body() -> None:
    early = b"HTTP/1.1 103 \r\nRetry-After: 1\r\n\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n0\r\nRetry-After: 9\r\n\r\n"
    both = b"retry-after: 7\r\nRETRY-AFTER: 8\r\n"
    assert outcome(early + b"HTTP/1.1 503 \r\n" + both + body)[0] == Answer(503, b"7")
    assert outcome(early + b"HTTP/1.1 503 \r\n" + body)[0] == Answer(503, None)


def test_an_answer_before_all_of_the_request_went_counts_and_ends_the_connection() -> None:
    assert outcome(EMPTY, unsent_bytes=1) == (Answer(200, None), False)


def test_what_comes_unasked_closes_the_connection() -> None:
    async def scenario() -> None:
        for unasked in (b"x", EMPTY, b"\r\n"):
            (_, kept), wire = await asked([EMPTY], ends=False)
            assert kept
            wire.connection.data_received(unasked)
            assert wire.closed
            assert await wire.connection.exchange(b"another", 0.0) == "broken_answer"
            assert wire.written == [b"request"]

    asyncio.run(scenario())


def test_on_a_new_connection_too() -> None:
    async def scenario() -> None:
        wire = Wire(Connection(ORIGIN, lambda _: None))
        wire.connection.data_received(EMPTY)
        assert wire.closed
        assert await wire.connection.exchange(b"request", 0.0) == "broken_answer"
        assert wire.written == []

    asyncio.run(scenario())


def test_a_second_request_has_an_answer_and_a_limit_of_its_own() -> None:
    large = HEAD + b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000

    async def scenario() -> None:
        _, wire = await asked([b"HTTP/1.1 503 \r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"], ends=False)
        for _ in range(2):
            exchange = asyncio.create_task(wire.connection.exchange(b"request", asyncio.get_running_loop().time() + 60))
            await asyncio.sleep(0)
            wire.connection.data_received(large)
            assert await exchange == Answer(200, None)
        assert not wire.closed

    asyncio.run(scenario())


def test_a_connection_that_has_ended_is_no_circle() -> None:
    async def left_over() -> int:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await asked([HEAD])
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(left_over()) < 20
