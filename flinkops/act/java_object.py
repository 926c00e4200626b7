"""Reads over one object that Java serialized, without its classes: Flink ends its metadata with one.

By the grammar of the Object Serialization Stream Protocol (java.io.ObjectStreamConstants).
"""

from typing import Final, NamedTuple

from flinkops.act.java_stream import JavaStream, MetadataError

_MAGIC: Final = 0xACED0005
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING = 0x70, 0x71, 0x72, 0x73, 0x74
_BLOCK, _END, _ENUM = 0x77, 0x78, 0x7E
_FIRST_HANDLE: Final = 0x7E0000
_WRITE_METHOD, _SERIALIZABLE = 0x01, 0x02
_WIDTHS: Final = {"B": 1, "C": 2, "D": 8, "F": 4, "I": 4, "J": 8, "S": 2, "Z": 1}
_MAX_NESTING: Final = 50


class _Class(NamedTuple):
    flags: int
    fields: tuple[str, ...]  # their types
    parent: "_Class | None"


def skip_object(stream: JavaStream) -> None:
    """To the end of the object. Raises MetadataError where there is none, or not all of it."""
    if stream.unsigned() != _MAGIC:
        raise MetadataError("its properties do not begin as an object of Java's does")
    _Objects(stream).content()


class _Objects:
    def __init__(self, stream: JavaStream) -> None:
        self._in = stream
        self._handles: list[_Class | None] = []
        self._depth = 0

    def content(self) -> int:
        """One value; its type."""
        kind = self._in.byte()
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise MetadataError("its properties are nested too deeply")
        if kind == _REFERENCE:
            self._in.integer()
        elif kind == _STRING:
            self._handles.append(None)
            self._in.text()
        elif kind == _OBJECT:
            described = self._class(self._in.byte())
            self._handles.append(None)
            self._values(described)
        elif kind == _ENUM:
            self._class(self._in.byte())
            self._handles.append(None)
            self.content()
        elif kind == _BLOCK:
            self._in.raw(self._in.byte())
        elif kind not in (_NULL, _END):
            raise MetadataError(f"its properties have a part of the unknown type {kind}")
        self._depth -= 1
        return kind

    def _class(self, kind: int) -> _Class | None:
        if kind == _NULL:
            return None
        if kind == _REFERENCE:
            number = self._in.integer() - _FIRST_HANDLE
            if not 0 <= number < len(self._handles):
                raise MetadataError("its properties refer to nothing")
            return self._handles[number]
        if kind != _CLASS:
            raise MetadataError(f"its properties have a class of the unknown type {kind}")
        self._in.text()
        self._in.raw(8)
        place = len(self._handles)
        self._handles.append(None)
        flags = self._in.byte()
        fields: list[str] = []
        for _ in range(int.from_bytes(self._in.raw(2), "big")):
            fields.append(chr(self._in.byte()))
            self._in.text()
            if fields[-1] in "L[":
                self.content()
        self._to_end()
        if self._depth > _MAX_NESTING:
            raise MetadataError("its properties are nested too deeply")
        self._depth += 1
        found = _Class(flags, tuple(fields), self._class(self._in.byte()))
        self._depth -= 1
        self._handles[place] = found
        return found

    def _values(self, described: _Class | None) -> None:
        if described is None:
            return
        self._values(described.parent)
        if described.flags & _SERIALIZABLE:
            for kind in described.fields:
                if kind in "L[":
                    self.content()
                else:
                    self._in.raw(_WIDTHS.get(kind, 1))
        if described.flags & _WRITE_METHOD or not described.flags & _SERIALIZABLE:
            self._to_end()

    def _to_end(self) -> None:
        while self.content() != _END:
            pass
