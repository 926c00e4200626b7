# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""The dispatcher: alerts in, requests out, the outcome of each kept.

All of it runs in one event loop; only Kafka's client and the writing of the store have threads of their own.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from flinkops.clock import Clock, SystemClock

from .alert import Malformed, Record, batches, read_alert
from .backoff import backoff_seconds
from .broker import AlertLog
from .client import Client, Delivery
from .dead_letters import DeadLetters
from .gauges import gauges
from .limits import Limits
from .matching import Matcher
from .measures import Measures
from .progress import Entry, Partitions
from .queues import Queues
from .sending import Outcome, Sender
from .store import Store
from .subscriptions import Subscription

log = logging.getLogger(__name__)

_TURN_RECORDS = 32
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
        self._partitions = Partitions()
        self._queues = Queues(
            store,
            self._limits,
            measures,
            self._partitions,
            resume=self._resume,
            overflow=lambda client, delivery: self._spawn(self._overflow(client, delivery)),
            unreadable=lambda client, record, why: self._spawn(self._unreadable(client, record, why)),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopping = asyncio.Event()
        self.measures.gauges = gauges(self._clients, self._partitions, self._queues)

    async def subscribe(self, subscriptions: dict[str, Subscription]) -> None:
        """From now on these are the clients; the deliveries of one that left are dropped. Raises OperationFailed.

        The patterns are compiled in a thread: deliveries continue meanwhile, however many patterns there are.
        """
        matcher = await asyncio.to_thread(Matcher, list(subscriptions.values()))
        numbers = self._store.client_numbers([name for name in subscriptions if name not in self._clients])
        parked = self._store.parked_counts(numbers.values())
        for name, subscription in subscriptions.items():
            known = self._clients.get(name)
            concurrency = subscription.concurrency or self._limits.concurrency
            if known is None:
                known = self._clients[name] = Client(name, numbers[name], subscription, concurrency)
                known.backlog = parked.get(known.number, 0)
            known.subscription = subscription
            known.lanes.concurrency = concurrency
        for name, client in self._clients.items():
            if name not in subscriptions:
                client.subscription = None
        self._matcher = matcher
        for client in self._clients.values():
            self._pump(client)

    def stop(self) -> None:
        """Stop reading, wait for the requests in flight, then end."""
        self._stopping.set()

    def fail(self, error: BaseException) -> None:
        """Stop, and let `run` raise this: a clean restart is better than to run on without one of its parts."""
        self._failure = self._failure or error
        self._stopping.set()

    @property
    def healthy(self) -> bool:
        """Whether alerts are still read and results still written."""
        return self._store.failure is None and not self._stopping.is_set()

    async def run(self) -> None:
        """Deliver until `stop`. Raises OperationFailed when the topic or the store fails."""
        try:
            self._store.start()
            bounds = await self._log.open()
            self._store.bind("topic", self._log.identity)
            self._partitions.begin(bounds)
            await self._until_stopped()
        finally:
            await self._finish()
        if (failure := self._failure or self._store.failure) is not None:
            raise failure

    async def _until_stopped(self) -> None:
        work = [asyncio.create_task(each) for each in (self._read_on(), self._maintain(), self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in done:
            task.result()

    async def _finish(self) -> None:
        """Send nothing new, wait for the requests in flight, and write their outcomes."""
        self._stopping.set()
        for timer in self._timers.values():
            timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._limits.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.to_thread(self._store.close)
        await asyncio.sleep(0)  # the callbacks of the store's last write run in the loop's next turn
        await self._log.close(self._partitions.settled())
        await self._sender.close()

    async def _read_on(self) -> None:
        while True:
            for batch in batches(await self._log.read(), _TURN_RECORDS):
                for record in batch:
                    self._take_in(record)
                await asyncio.sleep(0)
                await self._dead_letters.room()
            while self._store.backlog > _MAX_STORE_BACKLOG:  # the disk is the limit: Kafka waits
                await asyncio.sleep(_PAUSE_SECONDS)

    def _take_in(self, record: Record) -> None:
        """Queue the record for all clients that want it; it counts as open until that is done."""
        entry = self._partitions.read(record)
        entry.open += 1
        self.measures.read.inc()
        self._route(record, entry)
        entry.open -= 1

    def _route(self, record: Record, entry: Entry) -> None:
        try:
            alert = read_alert(record)
        except Malformed as error:
            entry.open += 1
            self._spawn(self._malformed(record, str(error), entry))
            return
        for name in self._matcher.clients(alert):
            client = self._clients[name]
            if self._queues.add(client, alert, entry):
                self._pump(client)

    def _resume(self, client: Client) -> None:
        """There may be room in memory, or a free slot among the client's requests."""
        if not self._stopping.is_set():
            self._queues.refill(client)
            self._pump(client)

    def _pump(self, client: Client) -> None:
        """Send what may be sent to the client now, and schedule the next call."""
        if self._stopping.is_set():
            return
        while (delivery := client.lanes.take(time.monotonic())) is not None:
            self._spawn(self._attempt(client, delivery))
        if client.lanes.waits_for_the_store:
            self._store.hurry()
        timer = self._timers.pop(client.name, None)
        if timer is not None:
            timer.cancel()
        due = client.lanes.next_due(time.monotonic())
        if due is not None:
            wait_seconds = max(0.001, due - time.monotonic())
            self._timers[client.name] = asyncio.get_running_loop().call_later(wait_seconds, self._pump, client)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _attempt(self, client: Client, delivery: Delivery) -> None:
        outcome = await self._one_attempt(client, delivery)
        if outcome.kind == "retry":
            self._try_again(client, delivery, outcome)
        else:
            if outcome.kind == "final":
                await self._dead_letter(client, delivery, outcome)
            client.lanes.settle(delivery, well=outcome.status is not None)
            self._queues.settle(client, delivery)
        self._pump(client)

    async def _one_attempt(self, client: Client, delivery: Delivery) -> Outcome:
        """Send it, unless the client has left or the alert is too old."""
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
        retry_after = outcome.retry_after_seconds
        was_unwell = client.lanes.unwell
        client.lanes.put_back(
            delivery, time.monotonic(), max(delay_seconds, retry_after or 0.0), hold_client=retry_after is not None
        )
        if client.lanes.unwell and not was_unwell and client.subscription is not None:
            log.warning("client %s is unwell (%s): it is only probed", client.name, outcome.reason)

    async def _dead_letter(self, client: Client, delivery: Delivery, outcome: Outcome) -> None:
        """Keep a delivery that is given up, unless its client has left."""
        if client.subscription is not None:
            alert = delivery.alert
            await self._dead_letters.write(alert.record, outcome, alert, client.name, delivery.attempts)

    async def _malformed(self, record: Record, why: str, entry: Entry) -> None:
        log.warning("record %d of partition %d is no alert: %s", record.offset, record.partition, why)
        await self._dead_letters.write(record, Outcome("final", "malformed"))
        entry.open -= 1

    async def _overflow(self, client: Client, delivery: Delivery) -> None:
        await self._dead_letter(client, delivery, Outcome("final", "backlog_full"))
        delivery.release()

    async def _unreadable(self, client: Client, record: Record, why: str) -> None:
        log.warning("a parked record of client %s is no alert: %s", client.name, why)
        await self._dead_letters.write(record, Outcome("final", "malformed"), client=client.name)
        self._queues.unpark_for_good(client, record)

    async def _maintain(self) -> None:
        pruned = -_PRUNE_SECONDS
        while True:
            await asyncio.sleep(self._limits.tidy_seconds)
            if self._store.failure is not None:
                raise self._store.failure
            now = time.monotonic()
            if offsets := self._partitions.to_commit():
                self._log.commit(offsets)
            self._queues.park_the_slow(self._clients.values())
            for client in self._clients.values():
                if self._queues.refill(client):
                    self._pump(client)
            if now - pruned > _PRUNE_SECONDS:
                pruned = now
                self._store.delete_before(self._clock.now_ms() - round(self._limits.remember_seconds * 1000))
