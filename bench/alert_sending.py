"""CPU of one request to a receiver: the dispatcher's pool against aiohttp's client, on asyncio's loop and on uvloop's.

`python -m bench.alert_sending [--requests N] [--rounds N]`: all four take turns in one process, against a trivial
receiver in another one, so that what else the machine does hits all alike. Prints the median of the rounds.
"""

import argparse
import asyncio
import ipaddress
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine

import aiohttp
import uvloop

from jobs.price_alerts.dispatcher import signing
from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.connections import Answer
from jobs.price_alerts.dispatcher.pool import Pool
from jobs.price_alerts.dispatcher.targets import target_of

AT_ONCE = 32
TIMEOUT_SECONDS = 10.0
ALERT_ID = "0" * 64
BODY = b'{"alert_id":"' + ALERT_ID.encode() + b'","note":"' + b"x" * 250 + b'"}'
HEADERS = {"Idempotency-Key": ALERT_ID} | signing.headers(["a secret of sixteen and more"], ALERT_ID, 1, BODY)
LOOPBACK = Guard([ipaddress.ip_network("127.0.0.0/8")])
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Post = Callable[[], Awaitable[int]]
Measured = Callable[[str, int], Coroutine[None, None, float]]


async def cpu_microseconds(post: Post, requests: int) -> float:
    async def several(count: int) -> None:
        for _ in range(count):
            assert await post() == 200

    await asyncio.gather(*(several(20) for _ in range(AT_ONCE)))
    started = time.process_time()
    await asyncio.gather(*(several(requests // AT_ONCE) for _ in range(AT_ONCE)))
    return (time.process_time() - started) / requests * 1e6


async def by_aiohttp(url: str, requests: int) -> float:
    """As the dispatcher did until November 2026."""
    headers = {"Content-Type": "application/json", "User-Agent": "flinkops-price-alerts"} | HEADERS
    connector = aiohttp.TCPConnector(limit=0, socket_factory=LOOPBACK.socket, keepalive_timeout=15.0, ttl_dns_cache=30)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:

        async def post() -> int:
            async with session.post(url, data=BODY, headers=headers, allow_redirects=False) as answer:
                async for _ in answer.content.iter_any():
                    pass
                return answer.status

        return await cpu_microseconds(post, requests)


async def by_pool(url: str, requests: int) -> float:
    pool = Pool(LOOPBACK, timeout_seconds=TIMEOUT_SECONDS)

    async def post() -> int:
        target = target_of(url)
        assert target is not None
        answer = await pool.post(target.origin, target.request(HEADERS, BODY))
        assert isinstance(answer, Answer), answer
        return answer.status

    try:
        return await cpu_microseconds(post, requests)
    finally:
        pool.close()
        await asyncio.sleep(0)


class Receiver(asyncio.Protocol):
    """Answers whatever ends as the request's body does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(BODY):
            self.received = b""
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\nServer: x\r\n"
                b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
            )


async def receive() -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=9600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        asyncio.run(receive())
        return
    command = [sys.executable, "-m", "bench.alert_sending", "--receive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/hook?client=a"
        try:
            report(url, options.requests, options.rounds)
        finally:
            receiver.terminate()


def report(url: str, requests: int, rounds: int) -> None:
    clients: dict[str, Measured] = {"aiohttp": by_aiohttp, "pool": by_pool}
    found: dict[tuple[str, str], list[float]] = {(client, loop): [] for client in clients for loop in LOOPS}
    for _ in range(rounds):
        for (client, loop), figures in found.items():
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                figures.append(runner.run(clients[client](url, requests)))
    base = statistics.median(found["aiohttp", "asyncio"])
    for (client, loop), figures in found.items():
        median = statistics.median(figures)
        print(
            f"{client:<8} on {loop:<8}: {median:6.1f} us a request ({min(figures):.1f} to {max(figures):.1f}),"
            f" {median / base:.2f} x"
        )


if __name__ == "__main__":
    main()
