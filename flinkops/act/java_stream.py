"""What Java's DataOutputStream wrote, read with every length checked: the content is a stranger's."""

import struct


class MetadataError(ValueError):
    """Not Flink's `_metadata`, a version that is not known here, or a damaged one."""


class JavaStream:
    """Java's DataInputStream over bytes. Raises MetadataError where they end too early."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, length: int) -> bytes:
        """So many bytes."""
        if length < 0 or self._at + length > len(self._content):
            raise MetadataError(f"it ends in the middle, at byte {len(self._content)}")
        piece = self._content[self._at : self._at + length]
        self._at += length
        return piece

    def byte(self) -> int:
        """WriteByte."""
        return self.raw(1)[0]

    def integer(self) -> int:
        """WriteInt."""
        value: int = struct.unpack(">i", self.raw(4))[0]
        return value

    def unsigned(self) -> int:
        """writeInt, without a sign."""
        value: int = struct.unpack(">I", self.raw(4))[0]
        return value

    def long(self) -> int:
        """WriteLong."""
        value: int = struct.unpack(">q", self.raw(8))[0]
        return value

    def count(self, item_bytes: int = 1) -> int:
        """A number of items, each of at least so many bytes: a damaged one is noticed before it is looped over."""
        number = self.integer()
        if number < 0 or number * item_bytes > len(self._content) - self._at:
            raise MetadataError(f"it says {number} items at byte {self._at}, more than it has room for")
        return number

    def longs(self, number: int) -> tuple[int, ...]:
        """So many of writeLong."""
        return struct.unpack(f">{number}q", self.raw(8 * number))

    def text(self) -> str:
        """WriteUTF."""
        length: int = struct.unpack(">H", self.raw(2))[0]
        # Java's modified UTF-8 writes U+0000 as two bytes and pairs of surrogates: nothing that a path should have.
        return self.raw(length).decode("utf-8", errors="replace")
