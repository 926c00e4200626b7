"""What the job must write, computed with pandas from the contract alone. Shares no code with the job."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import pandas as pd

COLUMNS = [
    "sku", "currency", "window_start", "window_end",
    "avg_price", "min_price", "max_price", "last_price", "change_count",
]  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """The options of the job that decide its results; milliseconds."""

    delay_ms: int | None = 90_000
    """None: nothing is late."""
    ttl_ms: int = 86_400_000
    order: str = "event"
    key: tuple[str, ...] = ("sku", "retailer", "currency")
    window: str = "tumbling"
    size_ms: int = 300_000
    slide_ms: int = 60_000
    gap_ms: int = 600_000


@dataclass(frozen=True)
class Result:
    """The table, sorted by its first three columns, and (reason, bytes) of every dead letter."""

    table: pd.DataFrame
    dead_letters: list[tuple[str, bytes]]


def reference(records: Iterable[bytes], meaning: Meaning) -> Result:
    """Of records in their order of arrival in one partition."""
    dead: list[tuple[str, bytes]] = []
    accepted: list[dict[str, Any]] = []
    latest: int | None = None
    for sequence, raw in enumerate(records):
        reason, row = read(raw)
        if row is not None and meaning.delay_ms is not None and latest is not None:
            reason = "late" if row["at"] < latest - meaning.delay_ms else None
        if reason is not None:
            dead.append((reason, raw))
        elif row is not None:
            latest = row["at"] if latest is None else max(latest, row["at"])
            accepted.append(row | {"sequence": sequence})
    return Result(_windows(_changes(pd.DataFrame(accepted), meaning), meaning), sorted(dead))


def read(raw: bytes) -> tuple[str | None, dict[str, Any] | None]:
    """Why a record is malformed, or its fields."""
    try:
        record = json.loads(raw, parse_float=_number, parse_int=_number, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return "not_json", None
    if not isinstance(record, dict):
        return "not_json", None

    def text(name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    if not text("sku"):
        return "no_sku", None
    lengths = [len(text(name).encode("utf-16-le", "surrogatepass")) // 2 for name in ("sku", "retailer", "currency")]
    if lengths[0] > 512 or lengths[1] > 512 or lengths[2] > 64:
        return "text_too_long", None
    if any("\0" in text(name) for name in ("sku", "retailer", "currency")):
        return "text_with_nul", None
    price, reason = _price(record.get("price"))
    if reason is not None:
        return reason, None
    at = _millis(text("scraped_at"))
    if at is None:
        return "no_valid_scraped_at", None
    ingested = _millis(text("ingested_at"))
    if ingested is not None and at > ingested + 300_000:
        return "in_the_future", None
    return None, {
        "sku": text("sku"), "retailer": text("retailer"), "currency": text("currency"), "price": price, "at": at,
    }  # fmt: skip


def _number(text: str) -> Decimal:
    if len(text) > 1000:
        raise ValueError("a number of more than 1,000 characters")
    return Decimal(text)


def _object(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    if any(len(name) > 50_000 for name, _ in fields):
        raise ValueError("a name of more than 50,000 characters")
    return dict(fields)


def _price(value: object) -> tuple[Decimal | None, str | None]:
    if value is None:
        return None, "price_missing"
    if isinstance(value, float):  # what JSON has no name for: NaN and the infinities
        return None, "price_not_finite"
    if not isinstance(value, Decimal):
        return None, "price_not_a_number"
    if value < 0:
        return None, "price_negative"
    try:
        rounded = value.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    except InvalidOperation:
        return None, "price_out_of_range"
    return (None, "price_out_of_range") if rounded >= 10**14 else (rounded, None)


def _millis(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if "T" not in text or moment.tzinfo is None:
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // timedelta(milliseconds=1) - int(
        (moment.utcoffset() or timedelta()).total_seconds() * 1000
    )


def _changes(frame: pd.DataFrame, meaning: Meaning) -> pd.DataFrame:
    order = ["at", "sequence"] if meaning.order == "event" else ["sequence"]
    frame = frame.sort_values(order, kind="stable")
    before = frame.groupby(list(meaning.key), sort=False)[["price", "at"]].shift()
    first = before["at"].isna()
    differs = frame["price"] != before["price"]
    expired = (frame["at"] - before["at"]) > meaning.ttl_ms
    return frame[first | differs | expired]


def _windows(changes: pd.DataFrame, meaning: Meaning) -> pd.DataFrame:
    if meaning.window == "session":
        changes = _sessions(changes, meaning.gap_ms)
    elif meaning.window == "sliding":
        copies = []
        for back in range(meaning.size_ms // meaning.slide_ms):
            start = changes["at"] // meaning.slide_ms * meaning.slide_ms - back * meaning.slide_ms
            copies.append(changes.assign(window_start=start, window_end=start + meaning.size_ms))
        changes = pd.concat(copies).sort_index(kind="stable")
    else:
        start = changes["at"] // meaning.size_ms * meaning.size_ms
        changes = changes.assign(window_start=start, window_end=start + meaning.size_ms)
    order = ["at", "sequence"] if meaning.order == "event" else ["sequence"]
    groups = changes.sort_values(order, kind="stable").groupby(["sku", "currency", "window_start", "window_end"])
    aggregates = groups["price"].agg(
        avg_price=lambda prices: float(sum(prices)) / len(prices),
        min_price="min",
        max_price="max",
        last_price="last",
        change_count="count",
    )
    table = aggregates.reset_index()
    for column in ("window_start", "window_end"):
        table[column] = pd.to_datetime(table[column], unit="ms").astype("datetime64[us]")
    table["avg_price"] = table["avg_price"].astype("float64")
    return in_order(table)


def _sessions(changes: pd.DataFrame, gap_ms: int) -> pd.DataFrame:
    changes = changes.sort_values("at", kind="stable")
    keys = [changes["sku"], changes["currency"]]
    apart = changes["at"] - changes.groupby(keys)["at"].shift() > gap_ms
    session = apart.groupby(keys).cumsum()
    groups = changes.groupby([*keys, session])["at"]
    return changes.assign(window_start=groups.transform("min"), window_end=groups.transform("max") + gap_ms)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows and columns in an order of their own, so that tables compare."""
    return table[COLUMNS].sort_values(["sku", "currency", "window_start"], kind="stable").reset_index(drop=True)
