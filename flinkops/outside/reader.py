"""Where a secret ends in text that nobody has parsed: values after `=`, in quotes, in brackets, to the end of a line.

Every function here consumes what it has read, and never fails after it has read much: the time of a scan is linear in
the length of the text by construction. Repetition in the patterns is possessive, or bounded by a small constant.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""Start and end of what is masked."""

_SHELL = "'\"'\"'"
"""How a shell's single-quoted text has a single quote in it."""
QUOTE = rf"(?:{_SHELL}|" r"\\{0,32}+[\"'`]|&quot;|&\#0?3[49];|&apos;|%2[27]|\\{1,32}+u002[27])"
SEPARATOR = r"(?:=>|:=|={1,3}+|:|%3[AaDd]|\\{1,32}+u003[aAdD]|&\#(?:61|58|x3[aAdD]);|&equals;|&colon;)"
_NEXT_ASSIGNMENT = r"\s{0,2}[\w.\-]{1,64}+\s?(?:[=:]|%3D)"
_BARE = re.compile(
    r"(?:[^\s,;&|<>()\[\]{}\"'`\\]"
    rf"|[,;|](?![\s\"')\]}}>]|\Z|{_NEXT_ASSIGNMENT})"
    rf"|&(?!\s|\Z|{_NEXT_ASSIGNMENT}|(?:quot|amp|apos|lt|gt|\#\w{{1,4}});)"
    r"|[)\]}\"'`>](?=[\w#$%*+~^!?@-])|[(\[{]|<(?![/a-zA-Z!])"
    r"|\\(?![\"'\\]))++"
)
"""A value without quotes: to what ends it in any of the usual notations. Look-ahead is bounded."""
_LONGEST_BLOCK = 20_000
_CLOSERS = {"[": "]", "{": "}", "(": ")"}
_WORD = re.compile(r"\w[\w.\-]*+")
_ESCAPED_START = re.compile(r"[ntrbf](?=\w)|u[0-9a-fA-F]{4}(?=\w)")
_ENCODED_START = re.compile(r"[0-9a-fA-F]{2}(?=\w)")


class Reader:
    """One text, read from left to right; remembers the ends of lines, so that none is searched for twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.examined = 0
        """How far values were read that turned out to be none of a secret: they are not read again."""
        self._line: Span = (0, -1)

    def words(self) -> Iterator[tuple[int, int]]:
        r"""Start and end of each name-like word; without the escape (`\\n`, `%26`, `\\u0026`) that runs into it."""
        for found in _WORD.finditer(self.text):
            start, end = found.span()
            before = self.text[start - 1] if start else ""
            if before in ("\\", "%"):
                escape = (_ESCAPED_START if before == "\\" else _ENCODED_START).match(self.text, start, end)
                start = escape.end() if escape else start
            yield start, end

    def line_end(self, at: int) -> int:
        """Of the line that `at` is in."""
        start, end = self._line
        if not start <= at <= end:
            end = self.text.find("\n", at)
            self._line = (at, len(self.text) if end < 0 else end)
        return self._line[1]

    def closing(self, what: str, at: int, end: int) -> int:
        """Where `what` next stands before `end`, else `end`."""
        found = self.text.find(what, at, end)
        return end if found < 0 else found

    def quoted_end(self, quote: str, at: int) -> int:
        """Of a value that begins at `at`, after the opening `quote`: its closing quote, else the end of the line."""
        end = self.line_end(at)
        if quote == _SHELL or quote[-1] not in "\"'`":
            return self.closing(quote, at, end)
        depth, char = len(quote) - 1, quote[-1]
        position = at
        while (found := self.closing(char, position, end)) < end:
            slashes = found
            while slashes > position and self.text[slashes - 1] == "\\":
                slashes -= 1
            escapes = found - slashes
            if escapes <= depth or (depth == 0 and escapes % 2 == 0):
                return slashes if depth else found
            position = found + 1
        return end

    def bare_end(self, at: int) -> int:
        """Of a value without quotes."""
        found = _BARE.match(self.text, at)
        return found.end() if found else at

    def bracket_end(self, at: int) -> int:
        """Of a value in brackets that opens at `at`: its first closing bracket, else the end of the line."""
        return self.closing(_CLOSERS[self.text[at]], at, self.line_end(at))

    def value_end(self, quote: str | None, at: int) -> int:
        """Of the value at `at`, in whatever notation it stands."""
        if quote and len(quote) == 1 and self.text.startswith(quote * 2, at):
            return self.closing(quote * 3, at + 2, min(len(self.text), at + _LONGEST_BLOCK))
        if quote:
            return self.quoted_end(quote, at)
        if self.text[at : at + 1] in _CLOSERS:
            return self.bracket_end(at)
        return self.bare_end(at)
