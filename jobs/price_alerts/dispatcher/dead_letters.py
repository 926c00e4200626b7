# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""What is kept of deliveries that were given up."""

import msgspec

from flinkops.clock import Clock, iso_utc

from .alert import Alert, Record
from .broker import AlertLog
from .measures import Measures
from .sending import Outcome


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a delivery that was given up. `alert` is the text of the record, as far as it is text."""

    alert_id: str | None
    client: str | None
    reason: str
    status: int | None
    attempts: int
    given_up_at: str
    partition: int
    offset: int
    alert: str


class DeadLetters:
    """Writes them to their topic; the key is `CLIENT/ALERT_ID`, so that the topic may be compacted."""

    def __init__(self, alerts: AlertLog, measures: Measures, clock: Clock) -> None:
        self._log, self._measures, self._clock = alerts, measures, clock

    async def write(
        self, record: Record, outcome: Outcome, alert: Alert | None = None, client: str | None = None, attempts: int = 0
    ) -> None:
        """Returns when the letter is safe in Kafka."""
        self._measures.dead.labels(outcome.reason).inc()
        letter = DeadLetter(
            alert_id=alert.alert_id if alert else None,
            client=client,
            reason=outcome.reason,
            status=outcome.status,
            attempts=attempts,
            given_up_at=iso_utc(self._clock.now_ms()) or "",
            partition=record.partition,
            offset=record.offset,
            alert=record.value.decode(errors="replace"),
        )
        key = f"{client}/{alert.alert_id}" if alert else f"{record.partition}/{record.offset}"
        await self._log.dead_letter(key.encode(), msgspec.json.encode(letter))
