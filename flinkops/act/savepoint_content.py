"""What is in a savepoint: its operators, their states by name and size, and where its Kafka sources go on."""

from collections.abc import Mapping
from typing import Final

import msgspec

from flinkops.act.savepoint_metadata import (
    ListState,
    NamedFile,
    OperatorDetail,
    OperatorSummary,
    Piece,
    SavepointMetadata,
    parse_metadata,
)
from flinkops.act.state_headers import (
    HEADER_BYTES,
    SplitOffset,
    StateHeader,
    kafka_offsets,
    key_serializer,
    state_headers,
)
from flinkops.act.storage import MetadataFile, read_metadata_file
from flinkops.sources.storage.location import NotAPlace, parse_location
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores

_READER_STATE: Final = "SourceReaderState"
"""Of SourceOperator: the splits of a source of today's interface."""
_MOST_SPLIT_BYTES: Final = 1024 * 1024
_WRITTEN_BY: Final = {4: "1.20", 6: "2.3"}
"""Versions of the metadata, by the Flink that was seen to write them."""


class StateContent(msgspec.Struct, frozen=True):
    """One state. ``kind``: VALUE, LIST, MAP, … of a key; split, union or broadcast of an operator."""

    name: str
    keyed: bool
    kind: str
    serializer: str | None = None
    items: int | None = None


class OperatorContent(msgspec.Struct, frozen=True):
    """One operator. ``subtask_bytes``: by the number of the subtask; ``states`` None: their names cannot be read."""

    id: str
    uid: str | None
    name: str | None
    parallelism: int
    max_parallelism: int
    total_bytes: int
    subtask_bytes: tuple[int, ...]
    keyed_as: tuple[str, ...]
    key_serializer: str | None
    states: tuple[StateContent, ...] | None
    unknown: str | None
    kafka_offsets: tuple[SplitOffset, ...]

    @property
    def label(self) -> str:
        """As a person knows it."""
        return self.name or self.uid or self.id

    @property
    def skew_ratio(self) -> float | None:
        """The largest subtask's bytes by the mean; None without state."""
        mean = sum(self.subtask_bytes) / len(self.subtask_bytes) if self.subtask_bytes else 0
        return max(self.subtask_bytes) / mean if mean else None


class SavepointContent(msgspec.Struct, frozen=True):
    """A savepoint or checkpoint. ``form``: canonical, native or checkpoint; None: there is no keyed state to tell."""

    path: str
    form: str | None
    checkpoint_id: int
    metadata_version: int
    seen_with_flink: str | None
    written_ms: int | None
    total_bytes: int
    operators: tuple[OperatorContent, ...]


def savepoint_content(path: str, stores: Stores, names: Mapping[str, str] | None = None) -> SavepointContent:
    """Read from its metadata, and from the beginning of one state file of each operator.

    `names`: those of a running job's vertices, by id. Raises Absent, OutOfReach and MetadataError.
    """
    file = read_metadata_file(path, stores)
    metadata = parse_metadata(file.content, detailed=True)
    details = {one.operator_id: one for one in metadata.details}
    operators = tuple(
        _operator(one, details.get(one.operator_id), file, stores, names or {}) for one in metadata.operators
    )
    return SavepointContent(
        path=path,
        form=_form(file.folder.name, metadata),
        checkpoint_id=metadata.checkpoint_id,
        metadata_version=metadata.version,
        seen_with_flink=_WRITTEN_BY.get(metadata.version),
        written_ms=file.written_ms(),
        total_bytes=sum(one.total_bytes for one in operators),
        operators=operators,
    )


def _form(folder: str, metadata: SavepointMetadata) -> str | None:
    kinds = {kind for one in metadata.details for kind in one.kinds}
    if folder.startswith("chk-"):
        return "checkpoint"
    if not kinds:
        return None
    return "canonical" if kinds == {"canonical"} else "native"


