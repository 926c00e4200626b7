"""What others send in bulk: records that are no alerts, answers without measure. Memory and log stay small."""

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import UsageError
from jobs.price_alerts.dispatcher.alert import MAX_ALERT_BYTES, Malformed, Record, read_alert
from jobs.price_alerts.dispatcher.log_limit import LogLimit
from jobs.price_alerts.dispatcher.subscriptions import decode_one
from tests.dispatcher.alerts import encoded
from tests.dispatcher.test_sending import send

REPOSITORY = Path(__file__).parents[2]
MIB = 1024 * 1024
FIELDS = ("alert_id", "sku", "retailer", "kind", "scraped_at", "ingested_at", "old_price", "new_price", "change_ratio")
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()),
    st.sampled_from(["9" * 5000, "1e99999999999", "-1e400", "nan", "\ud800", "\x00", 10**500, "0001-01-01T00:00:00Z",
                     "9999-12-31T23:59:59.999999-23:59", "2026-02-30T00:00:00Z"]),
)  # fmt: skip


@pytest.mark.thorough
def test_150_000_malformed_records_stay_under_150_mib(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.dispatcher.flood", str(tmp_path / "state"), "150016"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    most_kib, letters = map(int, ended.stdout.split())
    assert letters == 150_016
    assert most_kib * 1024 < 150 * MIB


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), st.sampled_from([0, 500, 5000, 30_000]))
def test_an_alert_is_read_or_malformed_whatever_its_fields_say(fields: dict[str, object], depth: int) -> None:
    whole = json.loads(encoded(1)) | fields
    value = json.dumps(whole).encode()[:-1] + b', "more": ' + b"[" * depth + b"]" * depth + b"}"
    alert, problem = None, ""
    try:
        alert = read_alert(Record.of(0, 0, 0, value))
    except Malformed as error:
        problem = str(error)
    assert (alert is None) == bool(problem)
    assert problem.isprintable()
    assert len(problem) <= 200


def test_of_a_large_record_little_is_kept() -> None:
    record = Record.of(0, 0, 0, b"x" * 50 * MIB)
    assert (len(record.value), record.whole_bytes) == (MAX_ALERT_BYTES, 50 * MIB)
    with pytest.raises(Malformed, match="longer"):
        read_alert(record)


@pytest.mark.parametrize(
    "document", [b"", b"\xff", b"{", b"7", b"[" * 100_000, b'{"client":"a","url":' + b'{"a":' * 50_000, b"\x00"]
)
def test_a_poisonous_subscription_is_named_as_such(document: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        decode_one(document)
    assert caught.value.line().isprintable()


def test_headers_without_end_are_cut_off() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(100)))
                await writer.drain()
        except ConnectionError:
            writer.close()

    outcome, _ = send("http://127.0.0.1:PORT/", serve=pour)
    assert (outcome.kind, outcome.reason) == ("retry", "broken_answer")


def test_a_flood_of_one_message_is_counted_instead_of_logged() -> None:
    now = 0.0
    limit = LogLimit(lines=3, seconds=60.0, clock=lambda: now)

    def written(message: str, *arguments: object) -> str | None:
        record = logging.LogRecord("x", logging.WARNING, "", 0, message, arguments, None)
        return record.getMessage() if limit.filter(record) else None

    lines = [written("record %d is no alert: %s", number, "100 %") for number in range(10)]
    assert lines[2:4] == ["record 2 is no alert: 100 %", None]
    assert written("another") == "another"
    now = 60.0
    assert written("record %d is no alert: %s", 10, "100 %") == (
        "record 10 is no alert: 100 % (and 7 more like it since the last one)"
    )
    assert written("record %d is no alert: %s", 11, "") == "record 11 is no alert: "
