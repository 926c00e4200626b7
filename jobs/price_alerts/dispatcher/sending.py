# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""One attempt of one delivery over HTTP, and what its answer means."""

import asyncio
import logging
import ssl
from typing import Literal

import aiohttp
import msgspec

from flinkops.clock import Clock, SystemClock

from . import signing
from .addresses import AddressRefused, Guard
from .alert import Alert
from .backoff import retry_after_seconds
from .subscriptions import Subscription

log = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 64 * 1024
_KEEP_ALIVE_SECONDS = 15.0
_AGAIN = frozenset({408, 425, 429})


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of an attempt; `reason` is one word for metrics and dead letters."""

    kind: Literal["delivered", "retry", "final"]
    reason: str
    status: int | None = None
    retry_after_seconds: float | None = None


def judge(status: int, retry_after: float | None) -> Outcome:
    """2xx is delivered; 5xx, 408, 425 and 429 may be tried again; all else, redirects too, is final."""
    if 200 <= status < 300:
        return Outcome("delivered", "delivered", status)
    if status >= 500 or status in _AGAIN:
        return Outcome("retry", f"http_{status}", status, retry_after)
    return Outcome("final", "redirect" if 300 <= status < 400 else f"http_{status}", status)


class Sender:
    """Keeps connections to the receivers. Proxies of the environment are not used: the guard cannot see past them."""

    def __init__(
        self, guard: Guard, *, timeout_seconds: float, tls: ssl.SSLContext | None = None, clock: Clock | None = None
    ) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,  # each client has its own limit
            socket_factory=guard.socket,
            ssl=tls or True,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            ttl_dns_cache=30,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._clock = clock or SystemClock()

    async def send(self, subscription: Subscription, alert: Alert) -> Outcome:
        """One POST of the alert; never raises for what the network or the receiver does."""
        now_ms = self._clock.now_ms()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": alert.alert_id,
            "User-Agent": "flinkops-price-alerts",
        } | signing.headers(subscription.secrets(), alert.alert_id, now_ms // 1000, alert.body)
        try:
            async with self._session.post(
                subscription.url, data=alert.body, headers=headers, allow_redirects=False
            ) as answer:
                await _finish(answer)
                return judge(answer.status, retry_after_seconds(answer.headers.get("Retry-After"), now_ms))
        except Exception as error:  # noqa: BLE001 - whatever a receiver sends, it must not end the others' deliveries
            try:
                return _judge_failure(error, subscription.client)
            finally:
                _release_frames(error)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn


def _judge_failure(error: Exception, client: str) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome("retry", "timeout")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Outcome("retry", "certificate")
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, AddressRefused)
        return Outcome("final", "address_refused") if refused else Outcome("retry", "no_connection")
    if isinstance(error, aiohttp.InvalidURL):
        return Outcome("final", "bad_url")
    if not isinstance(error, aiohttp.ClientError | OSError | ValueError):
        log.warning("an attempt of client %s failed: %s", client, type(error).__name__)
    return Outcome("retry", "broken_answer")


def _release_frames(error: BaseException) -> None:
    """Cut the circle of an exception and the frames that hold it, of this one and those that it came from.

    aiohttp keeps the exception of a connection in a local variable of the frame that its traceback holds: 90 objects a
    failed connection would wait for the collector, which comes after 50,000 (`__main__`): 1.2 MiB an outage.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        found.__traceback__ = None
        left += [found.__cause__, found.__context__]
        if isinstance(found, aiohttp.ClientConnectorError):
            left.append(found.os_error)


async def _finish(answer: aiohttp.ClientResponse) -> None:
    """Read the answer to its end, so that the connection can be used again; a long one is cut off."""
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > _MAX_ANSWER_BYTES:
            answer.close()
            return
