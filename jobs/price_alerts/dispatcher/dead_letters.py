# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""What is kept of deliveries that were given up, and of records that are no alerts."""

import asyncio
import logging

import msgspec

from flinkops.clock import Clock, iso_utc

from .alert import Alert, Record
from .broker import AlertLog, TooLarge
from .measures import Measures
from .sending import Outcome

log = logging.getLogger(__name__)

_MAX_MALFORMED_BYTES = 16 * 1024
"""How much is kept of a record that is no alert. As JSON it grows up to six times: a topic takes 1 MB by default."""
_AT_ONCE = 256


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a delivery that was given up. `partition` and `offset` point to the whole record in Kafka.

    `alert` is the text of the record, as far as it is text and fits; `alert_bytes` is how long the record is.
    """

    alert_id: str | None
    client: str | None
    reason: str
    status: int | None
    attempts: int
    given_up_at: str
    partition: int
    offset: int
    alert: str
    alert_bytes: int


class DeadLetters:
    """Writes them to their topic; the key is `CLIENT/ALERT_ID`, so that the topic may be compacted."""

    def __init__(self, alerts: AlertLog, measures: Measures, clock: Clock) -> None:
        self._log, self._measures, self._clock = alerts, measures, clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._unwritten = 0
        self._has_room = asyncio.Event()

    async def room(self) -> None:
        """Wait until few enough letters are unwritten: a flood of them must not gather in memory."""
        while self._unwritten > _AT_ONCE:
            self._has_room.clear()
            await self._has_room.wait()

    async def write(
        self, record: Record, outcome: Outcome, alert: Alert | None = None, client: str | None = None, attempts: int = 0
    ) -> None:
        """Returns when the letter is safe in Kafka, without the record's text where the topic refuses it for its size.

        Raises OperationFailed when the topic takes none at all.
        """
        self._measures.dead.labels(outcome.reason).inc()
        self._unwritten += 1
        try:
            async with self._slots:
                await self._append(self._letter(record, outcome, alert, client, attempts))
        finally:
            self._unwritten -= 1
            self._has_room.set()

    async def _append(self, letter: DeadLetter) -> None:
        key = f"{letter.client}/{letter.alert_id}" if letter.alert_id else f"{letter.partition}/{letter.offset}"
        for each in (letter, msgspec.structs.replace(letter, alert="")):
            try:
                await self._log.dead_letter(key.encode(), msgspec.json.encode(each))
            except TooLarge:
                continue
            return
        # Not even the pointer fits: it is in the log only, and the next records are processed.
        log.error(
            "the topic of dead letters is too small for any: client %s, record %d of partition %d, %s",
            letter.client,
            letter.offset,
            letter.partition,
            letter.reason,
        )

    def _letter(
        self, record: Record, outcome: Outcome, alert: Alert | None, client: str | None, attempts: int
    ) -> DeadLetter:
        kept = record.value if alert else record.value[:_MAX_MALFORMED_BYTES]
        return DeadLetter(
            alert_id=alert.alert_id if alert else None,
            client=client,
            reason=outcome.reason,
            status=outcome.status,
            attempts=attempts,
            given_up_at=iso_utc(self._clock.now_ms()) or "",
            partition=record.partition,
            offset=record.offset,
            alert=kept.decode(errors="replace"),
            alert_bytes=record.whole_bytes,
        )
