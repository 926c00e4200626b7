"""The beginnings of state files: names, kinds and serializers of states, and the offsets of Kafka's splits; no JVM.

A backend writes them as ``KeyedBackendSerializationProxy`` and ``OperatorBackendSerializationProxy``, whose parts are
``StateMetaInfoSnapshot``s. The serializers between them have forms of their own and no lengths, so the states are
found by the option that each of them names; what has no such option (timers) is not listed.
"""

import re
from typing import Final

import msgspec

from flinkops.act.java_stream import JavaStream, MetadataError

HEADER_BYTES: Final = 64 * 1024
"""So much of a file is read for its header."""

_KIND_OPTION: Final = re.compile(
    rb"\x00\x00\x00\x01\x00[\x10\x20](KEYED_STATE_TYPE|OPERATOR_STATE_DISTRIBUTION_MODE)\x00"
)
_VALUE_SERIALIZER: Final = b"\x00\x10VALUE_SERIALIZER"
_KEY_SERIALIZER_AT: Final = 9
"""After the version, the flag of the compression and the version of the serializer's snapshot."""
_LONGEST_NAME: Final = 1024


class StateHeader(msgspec.Struct, frozen=True):
    """One state: its name in the program, VALUE, LIST, MAP, …, and the class of its serializer's snapshot."""

    name: str
    kind: str
    serializer: str | None


class SplitOffset(msgspec.Struct, frozen=True):
    """Where the reading of one partition of a Kafka topic goes on."""

    topic: str
    partition: int
    offset: int


def state_headers(header: bytes) -> tuple[StateHeader, ...]:
    """The states that a file begins with, in its order."""
    found = list(_KIND_OPTION.finditer(header))
    states: list[StateHeader] = []
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(header)
        name, kind = _name_before(header, match.start() - 4), _text_at(header, match.end() - 1)
        if name is not None and kind is not None:
            states.append(StateHeader(name, kind, _value_serializer(header, match.end(), end)))
    return tuple(states)


def key_serializer(header: bytes) -> str | None:
    """The class of the snapshot of the keys' serializer, at the beginning of keyed state."""
    found = _text_at(header, _KEY_SERIALIZER_AT)
    return found if found is not None and "." in found else None


def kafka_offsets(items: tuple[bytes, ...]) -> tuple[SplitOffset, ...]:
    """Of the splits in Kafka's ``SourceReaderState``; empty for splits of another kind.

    Each item is a byte array of a versioned split: its length, the version of the serializer, the length of the split.
    """
    splits: list[SplitOffset] = []
    for item in items:
        try:
            stream = JavaStream(item)
            stream.integer()
            version, length = stream.integer(), stream.integer()
            topic, partition, offset = stream.text(), stream.integer(), stream.long()
            stream.long()  # where a bounded source stops
        except MetadataError:
            return ()
        if version != 0 or length != 2 + len(topic.encode()) + 20 or partition < 0:
            return ()
        splits.append(SplitOffset(topic, partition, offset))
    return tuple(splits)


def _name_before(header: bytes, end: int) -> str | None:
    """The text that ends here: the shortest whose length stands in front of it."""
    for length in range(1, min(_LONGEST_NAME, end - 2) + 1):
        start = end - length
        if int.from_bytes(header[start - 2 : start], "big") == length:
            text = header[start:end].decode("utf-8", errors="replace")
            return text if text.isprintable() else None
    return None


def _text_at(header: bytes, at: int) -> str | None:
    length = int.from_bytes(header[at : at + 2], "big")
    raw = header[at + 2 : at + 2 + length]
    text = raw.decode("utf-8", errors="replace")
    return text if len(raw) == length > 0 and text.isprintable() else None


def _value_serializer(header: bytes, start: int, end: int) -> str | None:
    at = header.find(_VALUE_SERIALIZER, start, end)
    return None if at < 0 else _text_at(header, at + len(_VALUE_SERIALIZER) + 4)
