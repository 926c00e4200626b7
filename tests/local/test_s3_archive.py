"""Archives and tables on a real S3 server, on both lines of Flink: those of an independent reference."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from flinkops.local import s3_server
from tests.local.alert_records import by_sku, stocked_market
from tests.local.alert_reference import alerts
from tests.local.price_jobs import Line, flink_1_20, flink_2
from tests.local.price_records import TTL_MS, market
from tests.local.price_reference import Meaning, in_order, reference
from tests.local.s3 import connection, running_server, table

# By hand until its time in CI is known.
pytestmark = [pytest.mark.local, pytest.mark.by_hand, pytest.mark.timeout(1800)]

ARCHIVE = f"{s3_server.BUCKET}/archive"
DELAY = ["--out-of-orderness", "30s", "--allowed-lateness", "1m", "--state-ttl", "20m"]
HOUR = market(seed=1)
ALERTS = stocked_market(1, minutes=40, skus=10, disorder_ms=1)
INPUTS = {
    "folder": ["hour/"],
    "globs": ["h*/day=1/*", "hour/**/*.jsonl", "hour/day={1,2}/?.j*"],
    "parquet": ["*.parquet"],
}
END_SECONDS = 1500.0


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_server.S3Access]:
    """The server, with the archives."""
    with running_server(tmp_path_factory.mktemp("s3") / "home") as access:
        write_archives(connection(access))
        yield access


def write_archives(store: Any) -> None:
    """In the order of their paths, with names that an address must not be taken apart by."""
    lines = [raw for _, raw in HOUR.records]
    third = len(lines) // 3
    store.pipe(f"{ARCHIVE}/hour/day=1/a b%41+é.jsonl.gz", gzip.compress(b"\n".join(lines[:third]) + b"\r\n\n"))
    store.pipe(f"{ARCHIVE}/hour/day=1/b[1].jsonl", b"\n".join(lines[third : 2 * third]))
    store.pipe(f"{ARCHIVE}/hour/day=2/c.jsonl", b"\n".join(lines[2 * third :]))
    store.pipe(f"{ARCHIVE}/hour/_other/notes.txt", b"not for the job")
    sink = pa.BufferOutputStream()
    rows = pd.DataFrame([json.loads(raw) for raw in well_formed()])
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), sink)
    store.pipe(f"{ARCHIVE}/hour.parquet", sink.getvalue().to_pybytes())
    half = len(ALERTS) // 2
    store.pipe(f"{ARCHIVE}/alerts/a.jsonl", b"\n".join(raw for _, raw in ALERTS[:half]))
    store.pipe(f"{ARCHIVE}/alerts/b.jsonl.gz", gzip.compress(b"\n".join(raw for _, raw in ALERTS[half:])))


def well_formed() -> list[bytes]:
    return [
        raw for _, raw in HOUR.records if raw not in HOUR.reasons and isinstance(json.loads(raw)["price"], int | float)
    ]


def lines_of(store: Any, folder: str) -> list[bytes]:
    """Those of the files that a job wrote, in their order; what the plug-in keeps beside them has other names."""
    parts = [path for path in store.find(folder) if path.rpartition("/")[2].startswith("part-")]
    parts.sort(key=lambda path: int(path.rpartition("-")[2]))
    return [line for path in parts for line in store.cat(path).splitlines()]


@pytest.mark.parametrize("line", [flink_2, flink_1_20])
def test_archives_and_tables_on_s3(access: s3_server.S3Access, line: Callable[[], Line | None], tmp_path: Path) -> None:
    """Folder, wildcards, Parquet: one table, one set of dead letters; read back by pyiceberg and by duckdb."""
    flink = line()
    if flink is None:
        pytest.skip("no .venv-flink120: python -m venv it, pip install -r locks/flink120.txt")
    store, home = connection(access), f"{s3_server.BUCKET}/{tmp_path.name}"
    where = ["--warehouse", f"s3://{home}", "--catalog", f"jdbc:sqlite:{tmp_path}/catalog.db"]
    commands = [
        ["--source", "files", "--input", *(f"s3://{ARCHIVE}/{one}" for one in inputs), *DELAY, *where,
         "--table", f"prices.{name}", "--name", name]
        for name, inputs in INPUTS.items()
    ]  # fmt: skip
    flink.run(tmp_path / "prices", commands, timeout_seconds=END_SECONDS, s3=access)
    expected = reference([raw for _, raw in HOUR.records], Meaning(ttl_ms=TTL_MS))
    catalog, warehouse = f"sqlite:///{tmp_path}/catalog.db", f"s3://{home}"
    for name in ("folder", "globs"):
        assert_frame_equal(in_order(table(access, catalog, warehouse, name).scan().to_pandas()), expected.table)
        letters = [json.loads(letter)["reason"] for letter in lines_of(store, f"{home}/dead-letters/{name}")]
        assert sorted(letters) == sorted(reason for reason, _ in expected.dead_letters)
    parquet = in_order(table(access, catalog, warehouse, "parquet").scan().to_pandas())
    assert_frame_equal(parquet, reference(well_formed(), Meaning(ttl_ms=TTL_MS)).table)
    with duckdb.connect() as database:
        database.register_filesystem(store)
        paths = [task.file.file_path for task in table(access, catalog, warehouse, "folder").scan().plan_files()]
        query = "SELECT count(*), sum(change_count)::BIGINT FROM read_parquet($paths)"
        read = database.execute(query, {"paths": paths}).fetchone()
    assert read == (len(expected.table), int(expected.table["change_count"].sum()))

    source = ["--source", "files", "--input", f"s3://{ARCHIVE}/alerts/*", "--state-ttl", "20m"]
    output = ["--sink", "files", "--output", f"s3://{home}/alerts"]
    flink.run(tmp_path / "alerts", [[*source, *output]], job="price_alerts", timeout_seconds=END_SECONDS, s3=access)
    changes = alerts([raw for _, raw in ALERTS], TTL_MS)
    assert sum(map(len, changes.values())) > 10
    assert by_sku(lines_of(store, f"{home}/alerts")) == changes
