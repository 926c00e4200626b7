"""Scrapes that also have an availability, and alerts as the job wrote them."""

import json
import random
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.local.alert_reference import Alert
from tests.local.price_records import Truth, market

Record = tuple[str, bytes]
VOLATILE = ("detected_at", "ingested_at")
"""What differs in a replay: when the job detected the change, and Kafka got the scrape."""


def stocked_market(seed: int, **options: Any) -> list[Record]:
    """A market whose records now and then carry availability, some of them without a price."""
    chance = random.Random(seed)
    truth: Truth = market(seed, **options)
    return [(sku, raw if raw in truth.reasons else _with_stock(raw, chance)) for sku, raw in truth.records]


def _with_stock(raw: bytes, chance: random.Random) -> bytes:
    if chance.random() > 0.3:
        return raw
    spellings = ["in_stock", "out_of_stock", "InStock", "https://schema.org/OutOfStock", "preorder", None, 7]
    record = json.loads(raw) | {"availability": chance.choice(spellings)}
    if chance.random() < 0.2:
        record["price"] = None
    return json.dumps(record).encode()


def written(folder: Path) -> dict[str, list[Alert]]:
    """By SKU, in order, of the job's files."""
    parts = [path for path in folder.rglob("part-*") if path.is_file()]
    numbered = sorted(parts, key=lambda path: int(path.name.rpartition("-")[2]))
    return by_sku(line for part in numbered for line in part.read_bytes().splitlines())


def by_sku(values: Iterable[bytes]) -> dict[str, list[Alert]]:
    """By SKU, in order, without what differs in a replay."""
    result: dict[str, list[Alert]] = {}
    for value in values:
        alert = json.loads(value, parse_float=Decimal, parse_int=Decimal)
        kept = {name: value for name, value in alert.items() if name not in VOLATILE}
        result.setdefault(alert["sku"], []).append(kept)
    return result
