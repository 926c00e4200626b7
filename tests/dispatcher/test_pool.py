"""Connections to real receivers: which are used again, which end, and where new ones go."""

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from jobs.price_alerts.dispatcher import names
from jobs.price_alerts.dispatcher import pool as pools
from jobs.price_alerts.dispatcher.addresses import AddressRefused, Guard
from jobs.price_alerts.dispatcher.connections import Answer
from jobs.price_alerts.dispatcher.names import Names
from jobs.price_alerts.dispatcher.targets import Origin
from tests.dispatcher.receivers import OK, REQUEST, Receiver, listening, pool
from tests.dispatcher.suite import until
from tests.patience import PATIENT_SECONDS

DELIVERED = Answer(200, None)

Run = Callable[[Awaitable[None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both loops: the dispatcher runs on uvloop where there is one."""

    def call(scenario: Awaitable[None]) -> None:
        async def whole() -> None:
            await scenario

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return call


def origin(port: int, host: str = "127.0.0.1", *, tls: bool = False) -> Origin:
    return Origin(tls, host, port)


def test_a_connection_is_used_again(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            for _ in range(5):
                assert await sent.post(origin(port), REQUEST) == DELIVERED
            assert (receiver.connections, receiver.requests) == (1, 5)
            both = await asyncio.gather(*(sent.post(origin(port), REQUEST) for _ in range(3)))
            assert both == [DELIVERED] * 3
            assert receiver.connections == 3  # one request at a time on each

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",), 200),
        ((b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",), 200),
        ((OK + b"more",), 200),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999,), 200),
        ((b"HTTP/1.1 101 Over\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",), 101),
        ((b"nonsense",), "broken_answer"),
        ((b"\xff\xfe", b"\x00"), "broken_answer"),
    ],
)
def test_after_such_an_answer_it_is_closed(answer: tuple[bytes, ...], status: int | str, run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(answer, OK)
        async with listening(receiver) as port, pool() as sent:
            result = await sent.post(origin(port), REQUEST)
            assert (result.status if isinstance(result, Answer) else result) == status
            assert await sent.post(origin(port), REQUEST) == DELIVERED
            await until(lambda: receiver.ended == 1)
            assert receiver.connections == 2

    run(scenario())


@pytest.mark.parametrize(
    ("pieces", "result"),
    [
        ((b"HTTP/1.1 200 OK\r\n\r\nuntil", b" the end"), DELIVERED),
        ((b"HTTP/1.1 103 \r\n\r\n", b"HTTP/1.1 20", b"0 OK\r\nContent-Length: 1\r\n", b"\r\n", b"x"), DELIVERED),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"x"), "broken_answer"),
        ((b"",), "broken_answer"),
    ],
)
def test_a_receiver_that_closes_behind_its_answer(pieces: tuple[bytes, ...], result: object, run: Run) -> None:
    async def scenario() -> None:
        async with listening(Receiver(pieces, closes=True)) as port, pool() as sent:
            assert await sent.post(origin(port), REQUEST) == result
            await until(lambda: not sent._open)

    run(scenario())


def test_no_request_goes_out_on_a_connection_that_the_peer_has_closed(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK, closes=True)
        async with listening(receiver) as port, pool() as sent:
            for number in range(3):
                assert await sent.post(origin(port), REQUEST) == DELIVERED
                await until(lambda: not sent._open)
                assert not any(sent._idle.values())
                assert receiver.connections == number + 1

    run(scenario())


def test_nor_on_one_that_is_being_closed(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            await sent.post(origin(port), REQUEST)
            next(iter(sent._open)).abort()  # and asyncio has not said yet that it is lost
            assert await sent.post(origin(port), REQUEST) == DELIVERED
            assert receiver.connections == 2

    run(scenario())


def test_what_comes_while_idle_closes_it(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            await sent.post(origin(port), REQUEST)
            receiver.opened[0].write(OK)  # an answer ahead of the next request must not count as its answer
            await until(lambda: not sent._open)
            assert await sent.post(origin(port), REQUEST) == DELIVERED
            assert (receiver.connections, receiver.requests) == (2, 2)

    run(scenario())


def test_idle_ones_are_closed_after_a_while_by_one_timer(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.05)

    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            for _ in range(2):  # the timer comes again
                await asyncio.gather(*(sent.post(origin(port), REQUEST) for _ in range(3)))
                await until(lambda: receiver.ended == receiver.connections)
                assert not sent._open
                await until(lambda: not sent._idle)

    run(scenario())


def test_of_the_idle_ones_only_those_that_are_old_are_closed(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            await asyncio.gather(*(sent.post(origin(port), REQUEST) for _ in range(3)))
            idle = sent._idle[origin(port)]
            for old in list(idle)[:2]:
                idle[old] -= pools.IDLE_SECONDS
            sent._sweep(asyncio.get_running_loop())
            await until(lambda: receiver.ended == 2)
            assert len(sent._open) == len(idle) == 1

    run(scenario())


def test_one_that_is_too_old_is_not_used_though_the_timer_is_late(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool() as sent:
            await sent.post(origin(port), REQUEST)
            monkeypatch.setattr(pools, "IDLE_SECONDS", 0.0)
            await sent.post(origin(port), REQUEST)
            assert receiver.connections == 2

    run(scenario())


def test_no_answer_in_time_ends_the_connection(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        async with listening(receiver) as port, pool(timeout_seconds=0.05) as sent:
            assert await sent.post(origin(port), REQUEST) == "timeout"
            await until(lambda: receiver.ended == receiver.connections)
            assert not sent._open

    run(scenario())


def test_a_handshake_that_hangs_runs_into_the_same_time_out(run: Run) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scenario() -> None:
        async with listening(hang) as port, pool(timeout_seconds=0.05) as sent:
            assert await sent.post(origin(port, tls=True), REQUEST) == "timeout"
            await until(lambda: not sent._open)

    run(scenario())


def test_a_cancelled_request_takes_its_connection_with_it(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(b"HTTP/1.1 200 OK\r\n", OK)
        async with listening(receiver) as port, pool() as sent:
            task = asyncio.create_task(sent.post(origin(port), REQUEST))
            await until(lambda: receiver.requests == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: receiver.ended == 1)
            assert await sent.post(origin(port), REQUEST) == DELIVERED

    run(scenario())


def test_closing_ends_what_is_under_way_and_lets_nothing_new_begin(run: Run) -> None:
    async def scenario() -> None:
        receiver = Receiver(b"HTTP/1.1 200 OK\r\n")
        async with listening(receiver) as port, pool() as sent:
            task = asyncio.create_task(sent.post(origin(port), REQUEST))
            await until(lambda: receiver.requests == 1)
            sent.close()
            assert await task == "broken_answer"
            assert await sent.post(origin(port), REQUEST) == "no_connection"
            await until(lambda: receiver.ended == 1)
            assert receiver.connections == 1

    run(scenario())


class Resolver:
    """Stands for `socket.getaddrinfo`: these addresses for every name."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses, self.calls = addresses, 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.calls += 1
        self.may_answer.wait(PATIENT_SECONDS)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, number or port)) for at, number in self.addresses]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    return made


