"""The job's command line: what it takes, what it refuses, each in one line."""

import argparse
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.common import flink_job
from jobs.price_aggregation import job

KAFKA = ["--warehouse", "/w"]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        job.parse(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--sink iceberg needs --warehouse"),
        (["--source", "files", "--warehouse", "/w"], "--source files needs --input"),
        ([*KAFKA, "--input", "x"], "--input is for --source files"),
        ([*KAFKA, "--window", "sliding", "--size", "5m", "--slide", "2m"], "multiple of --slide"),
        ([*KAFKA, "--window", "sliding", "--size", "1m", "--slide", "2m"], "multiple of --slide"),
        ([*KAFKA, "--size", "1500ms"], "whole number of seconds"),
        ([*KAFKA, "--size", "0s"], "whole number of seconds"),
        ([*KAFKA, "--gap", "-1s"], "expected one argument"),
        ([*KAFKA, "--state-ttl", "0s"], "--state-ttl must be above 0"),
        ([*KAFKA, "--dedup-key", "retailer"], "sku, and any of retailer and currency"),
        ([*KAFKA, "--dedup-key", "sku,sku"], "sku, and any of retailer and currency"),
        ([*KAFKA, "--table", "a.b; DROP TABLE x"], "no table name"),
        ([*KAFKA, "--parallelism", "129"], "between 1 and 128"),
        (["--sink", "postgres"], "needs --postgres"),
        (["--sink", "print", "--source", "files", "--input", "x"], "no record is dropped unseen"),
        (
            ["--source", "files", "--input", "x", *KAFKA, "--order", "arrival", "--parallelism", "2"],
            "several readers have no one order",
        ),
    ],
)
def test_refusals_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refusal(arguments, capsys)


def test_defaults_are_the_contract() -> None:
    chosen = job.parse(KAFKA)
    assert (chosen.order, chosen.window, chosen.size, chosen.slide, chosen.gap) == ("event", "tumbling", 300, 60, 600)
    assert (chosen.allowed_lateness, chosen.out_of_orderness, chosen.state_ttl) == (60_000, 30_000, 86_400_000)
    assert chosen.dedup_key == ["sku", "retailer", "currency"]
    assert (chosen.topic, chosen.table, chosen.dead_letter) == (
        "raw-scrapes-in",
        "prices.price_5m",
        "topic:raw-scrapes-dead",
    )


def test_an_archive_keeps_its_dead_letters_in_the_warehouse() -> None:
    chosen = job.parse(["--source", "files", "--input", "x", *KAFKA])
    assert chosen.dead_letter == "/w/dead-letters/price-aggregation"
    assert job.dead_letter_topic(chosen) is None


@given(
    st.integers(min_value=0, max_value=10**8),
    st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]),
)
def test_durations(number: int, unit: tuple[str, int]) -> None:
    assert flink_job.duration_ms(f"{number}{unit[0]}") == number * unit[1]


@given(st.text(max_size=8).filter(lambda text: not text[:1].isdigit()))
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        flink_job.duration_ms(text)


@given(st.text())
def test_quoted_text_stays_one_literal(text: str) -> None:
    literal = flink_job.quoted(text)
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "").count("'") == 0
    assert literal[1:-1].replace("''", "'") == text


def test_file_uri(tmp_path: Path) -> None:
    assert flink_job.file_uri("s3://bucket/x") == "s3://bucket/x"
    assert flink_job.file_uri(str(tmp_path / "a b")) == f"file://{tmp_path}/a b"


@pytest.mark.parametrize("rehearsal", [True, False])
@pytest.mark.parametrize("sink", ["iceberg", "postgres"])
def test_a_rehearsal_creates_nothing(
    rehearsal: bool, sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLINKOPS_REHEARSAL", "1" if rehearsal else "")
    warehouse, jvm = tmp_path / "warehouse", MagicMock()
    where = {"iceberg": ["--warehouse", str(warehouse)], "postgres": ["--postgres", "jdbc:postgresql://h/d"]}[sink]
    job.price_sink(flink_job.Flink(MagicMock(), MagicMock(), jvm), job.parse(["--sink", sink, *where]))
    made = {
        "iceberg": jvm.flinkops.price.PriceTable.createIfMissing.called or warehouse.exists(),
        "postgres": jvm.java.sql.DriverManager.getConnection.called,
    }[sink]
    assert made != rehearsal
