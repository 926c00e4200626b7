# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""One attempt of one delivery over HTTP, and what its answer means."""

import asyncio
import logging
import ssl
from typing import Literal

import msgspec

from flinkops.clock import Clock, SystemClock

from . import signing
from .addresses import Guard
from .alert import Alert
from .backoff import retry_after_seconds
from .connections import Answer, Unanswered
from .pool import Pool
from .subscriptions import Subscription
from .targets import target_of

log = logging.getLogger(__name__)

_AGAIN = frozenset({408, 425, 429})


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of an attempt; `reason` is one word for metrics and dead letters."""

    kind: Literal["delivered", "retry", "final"]
    reason: str
    status: int | None = None
    retry_after_seconds: float | None = None


_BAD_URL = Outcome("final", "bad_url")
_UNANSWERED: dict[Unanswered, Outcome] = {
    "timeout": Outcome("retry", "timeout"),
    "certificate": Outcome("retry", "certificate"),
    "no_connection": Outcome("retry", "no_connection"),
    "address_refused": Outcome("final", "address_refused"),
    "broken_answer": Outcome("retry", "broken_answer"),
}


def judge(status: int, retry_after: float | None) -> Outcome:
    """2xx is delivered; 5xx, 408, 425 and 429 may be tried again; all else, redirects too, is final."""
    if 200 <= status < 300:
        return Outcome("delivered", "delivered", status)
    if status >= 500 or status in _AGAIN:
        return Outcome("retry", f"http_{status}", status, retry_after)
    return Outcome("final", "redirect" if 300 <= status < 400 else f"http_{status}", status)


class Sender:
    """Sends alerts to the receivers, over connections that are kept."""

    def __init__(
        self, guard: Guard, *, timeout_seconds: float, tls: ssl.SSLContext | None = None, clock: Clock | None = None
    ) -> None:
        self._pool = Pool(guard, timeout_seconds=timeout_seconds, tls=tls)
        self._clock = clock or SystemClock()

    async def send(self, subscription: Subscription, alert: Alert) -> Outcome:
        """One POST of the alert; never raises for what the network or the receiver does."""
        target = target_of(subscription.url)
        if target is None:
            return _BAD_URL
        now_ms = self._clock.now_ms()
        headers = {"Idempotency-Key": alert.alert_id} | signing.headers(
            subscription.secrets(), alert.alert_id, now_ms // 1000, alert.body
        )
        try:
            answer = await self._pool.post(target.origin, target.request(headers, alert.body))
            if isinstance(answer, Answer):
                return judge(answer.status, retry_after_seconds(_text(answer.retry_after), now_ms))
            return _UNANSWERED[answer]
        except Exception as error:  # noqa: BLE001 - whatever a receiver sends, it must not end the others' deliveries
            log.warning("an attempt of client %s failed: %s", subscription.client, type(error).__name__)
            return _UNANSWERED["broken_answer"]

    async def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("utf-8", "replace")
