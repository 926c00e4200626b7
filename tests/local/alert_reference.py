"""What the job price-alerts must write, computed with pandas from docs/price-alerts.md. Shares no code with the job."""

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pandas as pd

from tests.local.price_reference import read

_STOCK = {
    spelling: stock
    for stock, name in (("in_stock", "InStock"), ("out_of_stock", "OutOfStock"))
    for spelling in (stock, name, f"https://schema.org/{name}")
}
Alert = dict[str, Any]


def alerts(records: Iterable[bytes], ttl_ms: int = 86_400_000) -> dict[str, list[Alert]]:
    """By SKU, in order; of records in their order of arrival. Without `detected_at` and `ingested_at`."""
    rows = [seen for raw in records if (seen := _observation(raw)) is not None]
    frame = pd.DataFrame(rows, columns=["sku", "retailer", "currency", "price", "stock", "at"])
    priced = _judged(frame[frame["price"].notna()], ["sku", "retailer", "currency"], "price", ttl_ms)
    stocked = _judged(frame[frame["stock"].notna()], ["sku", "retailer"], "stock", ttl_ms)
    old_prices = priced["before"].to_dict()
    found: list[tuple[int, int, Alert]] = []
    for at, row in priced[priced["changed"]].iterrows():
        found.append((int(str(at)), 0, _alert(row, row["before"], None)))
    for at, row in stocked[stocked["changed"]].iterrows():
        found.append((int(str(at)), 1, _alert(row, old_prices.get(at), row["before"])))
    result: dict[str, list[Alert]] = {}
    for _, _, alert in sorted(found, key=lambda each: each[:2]):
        result.setdefault(alert["sku"], []).append(alert)
    return result


def _observation(raw: bytes) -> dict[str, Any] | None:
    reason, row = read(raw)
    if reason not in {None, "price_missing"}:
        return None
    record = json.loads(raw)
    given = record.get("availability")
    stock = _STOCK.get(given) if isinstance(given, str) else None
    if reason == "price_missing" and stock is not None:
        _, row = read(json.dumps(record | {"price": 0}).encode())
        if row is not None:
            row["price"] = None
    return None if row is None else row | {"stock": stock}


def _judged(frame: pd.DataFrame, key: list[str], value: str, ttl_ms: int) -> pd.DataFrame:
    """Adds `before`, the last known value where it still counts, and `changed`."""
    newest = frame.groupby(key, sort=False)["at"].cummax()
    newest_before = newest.groupby([frame[name] for name in key], sort=False).shift()
    newer = newest_before.isna() | (frame["at"] > newest_before)
    stored = frame[value].where(newer).groupby([frame[name] for name in key], sort=False).ffill()
    before = stored.groupby([frame[name] for name in key], sort=False).shift()
    age = frame["at"] - newest_before
    repeated = (age == 0) & (frame[value] == before)
    known = (age <= ttl_ms) & ((age > 0) | repeated)
    return frame.assign(before=before.where(known, None), changed=known & (frame[value] != before))


def _alert(row: Any, old_price: Any, old_stock: str | None) -> Alert:
    at = datetime.fromtimestamp(row["at"] // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{row['at'] % 1000:03}Z"
    old, new = _number(old_price), _number(row["price"])
    parts = [row["sku"], row["retailer"], at, None if new is None else f"{new:f}", row["currency"]]
    kind: Alert = {"kind": "price"}
    if old_stock is not None:
        parts.append(row["stock"])
        kind = {"kind": "availability", "old_availability": old_stock, "new_availability": row["stock"]}
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    text = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)
    ratio = None if not old or new is None else ((new - old) / old).quantize(Decimal("1e-6"), ROUND_HALF_EVEN)
    return {
        "alert_id": hashlib.sha256(text.encode()).hexdigest(),
        "sku": row["sku"],
        "retailer": row["retailer"],
        "old_price": old,
        "new_price": new,
        "change_ratio": ratio,
        "currency": row["currency"],
        "scraped_at": at,
    } | kind


def _number(value: Any) -> Decimal | None:
    if value is None or pd.isna(value):
        return None
    number = Decimal(value).normalize()
    return number.quantize(Decimal(1)) if number == number.to_integral() else number
