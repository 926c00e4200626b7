"""Alerts as the job writes them."""

import hashlib
import json
from typing import Any

from flinkops.clock import SystemClock, iso_utc

SECRET = "a secret of sixteen and more characters"


def alert(number: int = 0, sku: str = "A1", **fields: Any) -> dict[str, Any]:
    """The fields of an alert: the same id for the same change, whenever it was detected."""
    now_ms = SystemClock().now_ms()
    known = {
        "sku": sku,
        "retailer": "shop1",
        "old_price": 10.0,
        "new_price": 10.0 + number,
        "change_ratio": number / 10.0,
        "currency": "EUR",
        "scraped_at": iso_utc(1_700_000_000_000 + number),
        "detected_at": iso_utc(now_ms),
        "ingested_at": iso_utc(now_ms),
        "kind": "price",
    } | fields
    change = json.dumps([known["sku"], known["retailer"], known["scraped_at"], known["new_price"]])
    return {"alert_id": hashlib.sha256(change.encode()).hexdigest()} | known


def encoded(number: int = 0, sku: str = "A1", **fields: Any) -> bytes:
    return json.dumps(alert(number, sku, **fields)).encode()


def number_of(body: bytes) -> int:
    """Which of its SKU's alerts it is."""
    return round(float(json.loads(body)["new_price"]) - 10)