def test_where_the_first_address_refuses_the_next_is_used(resolver: Resolver, run: Run) -> None:
    async def scenario() -> None:
        async with listening(Receiver(OK)) as port, pool() as sent:
            resolver.addresses = (("127.0.0.1", 1), ("127.0.0.1", port))
            assert await sent.post(origin(80, "two.example"), REQUEST) == DELIVERED
            resolver.addresses = (("10.0.0.1", port), ("127.0.0.1", port))  # the guard refuses the first
            assert await sent.post(origin(80, "half.example"), REQUEST) == DELIVERED
            resolver.addresses = (("10.0.0.1", port), ("192.168.0.1", port))
            assert await sent.post(origin(80, "inside.example"), REQUEST) == "address_refused"
            resolver.addresses = (("127.0.0.1", 1), ("127.0.0.2", 1))
            assert await sent.post(origin(80, "down.example"), REQUEST) == "no_connection"

    run(scenario())


def test_the_guard_judges_once_more_as_the_connection_is_made(run: Run) -> None:
    class Late(Guard):
        """Of another mind when it comes to the connection."""

        def permits(self, text: str) -> bool:
            return True

        def socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
            raise AddressRefused("not public")

    async def scenario() -> None:
        receiver = Receiver(OK)
        async with listening(receiver) as port, pool(Late()) as sent:
            assert await sent.post(origin(port), REQUEST) == "address_refused"
            assert receiver.connections == 0

    run(scenario())


def test_where_the_handshake_fails_with_one_address_the_next_is_used(resolver: Resolver, run: Run) -> None:
    first, second = Receiver(OK), Receiver(OK)  # neither speaks TLS

    async def scenario() -> None:
        async with listening(first) as one, listening(second) as other, pool() as sent:
            resolver.addresses = (("127.0.0.1", one), ("127.0.0.1", other))
            assert await sent.post(origin(80, "two.example", tls=True), REQUEST) == "no_connection"
            await until(lambda: first.ended == second.ended == 1)

    run(scenario())


