# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The deliveries that wait: in memory as far as there is room, the rest parked in the store, in their order."""

import time
from collections.abc import Callable, Iterable

from .alert import Alert, Malformed, Record, read_alert
from .client import Client, Delivery, Parking
from .limits import Limits
from .measures import Measures
from .progress import Entry, Partitions
from .store import Park, Settled, Store

_PARK_AFTER_SECONDS = 5.0


class Queues:
    """What is in memory and what is parked, of all clients.

    `resume(client)` is called when deliveries of the client may be read back or sent; `overflow(client, delivery)` for
    what neither memory nor the store has room for; `unreadable(client, record, why)` for a parked record that is no
    alert. The last two are then responsible for it.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        measures: Measures,
        partitions: Partitions,
        *,
        resume: Callable[[Client], None],
        overflow: Callable[[Client, Delivery], None],
        unreadable: Callable[[Client, Record, str], None],
    ) -> None:
        self._store, self._limits, self._measures, self._partitions = store, limits, measures, partitions
        self._resume, self._overflow, self._unreadable = resume, overflow, unreadable
        self.in_memory = 0

    def add(self, client: Client, alert: Alert, entry: Entry) -> bool:
        """Queue the alert unless the client has it already; whether it is in memory, where it may be sent."""
        key, record = alert.key, alert.record
        if key in client.pending or self._store.is_settled(alert.scraped_ms, client.number, key):
            self._measures.repeats.inc()
            return False
        if self._has_room(client):
            entry.open += 1
            self._admit(client, Delivery(alert, entry, time.monotonic()))
            return True
        if self._partitions.is_new(record) or not self._store.is_parked(client.number, record.partition, record.offset):
            entry.open += 1
            self._park(client, Delivery(alert, entry, time.monotonic()))
        return False

    def _has_room(self, client: Client) -> bool:
        """Behind what is parked everything is parked. A client without a backlog always has a few places."""
        held = len(client.pending)
        return client.backlog == 0 and (
            held < client.lanes.concurrency
            or (held < self._limits.in_memory_per_client and self.in_memory < self._limits.in_memory)
        )

    def _admit(self, client: Client, delivery: Delivery) -> None:
        client.pending[delivery.alert.key] = delivery
        client.lanes.add(delivery)
        self.in_memory += 1

    def _park(self, client: Client, delivery: Delivery) -> None:
        """Keep it in the store, not in memory."""
        if client.backlog >= self._limits.parked_per_client:
            self._overflow(client, delivery)
            return
        client.backlog += 1
        client.parking += 1
        self._measures.parked.inc()

        def durable() -> None:
            client.parking -= 1
            delivery.release()
            self._resume(client)

        self._store.submit(Park(client.number, delivery.alert.record), durable)

    def park_the_slow(self, clients: Iterable[Client]) -> None:
        """What takes long stays in memory, but no longer holds back the offsets of all that was read since."""
        now = time.monotonic()
        for client in clients:
            for delivery in list(client.lanes):
                old = now - delivery.read_at >= _PARK_AFTER_SECONDS
                if old and not delivery.settled and delivery.parking is Parking.NO:
                    self._park_in_place(client, delivery)

    def _park_in_place(self, client: Client, delivery: Delivery) -> None:
        delivery.parking = Parking.ON_ITS_WAY
        self._measures.parked.inc()

        def durable() -> None:
            delivery.parking = Parking.YES
            delivery.release()

        self._store.submit(Park(client.number, delivery.alert.record), durable)

    def settle(self, client: Client, delivery: Delivery) -> None:
        """The delivery is over: make that durable, then drop it."""
        delivery.settled = True
        alert = delivery.alert
        place = None if delivery.parking is Parking.NO else (alert.record.partition, alert.record.offset)

        def durable() -> None:
            del client.pending[alert.key]
            self.in_memory -= 1
            client.lanes.confirm()
            delivery.release()
            self._resume(client)

        self._store.submit(Settled(client.number, alert.scraped_ms, alert.key, True, place), durable)

    def refill(self, client: Client) -> bool:
        """Read parked alerts back into memory, as far as there is room, in the order of their partitions.

        Returns whether it tried, so that there may be something to send.
        """
        if client.backlog <= client.parking or len(client.pending) > self._limits.in_memory_per_client // 2:
            return False
        if not self._in_order(client):
            return False
        positions = self._partitions.positions()
        room = max(1, (self._limits.in_memory_per_client - len(client.pending)) // len(positions))
        for partition, position in positions.items():
            after = client.loaded_up_to.get(partition, -1)
            for record in self._store.parked(client.number, partition, after, position, room):
                client.loaded_up_to[partition] = record.offset
                self._unpark(client, record)
        return True

    def _in_order(self, client: Client) -> bool:
        """Whether no record before a parked one can still be about to be parked.

        Records are parked in their order, but those that are read again after a restart come before what the process
        before had parked.
        """
        if client.parking == 0 and not client.caught_up:
            client.caught_up = self._partitions.caught_up()
        return client.caught_up or client.parking == 0

    def _unpark(self, client: Client, record: Record) -> None:
        place = (record.partition, record.offset)
        try:
            alert = read_alert(record)
        except Malformed as error:  # written by a version with other limits, or damaged
            client.backlog -= 1
            self._unreadable(client, record, str(error))
            return
        known = client.pending.get(alert.key)
        if known is not None and (known.alert.record.partition, known.alert.record.offset) == place:
            return  # parked in place
        client.backlog -= 1
        if known is not None or self._store.is_settled(alert.scraped_ms, client.number, alert.key):
            self._measures.repeats.inc()
            self.unpark_for_good(client, record)
        else:
            self._admit(client, Delivery(alert, None, time.monotonic(), Parking.YES))

    def unpark_for_good(self, client: Client, record: Record) -> None:
        """Take a record out of the store that is not to be delivered from there."""
        self._store.submit(Settled(client.number, 0, b"", False, (record.partition, record.offset)), _nothing)


def _nothing() -> None:
    """No callback."""
