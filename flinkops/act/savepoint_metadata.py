"""Flink's ``_metadata`` of savepoints and checkpoints, versions 2 to 6: which files it names, and their sizes.

Read from the classes in org.apache.flink.runtime.checkpoint.metadata of Flink 1.20 and 2.3. Only what leads to files
is kept. The content is a stranger's: every length is checked against what is there.
"""

import struct
from collections.abc import Callable
from typing import Final

import msgspec

MAGIC: Final = 0x4960672D
VERSIONS: Final = range(2, 7)
_MASTER_STATE_MAGIC: Final = 0xC96B1696

# Type tags of MetadataV2V3SerializerBase.
_NULL, _BYTES, _FILE, _KEY_GROUPS, _OPERATOR = 0, 1, 2, 3, 4
_INCREMENTAL, _RELATIVE, _SAVEPOINT_KEY_GROUPS, _CHANGELOG = 5, 6, 7, 8
_CHANGELOG_BYTES, _CHANGELOG_FILE, _INCREMENTAL_V2, _KEY_GROUPS_V2 = 9, 10, 11, 12
_CHANGELOG_FILE_V2, _CHANGELOG_V2, _SEGMENT, _EMPTY_SEGMENT, _SEGMENT_OPERATOR = 13, 14, 15, 16, 17
# Type tags of ChannelStateHandleSerializerV2.
_SINGLE_CHANNEL, _MERGED_CHANNEL = (1, 2), (3, 4)
_MAX_NESTING: Final = 16


class MetadataError(ValueError):
    """Not Flink's `_metadata`, a version that is not known here, or a damaged one."""


class NamedFile(msgspec.Struct, frozen=True):
    """One file that the metadata names: relative to its own folder, or a full path or URI.

    ``end_bytes`` is the least size that the file must have; ``exact`` says that it must have just that one. A file of
    the changelog (``dstl``) has one byte more in front, which its handle does not count; where that byte says that the
    rest is compressed, ``end_bytes`` is the size before compression.
    """

    path: str
    end_bytes: int
    relative: bool
    exact: bool = True
    changelog: bool = False


class OperatorSummary(msgspec.Struct, frozen=True):
    """One operator with state. Name and uid are known from version 5 on (Flink 2.x)."""

    operator_id: str
    parallelism: int
    max_parallelism: int
    name: str | None = None
    uid: str | None = None


class SavepointMetadata(msgspec.Struct, frozen=True):
    """What a `_metadata` says."""

    version: int
    checkpoint_id: int
    operators: tuple[OperatorSummary, ...]
    files: tuple[NamedFile, ...]
    inline_bytes: int  # state small enough to stand in the metadata itself


def parse_metadata(content: bytes) -> SavepointMetadata:
    """Raises MetadataError on anything but a whole `_metadata` of a version that is known here."""
    reader = _Reader(content)
    if reader.unsigned() != MAGIC:
        raise MetadataError("it does not begin as Flink's metadata does")
    version = reader.integer()
    if version not in VERSIONS:
        raise MetadataError(f"version {version} of the metadata is not known here (2 to 6 are)")
    return _Parser(reader, version).parse()


