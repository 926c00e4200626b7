"""The alerts of an archive are exactly those of an independent reference, on both lines of Flink."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.alert_records import Record, stocked_market, written
from tests.local.alert_reference import alerts
from tests.local.price_jobs import Line, flink_1_20, flink_2
from tests.local.price_records import MALFORMED, START_MS, TTL_MS, hostile, scrape, write_lines

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]


def odd() -> list[Record]:
    """Texts and numbers at their limits, each changed once."""
    twice = [*hostile(START_MS), *hostile(START_MS + 1)]
    records = [("x", raw) for _, raw in MALFORMED[1:]]
    for number, (key, raw) in enumerate(twice):
        try:
            record = json.loads(raw.decode("utf-8-sig"))
        except ValueError:
            continue
        if "scraped_at" in record and isinstance(record["price"], int | float):
            records.append((key, json.dumps(record | {"price": number}).encode()))
    for at, price in enumerate([0, 5, 0, 0.0001, 99999999999999.99, 1e-9, 12.34565]):
        records.append(("odd", json.dumps(scrape("odd", price, START_MS + at)).encode()))
    for at, sku in enumerate(['"\\\b\f\n\r\t\u0001\u007f', "🛒", "half \ud83d", "a b"]):
        records += [(sku, json.dumps(scrape(sku, price, START_MS + at + price)).encode()) for price in (1, 2)]
    return records


CASES: dict[str, tuple[list[Record], list[str], int]] = {
    "orderly": (stocked_market(1, minutes=40, skus=10, disorder_ms=1), ["--state-ttl", "20m"], TTL_MS),
    "disorderly": (stocked_market(2, minutes=40, skus=10), [], 86_400_000),
    "parallel": (stocked_market(3, minutes=30, skus=10), ["--parallelism", "2"], 86_400_000),
    "odd": (odd(), [], 86_400_000),
}


def run_all(line: Line, folder: Path) -> Path:
    commands = []
    for name, (records, more, _) in CASES.items():
        archive = folder / "in" / name
        archive.mkdir(parents=True)
        half = len(records) // 2
        write_lines(archive / "a.jsonl", records[:half])
        write_lines(archive / "b.jsonl", records[half:])
        source = ["--source", "files", "--input", str(archive)]
        commands.append([*source, "--sink", "files", "--output", str(folder / "out" / name), *more])
    line.run(folder / "run", commands, job="price_alerts")
    return folder / "out"


@pytest.mark.parametrize("line", [flink_2, flink_1_20])
def test_alerts_of_an_archive(line: Callable[[], Line | None], tmp_path: Path) -> None:
    flink = line()
    if flink is None:
        pytest.skip("no .venv-flink120: python -m venv it, pip install -r locks/flink120.txt")
    out = run_all(flink, tmp_path)
    for name, (records, _, ttl_ms) in CASES.items():
        expected = alerts([raw for _, raw in records], ttl_ms)
        assert sum(map(len, expected.values())) > 10, name
        assert written(out / name) == expected, name


def test_the_cases_hold_what_they_are_for() -> None:
    found = [
        each
        for records, _, ttl in CASES.values()
        for sku in alerts([raw for _, raw in records], ttl).values()
        for each in sku
    ]
    assert {each["kind"] for each in found} == {"price", "availability"}
    assert any(each["new_price"] is None for each in found)
    assert any(each["old_price"] == 0 and each["change_ratio"] is None for each in found)
