"""What goes over the wire, and where to: TLS, redirects, names that point inside, answers without end."""

import asyncio
import gc
import hashlib
import hmac
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import uvloop

from flinkops.clock import FixedClock
from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.alert import Record, read_alert
from jobs.price_alerts.dispatcher.sending import Outcome, Sender
from jobs.price_alerts.dispatcher.subscriptions import Subscription
from tests.dispatcher.alerts import SECRET, encoded
from tests.dispatcher.receivers import LOOPBACK
from tests.patience import PATIENT_SECONDS

NOW_MS = 1_700_000_000_123
ALERT = read_alert(Record(0, 0, 0, encoded(1)))

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answering(answer: bytes, requests: list[bytes]) -> Answer:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            requests.append(head + await reader.readexactly(len(ALERT.body)))
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


@asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def send(
    url: str,
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    *,
    guard: Guard = LOOPBACK,
    trust: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    serve: Answer | None = None,
    timeout_seconds: float = PATIENT_SECONDS,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> tuple[Outcome, list[bytes]]:
    """One attempt against a server of our own, whose port stands for PORT in `url`."""
    requests: list[bytes] = []

    async def scenario() -> Outcome:
        async with server(serve or answering(answer, requests), tls) as port:
            sender = Sender(guard, timeout_seconds=timeout_seconds, tls=trust, clock=FixedClock(NOW_MS))
            try:
                subscription = Subscription(client="a", url=url.replace("PORT", str(port)), secret=SECRET)
                return await sender.send(subscription, ALERT)
            finally:
                await sender.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(scenario()), requests


def test_the_request() -> None:
    outcome, (request,) = send("http://127.0.0.1:PORT/hook?x=1")
    assert outcome == Outcome("delivered", "delivered", 200)
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?x=1 HTTP/1.1"
    signed = hmac.new(SECRET.encode(), b"1700000000." + ALERT.body, hashlib.sha256).hexdigest()
    assert f"X-Flinkops-Signature: t=1700000000,v1={signed}" in lines
    assert f"Idempotency-Key: {ALERT.alert_id}" in lines
    assert body == ALERT.body


def test_an_alert_that_would_write_headers_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ALERT", msgspec.structs.replace(ALERT, alert_id="1\r\nX: y"))
    outcome, requests = send("http://127.0.0.1:PORT/")
    assert (outcome.kind, outcome.reason, requests) == ("retry", "broken_answer", [])


@pytest.mark.parametrize("url", ["http://127.1:PORT/", "http://user@127.0.0.1:PORT/", "ftp://127.0.0.1:PORT/"])
def test_a_bad_url_goes_nowhere(url: str) -> None:
    outcome, requests = send(url)
    assert (outcome.kind, outcome.reason, requests) == ("final", "bad_url", [])


def test_no_redirect_is_followed() -> None:
    answer = b"HTTP/1.1 307 Over there\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    outcome, requests = send("http://127.0.0.1:PORT/", answer)
    assert (outcome.kind, outcome.reason, len(requests)) == ("final", "redirect", 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_an_address_that_is_not_allowed_gets_no_connection(host: str) -> None:
    outcome, requests = send(f"http://{host}:PORT/", guard=Guard())
    assert (outcome.kind, outcome.reason, requests) == ("final", "address_refused", [])


def test_a_name_is_judged_by_where_it_points_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was public a moment ago (DNS rebinding): the connection is refused, whatever was seen before."""

    def points_inside(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", points_inside)
    outcome, requests = send("http://rebound.example:80/", guard=Guard())
    assert (outcome.reason, requests) == ("address_refused", [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "broken_answer"),
        (b"SSH-2.0\r\n\r\n", "broken_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", "broken_answer"),
        (b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "http_503"),
    ],
)
def test_what_may_be_tried_again(answer: bytes, reason: str) -> None:
    outcome, _ = send("http://127.0.0.1:PORT/", answer)
    assert (outcome.kind, outcome.reason) == ("retry", reason)
    assert outcome.retry_after_seconds == (7.0 if reason == "http_503" else None)


def test_an_answer_without_end_is_cut_off() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
        try:
            while True:
                writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    outcome, _ = send("http://127.0.0.1:PORT/", serve=pour)
    assert outcome.kind == "delivered"


def test_nobody_listens() -> None:
    outcome, _ = send("http://127.0.0.1:1/")
    assert (outcome.kind, outcome.reason) == ("retry", "no_connection")


@pytest.mark.thorough
def test_no_answer_in_time() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    outcome, _ = send("http://127.0.0.1:PORT/", serve=hang, timeout_seconds=0.5)
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return folder / "cert", folder / "key"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_tls_is_verified(certificate: tuple[Path, Path], loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    outcome, requests = send("https://localhost:PORT/", tls=tls, loop=loop)
    assert (outcome.kind, outcome.reason, requests) == ("retry", "certificate", [])
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    outcome, requests = send("https://127.0.0.1:PORT/", tls=tls, trust=trust, loop=loop)
    assert (outcome.reason, requests) == ("certificate", [])  # another name than it was made for
    outcome, requests = send("https://localhost:PORT/", tls=tls, trust=trust, loop=loop)
    assert (outcome.kind, len(requests)) == ("delivered", 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/refused", "http://10.0.0.1:1/guarded"])
def test_a_failed_connection_leaves_nothing_for_the_collector(url: str) -> None:
    """Each left 90 objects in a circle with its traceback: 1.2 MiB an outage, until the collector came at 50,000."""

    async def left_over() -> int:
        sender = Sender(LOOPBACK, timeout_seconds=PATIENT_SECONDS)
        subscription = Subscription(client="a", url=url, secret=SECRET)
        await sender.send(subscription, ALERT)
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await sender.send(subscription, ALERT)
            return gc.collect()
        finally:
            gc.enable()
            await sender.close()

    assert asyncio.run(left_over()) < 50
