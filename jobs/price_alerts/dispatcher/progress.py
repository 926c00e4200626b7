"""Which offsets may be committed: those before which everything is settled."""

from collections import deque


class Entry:
    """One record: how many of its deliveries are neither settled nor parked, both durably."""

    __slots__ = ("offset", "open")

    def __init__(self, offset: int, opened: int) -> None:
        self.offset = offset
        self.open = opened


class Progress:
    """The records of one partition that were read, in their order."""

    def __init__(self, position: int) -> None:
        self.position = position
        """The offset after the last record read."""
        self.committed = position
        self._entries: deque[Entry] = deque()

    def read(self, offset: int) -> Entry:
        """A record was read; its deliveries are counted in `open` as they are made."""
        entry = Entry(offset, 0)
        self._entries.append(entry)
        self.position = offset + 1
        return entry

    def settled(self) -> int:
        """The offset that may be committed now: the first record with something open, else the position."""
        while self._entries and self._entries[0].open == 0:
            self._entries.popleft()
        return self._entries[0].offset if self._entries else self.position

    def __len__(self) -> int:
        return len(self._entries)
