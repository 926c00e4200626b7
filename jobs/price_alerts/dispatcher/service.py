# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The dispatcher: alerts in, requests out, and what happened kept.

All of it runs in one event loop; only Kafka's client and the writing of the store have threads of their own.
"""

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from flinkops.clock import Clock, SystemClock
from flinkops.errors import OperationFailed

from .alert import Malformed, Record, batches, read_alert
from .backoff import backoff_seconds
from .broker import AlertLog, Bounds
from .client import Client, Delivery, Parking
from .dead_letters import DeadLetters
from .gauges import gauges
from .limits import Limits
from .matching import Matcher
from .measures import Measures
from .progress import Entry, Progress
from .sending import Outcome, Sender
from .store import Park, Settled, Store
from .subscriptions import Subscription

log = logging.getLogger(__name__)

_TURN_RECORDS = 32
_PARK_AFTER_SECONDS = 5.0
_PRUNE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_MAX_STORE_BACKLOG = 20_000


class Dispatcher:
    """Reads alerts, finds who wants them, delivers, and keeps what was delivered."""

    def __init__(
        self,
        alerts: AlertLog,
        store: Store,
        sender: Sender,
        measures: Measures,
        limits: Limits | None = None,
        *,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._log, self._store, self._sender, self.measures = alerts, store, sender, measures
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._dead_letters = DeadLetters(alerts, measures, self._clock)
        self._chance = chance
        self._failure: BaseException | None = None
        self._clients: dict[str, Client] = {}
        self._matcher = Matcher(())
        self._progress: dict[int, Progress] = {}
        self._bounds: dict[int, Bounds] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._in_memory = 0
        self._stopping = asyncio.Event()
        self.measures.gauges = gauges(self._clients, self._progress, lambda: self._in_memory)

    def subscribe(self, subscriptions: dict[str, Subscription]) -> None:
        """From now on these are the clients; what waits for one that left is dropped."""
        numbers = self._store.client_numbers([name for name in subscriptions if name not in self._clients])
        parked = self._store.parked_counts() if numbers else {}
        for name, subscription in subscriptions.items():
            known = self._clients.get(name)
            concurrency = subscription.concurrency or self._limits.concurrency
            if known is None:
                known = self._clients[name] = Client(numbers[name], subscription, concurrency)
                known.backlog = parked.get(name, 0)
            known.subscription = subscription
            known.lanes.concurrency = concurrency
        for name, client in self._clients.items():
            if name not in subscriptions:
                client.subscription = None
        self._matcher = Matcher(list(subscriptions.values()))
        for name in self._clients:
            self._pump(name)

    def stop(self) -> None:
        """Read no more, let what is on its way arrive, then end."""
        self._stopping.set()

    @property
    def healthy(self) -> bool:
        """Whether alerts are still read and results still written."""
        return self._store.failure is None and not self._stopping.is_set()

    async def run(self) -> None:
        """Deliver until `stop`. Raises OperationFailed when the topic or the store fails."""
        try:
            self._store.start()
            self._bounds = dict(await self._log.open())
            self._store.bind("topic", self._log.identity)
            self._progress.update((partition, Progress(bounds.start)) for partition, bounds in self._bounds.items())
            await self._until_stopped()
        except sqlite3.Error as error:
            raise OperationFailed(f"the state cannot be read: {error}") from None
        finally:
            await self._finish()
        if self._failure is not None:
            raise self._failure

    async def _until_stopped(self) -> None:
        work = [asyncio.create_task(each) for each in (self._read_on(), self._tidy_on(), self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in done:
            task.result()

    async def _finish(self) -> None:
        """Nothing new is sent; what is in flight gets its time, and its end is written."""
        self._stopping.set()
        for timer in self._timers.values():
            timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._limits.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.to_thread(self._store.close)
        await asyncio.sleep(0)  # what the store wrote last is told in the loop's next turn
        await self._log.close({partition: each.settled() for partition, each in self._progress.items()})
        await self._sender.close()

    async def _read_on(self) -> None:
        while True:
            for batch in batches(await self._log.read(), _TURN_RECORDS):
                for record in batch:
                    self._take_in(record)
                await asyncio.sleep(0)
            while self._store.backlog > _MAX_STORE_BACKLOG:  # the disk is the limit: Kafka waits
                await asyncio.sleep(_PAUSE_SECONDS)

    def _take_in(self, record: Record) -> None:
        """Hand a record to all that want it; it counts as open until that is done."""
        entry = self._progress[record.partition].read(record.offset)
        entry.open += 1
        self.measures.read.inc()
        self._hand_out(record, entry)
        entry.open -= 1

    def _hand_out(self, record: Record, entry: Entry) -> None:
        try:
            alert = read_alert(record)
        except Malformed as error:
            entry.open += 1
            self._spawn(self._bury_malformed(record, str(error), entry))
            return
        key, now = alert.key, time.monotonic()
        for name in self._matcher.clients(alert):
            client = self._clients[name]
            if key in client.pending or self._store.is_settled(alert.scraped_ms, client.number, key):
                self.measures.repeats.inc()
            elif self._has_room(client):
                entry.open += 1
                self._admit(client, Delivery(alert, entry, now))
                self._pump(name)
            elif record.offset >= self._bounds[record.partition].end or not self._store.is_parked(
                client.number, record.partition, record.offset
            ):
                entry.open += 1
                self._put_aside(name, client, Delivery(alert, entry, now))

    def _has_room(self, client: Client) -> bool:
        """Behind what is parked everything is parked. A client without a backlog always has a few places."""
        held = len(client.pending)
        return client.backlog == 0 and (
            held < client.lanes.concurrency
            or (held < self._limits.in_memory_per_client and self._in_memory < self._limits.in_memory)
        )

    def _admit(self, client: Client, delivery: Delivery) -> None:
        client.pending[delivery.alert.key] = delivery
        client.lanes.add(delivery)
        self._in_memory += 1

    def _put_aside(self, name: str, client: Client, delivery: Delivery) -> None:
        """Keep it in the file, not in memory."""
        if client.backlog >= self._limits.parked_per_client:
            self._spawn(self._bury_unseen(client, delivery))
            return
        client.backlog += 1
        client.parking += 1
        self.measures.parked.inc()

        def safe() -> None:
            client.parking -= 1
            delivery.release()
            self._refill(name, client)

        self._store.submit(Park(client.number, delivery.alert.record), safe)

    def _park_in_place(self, client: Client, delivery: Delivery) -> None:
        """It stays in memory, but no longer holds back the commits."""
        delivery.parking = Parking.ON_ITS_WAY
        self.measures.parked.inc()

        def safe() -> None:
            delivery.parking = Parking.YES
            delivery.release()

        self._store.submit(Park(client.number, delivery.alert.record), safe)

    def _refill(self, name: str, client: Client) -> None:
        """Bring parked alerts back into memory, as far as there is room, in the order of their partitions."""
        if client.backlog <= client.parking or len(client.pending) > self._limits.in_memory_per_client // 2:
            return
        if self._stopping.is_set() or not self._in_order(client):
            return
        room = max(1, (self._limits.in_memory_per_client - len(client.pending)) // len(self._progress))
        for partition, progress in self._progress.items():
            after = client.loaded_up_to.get(partition, -1)
            for record in self._store.parked(client.number, partition, after, progress.position, room):
                client.loaded_up_to[partition] = record.offset
                self._bring_back(client, record)
        self._pump(name)

    def _in_order(self, client: Client) -> bool:
        """Whether no record before a parked one can still be about to be parked.

        Records are parked in their order, but those that are read again after a restart stand before what was parked
        in the earlier life.
        """
        if client.parking == 0 and not client.caught_up:
            client.caught_up = all(each.position >= self._bounds[number].end for number, each in self._progress.items())
        return client.caught_up or client.parking == 0

    def _bring_back(self, client: Client, record: Record) -> None:
        alert = read_alert(record)
        known = client.pending.get(alert.key)
        place = (record.partition, record.offset)
        if known is not None and (known.alert.record.partition, known.alert.record.offset) == place:
            return  # parked in place
        client.backlog -= 1
        if known is not None or self._store.is_settled(alert.scraped_ms, client.number, alert.key):
            self.measures.repeats.inc()
            self._store.submit(Settled(client.number, alert.scraped_ms, alert.key, False, place), _nothing)
        else:
            self._admit(client, Delivery(alert, None, time.monotonic(), Parking.YES))

    def _pump(self, name: str) -> None:
        """Send what the client may be sent now, and come back when more may be."""
        client = self._clients[name]
        if self._stopping.is_set():
            return
        while (delivery := client.lanes.take(time.monotonic())) is not None:
            self._spawn(self._attempt(name, client, delivery))
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        due = client.lanes.next_due(time.monotonic())
        if due is not None:
            wait_seconds = max(0.001, due - time.monotonic())
            self._timers[name] = asyncio.get_running_loop().call_later(wait_seconds, self._pump, name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error  # better to stop and begin anew than to go on with a lane that is stuck
            self._stopping.set()

    async def _attempt(self, name: str, client: Client, delivery: Delivery) -> None:
        outcome = await self._one_attempt(client, delivery)
        if outcome.kind == "retry":
            self._try_again(client, delivery, outcome)
        else:
            if outcome.kind == "final":
                await self._bury(client, delivery, outcome)
            client.lanes.settle(delivery, well=outcome.status is not None)
            self._settle(name, client, delivery)
        self._pump(name)

    async def _one_attempt(self, client: Client, delivery: Delivery) -> Outcome:
        """Send it, unless nobody wants it any more or it is too old."""
        if client.subscription is None:
            return Outcome("final", "unsubscribed")
        record = delivery.alert.record
        if self._clock.now_ms() - record.appended_ms > self._limits.give_up_seconds * 1000:
            return Outcome("final", "too_old")
        delivery.attempts += 1
        self.measures.attempts.inc()
        outcome = await self._sender.send(client.subscription, delivery.alert)
        if outcome.kind == "delivered":
            now_ms = self._clock.now_ms()
            dispatch_seconds = max(0, now_ms - record.appended_ms) / 1000
            since_ms = delivery.alert.ingested_ms
            whole_seconds = dispatch_seconds if since_ms is None else max(0, now_ms - since_ms) / 1000
            self.measures.delivered_one(whole_seconds, dispatch_seconds)
            return outcome
        self.measures.failures.labels(outcome.reason).inc()
        if outcome.kind == "retry" and delivery.attempts >= self._limits.attempts:
            return msgspec.structs.replace(outcome, kind="final", reason=f"attempts_spent_{outcome.reason}")
        return outcome

    def _try_again(self, client: Client, delivery: Delivery, outcome: Outcome) -> None:
        self.measures.retries.inc()
        delay_seconds = backoff_seconds(
            max(1, delivery.attempts),
            self._chance(),
            first_seconds=self._limits.first_backoff_seconds,
            longest_seconds=self._limits.longest_backoff_seconds,
        )
        asked = outcome.retry_after_seconds
        hold = asked is not None
        was_unwell = client.lanes.unwell
        client.lanes.put_back(delivery, time.monotonic(), max(delay_seconds, asked or 0.0), hold_client=hold)
        if client.lanes.unwell and not was_unwell and client.subscription is not None:
            log.warning("client %s is unwell (%s): it is only probed", client.subscription.client, outcome.reason)

    def _settle(self, name: str, client: Client, delivery: Delivery) -> None:
        """It is over: make that durable, then forget it."""
        delivery.settled = True
        alert = delivery.alert
        place = None if delivery.parking is Parking.NO else (alert.record.partition, alert.record.offset)

        def safe() -> None:
            del client.pending[alert.key]
            self._in_memory -= 1
            delivery.release()
            self._refill(name, client)

        self._store.submit(Settled(client.number, alert.scraped_ms, alert.key, True, place), safe)

    async def _bury(self, client: Client, delivery: Delivery, outcome: Outcome) -> None:
        """Write a dead letter; a client that left wants none."""
        if client.subscription is not None:
            name = client.subscription.client
            await self._dead_letters.write(delivery.alert.record, outcome, delivery.alert, name, delivery.attempts)

    async def _bury_malformed(self, record: Record, why: str, entry: Entry) -> None:
        log.warning("record %d of partition %d is no alert: %s", record.offset, record.partition, why)
        await self._dead_letters.write(record, Outcome("final", "malformed"))
        entry.open -= 1

    async def _bury_unseen(self, client: Client, delivery: Delivery) -> None:
        await self._bury(client, delivery, Outcome("final", "backlog_full"))
        delivery.release()

    async def _tidy_on(self) -> None:
        pruned = -_PRUNE_SECONDS
        while True:
            await asyncio.sleep(self._limits.tidy_seconds)
            if self._store.failure is not None:
                raise OperationFailed(f"the state cannot be written: {self._store.failure}")
            now = time.monotonic()
            self._commit()
            self._park_the_old(now)
            for name, client in self._clients.items():
                self._refill(name, client)
            if now - pruned > _PRUNE_SECONDS:
                pruned = now
                self._store.forget_before(self._clock.now_ms() - round(self._limits.remember_seconds * 1000))

    def _commit(self) -> None:
        offsets = {}
        for partition, progress in self._progress.items():
            offset = progress.settled()
            if offset != progress.committed:
                offsets[partition] = progress.committed = offset
        if offsets:
            self._log.commit(offsets)

    def _park_the_old(self, now: float) -> None:
        """What takes long must not hold back the offsets of all that was read since."""
        for client in self._clients.values():
            for delivery in list(client.lanes):
                if now - delivery.read_at < _PARK_AFTER_SECONDS or delivery.settled:
                    continue
                if delivery.parking is Parking.NO:
                    self._park_in_place(client, delivery)


def _nothing() -> None:
    """Nobody waits for it."""
