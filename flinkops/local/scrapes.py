"""Made-up scrapes of shop prices, the same ones for the same seed."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from flinkops.clock import iso_utc

_LATE_BY_MS = 15 * 60 * 1000
_FUTURE_BY_MS = 7 * 24 * 3600 * 1000  # far enough for the records of the past to lie in the future too
_CURRENCIES = ("EUR", "USD", "GBP")
_LARGEST_STEP_RATIO = 0.1

Scrape = dict[str, Any]


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """What the scrapes are like. The ratios are those of all scrapes."""

    skus: int = 500
    retailers: int = 4
    change_ratio: float = 0.1
    malformed_ratio: float = 0.001
    late_ratio: float = 0.001


def _without(field: str) -> Callable[[Scrape], bytes]:
    return lambda scrape: json.dumps({name: value for name, value in scrape.items() if name != field}).encode()


def _with(field: str, value: object) -> Callable[[Scrape], bytes]:
    return lambda scrape: json.dumps({**scrape, field: value}).encode()


_MALFORMED: tuple[Callable[[Scrape], bytes], ...] = (
    lambda scrape: json.dumps(scrape).encode()[:-7],
    lambda _scrape: b"<html>503 Service Unavailable</html>",
    _without("sku"),
    _without("price"),
    _with("price", -1),
    _with("price", float("nan")),
    _with("price", "on request"),
    _with("scraped_at", "yesterday"),
)


class Scrapes:
    """An endless supply of scrapes: each product in each shop has a price that changes now and then."""

    def __init__(self, seed: int, mix: Mix) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._mix = mix
        self._cents: dict[tuple[int, int], int] = {}

    def at(self, event_ms: int) -> tuple[bytes, bytes]:
        """One scrape of that event time, milliseconds since the epoch, as a Kafka key (the SKU) and value."""
        chance = self._random
        product, shop = chance.randrange(self._mix.skus), chance.randrange(self._mix.retailers)
        kind = chance.random()
        malformed = kind < self._mix.malformed_ratio
        late = not malformed and kind < self._mix.malformed_ratio + self._mix.late_ratio
        sku = f"SKU-{product:05}"
        scrape = {
            "sku": sku,
            "price": self._price(product, shop) / 100,
            "currency": _CURRENCIES[shop % len(_CURRENCIES)],
            "retailer": f"shop{shop + 1}",
            "url": f"https://shop{shop + 1}.example/{sku}",
            "scraped_at": iso_utc(event_ms - _LATE_BY_MS if late else event_ms),
        }
        if malformed:
            return sku.encode(), self._spoil(scrape, event_ms)
        return sku.encode(), msgspec.json.encode(scrape)

    def over(self, from_ms: int, to_ms: int, per_second: float) -> Iterator[tuple[bytes, bytes]]:
        """Scrapes in event order between two times, evenly spread."""
        count = int((to_ms - from_ms) / 1000 * per_second)
        for index in range(count):
            yield self.at(from_ms + int(index * 1000 / per_second))

    def _price(self, product: int, shop: int) -> int:
        """The price in cents; the first one of a product in a shop is a change too, as the job sees it."""
        known = self._cents.get((product, shop))
        if known is None:
            cents = self._random.randint(100, 50_000)
        elif self._random.random() < self._mix.change_ratio:
            step = max(1, round(known * self._random.uniform(0, _LARGEST_STEP_RATIO)))
            cents = known + step if known <= step or self._random.random() < 0.5 else known - step
        else:
            return known
        self._cents[product, shop] = cents
        return cents

    def _spoil(self, scrape: Scrape, event_ms: int) -> bytes:
        in_the_future = _with("scraped_at", iso_utc(event_ms + _FUTURE_BY_MS))
        return self._random.choice((*_MALFORMED, in_the_future))(scrape)
