"""A container's log, read again and again from the last time seen: which lines are new. Pure."""

from collections import deque
from collections.abc import Callable

_MOST_LINES = 100_000
_MOST_BYTES = 16 * 2**20


class PodLog:
    """The lines so far, without their times; the oldest go when there are too many."""

    def __init__(self, on_line: Callable[[str], None] | None = None) -> None:
        self.lines: deque[str] = deque()
        self._bytes = 0
        self._last = ""
        self._zone = "Z"  # of the node
        self._at_last = 0
        self._on_line = on_line

    @property
    def since(self) -> str | None:
        """From when on to read again: the API takes whole seconds, so that lines come twice."""
        return f"{self._last[:19]}{self._zone}" if self._last else None

    def take(self, content: bytes) -> None:
        """What the API answered, each line with its time before it. A line that is not whole yet waits."""
        whole, _, _ = content.rpartition(b"\n")
        again = self._at_last  # of the lines with just the last time, so many are known
        for raw in whole.split(b"\n") if whole else ():
            stamp, _, line = raw.decode("utf-8", "replace").partition(" ")
            key, self._zone = _sortable(stamp)
            if key < self._last:
                continue
            if key == self._last:
                if again:
                    again -= 1
                    continue
                self._at_last += 1
            else:
                self._last, self._at_last, again = key, 1, 0
            self._keep(line)

    def _keep(self, line: str) -> None:
        self.lines.append(line)
        self._bytes += len(line)
        while self.lines and (len(self.lines) > _MOST_LINES or self._bytes > _MOST_BYTES):
            self._bytes -= len(self.lines.popleft())
        if self._on_line is not None:
            self._on_line(line)


def _sortable(stamp: str) -> tuple[str, str]:
    """RFC 3339 with nanoseconds, whose trailing zeros Go leaves out; and its zone.

    >>> _sortable("2026-01-01T00:00:00.5Z"), _sortable("2026-01-01T00:00:00+01:00")[1]
    (('2026-01-01T00:00:00.500000000', 'Z'), '+01:00')
    """
    fraction, zone = stamp[19:], "Z"
    if fraction.endswith("Z"):
        fraction = fraction[:-1]
    elif len(fraction) >= 6 and fraction[-6] in "+-":
        fraction, zone = fraction[:-6], fraction[-6:]
    return f"{stamp[:19]}.{fraction.removeprefix('.'):<09}", zone
