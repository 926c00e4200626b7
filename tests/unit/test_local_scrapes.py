"""The made-up scrapes: valid ones that change as often as asked, and the agreed share of bad ones."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.clock import parse_iso_utc
from flinkops.local.scrapes import Mix, Scrapes

CLEAN = Mix(skus=20, retailers=2, malformed_ratio=0.0, late_ratio=0.0)


def test_the_same_seed_gives_the_same_scrapes() -> None:
    assert list(Scrapes(7, Mix()).over(0, 60_000, 20)) == list(Scrapes(7, Mix()).over(0, 60_000, 20))
    assert list(Scrapes(7, Mix()).over(0, 60_000, 20)) != list(Scrapes(8, Mix()).over(0, 60_000, 20))


@given(st.integers(), st.integers(0, 4_000_000_000_000))
def test_a_clean_scrape_is_what_the_contract_says(seed: int, event_ms: int) -> None:
    key, value = Scrapes(seed, CLEAN).at(event_ms)
    scrape = json.loads(value)
    assert list(scrape) == ["sku", "price", "currency", "retailer", "url", "scraped_at"]
    assert scrape["sku"].encode() == key
    assert scrape["price"] > 0
    assert parse_iso_utc(scrape["scraped_at"]) == event_ms
    assert scrape["scraped_at"].endswith("Z")


def test_the_past_comes_in_event_order_and_stays_in_its_bounds() -> None:
    times = [parse_iso_utc(json.loads(value)["scraped_at"]) for _, value in Scrapes(1, CLEAN).over(1000, 61_000, 50)]
    assert len(times) == 3000
    assert times == sorted(times)
    assert times[0] == 1000
    assert 60_900 <= times[-1] < 61_000


@pytest.mark.thorough
def test_prices_change_as_often_as_asked() -> None:
    last: dict[tuple[str, str], float] = {}
    changed = repeated = 0
    for _, value in Scrapes(3, CLEAN).over(0, 1_000_000, 50):
        scrape = json.loads(value)
        key = (scrape["sku"], scrape["retailer"])
        if key in last:
            changed += scrape["price"] != last[key]
            repeated += scrape["price"] == last[key]
        last[key] = scrape["price"]
    assert changed / (changed + repeated) == pytest.approx(0.1, abs=0.01)


def test_bad_and_late_scrapes_come_in_their_share() -> None:
    kinds: Counter[str] = Counter()
    mix = Mix(malformed_ratio=0.05, late_ratio=0.05)
    event_ms = 1_800_000_000_000
    scrapes = Scrapes(5, mix)
    for _ in range(20_000):
        kinds[_kind(scrapes.at(event_ms)[1], event_ms)] += 1
    assert set(kinds) == {"fine", "malformed", "late"}
    assert kinds["malformed"] == pytest.approx(1000, rel=0.15)
    assert kinds["late"] == pytest.approx(1000, rel=0.15)


def test_no_scrape_of_the_past_lies_in_the_present() -> None:
    """One that did would move the watermark on, and make late whatever comes after it."""
    mix = Mix(malformed_ratio=0.5)
    now_ms = 1_800_000_000_000
    for _, value in Scrapes(2, mix).over(now_ms - 3_600_000, now_ms, 1):
        at_ms = _time(value)
        assert at_ms is None or at_ms < now_ms or at_ms > now_ms + 300_000


def _time(value: bytes) -> int | None:
    try:
        return parse_iso_utc(json.loads(value)["scraped_at"])
    except (ValueError, KeyError):
        return None


def _kind(value: bytes, event_ms: int) -> str:
    try:
        scrape = json.loads(value)
        at = parse_iso_utc(scrape["scraped_at"])
        valid = bool(scrape["sku"]) and 0 < float(scrape["price"]) < float("inf") and at <= event_ms
    except (ValueError, KeyError):
        return "malformed"
    if not valid:
        return "malformed"
    return "late" if at < event_ms else "fine"
