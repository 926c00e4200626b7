"""An alert as it is in Kafka, and the fields that the dispatcher needs."""

import json
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from flinkops.clock import parse_iso_utc

Kind = Literal["price", "availability"]

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_ALERT_ID = re.compile(r"[0-9a-f]{64}")
MAX_ALERT_BYTES = 64 * 1024
_MAX_NAME_CHARACTERS = 1024
_MAX_PROBLEM_CHARACTERS = 200


class Record(msgspec.Struct, frozen=True, gc=False):
    """One Kafka record: where it is, when it was appended (milliseconds), and its bytes.

    Of a record that is longer than an alert may be only the beginning is kept: `cut_bytes` counts what is missing.
    """

    partition: int
    offset: int
    appended_ms: int
    value: bytes
    cut_bytes: int = 0

    @staticmethod
    def of(partition: int, offset: int, appended_ms: int, value: bytes) -> "Record":
        """The record, cut to what the dispatcher keeps: a few large ones cannot fill its memory."""
        kept = value[:MAX_ALERT_BYTES]
        return Record(partition, offset, appended_ms, kept, len(value) - len(kept))

    @property
    def whole_bytes(self) -> int:
        """How long the record is in Kafka."""
        return len(self.value) + self.cut_bytes


class Alert(msgspec.Struct, frozen=True, gc=False):
    """One alert. `change_ratio` is signed: -0.1 is ten percent cheaper; None when there is no such figure."""

    alert_id: str
    sku: str
    retailer: str
    kind: Kind
    change_ratio: float | None
    scraped_ms: int
    ingested_ms: int | None
    record: Record

    @property
    def body(self) -> bytes:
        """What is sent: the bytes of the record, untouched."""
        return self.record.value

    @property
    def key(self) -> bytes:
        """The alert's id in the fewest bytes."""
        return bytes.fromhex(self.alert_id)


class Malformed(ValueError):
    """The record is no alert; the text is the reason."""


class _Wire(msgspec.Struct, gc=False):
    alert_id: str
    sku: str
    scraped_at: str | int
    retailer: str = ""
    kind: Kind = "price"
    old_price: float | str | None = None
    new_price: float | str | None = None
    change_ratio: float | str | None = None
    ingested_at: str | int | None = None


_decoder = msgspec.json.Decoder(_Wire)


def read_alert(record: Record) -> Alert:
    """The alert in a record. Raises Malformed."""
    if record.whole_bytes > MAX_ALERT_BYTES:
        raise Malformed(f"longer than {MAX_ALERT_BYTES} bytes")
    try:
        wire = _decode(record.value)
        if not _ALERT_ID.fullmatch(wire.alert_id):
            raise Malformed("alert_id is not 64 hexadecimal digits")
        if not 0 < len(wire.sku) <= _MAX_NAME_CHARACTERS or len(wire.retailer) > _MAX_NAME_CHARACTERS:
            raise Malformed(f"sku or retailer is empty or longer than {_MAX_NAME_CHARACTERS} characters")
        return Alert(
            alert_id=wire.alert_id,
            sku=wire.sku,
            retailer=wire.retailer,
            kind=wire.kind,
            change_ratio=_change_ratio(wire),
            scraped_ms=_time_ms(wire.scraped_at),
            ingested_ms=None if wire.ingested_at is None else _time_ms(wire.ingested_at),
            record=record,
        )
    except Malformed:
        raise
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        # The decoder's words may quote the record: what goes into the log is one printable line.
        raise Malformed(ascii(str(error))[1:-1][:_MAX_PROBLEM_CHARACTERS]) from None


def _decode(value: bytes) -> _Wire:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        if not _HALF_PAIR.search(value):
            raise
    # Half a surrogate pair, which the job writes as an escape and Python's own decoder alone accepts.
    return msgspec.convert(json.loads(value), _Wire)


def _time_ms(value: str | int) -> int:
    at_ms = value if isinstance(value, int) else parse_iso_utc(value)
    if abs(at_ms) >= 2**53:
        raise Malformed("a time out of range")
    return at_ms


def _change_ratio(wire: _Wire) -> float | None:
    if wire.change_ratio is not None:
        return float(wire.change_ratio)
    if wire.old_price is None or wire.new_price is None or float(wire.old_price) == 0:
        return None
    return float(wire.new_price) / float(wire.old_price) - 1


def batches(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    """The records in slices of at most `size`, so that other work gets its turn between them."""
    return [records[start : start + size] for start in range(0, len(records), size)]