def test_those_who_ask_at_once_share_one_query_which_is_kept(resolver: Resolver, run: Run) -> None:
    resolver.addresses = (("127.0.0.1", 0), ("127.0.0.2", 0))
    resolver.may_answer.clear()

    async def scenario() -> None:
        found = Names()
        asked = [asyncio.create_task(found.addresses("a.example", 80)) for _ in range(50)]
        await until(lambda: resolver.calls == 1)
        asked[0].cancel()  # the others have their answer all the same
        resolver.may_answer.set()
        answers = await asyncio.gather(*asked[1:])
        assert resolver.calls == 1
        assert all({info[4][0] for info in each} == {"127.0.0.1", "127.0.0.2"} for each in answers)
        firsts = [(await found.addresses("a.example", 80))[0][4][0] for _ in range(4)]
        assert firsts[0] == firsts[2] != firsts[1] == firsts[3]
        assert resolver.calls == 1
        await found.addresses("b.example", 80)
        assert resolver.calls == 2

    run(scenario())


def test_an_answer_is_kept_for_30_seconds_and_a_failure_not_at_all(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    async def scenario() -> None:
        found = Names()
        assert await found.addresses("a.example", 80) == []
        resolver.addresses = (("127.0.0.1", 0),)
        assert len(await found.addresses("a.example", 80)) == 1
        assert resolver.calls == 2
        until_when, _ = found._kept["a.example", 80]
        assert until_when - asyncio.get_running_loop().time() == pytest.approx(30.0, abs=1.0)
        monkeypatch.setattr(names, "_KEPT_SECONDS", -1.0)
        for number in range(100):
            await found.addresses(f"{number}.example", 80)
        found._kept["a.example", 80] = (0.0, [])
        assert len(await found.addresses("a.example", 80)) == 1  # asked again
        assert resolver.calls == 103
        assert len(found._kept) == 1  # the old ones are forgotten

    run(scenario())


def test_a_name_server_that_hangs_runs_into_the_time_out(resolver: Resolver, run: Run) -> None:
    resolver.may_answer.clear()

    async def scenario() -> None:
        try:
            async with pool(timeout_seconds=0.05) as sent:
                assert await sent.post(origin(80, "slow.example"), REQUEST) == "timeout"
        finally:
            resolver.may_answer.set()

    run(scenario())


def test_a_name_too_long_for_dns_has_no_address(run: Run) -> None:
    async def scenario() -> None:
        async with pool() as sent:
            assert await sent.post(origin(80, "a" * 64 + ".example"), REQUEST) == "no_connection"

    run(scenario())


def _hang(_: socket.socket) -> None:
    """The kernel takes the connection, and nobody reads."""


def _refuse(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # until it is shut down
        while True:
            listener.accept()[0].close()


@pytest.mark.parametrize(
    ("receive", "tls", "host", "result"),
    [
        (_hang, False, "down.example", "no_connection"),
        (_hang, False, "inside.example", "address_refused"),
        (_hang, False, "127.0.0.1", "timeout"),
        (_hang, True, "127.0.0.1", "timeout"),
        (_refuse, False, "127.0.0.1", "broken_answer"),
        (_refuse, True, "127.0.0.1", "no_connection"),
    ],
)
def test_a_failure_leaves_nothing_for_the_collector(
    receive: Callable[[socket.socket], None], tls: bool, host: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector comes after 50,000 objects: circles would wait for it, in an outage hundreds of thousands."""
    found = {"down.example": ["127.0.0.1"], "inside.example": ["10.0.0.1", "10.0.0.2"], "127.0.0.1": ["127.0.0.1"]}

    def answer(name: str, port: int, **_: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in found[name]]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    thread = threading.Thread(target=receive, args=(listener,))
    thread.start()

    async def left_over() -> int:
        to = origin(1 if host == "down.example" else listener.getsockname()[1], host, tls=tls)
        async with pool(timeout_seconds=0.03 if result == "timeout" else PATIENT_SECONDS) as sent:

            async def several() -> None:
                for _ in range(10):
                    assert await sent.post(to, REQUEST) == result
                await until(lambda: not sent._open)

            await several()
            gc.collect()
            gc.disable()
            try:
                await several()
                return gc.collect()
            finally:
                gc.enable()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # asyncio's own transports are circles
            assert runner.run(left_over()) < 20
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def test_the_default_context_verifies() -> None:
    context = pools._default_tls()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
