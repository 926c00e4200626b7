"""Flink's ``_metadata`` of savepoints and checkpoints, versions 2 to 6: which files it names, and their sizes.

Read from the classes in org.apache.flink.runtime.checkpoint.metadata of Flink 1.20 and 2.3. Only what leads to files
is kept. The content is a stranger's: every length is checked against what is there.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from flinkops.act.java_object import skip_object
from flinkops.act.java_stream import JavaStream, MetadataError

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
_MODES: Final = {0: "split", 1: "union", 2: "broadcast"}
"""OperatorStateHandle.Mode."""
_KEYED_KINDS: Final = {
    **dict.fromkeys((_KEY_GROUPS, _KEY_GROUPS_V2), "full"),
    _SAVEPOINT_KEY_GROUPS: "canonical",
    **dict.fromkeys((_INCREMENTAL, _INCREMENTAL_V2), "incremental"),
    **dict.fromkeys((_CHANGELOG, _CHANGELOG_V2, _CHANGELOG_BYTES, _CHANGELOG_FILE, _CHANGELOG_FILE_V2), "changelog"),
}


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


class Piece(msgspec.Struct, frozen=True):
    """State that one handle names: a file, a part of one from ``start`` on, or bytes in the metadata itself."""

    size_bytes: int
    file: NamedFile | None = None
    start: int = 0
    inline: bytes = b""


class ListState(msgspec.Struct, frozen=True):
    """A state of an operator, not of a key: where in its piece each item begins, and who gets it after a rescale."""

    name: str
    mode: str
    offsets: tuple[int, ...]


class SubtaskState(msgspec.Struct, frozen=True):
    """Bytes of state of one subtask. What several handles name counts each time."""

    index: int
    operator_bytes: int
    keyed_bytes: int
    channel_bytes: int


class OperatorDetail(msgspec.Struct, frozen=True):
    """What the state of one operator is made of. ``kinds``: how its keyed state is kept.

    Each of ``keyed_pieces`` begins with the names and serializers of the keyed states.
    """

    operator_id: str
    coordinator_bytes: int
    kinds: tuple[str, ...]
    subtasks: tuple[SubtaskState, ...]
    list_states: tuple[tuple[tuple[ListState, ...], Piece | None], ...]
    keyed_pieces: tuple[Piece, ...]


class SavepointMetadata(msgspec.Struct, frozen=True):
    """What a `_metadata` says."""

    version: int
    checkpoint_id: int
    operators: tuple[OperatorSummary, ...]
    files: tuple[NamedFile, ...]
    inline_bytes: int  # state small enough to stand in the metadata itself
    details: tuple[OperatorDetail, ...] = ()


def parse_metadata(content: bytes, *, detailed: bool = False) -> SavepointMetadata:
    """Raises MetadataError on anything but a whole `_metadata` of a version that is known here.

    `detailed`: also what each operator's state is made of, with the bytes that stand in the metadata itself.
    """
    reader = JavaStream(content)
    if reader.unsigned() != MAGIC:
        raise MetadataError("it does not begin as Flink's metadata does")
    version = reader.integer()
    if version not in VERSIONS:
        raise MetadataError(f"version {version} of the metadata is not known here (2 to 6 are)")
    return _Parser(reader, version, detailed=detailed).parse()


class _Parser:
    """One pass over the structure, collecting files."""

    def __init__(self, reader: JavaStream, version: int, *, detailed: bool) -> None:
        self._in = reader
        self._version = version
        self._files: dict[tuple[str, bool], NamedFile] = {}
        self._inline_bytes = 0
        self._depth = 0
        self._detailed = detailed
        self._details: list[OperatorDetail] = []
        self._state_bytes = 0  # of the handles so far
        self._kinds: set[str] = set()
        self._list_states: list[tuple[tuple[ListState, ...], Piece | None]] = []
        self._keyed_pieces: list[Piece] = []
        self._subtasks: list[SubtaskState] = []

    def parse(self) -> SavepointMetadata:
        checkpoint_id = self._in.long()
        if checkpoint_id < 0:
            raise MetadataError(f"checkpoint id {checkpoint_id} cannot be")
        self._times(self._in.count(8), self._master_state)
        operators = tuple(self._operator() for _ in range(self._in.count(24)))
        if self._version >= 4:
            skip_object(self._in)  # CheckpointProperties: what is cut off within it, Flink does not restore
        return SavepointMetadata(
            version=self._version,
            checkpoint_id=checkpoint_id,
            operators=operators,
            files=tuple(self._files.values()),
            inline_bytes=self._inline_bytes,
            details=tuple(self._details),
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
        before = self._state_bytes
        if self._version >= 3:
            self._stream()  # the coordinator's
        else:
            self._in.integer()  # once the length of the chain
        subtasks = self._in.integer()
        if subtasks != -1:  # -1: all of it has finished
            if subtasks < 0:
                raise MetadataError(f"an operator has {subtasks} subtasks")
            coordinator_bytes = self._state_bytes - before
            self._times(subtasks, self._subtask)
            if self._detailed:
                self._note_operator(operator_id.hex(), coordinator_bytes)
        return OperatorSummary(operator_id.hex(), parallelism, max_parallelism, name, uid)

    def _note_operator(self, operator_id: str, coordinator_bytes: int) -> None:
        self._details.append(
            OperatorDetail(
                operator_id=operator_id,
                coordinator_bytes=coordinator_bytes,
                kinds=tuple(sorted(self._kinds)),
                subtasks=tuple(self._subtasks),
                list_states=tuple(self._list_states),
                keyed_pieces=tuple(self._keyed_pieces),
            )
        )
        self._subtasks, self._list_states, self._keyed_pieces, self._kinds = [], [], [], set()

    def _subtask(self) -> None:
        index = self._in.integer()
        if index < 0 and self._version >= 3:
            return  # finished: it has no state
        start = self._state_bytes
        for _ in ("managed", "raw"):
            if self._in.integer():
                self._operator_state()
        after_operator = self._state_bytes
        self._keyed_state()
        self._keyed_state()
        after_keyed = self._state_bytes
        channel_bytes = 0
        if self._version >= 3:
            channel_bytes += sum(self._channel(input_side=True) for _ in range(self._in.count()))
            channel_bytes += sum(self._channel(input_side=False) for _ in range(self._in.count()))
        if self._detailed:
            sizes = (after_operator - start, after_keyed - after_operator, channel_bytes)
            self._subtasks.append(SubtaskState(index, *sizes))

    def _operator_state(self) -> None:
        kind = self._in.byte()
        if kind == _NULL:
            return
        if kind not in (_OPERATOR, _SEGMENT_OPERATOR):
            raise MetadataError(f"operator state of the unknown type {kind}")
        states: list[ListState] = []
        for _ in range(self._in.count(7)):
            name, mode = self._in.text(), self._in.byte()
            states.append(ListState(name, _MODES.get(mode, "unknown"), self._in.longs(self._in.count(8))))
        if kind == _SEGMENT_OPERATOR:
            self._in.text()
            self._in.text()
            self._in.byte()
        piece = self._stream()
        if self._detailed:
            self._list_states.append((tuple(states), piece))

    def _keyed_state(self) -> None:
        kind = self._in.byte()
        if kind == _NULL:
            return
        self._kinds.add(_KEYED_KINDS.get(kind, "unknown"))
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
        self._note_keyed(self._stream())

    def _note_keyed(self, piece: Piece | None) -> None:
        """A piece that begins with the names and serializers of the keyed states."""
        if self._detailed and piece is not None:
            self._keyed_pieces.append(piece)

    def _incremental(self, *, second: bool) -> None:
        self._in.long()
        self._in.text()
        self._in.raw(8)  # key groups
        if second:
            self._in.long()
        self._note_keyed(self._stream())
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
            size = len(self._in.raw(self._in.integer()))
            self._inline_bytes += size
            self._state_bytes += size
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

    def _channel(self, *, input_side: bool) -> int:
        """Its bytes: several channels share a file."""
        side = 0 if input_side else 1
        if self._version >= 6:
            kind = self._in.byte()
            if kind == _MERGED_CHANNEL[side]:
                self._in.integer()  # subtask
                size = self._in.long()
                self._stream()
                self._in.raw(self._in.integer())
                return size
            if kind != _SINGLE_CHANNEL[side]:
                raise MetadataError(f"channel state of the unknown type {kind}")
        self._in.raw(12)  # subtask, gate or partition, channel
        self._in.raw(8 * self._in.count(8))
        size = self._in.long()
        self._stream()
        return size

    def _stream(self, *, changelog: bool = False) -> Piece | None:
        kind = self._in.byte()
        if kind in (_NULL, _EMPTY_SEGMENT):
            return None
        if kind == _KEY_GROUPS:
            self._nested()
            self._key_groups()
            self._depth -= 1
            return None
        piece = self._piece(kind, changelog=changelog)
        self._state_bytes += piece.size_bytes
        return piece

    def _piece(self, kind: int, *, changelog: bool) -> Piece:
        if kind == _BYTES:
            self._in.text()
            content = self._in.raw(self._in.integer())
            self._inline_bytes += len(content)
            return Piece(len(content), inline=content if self._detailed else b"")
        start = 0
        if kind == _FILE:
            size = self._in.long()
            file = NamedFile(self._in.text(), size, relative=False, changelog=changelog)
        elif kind == _RELATIVE:
            path = self._in.text()
            size = self._in.long()
            file = NamedFile(path, size, relative=True)
        elif kind == _SEGMENT:
            start, size = self._in.long(), self._in.long()
            self._in.integer()
            file = NamedFile(self._in.text(), start + size, relative=False, exact=False)
            self._in.text()
        else:
            raise MetadataError(f"a state handle of the unknown type {kind}")
        self._file(file)
        return Piece(size, file, start)

    def _file(self, file: NamedFile) -> None:
        if file.end_bytes < 0:
            raise MetadataError(f"{file.path!r} is said to have {file.end_bytes} bytes")
        known = self._files.get((file.path, file.relative))
        if known is None or known.end_bytes < file.end_bytes:
            self._files[file.path, file.relative] = file
