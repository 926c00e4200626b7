"""One client's deliveries: in order for each SKU, a bounded number at a time, held back while the client is unwell.

A pure state machine. The caller passes the time, in seconds of a monotonic clock, and takes the next delivery to send.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

TROUBLE_AFTER = 5
"""After so many failures in a row the client counts as unwell: one request at a time, and pauses between them."""


class HasSku(Protocol):
    """What is delivered in the order of its SKU."""

    @property
    def sku(self) -> str:
        """The SKU."""
        ...


D = TypeVar("D", bound=HasSku)


class Lanes(Generic[D]):
    """The deliveries of one client that are in memory.

    Of a SKU only the first is ever on its way: the next one waits until it is settled, through all its retries. A
    request goes out only while fewer than `concurrency` are on their way, and fewer than `concurrency` are settled and
    not yet durable. So of both together, which are what is sent again after the process has died, there are always
    fewer than twice that.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.in_flight = 0
        """Requests on their way."""
        self.unconfirmed = 0
        """Settled deliveries whose end is not durable yet."""
        self.failures_in_a_row = 0
        self._held_until = 0.0
        self._lanes: dict[str, deque[D]] = {}
        self._ready: deque[str] = deque()
        self._waiting: list[tuple[float, int, str]] = []
        self._ticket = itertools.count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[D]:
        for lane in self._lanes.values():
            yield from lane

    def add(self, delivery: D) -> None:
        """Put a delivery behind the others of its SKU."""
        lane = self._lanes.get(delivery.sku)
        if lane is None:
            self._lanes[delivery.sku] = deque((delivery,))
            self._ready.append(delivery.sku)
        else:
            lane.append(delivery)
        self._size += 1

    def take(self, now: float) -> D | None:
        """The next delivery to send now, from then on in flight; None when there is none, or not yet."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        if not self._ready or self.unconfirmed >= self.concurrency or self.in_flight >= self._allowed(now):
            return None
        self.in_flight += 1
        return self._lanes[self._ready.popleft()][0]

    def _allowed(self, now: float) -> int:
        if now < self._held_until:
            return 0
        return 1 if self.unwell else self.concurrency

    @property
    def waits_for_the_store(self) -> bool:
        """Whether there is something to send, and soon nothing may be, for all the ends that are not durable yet."""
        return bool(self._ready) and 2 * self.unconfirmed >= self.concurrency

    @property
    def unwell(self) -> bool:
        """Whether the client failed so often in a row that it is only probed."""
        return self.failures_in_a_row >= TROUBLE_AFTER

    def next_due(self, now: float) -> float | None:
        """When to call `take` again even if nothing is settled by then; None when only a settled delivery can help."""
        if self.in_flight >= self.concurrency or (self.unwell and self.in_flight):
            return None
        if self.unconfirmed >= self.concurrency:
            return None
        due = now if self._ready else self._waiting[0][0] if self._waiting else None
        return None if due is None else max(due, self._held_until)

    def settle(self, delivery: D, *, well: bool) -> None:
        """The delivery is over. `well`: the client answered as a healthy one does."""
        self.in_flight -= 1
        self.unconfirmed += 1
        if well:
            self.failures_in_a_row = 0
        lane = self._lanes[delivery.sku]
        lane.popleft()
        self._size -= 1
        if lane:
            self._ready.append(delivery.sku)
        else:
            del self._lanes[delivery.sku]

    def confirm(self) -> None:
        """The end of a settled delivery is durable: its place is free."""
        self.unconfirmed -= 1

    def put_back(self, delivery: D, now: float, delay_seconds: float, *, hold_client: bool = False) -> None:
        """The attempt failed: the delivery is due again after a delay, and with `hold_client` the whole client is."""
        self.in_flight -= 1
        self.failures_in_a_row += 1
        due = now + delay_seconds
        if hold_client or self.unwell:
            self._held_until = max(self._held_until, due)
        heapq.heappush(self._waiting, (due, next(self._ticket), delivery.sku))