class _Reader:
    """Java's DataInputStream over bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, length: int) -> bytes:
        if length < 0 or self._at + length > len(self._content):
            raise MetadataError(f"it ends in the middle, at byte {len(self._content)}")
        piece = self._content[self._at : self._at + length]
        self._at += length
        return piece

    def byte(self) -> int:
        return self.raw(1)[0]

    def integer(self) -> int:
        value: int = struct.unpack(">i", self.raw(4))[0]
        return value

    def unsigned(self) -> int:
        value: int = struct.unpack(">I", self.raw(4))[0]
        return value

    def long(self) -> int:
        value: int = struct.unpack(">q", self.raw(8))[0]
        return value

    def count(self, item_bytes: int = 1) -> int:
        """A number of items, each of at least so many bytes: a damaged one is noticed before it is looped over."""
        number = self.integer()
        if number < 0 or number * item_bytes > len(self._content) - self._at:
            raise MetadataError(f"it says {number} items at byte {self._at}, more than it has room for")
        return number

    def text(self) -> str:
        length: int = struct.unpack(">H", self.raw(2))[0]
        # Java's modified UTF-8 writes U+0000 as two bytes and pairs of surrogates: nothing that a path should have.
        return self.raw(length).decode("utf-8", errors="replace")


class _Parser:
    """One pass over the structure, collecting files."""

    def __init__(self, reader: _Reader, version: int) -> None:
        self._in = reader
        self._version = version
        self._files: dict[tuple[str, bool], NamedFile] = {}
        self._inline_bytes = 0
        self._depth = 0

    def parse(self) -> SavepointMetadata:
        checkpoint_id = self._in.long()
        if checkpoint_id < 0:
            raise MetadataError(f"checkpoint id {checkpoint_id} cannot be")
        self._times(self._in.count(8), self._master_state)
        operators = tuple(self._operator() for _ in range(self._in.count(24)))
        return SavepointMetadata(
            version=self._version,
            checkpoint_id=checkpoint_id,
            operators=operators,
            files=tuple(self._files.values()),
            inline_bytes=self._inline_bytes,
        )

    def _times(self, number: int, read: Callable[[], object]) -> None:
        for _ in range(number):
            read()

    def _master_state(self) -> None:
        if self._in.unsigned() != _MASTER_STATE_MAGIC:
            raise MetadataError("a master state does not begin as it should")
        self._in.raw(self._in.integer())

    def _operator(self) -> OperatorSummary:
        name = uid = None
        if self._version >= 5:
            name, uid = self._in.text() or None, self._in.text() or None
        operator_id = self._in.raw(16)
        parallelism, max_parallelism = self._in.integer(), self._in.integer()
        if self._version >= 3:
            self._stream()  # the coordinator's
        else:
            self._in.integer()  # once the length of the chain
        subtasks = self._in.integer()
        if subtasks != -1:  # -1: all of it has finished
            if subtasks < 0:
                raise MetadataError(f"an operator has {subtasks} subtasks")
            self._times(subtasks, self._subtask)
        return OperatorSummary(operator_id.hex(), parallelism, max_parallelism, name, uid)

    def _subtask(self) -> None:
        index = self._in.integer()
        if index < 0 and self._version >= 3:
            return  # finished: it has no state
        for _ in ("managed", "raw"):
            if self._in.integer():
                self._operator_state()
        self._keyed_state()
        self._keyed_state()
        if self._version >= 3:
            self._times(self._in.count(), lambda: self._channel(input_side=True))
            self._times(self._in.count(), lambda: self._channel(input_side=False))

    def _operator_state(self) -> None:
        kind = self._in.byte()
        if kind == _NULL:
            return
        if kind not in (_OPERATOR, _SEGMENT_OPERATOR):
            raise MetadataError(f"operator state of the unknown type {kind}")
        for _ in range(self._in.count(7)):
            self._in.text()
            self._in.byte()
            self._in.raw(8 * self._in.count(8))
        if kind == _SEGMENT_OPERATOR:
            self._in.text()
            self._in.text()
            self._in.byte()
        self._stream()

    def _keyed_state(self) -> None:
        kind = self._in.byte()
        if kind == _NULL:
            return
        if kind in (_KEY_GROUPS, _KEY_GROUPS_V2, _SAVEPOINT_KEY_GROUPS):
            self._key_groups()
            if kind == _KEY_GROUPS_V2:
                self._in.text()
        elif kind in (_INCREMENTAL, _INCREMENTAL_V2):
            self._incremental(second=kind == _INCREMENTAL_V2)
        elif kind in (_CHANGELOG, _CHANGELOG_V2):
            self._changelog(second=kind == _CHANGELOG_V2)
        elif kind == _CHANGELOG_BYTES:
            self._changelog_bytes()
        elif kind in (_CHANGELOG_FILE, _CHANGELOG_FILE_V2):
            self._changelog_file(second=kind == _CHANGELOG_FILE_V2)
        else:
            raise MetadataError(f"keyed state of the unknown type {kind}")

    def _key_groups(self) -> None:
        self._in.integer()
        self._in.raw(8 * self._in.count(8))
        self._stream()

    def _incremental(self, *, second: bool) -> None:
        self._in.long()
        self._in.text()
        self._in.raw(8)  # key groups
        if second:
            self._in.long()
        self._stream()
        for _ in ("shared", "private"):
            for _ in range(self._in.count(3)):
                self._in.text()
                self._stream()
        if second:
            self._in.text()

    def _changelog(self, *, second: bool) -> None:
        self._nested()
        self._in.raw(16)  # key groups, size
        self._times(self._in.count(), self._keyed_state)
        self._times(self._in.count(), self._keyed_state)
        self._in.long()
        if second:
            self._in.long()
        self._in.text()
        self._depth -= 1

    def _nested(self) -> None:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise MetadataError("its states are nested deeper than Flink nests them")

    def _changelog_bytes(self) -> None:
        self._in.raw(24)  # key groups, from, to
        for _ in range(self._in.count(8)):
            self._in.integer()
            self._inline_bytes += len(self._in.raw(self._in.integer()))
        self._in.text()

    def _changelog_file(self, *, second: bool) -> None:
        self._in.raw(8)
        for _ in range(self._in.count(9)):
            self._in.long()
            self._stream(changelog=True)
        self._in.raw(16)
        self._in.text()
        if second:
            self._in.text()

    def _channel(self, *, input_side: bool) -> None:
        side = 0 if input_side else 1
        if self._version >= 6:
            kind = self._in.byte()
            if kind == _MERGED_CHANNEL[side]:
                self._in.raw(12)  # subtask, size
                self._stream()
                self._in.raw(self._in.integer())
                return
            if kind != _SINGLE_CHANNEL[side]:
                raise MetadataError(f"channel state of the unknown type {kind}")
        self._in.raw(12)  # subtask, gate or partition, channel
        self._in.raw(8 * self._in.count(8))
        self._in.long()
        self._stream()

    def _stream(self, *, changelog: bool = False) -> None:
        kind = self._in.byte()
        if kind in (_NULL, _EMPTY_SEGMENT):
            return
        if kind == _FILE:
            size = self._in.long()
            self._file(NamedFile(self._in.text(), size, relative=False, changelog=changelog))
        elif kind == _BYTES:
            self._in.text()
            self._inline_bytes += len(self._in.raw(self._in.integer()))
        elif kind == _RELATIVE:
            path = self._in.text()
            self._file(NamedFile(path, self._in.long(), relative=True))
        elif kind == _KEY_GROUPS:
            self._nested()
            self._key_groups()
            self._depth -= 1
        elif kind == _SEGMENT:
            start, size = self._in.long(), self._in.long()
            self._in.integer()
            self._file(NamedFile(self._in.text(), start + size, relative=False, exact=False))
            self._in.text()
        else:
            raise MetadataError(f"a state handle of the unknown type {kind}")

    def _file(self, file: NamedFile) -> None:
        if file.end_bytes < 0:
            raise MetadataError(f"{file.path!r} is said to have {file.end_bytes} bytes")
        known = self._files.get((file.path, file.relative))
        if known is None or known.end_bytes < file.end_bytes:
            self._files[file.path, file.relative] = file