def _operator(
    summary: OperatorSummary,
    detail: OperatorDetail | None,
    file: MetadataFile,
    stores: Stores,
    names: Mapping[str, str],
) -> OperatorContent:
    detail = detail or OperatorDetail(summary.operator_id, 0, (), (), (), ())
    by_subtask = dict.fromkeys(range(summary.parallelism), 0)
    for one in detail.subtasks:
        by_subtask[one.index] = one.operator_bytes + one.keyed_bytes + one.channel_bytes
    reader = _Pieces(file, stores)
    header = reader.header(detail.keyed_pieces)
    lists = [(states, piece) for states, piece in detail.list_states if piece is not None]
    states = (*map(_keyed, state_headers(header)), *_list_states(lists, reader))
    return OperatorContent(
        id=summary.operator_id,
        uid=summary.uid,
        name=summary.name or names.get(summary.operator_id),
        parallelism=summary.parallelism,
        max_parallelism=summary.max_parallelism,
        total_bytes=detail.coordinator_bytes + sum(by_subtask.values()),
        subtask_bytes=tuple(by_subtask[number] for number in sorted(by_subtask)),
        keyed_as=detail.kinds,
        key_serializer=key_serializer(header),
        states=None if reader.unknown and not states else states,
        unknown=reader.unknown,
        kafka_offsets=_offsets(lists, reader),
    )


def _keyed(header: StateHeader) -> StateContent:
    return StateContent(header.name, keyed=True, kind=header.kind, serializer=header.serializer)


def _list_states(lists: list[tuple[tuple[ListState, ...], Piece]], reader: "_Pieces") -> list[StateContent]:
    """Each once, with the items of all subtasks; serializers by the first piece that can be read."""
    header = reader.header(tuple(piece for _, piece in lists))
    serializers = {one.name: one.serializer for one in state_headers(header)}
    found: dict[str, StateContent] = {}
    for state in (state for states, _ in lists for state in states):
        items = len(state.offsets) + (found[state.name].items or 0 if state.name in found else 0)
        found[state.name] = StateContent(
            state.name, keyed=False, kind=state.mode, serializer=serializers.get(state.name), items=items
        )
    return list(found.values())


def _offsets(lists: list[tuple[tuple[ListState, ...], Piece]], reader: "_Pieces") -> tuple[SplitOffset, ...]:
    found: set[tuple[str, int, int]] = set()
    for states, piece in lists:
        splits = next((one for one in states if one.name == _READER_STATE), None)
        raw = None if splits is None or piece.size_bytes > _MOST_SPLIT_BYTES else reader.read(piece, piece.size_bytes)
        if splits is None or raw is None:
            continue
        ends = sorted({*(offset for state in states for offset in state.offsets), len(raw)})
        items = tuple(raw[at : next((end for end in ends if end > at), len(raw))] for at in splits.offsets)
        found |= {(one.topic, one.partition, one.offset) for one in kafka_offsets(items)}
    return tuple(SplitOffset(*one) for one in sorted(found))


class _Pieces:
    """Reads pieces of state; what cannot be read is kept as the reason."""

    def __init__(self, file: MetadataFile, stores: Stores) -> None:
        self._file = file
        self._stores = stores
        self.unknown: str | None = None

    def header(self, pieces: tuple[Piece, ...]) -> bytes:
        """The beginning of the first of them that can be read."""
        for piece in pieces:
            if (raw := self.read(piece, HEADER_BYTES)) is not None:
                return raw
        return b""

    def read(self, piece: Piece, length: int) -> bytes | None:
        """Its beginning; None when it cannot be read."""
        if piece.file is None:
            return piece.inline[:length]
        try:
            found = self._read(piece.file, piece.start, min(length, piece.size_bytes))
        except (OutOfReach, NotAPlace) as problem:
            self.unknown = problem.what if isinstance(problem, OutOfReach) else str(problem)
            return None
        if found is None:
            self.unknown = f"{piece.file.path}: missing"
        return found

    def _read(self, file: NamedFile, start: int, length: int) -> bytes | None:
        if file.relative and (".." in file.path.split("/") or file.path.startswith("/")):
            raise NotAPlace(f"{file.path}: points out of the savepoint")
        place = self._file.folder.child(file.path) if file.relative else parse_location(file.path)
        found = self._stores.at(place).read(place, start, max(1, length))
        return None if found is None else found.raw[:length]
