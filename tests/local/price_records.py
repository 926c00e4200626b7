"""Made-up scrapes whose truth is known before any job or reference reads them."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
DELAY_MS = 90_000  # the job's default out-of-orderness and allowed lateness together
TTL_MS = 20 * 60_000


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scrape(sku: str, price: object, at_ms: int, **more: object) -> dict[str, Any]:
    fields = {"sku": sku, "price": price, "currency": "EUR", "retailer": "shop1", "url": "https://shop.example/x"}
    # The archive carries its ingestion time; Kafka's own timestamp takes its place there.
    return fields | {"scraped_at": iso(at_ms), "ingested_at": iso(at_ms + 1000)} | more


@dataclass
class Truth:
    """Records in their order of arrival with their SKU (Kafka's key), and what is known of them beforehand."""

    records: list[tuple[str, bytes]] = field(default_factory=list)
    reasons: dict[bytes, str] = field(default_factory=dict)
    """The reason of each malformed record, by its bytes."""
    changes: list[tuple[str, str, str, int, Decimal]] = field(default_factory=list)
    """Each price change that was made: SKU, retailer, currency, milliseconds, price."""


MALFORMED: list[tuple[str, bytes]] = [
    ("not_json", b""),
    ("not_json", b"{"),
    ("not_json", b"<html>503</html>"),
    ("not_json", b"[1]"),
    ("not_json", b'"text"'),
    ("not_json", b'{"sku":"A1"} {"sku":"A1"}'),
    ("not_json", b'{"sku":"A1","price":012,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("not_json", b"\xff\xfe\x00broken"),
    ("not_json", b"[" * 100_000),
    ("not_json", b'{"sku":"A1","price":1,"x":' + b"[" * 1000 + b"]" * 1000 + b"}"),
    ("not_json", b'{"sku":"A1","price":1,"x":' + b'{"y":' * 50_000 + b"1" + b"}" * 50_001),
    ("not_json", b'{"sku":"A1","price":1,"x":[' + b"9" * 1001 + b"]}"),
    ("not_json", b'{"sku":"A1","price":0.' + b"9" * 200_000 + b"}"),
    ("not_json", b'{"sku":"A1","price":1,"' + b"n" * 50_001 + b'":1}'),
    ("no_sku", b"{}"),
    ("no_sku", json.dumps(scrape("", 1, START_MS)).encode()),
    ("no_sku", json.dumps(scrape("x", 1, START_MS) | {"sku": None}).encode()),
    ("no_sku", json.dumps(scrape("x", 1, START_MS) | {"sku": 17}).encode()),
    ("no_sku", json.dumps(scrape("x", 1, START_MS) | {"sku": {"sku": "A1"}}).encode()),
    ("text_too_long", json.dumps(scrape("s" * 513, 1, START_MS)).encode()),
    ("text_too_long", json.dumps(scrape("🛒" * 257, None, START_MS), ensure_ascii=False).encode()),
    ("text_too_long", json.dumps(scrape("A1", 1, START_MS, retailer="r" * 300_000)).encode()),
    ("text_too_long", json.dumps(scrape("A1", 1, START_MS, currency="c" * 65)).encode()),
    ("text_with_nul", json.dumps(scrape("A\u00001", 1, START_MS)).encode()),
    ("text_with_nul", json.dumps(scrape("A1", 1, START_MS, retailer="\u0000")).encode()),
    ("text_with_nul", json.dumps(scrape("A1", "free", START_MS, currency="EUR\u0000")).encode()),
    ("price_missing", json.dumps({"sku": "A1", "scraped_at": iso(START_MS)}).encode()),
    ("price_missing", json.dumps(scrape("A1", None, START_MS)).encode()),
    ("price_missing", b'{"sku":"A1","price":5,"price":null,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("price_not_a_number", json.dumps(scrape("A1", "12.5", START_MS)).encode()),
    ("price_not_a_number", json.dumps(scrape("A1", True, START_MS)).encode()),
    ("price_not_a_number", json.dumps(scrape("A1", {"price": [1, [2]]}, START_MS)).encode()),
    ("price_not_finite", json.dumps(scrape("A1", float("nan"), START_MS)).encode()),
    ("price_not_finite", json.dumps(scrape("A1", float("-inf"), START_MS)).encode()),
    ("price_negative", json.dumps(scrape("A1", -0.01, START_MS)).encode()),
    ("price_negative", json.dumps(scrape("A1", -1e-30, START_MS)).encode()),
    ("price_out_of_range", json.dumps(scrape("A1", 10**14, START_MS)).encode()),
    ("price_out_of_range", b'{"sku":"A1","price":1e999999999,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("price_out_of_range", b'{"sku":"A1","price":1e99999999999,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("price_out_of_range", b'{"sku":"A1","price":0.1E+2147483648,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("price_negative", b'{"sku":"A1","price":-1e-99999999999,"scraped_at":"2026-01-01T00:00:00.000Z"}'),
    ("no_valid_scraped_at", json.dumps({"sku": "A1", "price": 1}).encode()),
    ("no_valid_scraped_at", json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": "2026-" * 90_000}).encode()),
    ("no_valid_scraped_at", json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": "yesterday"}).encode()),
    ("no_valid_scraped_at", json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": 1767225600000}).encode()),
    (
        "no_valid_scraped_at",
        json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": "2026-02-30T00:00:00.000Z"}).encode(),
    ),
    ("no_valid_scraped_at", json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": "2026-01-01T00:00:00.000"}).encode()),
    ("in_the_future", json.dumps(scrape("A1", 1, START_MS) | {"scraped_at": "2099-01-01T00:00:00.000Z"}).encode()),
]


def hostile(at_ms: int) -> list[tuple[str, bytes]]:
    """Valid records that try what they can; two to a SKU where the second must win."""
    values: list[tuple[str, bytes]] = [
        ("emoji 🛒\u0001\x1b[31m", json.dumps(scrape("emoji 🛒\u0001\x1b[31m", 1.23456, at_ms)).encode()),
        ("long", json.dumps(scrape("🛒" * 256, 1, at_ms, retailer="r" * 512, currency="c" * 64)).encode()),
        ("tiny", json.dumps(scrape("tiny", 1, at_ms)).encode().replace(b'"price": 1', b'"price": 1e-99999999999')),
        ("none", json.dumps(scrape("none", 1, at_ms)).encode().replace(b'"price": 1', b'"price": -0e99999999999')),
        ("digits", json.dumps(scrape("digits", 1, at_ms)).encode().replace(b'"price": 1', b'"price": 0.' + b"3" * 900)),
        ("big", json.dumps(scrape("big", 2, at_ms, url="u" * 10_000_000)).encode()),
        (
            "nested",
            b'{"x":' + b'{"a":[' * 200 + b"]}" * 200 + b"," + json.dumps(scrape("nested", 3, at_ms)).encode()[1:],
        ),
        (
            "twice",
            b'{"sku":"once","price":1,"sku":"twice",'
            + json.dumps(scrape("x", 4, at_ms)).encode()[1:].replace(b'"sku": "x", ', b""),
        ),
        ("bom", b"\xef\xbb\xbf" + json.dumps(scrape("bom", 5, at_ms)).encode()),
        (
            "zone",
            json.dumps(scrape("zone", 6, at_ms) | {"scraped_at": iso(at_ms + 7_200_000)[:-1] + "+02:00"}).encode(),
        ),
        ("bare", json.dumps({"sku": "bare", "price": 7, "scraped_at": iso(at_ms)[:-5] + "Z"}).encode()),
        ("odd", json.dumps(scrape("odd", 8, at_ms, currency=None, retailer=[1])).encode()),
        ("zero", json.dumps(scrape("zero", -0.0, at_ms)).encode()),
        ("half", b'{"sku":"half","price":0.00005,"currency":"EUR","scraped_at":"' + iso(at_ms).encode() + b'"}'),
        (
            "limit",
            b'{"sku":"limit","price":99999999999999.99994,"currency":"EUR","scraped_at":"'
            + iso(at_ms).encode()
            + b'"}',
        ),
        ("exponent", b'{"sku":"exponent","price":1.25e3,"currency":"EUR","scraped_at":"' + iso(at_ms).encode() + b'"}'),
        ("a|b", json.dumps(scrape("a", 1, at_ms, retailer="b\u001fc", currency="d")).encode()),
        ("a|b", json.dumps(scrape("a\u001fb", 1, at_ms, retailer="c", currency="d")).encode()),
    ]
    return [(key, value) for key, value in values]


def market(seed: int, *, minutes: int = 60, skus: int = 25, disorder_ms: int = DELAY_MS) -> Truth:
    """Prices of several shops and currencies over a while, scraped now and then, arriving out of order.

    With disorder within the job's delay nothing is late. Scrapes of one millisecond stay in their order.
    """
    chance = random.Random(seed)
    truth = Truth()
    arrivals: list[tuple[float, str, bytes]] = []
    for number in range(skus):
        for retailer, currency in (("shop1", "EUR"), ("shop2", "EUR"), ("shop1", "USD")):
            series = _series(chance, minutes)
            last: tuple[int, Decimal] | None = None
            displacement: dict[int, float] = {}
            for at_ms, price in series:
                sku = f"sku{number}"
                if last is None or last[1] != price or at_ms - last[0] > TTL_MS:
                    truth.changes.append((sku, retailer, currency, at_ms, price))
                last = (at_ms, price)
                record = scrape(sku, float(price), at_ms, retailer=retailer, currency=currency)
                late_by = displacement.setdefault(at_ms, chance.random() * (disorder_ms - 1))
                raw = json.dumps(record).encode()
                arrivals.append((at_ms + late_by, sku, raw))
                if chance.random() < 0.05:  # the same scrape again, right behind itself
                    arrivals.append((at_ms + late_by, sku, raw))
    for reason, raw in MALFORMED[1:]:  # an empty line is no record of a file
        arrivals.append((START_MS + chance.random() * minutes * 60_000, "A1", raw))
        truth.reasons[raw] = reason
    arrivals.sort(key=lambda arrival: arrival[0])  # stable: ties keep their order
    truth.records = [(sku, raw) for _, sku, raw in arrivals]
    return truth


def _series(chance: random.Random, minutes: int) -> list[tuple[int, Decimal]]:
    """Scrapes of one price: every half minute or so, with a silence, ties and prices that come back."""
    at_ms = START_MS + chance.randrange(60_000)
    end_ms = START_MS + minutes * 60_000
    price = Decimal(chance.randrange(100, 100_000)) / 100
    series = []
    while at_ms < end_ms:
        series.append((at_ms, price))
        if chance.random() < 0.1:
            price = Decimal(chance.randrange(100, 100_000)) / 100
            if chance.random() < 0.3:
                series.append((at_ms, price))  # a tie: the later arrival counts
        at_ms += chance.choice([1, 1000, 20_000, 30_000, 40_000])
        if chance.random() < 0.01:
            at_ms += TTL_MS + 60_000
    return series


def write_lines(path: Any, records: Iterable[tuple[str, bytes]]) -> None:
    path.write_bytes(b"".join(raw + b"\n" for _, raw in records))
