"""Text inside text: JSON in a log in JSON, URLs in URLs, shell quotes. Each layer is undone, and spans find back.

Undoing one layer is linear, and there are at most `LAYERS`: detectors then need not know how anything was quoted.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from urllib.parse import unquote

from flinkops.outside.reader import Span

LAYERS = 4
_ESCAPE = re.compile(
    r"%[0-7][0-9A-Fa-f]|%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){1,3}"
    r"|&(?:quot|apos|amp|lt|gt|equals|colon|nbsp|\#\d{1,5}|\#[xX][0-9a-fA-F]{1,4});"
    r"|\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrtbf\"'\\/])|'\"'\"'|'\\''"
)
_NAMED = {"n": "\n", "r": "\n", "t": "\t", "b": " ", "f": " "}


class Layer:
    """A text with one layer of quoting undone; `decoded` is what it says."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._decoded_at: list[int] = [0]
        self._original_at: list[int] = [0]
        at = length = 0
        for found in _ESCAPE.finditer(text):
            said = _undone(found[0])
            pieces += [text[at : found.start()], said]
            length += found.start() - at
            self._mark(length, found.start())
            length += len(said)
            at = found.end()
            self._mark(length, at)
        self.decoded = "".join([*pieces, text[at:]]) if pieces else text

    def original(self, span: Span) -> Span:
        """Where a span of the decoded text stands in the original."""
        return self._original(span[0]), self._original(span[1])

    def _original(self, at: int) -> int:
        index = bisect_right(self._decoded_at, at) - 1
        return self._original_at[index] + at - self._decoded_at[index]

    def _mark(self, decoded: int, original: int) -> None:
        if self._decoded_at[-1] == decoded:
            self._original_at[-1] = original
        else:
            self._decoded_at.append(decoded)
            self._original_at.append(original)


def layers(text: str) -> Iterator[Layer]:
    """The layers under a text, outermost first; none where nothing is quoted."""
    for _ in range(LAYERS):
        layer = Layer(text)
        if layer.decoded == text:
            return
        yield layer
        text = layer.decoded


def _undone(escape: str) -> str:
    if escape[0] == "%":
        return unquote(escape, errors="replace")
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] == "'":
        return "'"
    if escape[1] in "ux":
        return chr(int(escape[2:], 16))
    return _NAMED.get(escape[1], escape[1])
