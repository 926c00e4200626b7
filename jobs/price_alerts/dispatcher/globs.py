"""Shell patterns (`*`, `?`, `[...]`), any number at once: which of them a text matches, in time linear in the text.

All patterns are one automaton without backtracking: a bit for each place in each pattern, all bits moved on together
for each character of the text (Shift-And, Baeza-Yates and Gonnet 1992, with a loop at every `*`). No pattern and no
text makes it slow: the cost is the text's length times the patterns' length, divided by the bits of a machine word.
"""

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

_CHUNK_PLACES = 32_768
"""How many places one number holds: its operations stay within the processor's cache."""
_MAX_MASKS = 128
"""How many characters' masks each chunk remembers."""

_SPECIAL = re.compile(r"[*?\[]")
_Class = re.Pattern[str]


def is_exact(pattern: str) -> bool:
    """Whether the pattern matches itself alone."""
    return not _SPECIAL.search(pattern)


def is_prefix(pattern: str) -> bool:
    """Whether the pattern is a text and a star behind it."""
    return pattern.endswith("*") and is_exact(pattern[:-1])


class Globs:
    """The patterns. Immutable."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._chunks = [_Chunk(each) for each in _chunks(patterns)]

    def matching(self, text: str) -> Iterator[str]:
        """The patterns that match all of the text, as `fnmatch.fnmatchcase` does; each once."""
        for chunk in self._chunks:
            yield from chunk.matching(text)


def _chunks(patterns: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    places = 0
    for pattern in dict.fromkeys(patterns):
        if chunk and places + len(pattern) + 1 > _CHUNK_PLACES:
            yield chunk
            chunk, places = [], 0
        chunk.append(pattern)
        places += len(pattern) + 1
    if chunk:
        yield chunk


class _Chunk:
    """Some patterns, concatenated. Bit n of a number is place n: before the n-th character to match."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._starts = self._loops = self._any = 0
        self._ends: dict[int, str] = {}
        self._literals: dict[str, list[int]] = defaultdict(list)
        self._classes: dict[str, tuple[_Class, list[int]]] = {}
        place = 0
        for pattern in patterns:
            self._starts |= 1 << place
            place = self._add(pattern, place)
            self._ends[place] = pattern
            place += 1
        self._end_mask = sum(1 << each for each in self._ends)
        self._masks: dict[str, int] = {}

    def _add(self, pattern: str, place: int) -> int:
        """Put the pattern's characters at these places; the place after the last."""
        index = 0
        while index < len(pattern):
            part = _part(pattern, index)
            index += len(part)
            if part == "*":
                self._loops |= 1 << place
                continue
            if part == "?":
                self._any |= 1 << place
            elif len(part) == 1:
                self._literals[part].append(place)
            else:
                if part not in self._classes:
                    self._classes[part] = (re.compile(fnmatch.translate(part)), [])
                self._classes[part][1].append(place)
            place += 1
        return place

    def matching(self, text: str) -> Iterator[str]:
        """The patterns that match all of the text."""
        places = self._starts
        for character in text:
            mask = self._masks.get(character)
            if mask is None:
                mask = self._mask(character)
            places = ((places & mask) << 1) | (places & self._loops)
            if not places:
                return
        ended = places & self._end_mask
        while ended:
            lowest = ended & -ended
            yield self._ends[lowest.bit_length() - 1]
            ended ^= lowest

    def _mask(self, character: str) -> int:
        """The places whose pattern takes this character."""
        mask = self._any
        for place in self._literals.get(character, ()):
            mask |= 1 << place
        for pattern, places in self._classes.values():
            if pattern.match(character):
                for place in places:
                    mask |= 1 << place
        if len(self._masks) >= _MAX_MASKS:
            self._masks.pop(next(iter(self._masks)))
        self._masks[character] = mask
        return mask


def _part(pattern: str, index: int) -> str:
    """The next unit of the pattern: one character, or a whole bracket expression; an open bracket is a character."""
    if pattern[index] != "[":
        return pattern[index]
    end = index + 1
    if pattern[end : end + 1] == "!":
        end += 1
    if pattern[end : end + 1] == "]":
        end += 1
    end = pattern.find("]", end)
    return "[" if end < 0 else pattern[index : end + 1]
